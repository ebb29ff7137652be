"""What a network in 8 bits takes of a microcontroller: bytes of SRAM at its peak and of flash, exact by convention.

SRAM: one byte a value, at the moment when most values are alive: the input and output of the layer that runs, and every
map that a later layer reads (the `peak` of `naslab.arch.tally`). Norms, activations and sums are part of the
convolution before them. Not counted: depthwise convolutions that write over their input, buffers of a library's own,
the runtime.

Flash: one byte a weight of convolutions and linear layers, and of each of their outputs a bias of 4 bytes and the 8
bytes by which sums are brought back to 8 bits (a multiplier and a shift of 4 bytes each, as CMSIS-NN takes them). A
norm behind a convolution is folded into it; one elsewhere is a weight, a bias and the 8 bytes a channel. Not counted:
the program, the order of the layers, tables of activations.
"""

from __future__ import annotations

from naslab.arch.cost import BYTES_PER_VALUE, Cost, placed_layers
from naslab.arch.declaration import words_of
from naslab.arch.lower import lower
from naslab.arch.plan import (
    Act,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    Norm,
    Pool,
    Shape,
)
from naslab.arch.spec import ArchSpec
from naslab.arch.stage_sums import StageSums
from naslab.errors import UnknownNameError

BIAS_BYTES, REQUANTISE_BYTES = 4, 8


def sram_bytes(cost: Cost) -> int:
    """Bytes of SRAM at the peak of a network of this `cost` in 8 bits, one image.

    >>> from naslab.arch.cost import cost
    >>> from naslab.zoo import model
    >>> sram_bytes(cost(model("lenet5")))
    5880
    """
    return cost.peak_activation_bytes // BYTES_PER_VALUE


def flash_bytes(arch: ArchSpec) -> int:
    """Bytes of flash of the network `arch` in 8 bits.

    >>> from naslab.arch import ConvBlock, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4),), num_classes=2)
    >>> flash_bytes(arch) == (3 * 9 * 4 + 4 * 12) + (4 * 2 + 2 * 12)
    True
    """
    return int(_flash(arch))


OPERATORS: dict[str, str] = {"cmsis-nn": "the operators of CMSIS-NN"}
"""Named sets of operators, and what they are."""
_CMSIS_ACTIVATIONS = ("relu", "relu6", "identity")


def foreign_layers(arch: ArchSpec, operators: str) -> int:
    """How many layers of the network `arch` a named set of `operators` does not hold: `cmsis-nn`.

    That has convolutions without groups and depthwise ones, linear layers, norms that are folded, ReLU and ReLU6,
    pooling, sums and concatenations; no gates (squeeze-excite), no other activations. Raises `UnknownNameError`.

    >>> from naslab.zoo import model
    >>> foreign_layers(model("mobilenet_v2"), "cmsis-nn"), foreign_layers(model("efficientnet_b0"), "cmsis-nn") > 0
    (0, True)
    """
    if operators not in OPERATORS:
        raise UnknownNameError("set of operators", operators, OPERATORS)
    return int(_foreign(arch))


def first_foreign_layer(arch: ArchSpec, operators: str) -> str:
    """The first layer of the network `arch` that the named set of `operators` does not hold; empty where there is none.

    Raises `UnknownNameError`.

    >>> from naslab.zoo import model
    >>> first_foreign_layer(model("efficientnet_b0"), "cmsis-nn")
    'stem0.0.act (silu) is none of the operators of CMSIS-NN'
    """
    if not foreign_layers(arch, operators):
        return ""
    for each in placed_layers(lower(arch), arch.input):
        if not _is_cmsis(each.layer):
            return f"{each.path} ({words_of(each.layer)}) is none of {OPERATORS[operators]}"
    return ""


def _flash_of_part(part: Layer, shape: Shape) -> float:
    total = 0
    before: tuple[str, Layer] | None = None
    for placed in placed_layers(part, shape):
        layer, outputs = placed.layer, placed.tally.out_shape[0]
        parent = placed.path.rpartition(".")[0]
        if isinstance(layer, Conv | Linear):
            biases = outputs if layer.bias else 0
            weights = placed.tally.params - biases
            total += weights + outputs * (BIAS_BYTES + REQUANTISE_BYTES)
        elif placed.tally.params:
            is_behind = before is not None and before[0] == parent and isinstance(before[1], Conv)
            if not (isinstance(layer, Norm) and is_behind):
                total += outputs * (1 + BIAS_BYTES + REQUANTISE_BYTES)
        before = parent, layer
    return total


def _foreign_of_part(part: Layer, shape: Shape) -> float:
    return sum(not _is_cmsis(each.layer) for each in placed_layers(part, shape))


def _is_cmsis(layer: Layer) -> bool:
    if isinstance(layer, Conv):
        return layer.groups in (1, layer.in_channels) and not layer.standardized
    if isinstance(layer, Act):
        return layer.kind in _CMSIS_ACTIVATIONS
    return isinstance(layer, Linear | Norm | Pool | GlobalPool | Flatten | Identity | Dropout | DropPath)


_flash = StageSums(_flash_of_part)
_foreign = StageSums(_foreign_of_part)
