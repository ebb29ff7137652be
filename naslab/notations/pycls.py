"""pycls's YAML files (released code of Radosavovic et al. 2020, arXiv 2003.13678): RegNet, AnyNet and EfficientNet.

`MODEL.TYPE` says which: `regnet` reads the section `REGNET` (depth, w_0, w_a, w_m, group width), `anynet` the section
`ANYNET` (depths, widths, strides), `effnet` the section `EN`. Keys that are left out have the values that pycls gives
them; sections of training are passed over.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import yaml

from naslab.arch.block import SqueezeExcite
from naslab.arch.blocks import Bottleneck, ConvBlock, InvertedBottleneck, MBConv
from naslab.arch.spec import ArchSpec, Head, Stage, StochasticDepth
from naslab.errors import SpecError, nearest, shown
from naslab.notations.notation import Notation, require_same
from naslab.reading import yaml_values
from naslab.zoo.regnet import quantised_stages

KINDS = {"regnet": "REGNET", "anynet": "ANYNET", "effnet": "EN"}
RESIDUAL = "res_bottleneck_block"
STEM = "simple_stem_in"
EXAMPLE = """MODEL: {TYPE: regnet, NUM_CLASSES: 1000}
REGNET: {SE_ON: true, DEPTH: 16, W0: 48, WA: 27.89, WM: 2.09, GROUP_W: 8}
"""
DEFAULTS: dict[str, dict[str, Any]] = {
    "REGNET": {
        "STEM_TYPE": STEM,
        "STEM_W": 32,
        "BLOCK_TYPE": RESIDUAL,
        "STRIDE": 2,
        "SE_ON": False,
        "SE_R": 0.25,
        "DEPTH": 10,
        "W0": 32,
        "WA": 5.0,
        "WM": 2.5,
        "GROUP_W": 16,
        "BOT_MUL": 1.0,
        "HEAD_W": 0,
    },
    "ANYNET": {
        "STEM_TYPE": STEM,
        "STEM_W": 32,
        "BLOCK_TYPE": RESIDUAL,
        "DEPTHS": [],
        "WIDTHS": [],
        "STRIDES": [],
        "BOT_MULS": [],
        "GROUP_WS": [],
        "HEAD_W": 0,
        "SE_ON": False,
        "SE_R": 0.25,
    },
    "EN": {
        "DEPTHS": [],
        "WIDTHS": [],
        "EXP_RATIOS": [],
        "SE_R": 0.25,
        "STRIDES": [],
        "KERNELS": [],
        "HEAD_W": 1280,
        "STEM_W": 32,
        "DC_RATIO": 0.0,
        "DROPOUT_RATIO": 0.0,
    },
}
"""What a section holds where its keys are left out (`pycls/core/config.py`)."""


class _Section:
    """A section of the file, its keys with their defaults."""

    def __init__(self, name: str, given: Any) -> None:
        self.name = name
        if not isinstance(given, dict):
            raise SpecError("pycls", f"{name} must hold keys and values, got {shown(given)}")
        defaults = DEFAULTS[name]
        unknown = [key for key in given if key not in defaults]
        if unknown:
            raise SpecError("pycls", f"{name} has no '{shown(unknown[0])}'{nearest(str(unknown[0]), defaults)}")
        self.values = defaults | given

    def number(self, key: str) -> int:
        found = self.values[key]
        if type(found) is not int:
            raise SpecError("pycls", f"{self.name}.{key} must be a whole number, got {shown(found)}")
        return found

    def real(self, key: str) -> float:
        found = self.values[key]
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise SpecError("pycls", f"{self.name}.{key} must be a number, got {shown(found)}")
        return float(found)

    def row(self, key: str, count: int | None = None) -> list[Any]:
        found = self.values[key]
        if not isinstance(found, list) or not found or (count is not None and len(found) != count):
            wanted = "numbers, one a stage" if count is None else f"{count} numbers, as many as there are DEPTHS"
            raise SpecError("pycls", f"{self.name}.{key} must hold {wanted}, got {shown(found)}")
        if any(isinstance(each, bool) or not isinstance(each, int | float) or each <= 0 for each in found):
            raise SpecError("pycls", f"{self.name}.{key} must hold numbers above 0, got {shown(found)}")
        return found

    def whole(self, key: str, count: int | None = None) -> list[int]:
        found = self.row(key, count)
        if any(type(each) is not int for each in found):
            raise SpecError("pycls", f"{self.name}.{key} must hold whole numbers, got {shown(found)}")
        return found

    def require(self, key: str, wanted: Any) -> None:
        if self.values[key] != wanted:
            rule = f"{self.name}.{key} {shown(self.values[key])} is not read, only {shown(wanted)}"
            raise SpecError("pycls", rule)


def _read(text: str) -> ArchSpec:
    values = yaml_values(text)
    if not isinstance(values, dict) or not isinstance(values.get("MODEL"), dict):
        raise SpecError("pycls", f"must hold MODEL: {{TYPE: ...}} and a section of it, got '{shown(text[:60])}'")
    model = values["MODEL"]
    kind = model.get("TYPE")
    if kind not in KINDS:
        raise SpecError("pycls", f"MODEL.TYPE must be one of {', '.join(KINDS)}, got {shown(kind)}")
    section = _Section(KINDS[kind], values.get(KINDS[kind], {}))
    arch = _efficientnet(section) if kind == "effnet" else _residual(section, kind == "regnet")
    side = values["TRAIN"].get("IM_SIZE", 224) if isinstance(values.get("TRAIN"), dict) else 224
    classes = model.get("NUM_CLASSES", 1000)
    for name, each in (("TRAIN.IM_SIZE", side), ("MODEL.NUM_CLASSES", classes)):
        if type(each) is not int:
            raise SpecError("pycls", f"{name} must be a whole number, got {shown(each)}")
    return msgspec.structs.replace(arch, input=(3, side, side), num_classes=classes)


def _residual(section: _Section, is_regnet: bool) -> ArchSpec:
    section.require("STEM_TYPE", STEM)
    section.require("BLOCK_TYPE", RESIDUAL)
    section.require("HEAD_W", 0)
    if is_regnet:
        stages = quantised_stages(*(_of(section, key) for key in ("DEPTH", "W0", "WA", "WM")))
        widths, depths = [width for width, _ in stages], [depth for _, depth in stages]
        count = len(widths)
        strides, groups = [section.number("STRIDE")] * count, [section.number("GROUP_W")] * count
        ratios = [section.real("BOT_MUL")] * count
    else:
        depths = section.whole("DEPTHS")
        widths, strides = section.whole("WIDTHS", len(depths)), section.whole("STRIDES", len(depths))
        groups = section.whole("GROUP_WS", len(depths)) if section.values["GROUP_WS"] else widths
        ratios = section.row("BOT_MULS", len(depths)) if section.values["BOT_MULS"] else [1.0] * len(depths)
    if any(each < 1 for each in groups) or any(each <= 0 for each in ratios):
        raise SpecError("pycls", f"{section.name}: group widths and BOT_MUL must be above 0")
    se = SqueezeExcite(ratio=section.real("SE_R"), of="input") if section.values["SE_ON"] else None
    made = []
    for width, depth, stride, group, ratio in zip(widths, depths, strides, groups, ratios, strict=True):
        filtered = max(1, int(width * ratio))
        group = min(group, filtered)
        multiple = math.lcm(group, int(ratio)) if ratio > 1 else group
        filtered = max(multiple, round(filtered / multiple) * multiple)
        block = Bottleneck(ratio=float(ratio), groups=filtered // group, se=se, se_after="filter")
        made.append(Stage(block=block, width=int(filtered / ratio), repeats=depth, stride=stride))
    stem = Stage(block=ConvBlock(kernel=3), width=section.number("STEM_W"), stride=2)
    return ArchSpec(input=(3, 224, 224), stem=(stem,), stages=tuple(made), num_classes=1000)


def _of(section: _Section, key: str) -> Any:
    return section.number(key) if key in ("DEPTH", "W0") else section.real(key)


def _efficientnet(section: _Section) -> ArchSpec:
    depths = section.whole("DEPTHS")
    count = len(depths)
    widths, strides, kernels = (section.whole(key, count) for key in ("WIDTHS", "STRIDES", "KERNELS"))
    expansions = section.row("EXP_RATIOS", count)
    ratio = section.real("SE_R")
    stages = []
    for width, depth, stride, kernel, expansion in zip(widths, depths, strides, kernels, expansions, strict=True):
        fields: dict[str, Any] = {"kernel": kernel, "expansion": expansion}
        block = MBConv(**fields, se=SqueezeExcite(ratio=ratio)) if ratio else InvertedBottleneck(**fields)
        stages.append(Stage(block=block, width=width, repeats=depth, stride=stride))
    return ArchSpec(
        input=(3, 224, 224),
        stem=(Stage(block=ConvBlock(kernel=3), width=section.number("STEM_W"), stride=2),),
        stages=tuple(stages),
        head=Head(width=section.number("HEAD_W") or None, dropout=section.real("DROPOUT_RATIO")),
        num_classes=1000,
        activation="silu",
        stochastic_depth=StochasticDepth(rate=section.real("DC_RATIO")),
    )


def _write(arch: ArchSpec) -> str:
    """An AnyNet of bottlenecks, or an EfficientNet."""
    if len(arch.stem) != 1 or not arch.stem[0].width or any(stage.width is None for stage in arch.stages):
        raise SpecError("pycls", "tells networks of one stem convolution and stages of given widths")
    blocks = [stage.block for stage in arch.stages]
    shared = {
        "DEPTHS": [stage.repeats for stage in arch.stages],
        "WIDTHS": [stage.width for stage in arch.stages],
        "STRIDES": [stage.stride for stage in arch.stages],
        "STEM_W": arch.stem[0].width,
    }
    gate = next((each.se for each in blocks if isinstance(each, Bottleneck | MBConv)), None)
    if all(isinstance(each, Bottleneck) for each in blocks):
        kind = "anynet"
        filtered = [max(1, int((stage.width or 0) * stage.block.ratio)) for stage in arch.stages]  # type: ignore[union-attr]
        own = {
            "BOT_MULS": [float(each.ratio) for each in blocks],  # type: ignore[union-attr]
            "GROUP_WS": [wide // each.groups for wide, each in zip(filtered, blocks, strict=True)],  # type: ignore[union-attr]
            "SE_ON": gate is not None,
            "SE_R": 0.25 if gate is None else gate.ratio,
        }
    elif all(isinstance(each, MBConv | InvertedBottleneck) for each in blocks):
        kind = "effnet"
        own = {
            "KERNELS": [each.kernel for each in blocks],  # type: ignore[union-attr]
            "EXP_RATIOS": [each.expansion for each in blocks],  # type: ignore[union-attr]
            "HEAD_W": arch.head.width or 0,
            "SE_R": 0.0 if gate is None else gate.ratio,
            "DC_RATIO": arch.stochastic_depth.rate,
            "DROPOUT_RATIO": arch.head.dropout,
        }
    else:
        raise SpecError("pycls", "tells networks of bottlenecks (anynet) or of inverted ones (effnet) alone")
    values = {
        "MODEL": {"TYPE": kind, "NUM_CLASSES": arch.num_classes},
        KINDS[kind]: shared | own,
        "TRAIN": {"IM_SIZE": arch.input[1]},
    }
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=110)
    return require_same(arch, text, _read, "a file of pycls")


PYCLS = Notation(
    name="pycls",
    summary="YAML files of pycls: regnet, anynet, effnet (arXiv 2003.13678)",
    example=EXAMPLE,
    is_one=lambda text: re.search(r"(?m)^MODEL\s*:", text) is not None and "TYPE" in text,
    read=_read,
    write=_write,
)
