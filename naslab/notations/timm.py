"""timm's block strings (released code of `timm`, after MnasNet's): one string a row of blocks, one list a stage.

| part | meaning |
|---|---|
| `ds`, `dsa` | depthwise and pointwise filter; the second with an activation at the end and no shortcut |
| `ir`, `er`, `cn` | inverted bottleneck, the same with one full convolution (EfficientNetV2), a convolution |
| `r2` `k3` `s2` `c24` | repeats, kernel (`k3.5` filters by several), stride of the first, channels |
| `e6` `se0.25` | expansion, squeeze-excite ratio |
| `nre` | activation: `re`, `r6`, `hs`, `sw`, `ge` |
| `noskip`, `skip` | no shortcut; a shortcut around a `cn` |

Strings tell the blocks alone. Around them stands EfficientNet's stem and head or, where the last block is a 1x1 `cn`,
MobileNetV3's, whose gates squeeze the expanded channels.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from naslab.arch.block import Block, BlockActivation, SqueezeExcite, round_width
from naslab.arch.blocks import (
    AnyBlock,
    ConvBlock,
    DepthwiseSeparable,
    FusedMBConv,
    InvertedBottleneck,
    MBConv,
)
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError, nearest, shown
from naslab.notations.literal import literal
from naslab.notations.notation import Notation, require_same
from naslab.zoo.efficientnet import efficientnet
from naslab.zoo.mobilenet_v3 import LAST_WIDTHS, mobilenet_v3

ACTIVATIONS: dict[str, BlockActivation] = {
    "re": "relu",
    "r6": "relu6",
    "hs": "hardswish",
    "sw": "silu",
    "ge": "gelu",
}
KINDS = ("ds", "dsa", "ir", "er", "cn")
NUMBERS = {"r": int, "k": str, "s": int, "e": float, "c": int, "se": float}
EXAMPLE = "[['ds_r1_k3_s1_e1_c16_se0.25'], ['ir_r2_k3_s2_e6_c24_se0.25', 'ir_r1_k5_s1_e6_c24_se0.25_noskip']]"
GATE = SqueezeExcite(ratio=0.25, of="gated", divisor=8, activation="relu", gate="hardsigmoid")
"""MobileNetV3's gate."""
_LOOKS = re.compile(r"[\[(\s]+['\"][a-z]+_[rksec][0-9]|(?:ds|dsa|ir|er|cn)_[a-z]+[0-9]")


class _Row(msgspec.Struct, frozen=True):
    """A string: its `text`, its kind and its options."""

    text: str
    kind: str
    options: dict[str, Any]
    activation: BlockActivation
    skips: bool | None

    def error(self, rule: str) -> SpecError:
        """The error of the rule that the string breaks."""
        return SpecError("timm", f"'{shown(self.text)}': {rule}")


def _row(text: str) -> _Row:
    kind, *parts = text.split("_")
    row = _Row(text, kind, {}, None, None)
    if kind not in KINDS:
        raise row.error(f"unknown block '{shown(kind)}'{nearest(kind, KINDS)}; {', '.join(KINDS)} are read")
    activation: BlockActivation = None
    skips: bool | None = None
    options: dict[str, Any] = {}
    for part in parts:
        if part in ("noskip", "skip"):
            skips = part == "skip"
            continue
        if part.startswith("n"):
            if part[1:] not in ACTIVATIONS:
                raise row.error(f"unknown activation '{shown(part)}'; n is followed by {', '.join(ACTIVATIONS)}")
            activation = ACTIVATIONS[part[1:]]
            continue
        found = re.fullmatch(r"([a-z]+)([0-9]{1,9}(?:\.[0-9]{1,9})*)", part)
        if found is None or (found[1] not in NUMBERS and part not in ("a1", "p1")):
            raise row.error(
                f"'{shown(part)}' is no option that is read; they are {', '.join(NUMBERS)}, n, noskip, skip"
            )
        if found[1] in NUMBERS:
            options[found[1]] = _number(row, found[1], found[2])
    for needed in ("k", "c"):
        if needed not in options:
            raise row.error(f"says no '{needed}'")
    return _Row(text, kind, {"r": 1, "s": 1, "e": 1.0} | options, activation, skips)


def _number(row: _Row, name: str, text: str) -> Any:
    try:
        return NUMBERS[name](text)
    except ValueError:
        raise row.error(f"'{name}' takes one number, got '{text}'") from None


def _stage_lists(text: str) -> list[list[_Row]]:
    """The rows of each stage; raises `SpecError` that names what is none."""
    if text.lstrip()[:1] in ("[", "("):
        values = literal(text, "timm")
        lists = values if isinstance(values, list) and all(isinstance(each, list) for each in values) else [values]
    else:
        lists = [[each] for each in re.split(r"[\s,]+", text.strip())]
    if not isinstance(lists, list) or not all(
        isinstance(each, list) and each and all(isinstance(one, str) for one in each) for each in lists
    ):
        raise SpecError(
            "timm", f"must be a list of lists of block strings like {EXAMPLE[:32]}], got '{shown(text[:60])}'"
        )
    found = [[_row(one) for one in each] for each in lists]
    if not found:
        raise SpecError("timm", f"must hold at least one block string like '{EXAMPLE[3:28]}'")
    return found


def _read(text: str) -> ArchSpec:
    stages = _stage_lists(text)
    last = stages[-1][-1]
    is_third = last.kind == "cn" and last.options["k"] == "1" and last.skips is None
    if is_third and len(stages) == 1 and len(stages[0]) == 1:
        raise last.error("needs blocks before the last 1x1 convolution")
    frame = mobilenet_v3() if is_third else efficientnet()
    made: list[Stage] = []
    width = frame.stem[0].width or 0
    for rows in stages:
        for index, row in enumerate(rows):
            if is_third and row is last:
                continue
            options = row.options
            out = round_width(options["c"])
            block = _block(row, width, is_third)
            made.append(Stage(block=block, width=out, repeats=options["r"], stride=1 if index else options["s"]))
            width = out
    if not is_third:
        return msgspec.structs.replace(frame, stages=tuple(made))
    final = round_width(last.options["c"])
    hidden = dict(LAST_WIDTHS.values()).get(final, LAST_WIDTHS["large"][1])
    head = msgspec.structs.replace(frame.head, width=final, hidden=(hidden,))
    return msgspec.structs.replace(frame, stages=tuple(made), head=head)


def _block(row: _Row, in_width: int, is_third: bool) -> AnyBlock:
    options, kind = row.options, row.kind
    try:
        kernels = tuple(map(int, options["k"].split(".")))
        several: dict[str, Any] = {"kernels": kernels} if len(kernels) > 1 else {"kernel": kernels[0]}
        has_shortcut = row.skips is not False
        se = _gate(row, in_width, is_third)
        if kind == "dsa" and len(kernels) == 1:
            return DepthwiseSeparable(kernel=kernels[0], se=se, activation=row.activation)
        if kind in ("ds", "ir"):
            expansion = options["e"] if kind == "ir" else 1.0
            fields: dict[str, Any] = {"expansion": expansion, "hidden_divisor": 8, "activation": row.activation}
            return MBConv(**several, **fields, se=se, has_shortcut=has_shortcut)
        if len(kernels) > 1:
            raise row.error(f"several kernels are read of ds and ir, not of {kind}")
        if kind == "er":
            if options["e"] == 1:
                raise row.error("an er that expands by 1 has a second convolution in timm, which no block here has")
            fields = {"expansion": options["e"], "hidden_divisor": 8, "activation": row.activation}
            return FusedMBConv(kernel=kernels[0], **fields, se=se, has_shortcut=has_shortcut)
        if se is not None:
            raise row.error("a cn has no squeeze-excite")
        if row.skips:
            return FusedMBConv(kernel=kernels[0], expansion=1, activation=row.activation)
        return ConvBlock(kernel=kernels[0], activation=row.activation)
    except SpecError as error:
        raise error if error.field == "timm" else row.error(str(error)) from None


def _gate(row: _Row, in_width: int, is_third: bool) -> SqueezeExcite | None:
    ratio = row.options.get("se", 0.0)
    if not ratio:
        return None
    if is_third:
        return msgspec.structs.replace(GATE, ratio=ratio)
    exact = ratio * in_width
    if max(1, int(exact)) != max(1, round(exact)):
        raise row.error(f"timm rounds {exact:g} squeezed channels to {round(exact)}, which no gate here does")
    return SqueezeExcite(ratio=ratio, of="input")


def _write(arch: ArchSpec) -> str:
    rows: list[str] = []
    width = arch.stem[-1].width if arch.stem else None
    for index, stage in enumerate(arch.stages):
        if width is None or stage.width is None:
            raise SpecError(f"stages[{index}]", "a block string tells its channels; give the stage a width")
        row = _options_of(index, stage.block, width, arch)
        tail = f"c{stage.width}{row[2]}"
        repeats = stage.repeats
        if repeats > 1 and getattr(stage.block, "hidden", None) and width != stage.width:
            rows.append(f"{row[0]}_r1_{row[1]}_s{stage.stride}_{_expansion(stage.block, width)}{tail}")
            rows.append(f"{row[0]}_r{repeats - 1}_{row[1]}_s1_{_expansion(stage.block, stage.width)}{tail}")
        else:
            rows.append(f"{row[0]}_r{repeats}_{row[1]}_s{stage.stride}_{_expansion(stage.block, width)}{tail}")
        width = stage.width
    if arch.head.hidden and arch.head.width:
        rows.append(f"cn_r1_k1_s1_c{arch.head.width}")
    return require_same(arch, str([[row] for row in rows]), _read, "block strings in timm's networks")


def _expansion(block: Block, width: int) -> str:
    """The option of the expansion behind `width` channels, with an underscore; nothing of a block that has none."""
    if isinstance(block, MBConv | InvertedBottleneck | FusedMBConv):
        exact = block.expansion if block.hidden is None else block.hidden / width
        short = next(
            (each for each in (round(exact, digits) for digits in range(12)) if _fits(block, each, width)), exact
        )
        return f"e{short:.12g}_"
    return ""


def _fits(block: MBConv | InvertedBottleneck | FusedMBConv, expansion: float, width: int) -> bool:
    return expansion == block.expansion if block.hidden is None else round_width(width * expansion) == block.hidden


def _options_of(index: int, block: Block, width: int, arch: ArchSpec) -> tuple[str, str, str]:
    """The kind of a block, its option of kernels, and what stands behind the channels."""
    codes = {kind: code for code, kind in ACTIVATIONS.items()}
    own = getattr(block, "activation", None)
    behind = ""
    se: SqueezeExcite | None = getattr(block, "se", None)
    if se is not None:
        behind += f"_se{se.ratio:g}"
    if own is not None and own != arch.activation and own in codes:
        behind += f"_n{codes[own]}"
    if not getattr(block, "has_shortcut", True):
        behind += "_noskip"
    if isinstance(block, MBConv | InvertedBottleneck):
        kernels = block.kernels or (block.kernel,)
        return ("ir", f"k{'.'.join(map(str, kernels))}", behind)
    if isinstance(block, DepthwiseSeparable):
        return ("dsa", f"k{block.kernel}", behind)
    if isinstance(block, FusedMBConv):
        is_plain = block.hidden is None and block.expansion == 1
        return ("cn", f"k{block.kernel}", f"{behind}_skip") if is_plain else ("er", f"k{block.kernel}", behind)
    if isinstance(block, ConvBlock):
        return ("cn", f"k{block.kernel}", behind)
    kind = type(block).__struct_config__.tag
    raise SpecError(f"stages[{index}].block", f"no block string tells a block of the type {kind}")


TIMM = Notation(
    name="timm",
    summary="block strings of timm's EfficientNets and MobileNetV3s",
    example=EXAMPLE,
    is_one=lambda text: _LOOKS.match(text) is not None,
    read=_read,
    write=_write,
)
