"""Search spaces over random templates: counting, sampling, moves, encoding and membership."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naslab.arch import arch_id, cost
from naslab.space import Genome, SearchSpace, choice, repeat
from naslab.space.tree import grow_tree
from naslab.space.walk import fillings

MAX_SIZE = 400
PROPERTY = settings(max_examples=40, deadline=None)

NAMED = {
    "kernel": choice(3, 5, name="kernel"),
    "squeeze": choice(None, {"ratio": choice(0.25, 0.5)}, name="squeeze"),
    "width": choice(8, 16, name="width"),
    "depth": choice(1, 2, name="depth"),
}


def written(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def maybe(*options: Any, named: str | None = None) -> st.SearchStrategy[Any]:
    """A fixed value, a hole over some of the options, or the shared hole."""
    holes = st.lists(st.sampled_from(options), min_size=1, max_size=2, unique_by=written).map(
        lambda some: choice(*some)
    )
    kinds = [st.sampled_from(options), holes]
    return st.one_of(*kinds, *([st.just(NAMED[named])] if named else []))


def blocks() -> st.SearchStrategy[dict[str, Any]]:
    kernel = maybe(3, 5, named="kernel")
    squeeze = maybe(None, {"ratio": 0.25}, named="squeeze")
    return st.one_of(
        st.fixed_dictionaries({"type": st.just("mbconv"), "kernel": kernel, "se": squeeze}),
        st.fixed_dictionaries({"type": st.just("residual"), "se": squeeze}),
        st.fixed_dictionaries({"type": st.just("conv"), "kernel": kernel}),
        st.just({"type": "skip"}),
    )


def stages() -> st.SearchStrategy[dict[str, Any]]:
    options = st.lists(blocks(), min_size=1, max_size=2, unique_by=written).map(lambda some: choice(*some))
    return st.fixed_dictionaries(
        {"block": st.one_of(blocks(), options), "width": maybe(8, 16, named="width"), "repeats": maybe(1, 2)}
    )


def repeats() -> st.SearchStrategy[dict[str, Any]]:
    number = st.one_of(st.just(2), st.just(choice(0, 1)), st.just(choice(1, 2)), st.just(NAMED["depth"]))
    return st.builds(repeat, number, stages())


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    template = {
        "input": [3, 8, 8],
        "num_classes": 10,
        "stages": [draw(stages()), *draw(st.lists(st.one_of(stages(), repeats()), max_size=2))],
        "head": {"dropout": draw(maybe(0.0, 0.1))},
    }
    assume("choice" in repr(template))
    space = SearchSpace(template)
    assume(space.size() <= MAX_SIZE)
    return space


def every_genome(space: SearchSpace) -> list[Genome]:
    """All genomes by walking through every decision: the slow reference of counting and ranks."""
    return list(fillings(grow_tree(space.template), {}))


seeds = st.integers(0, 2**32 - 1)


@PROPERTY
@given(spaces())
def test_size_and_ranks_agree_with_walking_through_every_decision(space: SearchSpace) -> None:
    walked = every_genome(space)
    ranked = [space.genome_at(rank) for rank in range(space.size())]
    assert len(set(walked)) == len(walked) == space.size()
    assert set(ranked) == set(walked)
    assert list(space.enumerate()) == ranked


@PROPERTY
@given(spaces(), seeds)
def test_samples_mutants_and_children_are_members_that_decode(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = space.sample(rng), space.sample(rng)
    mutant, child = space.mutate(one, rng), space.cross(one, two, rng)
    for genome in (one, two, mutant, child):
        assert space.has(genome)
        assert cost(space.decode(genome)).params > 0
    assert (mutant != one) == (space.size() > 1)


@PROPERTY
@given(spaces(), seeds)
def test_a_child_makes_choices_of_its_parents_where_both_have_them(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = space.sample(rng), space.sample(rng)
    for hole, option in space.cross(one, two, rng).genes:
        parents = {one.get(hole), two.get(hole)}
        assert None in parents or option in parents
    assert space.cross(one, one, rng) == one


@PROPERTY
@given(spaces(), seeds)
def test_neighbours_are_mutual_and_differ_in_one_common_choice(space: SearchSpace, seed: int) -> None:
    genome = space.sample(np.random.default_rng(seed))
    near = list(islice(space.neighbours(genome), 40))
    assert len(set(near)) == len(near)
    for other in near:
        common = dict(genome.genes).keys() & dict(other.genes).keys()
        assert sum(genome.get(hole) != other.get(hole) for hole in common) == 1
        assert genome in space.neighbours(other)
    assert near == list(islice(space.neighbours(genome), 40))


@PROPERTY
@given(spaces())
def test_vectors_have_one_length_and_differ_where_genomes_do(space: SearchSpace) -> None:
    vectors = np.stack([space.encode(genome) for genome in space.enumerate()])
    assert vectors.shape[0] == space.size()
    assert len(np.unique(vectors, axis=0)) == space.size()
    assert vectors.min() >= -1
    assert vectors.max() <= 1


@settings(max_examples=30, deadline=None)
@given(spaces(), seeds)
def test_a_network_of_the_space_is_found_again(space: SearchSpace, seed: int) -> None:
    arch = space.decode(space.sample(np.random.default_rng(seed)))
    found = space.genome_of(arch)
    assert found is not None
    assert space.has(found)
    assert arch_id(space.decode(found)) == arch_id(arch)
    assert not space.contains(msgspec.structs.replace(arch, num_classes=11))


@PROPERTY
@given(spaces(), seeds, st.integers(0, 10))
def test_repair_meets_the_limit_or_says_that_it_did_not(space: SearchSpace, seed: int, share: int) -> None:
    rng = np.random.default_rng(seed)
    genome = space.sample(rng)
    limit = cost(space.decode(space.cheapest(lambda arch: cost(arch).macs, rng))).macs * (0.9 + share / 5)
    calls = 0

    def excess(arch: Any) -> float:
        nonlocal calls
        calls += 1
        return cost(arch).macs / limit - 1

    repaired = space.repair(genome, excess, rng, max_steps=3)
    most = sum(len(hole.options) for hole in space.holes())
    assert calls <= 1 + 3 * most
    if repaired is not None:
        assert space.has(repaired)
        assert cost(space.decode(repaired)).macs <= limit


@PROPERTY
@given(spaces())
def test_a_template_is_kept_by_json_in_one_form(space: SearchSpace) -> None:
    again = msgspec.json.decode(msgspec.json.encode(space), type=SearchSpace)
    assert again == space
    assert hash(again) == hash(space)
    reordered = {key: space.template[key] for key in reversed(space.template)}
    assert SearchSpace(reordered).genome_at(space.size() - 1) == space.genome_at(space.size() - 1)
