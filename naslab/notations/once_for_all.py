"""Once-for-all's configurations (Cai et al. 2020, arXiv 1908.09791, and its released code).

`{"ks": [...], "e": [...], "d": [...]}` are the kernels and expansions of five stages of four layers, and the depths of
the stages, around MobileNetV3-Large; `"r"` is the resolution. A `net_config` lists every layer of a network.
"""

from __future__ import annotations

import json
from typing import Any

from naslab.arch.block import SqueezeExcite
from naslab.arch.blocks import ConvBlock, InvertedBottleneck, MBConv
from naslab.arch.plan import Activation
from naslab.arch.sides import Sides
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.errors import SpecError, shown
from naslab.notations.literal import literal
from naslab.notations.net_config import looks_like_net_config, read_net_config
from naslab.notations.notation import Notation, require_same
from naslab.reading import json_values

GATE = SqueezeExcite(ratio=0.25, of="gated", divisor=8, activation="relu", gate="hardsigmoid")
STAGES: tuple[tuple[int, int, bool, Activation], ...] = (
    (24, 2, False, "relu"),
    (40, 2, True, "relu"),
    (80, 2, False, "hardswish"),
    (112, 1, True, "hardswish"),
    (160, 2, True, "hardswish"),
)
"""Width, stride, whether it has squeeze-excite, activation (table 1 of arXiv 1905.02244, stage by stage)."""
DEEPEST = 4
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
EXAMPLE = json.dumps({"ks": [3] * 20, "e": [6, 4, 3, 3] * 5, "d": [4, 3, 2, 2, 4], "r": [160]})


def once_for_all_network(
    kernels: tuple[int, ...], expansions: tuple[int, ...], depths: tuple[int, ...], resolution: int = 224
) -> ArchSpec:
    """The network of 20 `kernels`, 20 `expansions` and 5 `depths` on images of `resolution`; unused ones say nothing.

    Raises `SpecError` where a layer that is used has a kernel that is even.
    """
    stages: list[Stage] = []
    for index, (width, stride, has_se, activation) in enumerate(STAGES):
        for layer in range(depths[index]):
            place = index * DEEPEST + layer
            block = MBConv(
                kernel=kernels[place],
                expansion=expansions[place],
                hidden_divisor=8,
                se=GATE if has_se else None,
                activation="relu" if activation == "relu" else None,
            )
            stages.append(Stage(block=block, width=width, stride=1 if layer else stride))
    first = InvertedBottleneck(expansion=1, activation="relu")
    return ArchSpec(
        input=(3, resolution, resolution),
        stem=(Stage(block=ConvBlock(kernel=3), width=16, stride=2), Stage(block=first, width=16)),
        stages=tuple(stages),
        head=Head(width=960, hidden=(1280,), hidden_bias=False, dropout=0.1),
        num_classes=1000,
        activation="hardswish",
    )


def _values(text: str) -> Any:
    """The values of a text in JSON, or as Python prints a dict."""
    return literal(text, "once_for_all") if "'" in text[:200] else json_values(text)


def _numbers(values: dict[str, Any], name: str, count: int) -> tuple[int, ...]:
    found = values.get(name)
    if not isinstance(found, list) or len(found) != count or not all(type(each) is int for each in found):
        raise SpecError("once_for_all", f"'{name}' must hold {count} whole numbers, got {shown(found)}")
    return tuple(found)


def _read(text: str) -> ArchSpec:
    values = _values(text)
    if not isinstance(values, dict):
        raise SpecError("once_for_all", f"must be an object of ks, e and d, or a net_config, got '{shown(text[:60])}'")
    if looks_like_net_config(values):
        return read_net_config(values)
    depths = _numbers(values, "d", len(STAGES))
    kernels, expansions = (_numbers(values, name, DEEPEST * len(STAGES)) for name in ("ks", "e"))
    for index, depth in enumerate(depths):
        if not 2 <= depth <= DEEPEST:
            raise SpecError("once_for_all", f"d[{index}] must be 2 to {DEEPEST}, got {depth}")
        for place in range(index * DEEPEST, index * DEEPEST + depth):
            for name, each, known in (("ks", kernels[place], KERNELS), ("e", expansions[place], EXPANSIONS)):
                if each not in known:
                    raise SpecError("once_for_all", f"{name}[{place}] must be one of {known}, got {each}")
    return once_for_all_network(kernels, expansions, depths, _resolution(values))


def _resolution(values: dict[str, Any]) -> int:
    sides = values.get("r", 224)
    side = sides[0] if isinstance(sides, list) and len(sides) == 1 else sides
    if type(side) is not int or not 1 <= side <= 4096:
        raise SpecError("once_for_all", f"'r' must be one resolution, 1 to 4096, got {shown(sides)}")
    return side


def _write(arch: ArchSpec) -> str:
    """Kernels, expansions and depths; layers that the network has not are written as 3."""
    layers: list[tuple[int, Sides, float]] = []
    for stage in arch.stages:
        block = stage.block
        if not isinstance(block, MBConv | InvertedBottleneck) or block.hidden is not None or stage.width is None:
            raise SpecError("once_for_all", "tells networks of inverted bottlenecks with an expansion alone")
        layers += [(stage.width, block.kernel, block.expansion)] * stage.repeats
    kernels, expansions, depths = [], [], []
    for width, *_ in STAGES:
        own = [layer for layer in layers if layer[0] == width][:DEEPEST]
        depths.append(len(own))
        kernels += [layer[1] for layer in own] + [3] * (DEEPEST - len(own))
        expansions += [int(layer[2]) for layer in own] + [3] * (DEEPEST - len(own))
    values: dict[str, Any] = {"ks": kernels, "e": expansions, "d": depths}
    if arch.input[1] == arch.input[2]:
        values["r"] = [arch.input[1]]
    return require_same(arch, json.dumps(values), _read, "once-for-all's kernels, expansions and depths")


ONCE_FOR_ALL = Notation(
    name="once_for_all",
    summary="once-for-all's ks, e, d, and net_config of the networks that it releases (arXiv 1908.09791)",
    example=EXAMPLE,
    is_one=lambda text: (
        text.lstrip()[:1] == "{"
        and any(f"{mark}ks{mark}" in text or f"{mark}first_conv{mark}" in text for mark in "'\"")
    ),
    read=_read,
    write=_write,
)
