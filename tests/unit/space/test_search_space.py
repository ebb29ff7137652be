"""What a space does with its choices, on spaces small enough to count by hand."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from naslab.arch import ArchSpec, ConvBlock, MBConv, Skip, Stage, cost
from naslab.errors import SpecError
from naslab.space import Gene, Genome, SearchSpace, choice, repeat


def space_of(*stages: Any, **fields: Any) -> SearchSpace:
    return SearchSpace({"input": [3, 8, 8], "num_classes": 10, "stages": list(stages)} | fields)


def conv(**fields: Any) -> dict[str, Any]:
    return {"block": {"type": "conv"}} | fields


CONDITIONAL = conv(
    block=choice({"type": "conv"}, {"type": "mbconv", "kernel": choice(3, 5), "expansion": choice(2, 3, 4)})
)


def test_conditional_choices_count_where_they_are_active() -> None:
    assert space_of(CONDITIONAL).size() == 1 + 2 * 3
    assert space_of(CONDITIONAL, CONDITIONAL, conv(width=choice(8, 16))).size() == 7 * 7 * 2


def test_shared_holes_count_once_and_only_where_active() -> None:
    kernel = choice(3, 5, 7, name="kernel")
    here = conv(block={"type": "conv", "kernel": kernel})
    there = conv(block=choice({"type": "skip"}, {"type": "conv", "kernel": kernel}))
    assert space_of(here, here, here).size() == 3
    assert space_of(there, there).size() == 1 + 3 * 3
    assert space_of(here, there, there).size() == 3 * 4


def test_a_shared_hole_holds_its_inner_choices_too() -> None:
    squeeze = choice(None, {"ratio": choice(0.25, 0.5)}, name="squeeze")
    stage = conv(block={"type": "mbconv", "se": squeeze})
    space = space_of(stage, stage)
    assert space.size() == 3
    for genome in space.enumerate():
        one, two = space.decode(genome).stages
        assert one.block == two.block
    assert [hole.path for hole in space.holes()] == ["squeeze", "squeeze.choice[1].ratio"]


def test_repeated_stages_are_independent_copies() -> None:
    space = space_of(conv(), repeat(choice(0, 1, 3), of=conv(width=choice(8, 16))))
    assert space.size() == 1 + 2 + 2**3
    assert Counter(len(space.decode(genome).stages) for genome in space.enumerate()) == {1: 1, 2: 2, 4: 8}


def test_a_shared_number_of_copies_couples_lists() -> None:
    number = choice(1, 2, name="depth")
    copies = repeat(number, of=conv(width=choice(8, 16)))
    space = space_of(copies, copies, conv(repeats=number))
    assert space.size() == 2 * 2 + 4 * 4
    for genome in space.enumerate():
        stages = space.decode(genome).stages
        assert len(stages) == 2 * stages[-1].repeats + 1


def test_a_fixed_number_of_copies() -> None:
    assert space_of(repeat(3, of=conv(width=choice(8, 16)))).size() == 8


def test_choices_over_whole_lists_of_stages() -> None:
    lists = choice([conv(width=8)], [conv(width=choice(8, 16)), conv(width=4)])
    space = SearchSpace({"input": [3, 8, 8], "num_classes": 10, "stages": lists})
    assert [len(space.decode(genome).stages) for genome in space.enumerate()] == [1, 2, 2]


def test_choices_outside_the_stages() -> None:
    space = space_of(
        conv(), stem=[conv(width=choice(4, 8))], activation=choice("relu", "silu"), head={"width": choice(None, 32)}
    )
    networks = {space.decode(genome) for genome in space.enumerate()}
    assert {(arch.stem[0].width, arch.activation, arch.head.width) for arch in networks} == {
        (stem, activation, head) for stem in (4, 8) for activation in ("relu", "silu") for head in (None, 32)
    }


def test_equal_stages_are_one_object() -> None:
    space = space_of(conv(width=choice(8, 16)), conv(width=choice(16, 8)))
    one, two = space.decode(space.genome_at(1)).stages
    assert one == two
    assert one is two


def test_samples_are_uniform_over_genomes() -> None:
    space = space_of(CONDITIONAL)
    rng = np.random.default_rng(20)
    drawn = Counter(space.sample(rng) for _ in range(7000))
    statistic = sum((drawn[genome] - 1000) ** 2 / 1000 for genome in space.enumerate())
    assert (
        statistic < 22.46
    )  # chi-square with 6 degrees of freedom: a false alarm in 1 of 1000 seeds, and this is fixed


def test_ranks_beyond_the_size_are_refused() -> None:
    with pytest.raises(IndexError, match="ranks are 0 to 6"):
        space_of(CONDITIONAL).genome_at(7)


def test_a_space_larger_than_64_bits_is_counted_and_sampled() -> None:
    space = space_of(*[conv(width=choice(*range(8, 24)))] * 20)
    assert space.size() == 16**20
    genome = space.sample(np.random.default_rng(0))
    assert space.has(genome)
    assert space.has(space.genome_at(space.size() - 1))


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        ((), "genome: takes no option at the active hole 'stages[0].block'"),
        ((("stages[0].block", 2),), "genome: takes option 2 at 'stages[0].block', which has 2"),
        (
            (("stages[0].block", 0), ("stages[0].block.choice[1].kernel", 0)),
            "genome: takes an option at 'stages[0].block.choice[1].kernel', which is not active",
        ),
        (
            (("stages[0].block", 0), ("stages[0].blok", 0)),
            "genome: the space has no hole 'stages[0].blok' (did you mean 'stages[0].block'?)",
        ),
    ],
)
def test_genomes_of_other_spaces_are_refused(genes: tuple[tuple[str, int], ...], message: str) -> None:
    space = space_of(CONDITIONAL, conv())
    genome = Genome(tuple(Gene(*gene) for gene in genes))
    assert not space.has(genome)
    shown = message.replace("(did you mean 'stages[0].block'?)", "")
    with pytest.raises(SpecError) as error:
        space.decode(genome)
    assert str(error.value).startswith(shown)


def swapped(genes: list[Gene], at: int, other: int) -> list[Gene]:
    changed = list(genes)
    changed[at], changed[other] = genes[other], genes[at]
    return changed


@pytest.mark.parametrize("kernel", [choice(3, 5), choice(3, 5, name="kernel")])
def test_what_is_no_genome_is_not_decoded(kernel: Any) -> None:
    """Genes left out, doubled, swapped, of other options and of holes that are not active, wherever they stand."""
    stage = conv(block=choice({"type": "conv", "kernel": kernel}, {"type": "mbconv"}), width=choice(8, 16))
    stem = {"stem": [conv(width=choice(4, 8))]}
    space = space_of(stage, repeat(choice(1, 2), of=stage), **stem, head={"dropout": choice(0.0, 0.1)})
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        genes = list(space.sample(rng).genes)
        at, other = (int(each) for each in rng.integers(len(genes), size=2))
        foreign = space.sample(rng).genes
        spoilt = (
            genes[:at] + genes[at + 1 :],
            [*genes[:at], genes[other], *genes[at:]],
            swapped(genes, at, other),
            [*genes[:at], genes[at]._replace(option=int(rng.choice([-2, -1, 2]))), *genes[at + 1 :]],
            [*genes[:at], foreign[int(rng.integers(len(foreign)))], *genes[at:]],
        )
        for each in spoilt:
            genome = Genome(tuple(each))
            if space.has(genome):
                assert space.contains(space.decode(genome))
                continue
            refused += 1
            with pytest.raises(SpecError, match="genome: "):
                space.decode(genome)
    assert refused > 1000


def test_options_that_clash_are_never_given() -> None:
    grouped = conv(block={"type": "conv", "groups": choice(1, 3)}, width=choice(8, 9))
    space = space_of(grouped)
    clashing = [genome for genome in map(space.genome_at, range(space.size())) if not space.is_network(genome)]
    assert len(clashing) == 1
    rng = np.random.default_rng(3)
    fit = list(space.enumerate())
    assert len(fit) == 3
    assert {space.sample(rng) for _ in range(60)} == set(fit)
    assert {space.mutate(fit[0], rng) for _ in range(60)} <= set(fit)
    assert {space.cross(fit[0], fit[2], rng) for _ in range(60)} <= set(fit)
    with pytest.raises(SpecError, match="3 must divide 3 input and 8 output channels"):
        cost(space.decode(clashing[0]))


def test_mutation_inserts_deletes_and_swaps_repeated_stages() -> None:
    space = space_of(repeat(choice(2, 3), of=conv(width=choice(8, 16, 24, 32))))
    names = ["stages[0].repeat", *(f"stages[0].of[{index}].width" for index in range(3))]
    genome = Genome(
        (Gene(names[0], 1), *(Gene(name, option) for name, option in zip(names[1:], (0, 1, 2), strict=True)))
    )
    rng = np.random.default_rng(0)
    mutants = {tuple(gene.option for gene in space.mutate(genome, rng).genes) for _ in range(400)}
    assert {(0, 1, 2), (0, 0, 2), (0, 0, 1)} <= mutants  # any one stage deleted
    assert {(1, 1, 0, 2), (1, 0, 2, 1), (1, 2, 1, 0)} <= mutants  # any two swapped
    changed = {mutant for mutant in mutants if len(mutant) == 4 and sum(np.not_equal(mutant, (1, 0, 1, 2))) == 1}
    assert len(changed) == 3 * 3
    assert len(mutants) == 3 + 3 + 9


def test_a_stage_is_inserted_at_every_place_alike() -> None:
    """The stages that were there keep their order around the new one.

    Chi-square with 3 degrees of freedom for the four places: a false alarm in 1 of 1000 seeds, and this one is fixed.
    """
    space = space_of(repeat(choice(3, 4), of=conv(width=choice(8, 16, 24, 32))))
    names = ["stages[0].repeat", *(f"stages[0].of[{index}].width" for index in range(4))]
    old = [0, 1, 2]
    genome = Genome(tuple(Gene(name, option) for name, option in zip(names, [0, *old], strict=False)))
    rng = np.random.default_rng(0)
    grown = [
        [gene.option for gene in mutant.genes[1:]]
        for mutant in (space.mutate(genome, rng) for _ in range(4000))
        if len(mutant.genes) == 5
    ]
    for stages in grown:
        assert any(stages[:place] + stages[place + 1 :] == old for place in range(4))
    places = Counter(stages.index(3) for stages in grown if 3 in stages)
    expected = places.total() / 4
    assert places.total() > 100
    assert sum((places[place] - expected) ** 2 / expected for place in range(4)) < 16.27


def test_several_stages_are_inserted_between_the_old_ones() -> None:
    space = space_of(repeat(choice(1, 3), of=conv(width=choice(8, 16, 24))))
    genome = Genome((Gene("stages[0].repeat", 0), Gene("stages[0].of[0].width", 2)))
    rng = np.random.default_rng(1)
    grown = {tuple(gene.option for gene in space.mutate(genome, rng).genes[1:]) for _ in range(600)}
    new = [(one, two) for one in (0, 1) for two in (0, 1)]
    assert {(2, *pair) for pair in new} | {(*pair, 2) for pair in new} | {(one, 2, two) for one, two in new} <= grown


def test_mutation_keeps_the_choices_that_stay_active() -> None:
    space = space_of(CONDITIONAL, conv(width=choice(8, 16)))
    rng = np.random.default_rng(1)
    for _ in range(100):
        genome = space.sample(rng)
        mutant = space.mutate(genome, rng)
        common = dict(genome.genes).keys() & dict(mutant.genes).keys()
        assert sum(genome.get(hole) != mutant.get(hole) for hole in common) == 1


def test_a_space_of_one_network() -> None:
    space = space_of(conv(width=choice(8)))
    only = space.genome_at(0)
    rng = np.random.default_rng(0)
    assert space.size() == 1
    assert space.mutate(only, rng) == only
    assert list(space.neighbours(only)) == []
    assert space.repair(only, lambda arch: 1.0, rng) is None


def test_neighbours_come_in_order_with_all_fillings() -> None:
    space = space_of(CONDITIONAL, conv(width=choice(8, 16)))
    genome = space.fill(lambda hole: 0)
    near = [tuple(gene.option for gene in each.genes) for each in space.neighbours(genome)]
    assert near == [(1, k, e, 0) for k in range(2) for e in range(3)] + [(0, 1)]


def test_fill_asks_once_for_each_active_hole() -> None:
    asked: list[str] = []

    def choose(hole: Any) -> int:
        asked.append(hole.path)
        return len(hole.options) - 1

    kernel = choice(3, 5, name="kernel")
    space = space_of(conv(block={"type": "conv", "kernel": kernel}), conv(block={"type": "conv", "kernel": kernel}))
    assert space.decode(space.fill(choose)).stages[1].block == ConvBlock(kernel=5)
    assert asked == ["kernel"]
    with pytest.raises(SpecError, match="takes option 7 at 'kernel', which has 2"):
        space.fill(lambda hole: 7)


def test_vectors_scale_ordered_holes_and_spread_others() -> None:
    space = space_of(CONDITIONAL)
    assert space.encode(space.genome_at(0)).tolist() == [1.0, 0.0, -1.0, -1.0]
    last = space.fill(lambda hole: len(hole.options) - 1)
    assert space.encode(last).tolist() == [0.0, 1.0, 1.0, 1.0]
    assert space.encode(last).dtype == np.float64


def test_membership_is_by_canonical_form() -> None:
    block = choice({"type": "skip"}, {"type": "mbconv"})
    space = space_of(conv(width=8), conv(block=block, width=8), conv(block=block, width=8))
    network = ArchSpec(
        input=(3, 8, 8),
        stages=(Stage(block=ConvBlock(), width=8), Stage(block=Skip()), Stage(block=MBConv(), width=8)),
        num_classes=10,
    )
    found = space.genome_of(network)
    assert found is not None
    assert sorted(gene.option for gene in found.genes) == [0, 1]
    merged = msgspec.structs.replace(
        network, stages=(Stage(block=ConvBlock(), width=8), Stage(block=MBConv(), width=8, repeats=2))
    )
    assert [gene.option for gene in space.genome_of(merged).genes] == [1, 1]  # type: ignore[union-attr]
    assert not space.contains(msgspec.structs.replace(merged, activation="silu"))
    longer = msgspec.structs.replace(merged, stages=(*merged.stages[:1], Stage(block=MBConv(), width=8, repeats=3)))
    assert not space.contains(longer)


def test_the_same_space_for_other_data() -> None:
    space = space_of(conv(width=choice(8, 16)))
    other = space.for_data(1, 26)
    arch = other.decode(other.genome_at(0))
    assert (arch.input, arch.num_classes) == ((1, 8, 8), 26)
    assert other.genome_at(1) == space.genome_at(1)
    assert space.for_data(3, 10) is space


def test_repair_reaches_the_limit_in_few_changes() -> None:
    widths = choice(8, 16, 32, 64)
    space = space_of(*[conv(width=widths)] * 3)
    largest = space.fill(lambda hole: 3)
    rng = np.random.default_rng(0)

    def excess(arch: ArchSpec) -> float:
        return cost(arch).macs / 400_000 - 1

    repaired = space.repair(largest, excess, rng)
    assert repaired is not None
    assert cost(space.decode(repaired)).macs <= 400_000
    assert space.repair(repaired, excess, rng) == repaired
    assert space.repair(largest, lambda arch: 1.0, rng) is None
    assert space.repair(largest, excess, rng, max_steps=0) is None


def test_repair_takes_one_change_a_step_and_any_that_meets_the_limit() -> None:
    """The excess is how far the widths' sum lies above 40, met exactly by one network and by others with room."""
    space = space_of(*[conv(width=choice(8, 16, 24, 32))] * 3)

    def widths(genome: Genome) -> tuple[int, ...]:
        return tuple(stage.width or 0 for stage in space.decode(genome).stages)

    def excess(arch: ArchSpec) -> float:
        return sum(stage.width or 0 for stage in arch.stages) - 40

    largest = space.fill(lambda hole: 3)
    rng = np.random.default_rng(0)
    assert space.repair(largest, excess, rng, max_steps=2) is None  # 96 to 72 to 48 to 40 or less
    met = {widths(space.repair(largest, excess, rng, max_steps=3) or largest) for _ in range(200)}
    one_way = {(8, 8, 24), (8, 8, 16), (8, 8, 8)}
    assert {tuple(sorted(each)) for each in met} == one_way
    exact = next(each for each in space.enumerate() if widths(each) == (8, 16, 16))
    assert space.repair(exact, excess, rng, max_steps=0) == exact
    assert all(space.repair(exact, excess, rng) == exact for _ in range(20))


def test_the_cheapest_network_is_found() -> None:
    space = space_of(*[conv(width=choice(64, 8, 16))] * 3)
    cheapest = space.cheapest(lambda arch: cost(arch).macs, np.random.default_rng(0))
    assert space.decode(cheapest).stages == (Stage(block=ConvBlock(), width=8),) * 3


def test_holes_say_what_figures_and_samplers_need() -> None:
    space = space_of(CONDITIONAL, conv(width=choice(8, 16), block=choice(ConvBlock(kernel=3), ConvBlock(kernel=5))))
    holes = {hole.path: hole for hole in space.holes()}
    assert list(holes) == [
        "stages[0].block",
        "stages[0].block.choice[1].kernel",
        "stages[0].block.choice[1].expansion",
        "stages[1].block",
        "stages[1].width",
    ]
    assert holes["stages[1].width"].is_ordered
    assert not holes["stages[0].block"].is_ordered
    assert holes["stages[1].width"].labels == ("8", "16")
    assert holes["stages[1].block"].labels == ("conv", "conv kernel=5")


@pytest.mark.parametrize("genome", [Genome(), Genome((Gene("stages[0].width", 2), Gene("stages[0].block", 0)))])
def test_a_genome_comes_back_from_its_pickle(genome: Genome) -> None:
    """A driver sends it so to workers."""
    again = pickle.loads(pickle.dumps(genome))  # noqa: S301
    assert (again, hash(again)) == (genome, hash(genome))
    assert all(type(gene) is Gene for gene in again.genes)
    assert again.get("stages[0].width") == genome.get("stages[0].width")
