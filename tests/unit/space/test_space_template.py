"""Templates: their one form, and the exact words in which bad ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from naslab.arch import ConvBlock, MBConv
from naslab.errors import SpecError
from naslab.space import SearchSpace, choice, repeat

CONV = {"type": "conv"}


def template(*stages: Any, **fields: Any) -> dict[str, Any]:
    return {"input": [3, 32, 32], "num_classes": 10, "stages": list(stages)} | fields


def stage(**fields: Any) -> dict[str, Any]:
    return {"block": {"choice": [CONV, {"type": "mbconv", "kernel": {"choice": [3, 5]}}]}, "width": 16} | fields


def pooled(stride: Any) -> dict[str, Any]:
    return {"block": {"type": "pool", "kernel": 2}, "stride": stride}


BAD_STAGES = [
    (
        {"block": {"choice": [CONV, {"type": "mbcov"}]}},
        "stages[0].block.choice[1].type: unknown block 'mbcov' (did you mean 'mbconv' or 'conv'?)",
    ),
    (
        {"block": {"choice": [CONV, {"type": "mbconv", "kernl": 3}]}},
        "stages[0].block.choice[1]: unknown field 'kernl' (did you mean 'kernel' or 'kernels'?)",
    ),
    (
        {"block": {"choice": [CONV, {"type": "mbconv", "kernel": {"choice": [3, 5, 4]}}]}},
        "stages[0].block.choice[1].kernel.choice[2]: must be odd and positive, got 4",
    ),
    ({"width": {"choice": []}}, "stages[0].width.choice: must hold at least one option, got none"),
    ({"width": {"choice": 16}}, "stages[0].width.choice: must be a list of options or a range, got 16"),
    ({"width": {"choice": [16, 24, 16]}}, "stages[0].width.choice[2]: is the same option as choice[0], 16"),
    ({"width": {"choice": [16, "wide"]}}, "stages[0].width.choice[1]: expected int | null, got str 'wide'"),
    ({"width": {"choise": [16]}}, "stages[0].width: unknown field 'choise' (did you mean 'choice'?)"),
    (
        {"width": {"choice": [1, 2], "nmae": "x"}},
        "stages[0].width: unknown field 'nmae' beside 'choice' (did you mean 'name'?)",
    ),
    (
        {"width": {"choice": [1, 2], "name": "a.b"}},
        "stages[0].width.name: must be a word of letters, digits, '-' and '_', got \"a.b\"",
    ),
    ({"widht": 4}, "stages[0]: unknown field 'widht' (did you mean 'width'?)"),
    ({"stride": {"choice": [1, 9]}}, "stages[0].stride.choice[1]: must be 1 to 8, got 9"),
    (
        {"width": choice(4, 8, name="w"), "repeats": choice(1, 2, name="w")},
        "stages[0].repeats.choice: holes named 'w' must hold the same options, got [1,2] and [4,8] at stages[0].width",
    ),
    (
        {"block": {"type": "conv", "groups": {"choice": [1, 5]}}, "width": {"choice": [16, 32]}},
        "stages[0].block.groups.choice[1]: 5 must divide 3 input and 16 output channels",
    ),
    (
        {"repeat": {"choice": [1, 2]}},
        "stages[0]: 'repeat' needs 'of', the template of each copy; a stage's own blocks are its 'repeats'",
    ),
]

BAD_RANGES = [
    (
        {"from": 16, "to": 60, "step": 8},
        "stages[0].width.choice.to: must be a whole number of steps of 8 from 16, got 60",
    ),
    ({"from": 16, "upto": 64}, "stages[0].width.choice: unknown field 'upto' beside 'from' (did you mean 'to'?)"),
    ({"from": 16}, "stages[0].width.choice: a range misses the field 'to'"),
    ({"from": 16, "to": "x"}, 'stages[0].width.choice.to: must be a number, got "x"'),
    ({"from": 16, "to": 8}, "stages[0].width.choice: a range goes upwards, got 16 to 8"),
    ({"from": 16, "to": 32, "step": 0}, "stages[0].width.choice.step: must be above 0, got 0"),
    ({"from": 1, "to": 1e9}, "stages[0].width.choice: holds 1000000000 numbers, at most 10000 are allowed"),
]

BAD_TEMPLATES: list[tuple[Any, str]] = [
    ([], "a space must be an architecture with holes, a zoo model or a base, got []"),
    (None, "a space must be an architecture with holes, a zoo model or a base, got null"),
    (template({"block": CONV}), "a space needs at least one hole such as {choice: [3, 5]}, got none"),
    (template(stage(), num_classes={"choice": [10, "a"]}), "num_classes.choice[1]: expected int, got str 'a'"),
    (
        template(repeat(choice(1, 2), of={"block": {"type": "conv", "kernel": choice(3, 2)}})),
        "stages[0].of.block.kernel.choice[1]: must be odd and positive, got 2",
    ),
    (
        template(stage(), repeat(choice(1, -2), of=stage())),
        "stages[1].repeat.choice[1]: a number of copies must be an integer from 0 to 100, got -2",
    ),
    (
        template(stage(), repeat(choice(0, 1), of=stage()) | {"off": 1}),
        "stages[1]: unknown field 'off' beside 'repeat' (did you mean 'of'?)",
    ),
    (template(stage(), head={"repeat": 1, "of": {}}), "head: 'repeat' stands in a list of stages only"),
    (
        template(*[pooled(choice(1, 2))] * 6),
        "stages[5]: a 2 x 2 window does not fit a map of 1 x 1; the input is too small for the strides before it",
    ),
    (
        template(stage(width=choice(8, 16, name="activation")), activation=choice("relu", "silu")),
        "activation: the name 'activation' of a shared hole is also the path of another hole; rename it",
    ),
]


@pytest.mark.parametrize(("fields", "message"), BAD_STAGES)
def test_a_bad_stage_is_refused_in_these_words(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        SearchSpace(template(fields if "repeat" in fields else stage(**fields)))
    assert str(error.value) == message


@pytest.mark.parametrize(("span", "message"), BAD_RANGES)
def test_a_bad_range_is_refused_in_these_words(span: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        SearchSpace(template(stage(width={"choice": span})))
    assert str(error.value) == message


@pytest.mark.parametrize(("bad", "message"), BAD_TEMPLATES)
def test_a_bad_template_is_refused_in_these_words(bad: Any, message: str) -> None:
    with pytest.raises(SpecError) as error:
        SearchSpace(bad)
    assert str(error.value) == message


def test_an_option_deep_in_an_inactive_branch_is_checked() -> None:
    deep = choice(CONV, {"type": "mbconv", "se": choice(None, {"ratio": choice(0.25, choice(0.5, 1.5))})})
    with pytest.raises(SpecError) as error:
        SearchSpace(template(stage(block=deep)))
    place = "stages[0].block.choice[1].se.choice[1].ratio.choice[1].choice[1]"
    assert str(error.value) == f"{place}: must be above 0 and at most 1, got 1.5"


def test_a_template_that_is_not_plain_is_refused() -> None:
    with pytest.raises(SpecError, match=r"a template holds plain values and specifications only: .*object"):
        SearchSpace(template(stage(width=object())))


def test_options_that_clash_only_with_others_are_kept() -> None:
    space = SearchSpace(
        template(
            stage(width=20),
            stage(block={"type": "conv", "groups": choice(1, 5)}, width=choice(20, 24)),
            input=[20, 8, 8],
        )
    )
    assert space.size() == 3 * 4


def test_ranges_tuples_and_specifications_become_plain() -> None:
    written = {
        "input": (3, 32, 32),
        "stages": [
            {"block": choice(MBConv(kernel=5), ConvBlock()), "width": {"choice": {"from": 16, "to": 32, "step": 8}}}
        ],
        "num_classes": 10,
    }
    space = SearchSpace(written)
    plain = template({"block": {"choice": [{"type": "mbconv", "kernel": 5}, CONV]}, "width": {"choice": [16, 24, 32]}})
    assert space.template == plain
    assert space == SearchSpace(plain)
    assert list(space.template) == ["input", "stages", "num_classes"]


def test_a_range_of_fractions_has_both_ends() -> None:
    block = {"type": "mbconv", "se": {"ratio": {"choice": {"from": 0.1, "to": 0.3, "step": 0.1}}}}
    space = SearchSpace(template(stage(block=block)))
    assert space.holes()[0].options == (0.1, 0.2, 0.3)


def test_a_python_range_is_written_out() -> None:
    assert choice(range(1, 4), name="depth") == {"choice": [1, 2, 3], "name": "depth"}
