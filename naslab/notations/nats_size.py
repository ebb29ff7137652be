"""The strings of NATS-Bench's size space (Dong et al. 2021, arXiv 2009.00437): five numbers of channels.

`64:64:64:64:64` are the channels of a cell, a residual block, a cell, a residual block and a cell (section 3.2).
"""

from __future__ import annotations

import re

from naslab.arch.blocks import ActivationFirstResidual, ConvBlock, GraphCell
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.errors import SpecError, shown
from naslab.notations.nas_bench_201 import read_cell
from naslab.notations.notation import Notation, require_same

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
"""The cell of every network of the space: the best of the topology space on CIFAR-100 (section 3.2)."""
NUM_LAYERS = 5
EXAMPLE = "48:64:56:32:24"


def nats_size(channels: tuple[int, ...], num_classes: int = 10) -> ArchSpec:
    """The network with five numbers of `channels` and `num_classes` classes, on CIFAR's images; the stem has the first.

    Raises `SpecError` for another number of them.
    """
    if len(channels) != NUM_LAYERS:
        raise SpecError("nats_size", f"must be {NUM_LAYERS} numbers of channels like {EXAMPLE}, got {len(channels)}")
    cell = read_cell(CELL)
    stages = [
        Stage(block=ActivationFirstResidual(), width=width, stride=2) if index % 2 else Stage(block=cell, width=width)
        for index, width in enumerate(channels)
    ]
    return ArchSpec(
        input=(3, 32, 32),
        stem=(Stage(block=ConvBlock(kernel=3, activation="none"), width=channels[0]),),
        stages=tuple(stages),
        head=Head(norm=True),
        num_classes=num_classes,
    )


def _read(text: str) -> ArchSpec:
    if not re.fullmatch(r"[0-9]{1,6}(:[0-9]{1,6})*", text):
        raise SpecError("nats_size", f"must be {NUM_LAYERS} numbers of channels like {EXAMPLE}, got '{shown(text)}'")
    return nats_size(tuple(map(int, text.split(":"))))


def _write(arch: ArchSpec) -> str:
    cells = [stage.block for stage in arch.stages if isinstance(stage.block, GraphCell)]
    widths = [stage.width for stage in arch.stages]
    if len(widths) != NUM_LAYERS or not cells or None in widths:
        raise SpecError("nats_size", f"tells networks of {NUM_LAYERS} stages of cells, got {len(widths)}")
    return require_same(arch, ":".join(map(str, widths)), _read, "a string of NATS-Bench's size space")


NATS_SIZE = Notation(
    name="nats_size",
    summary="channels of NATS-Bench's size space (arXiv 2009.00437)",
    example=EXAMPLE,
    is_one=lambda text: re.fullmatch(r"[0-9]+(:[0-9]+)+", text) is not None,
    read=_read,
    write=_write,
)
