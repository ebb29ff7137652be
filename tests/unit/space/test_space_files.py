"""Shipped spaces by name, other spaces by path, zoo models with holes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from naslab.arch import ArchSpec, ConvBlock, Stage, cost
from naslab.errors import NaslabError, SpecError, UnknownNameError
from naslab.space import SearchSpace, choice, describe_space, load_space, space_names
from naslab.zoo import model

MIXED_BLOCKS = 3 * 4 * 2 + 2 * 2 * 2 + 3 * 4 + 3 * 2 + 2 * 2 + 2 * 2 * 2 + 2
LAYER = 3 * 3 + 3 * 3
DIGIT_BLOCKS = 4 + 4 + 2 + 2 + 1 + 1

DARTS_CELL = 1 * 3 * 6 * 10 * 7**8

SIZES = {
    "around_resnet50": 3 * (3 * 5 * 5 * 3) * 3**4 * 3**4 * 2**4 * 2 * 2,
    "darts": DARTS_CELL**2,
    "digits_demo": 2 * (DIGIT_BLOCKS * 8) ** 2 * (1 + DIGIT_BLOCKS * 8),
    "efficientnet_b0_like": (2 * 2 * 3 * 2) * (8 * 3 * 3) ** 5 * (8 * 3 * 2),
    "fbnet": 9**22,
    "fashion_mixed": 3 * (15 * 4 * 2) ** 3,
    "mbconv_cifar": 3 * (LAYER + LAYER**2 + LAYER**3 + LAYER**4) ** 3 * 3**3 * 3,
    "mcunet": (9**2 + 9**3 + 9**4) ** 5 * 9,
    "mixed_cifar": 3 * (MIXED_BLOCKS * 5 * 4) ** 4 * 2,
    "mobilenet_v4_uib": ((3 * 2 * 4) * sum((3 * 3 * 4) ** more for more in (3, 4, 5))) ** 2,
    "nas_bench_101_cells": 2**21 * 3**5,
    "nas_bench_201": 5**6,
    "nas_bench_macro": 3**8,
    "nats_size": 8**5,
    "once_for_all_mobilenet_v3": (9**2 + 9**3 + 9**4) ** 5,
    "yardstick": (3 * 4 * 3) ** 3,
}


def test_the_shipped_spaces_have_these_exact_sizes() -> None:
    assert space_names() == tuple(sorted(SIZES))
    assert {name: load_space(name).size() for name in space_names()} == SIZES


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_shipped_space_gives_networks(name: str) -> None:
    space = load_space(name)
    rng = np.random.default_rng(0)
    parents = [space.sample(rng) for _ in range(10)]
    genomes = [*parents, *(space.mutate(each, rng) for each in parents), space.cross(parents[0], parents[1], rng)]
    assert all(space.has(genome) and cost(space.decode(genome)).macs > 0 for genome in genomes)
    assert space.name == name
    assert len({space.decode(genome).num_classes for genome in genomes}) == 1
    assert len(describe_space(name)) > 60
    assert msgspec.json.decode(msgspec.json.encode(space), type=SearchSpace) == space


def test_resnet50_and_efficientnet_b0_are_in_the_spaces_around_them() -> None:
    assert load_space("around_resnet50").contains(model("resnet50"))
    mobile = load_space("efficientnet_b0_like")
    norm = mobile.decode(mobile.genome_at(0)).norm
    assert mobile.contains(msgspec.structs.replace(model("efficientnet_b0"), norm=norm))
    assert not load_space("around_resnet50").contains(model("resnet101"))


def test_an_unknown_space_has_nearest_names() -> None:
    with pytest.raises(UnknownNameError) as error:
        load_space("mixd_cifar")
    assert str(error.value) == "unknown search space 'mixd_cifar' (did you mean 'mixed_cifar'?)"


def test_a_mistake_in_a_file_names_the_file_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("input: [3, 8, 8]\nnum_classes: 10\nstages: [{block: {choice: [{type: conv}, {type: skp}]}}]\n")
    with pytest.raises(SpecError) as error:
        load_space(path)
    assert str(error.value) == "mine.yaml: stages[0].block.choice[1].type: unknown block 'skp' (did you mean 'skip'?)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.yaml: a space must be an architecture with holes, a zoo model or a base, got null"),
        ("stages: [", "mine.yaml is not YAML: while parsing a flow node"),
        ("!!python/object/apply:os.getcwd []", "is not YAML: could not determine a constructor for the tag"),
    ],
)
def test_a_file_that_is_no_space_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(NaslabError) as error:
        load_space(str(path))
    assert message in str(error.value)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NaslabError, match=r"cannot read .*none\.yaml: No such file or directory"):
        load_space(tmp_path / "none.yaml")


def test_a_base_with_holes() -> None:
    base = ArchSpec(
        input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=8), Stage(block=ConvBlock(), width=16)), num_classes=10
    )
    space = SearchSpace(
        {"base": base, "holes": {"stages[*].block.kernel": choice(3, 5), "head.width": choice(None, 32)}}
    )
    assert space.size() == 8
    assert space.contains(base)
    assert [hole.path for hole in space.holes()] == ["stages[0].block.kernel", "stages[1].block.kernel", "head.width"]
    assert base.stages[0].block == ConvBlock()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"zoo": "resnet5"}, "zoo: unknown model 'resnet5' (did you mean 'resnet50'"),
        ({"zoo": "resnet50", "hols": {}}, "unknown field 'hols' beside 'zoo' (did you mean 'holes'?)"),
        ({"zoo": "resnet50", "num_classes": "x"}, 'num_classes: must be an integer, got "x"'),
        ({"zoo": 3}, "zoo: must be the name of a model of the zoo"),
        ({"base": 3}, "base: must be an architecture"),
        ({"zoo": "resnet50", "holes": []}, "holes: must map paths such as 'stages[1].repeats' to holes"),
        (
            {"zoo": "resnet50", "holes": {"stages[4].repeats": choice(1, 2)}},
            "holes['stages[4].repeats']: index 4 is beyond the 4 there are, 0 to 3",
        ),
        (
            {"zoo": "resnet50", "holes": {"stages[*.repeats": choice(1, 2)}},
            "holes['stages[*.repeats']: must be a path such as 'stages[1].repeats' or 'stages[*].block.kernel'",
        ),
        (
            {"zoo": "resnet50", "holes": {"stages[0].width.x": choice(1, 2)}},
            "holes['stages[0].width.x']: has no field 'x' where it leads to 256",
        ),
        (
            {"zoo": "resnet50", "holes": {"num_classes[0]": choice(1, 2)}},
            "holes['num_classes[0]']: an index needs a list such as 'stages'",
        ),
        (
            {"zoo": "resnet50", "holes": {"stages[1].block.kernl": choice(3, 5)}},
            "stages[1].block: unknown field 'kernl' (did you mean 'kernel'?)",
        ),
    ],
)
def test_a_bad_starting_point_is_refused_in_these_words(template: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        SearchSpace(template)
    assert str(error.value).startswith(message)
