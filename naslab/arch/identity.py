"""The identity of a network: the hash of what it lowers to.

Two descriptions have one identity where they lower to the same layers in the same order on an input of the same shape.
It makes no difference whether a squeeze ratio is 1/16 or 1/32 of 16 channels, whether there are two stages or one of
twice the repeats, or whether a block is in the stem or in a stage. What is hashed are the rows of a network, one for
each layer:

- the names of layers, their grouping into blocks, stages, stem and head, and layers that pass their input on are left
  out;
- every field of a layer is part of its row, also those that act in training alone: rates of dropout and stochastic
  depth, momenta, auxiliary heads with the weight of their loss and the place that they read;
- outputs that later blocks may read (cells of several inputs) are marked;
- the nodes of a graph stand in one order, and what a sum reads is sorted: the left and the right input of a node may be
  written in either order, and nodes that do not read each other may be listed in any.

How a row is written is told in `naslab.arch.plan_rows`. Nothing depends on the process, the machine or the version of
Python. Identities are kept in ledgers: a layer with another name, a field with
another default and any change of the form give networks new ones; `naslab.ledger.rows` says how old ones meet them.
"""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import blake2b
from typing import TypeAlias

import msgspec

from naslab.arch.block import Context
from naslab.arch.blocks import AnyBlock
from naslab.arch.cost import Place, block_counts, head_tally
from naslab.arch.lower import (
    dropped_blocks,
    lower,
    lower_at,
    lower_head,
    lowered_at,
    part_name,
    placed_auxiliary,
    placed_head,
    reads_history,
)
from naslab.arch.memo import Memo
from naslab.arch.plan import Dag, Identity, Layer, Residual, Sequence, Shape
from naslab.arch.plan_rows import LayerRow, Rows, digest_of, essence_of, layer_rows, rate_bytes, rows_in
from naslab.arch.sides import Sides
from naslab.arch.spec import ArchSpec, Head, Stage, StochasticDepth
from naslab.errors import SpecError

Template: TypeAlias = tuple[Rows, ...]
"""The rows of a block in pieces: between two of them is the place of its rate of stochastic depth."""


IDENTITY_VERSION = 1
"""Raised whenever identities of networks change: those that ledgers hold of another version are computed again."""
_ID_BYTES = 8
_PROBE, _OTHER, _LOW = 0.5, 0.25, 0.01
"""Rates at which a block is lowered to see where its rate of stochastic depth stands."""
_ODD = 0.9061
"""A rate that nobody writes: where it stands, a block has put the rate that it was told."""


@lru_cache(maxsize=1024)
def arch_id(arch: ArchSpec) -> str:
    """Sixteen hexadecimal digits of the hash of what `arch` lowers to: the same network, the same identity.

    Raises `SpecError` where a layer does not fit its input, as `cost` does. An auxiliary head that does not fit, which
    training refuses, counts as it is written.

    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> one, other = (
    ...     ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(expansion=expansion), width=8),), num_classes=2)
    ...     for expansion in (2, 2.01)
    ... )
    >>> one == other, arch_id(one) == arch_id(other)
    (False, True)
    """
    return blake2b(b"%d,%d,%d:" % arch.input + rows_of(arch), digest_size=_ID_BYTES).hexdigest()


def rows_of(arch: ArchSpec) -> Rows:
    """The rows of the network `arch` from the first layer to the classifier; raises `SpecError` as `arch_id`."""
    try:
        rows = None if arch.auxiliary else _standing_rows(arch)
    except SpecError:
        lower(arch)  # says where in the network it went wrong
        raise
    return _marked_rows(arch) if rows is None else rows


def _standing_rows(arch: ArchSpec) -> Rows | None:
    """The rows of stages, kept by where they stand, and of the head; `None` where a stage does not stand alone."""
    shape, context, depth = arch.input, arch.context, arch.stochastic_depth
    found: list[Rows] = []
    for stage in arch.stem if depth.rate else arch.stem + arch.stages:
        shape, rows = _rows_at[shape, context][stage]
        if rows is None:
            return None
        found.append(rows)
    if depth.rate:
        templates: list[Template] = []
        for stage in arch.stages:
            shape, more = _templates_at[shape, context][stage]
            if more is None:
                return None
            templates += more
        found += map(bytes.join, _packed_rates(depth, len(templates)), templates)
    found.append(_head_rows(arch.head, shape, arch.num_classes, context))
    return b"".join(found)


def _stage_rows(place: Place, stage: Stage) -> tuple[Shape, Rows | None]:
    """The shape behind a stage without stochastic depth, and its rows; none where its blocks read several outputs."""
    shape, context = place
    if stage.block.num_inputs > 1:
        return shape, None
    found: list[Rows] = []
    stride = stage.stride
    for repeat in range(stage.repeats):
        block = stage.block.repeated(repeat) if repeat else stage.block
        before = shape
        shape, rows = _block_rows(block, stage.width, stride, before, context)
        if shape == before and repeat and block is stage.block:
            found.append(rows * (stage.repeats - repeat))
            break
        found.append(rows)
        stride = 1
    return shape, b"".join(found)


_rows_at: Memo[Place, Memo[Stage, tuple[Shape, Rows | None]]] = Memo(lambda place: Memo(partial(_stage_rows, place)))


def _stage_templates(place: Place, stage: Stage) -> tuple[Shape, tuple[Template, ...] | None]:
    """The shape behind a stage, and a template of each block that does something; none where one has no template."""
    shape, context = place
    if stage.block.num_inputs > 1:
        return shape, None
    found: list[Template] = []
    for repeat in range(stage.repeats):
        block = stage.block.repeated(repeat) if repeat else stage.block
        shape, templates = _block_templates(block, stage.width, 1 if repeat else stage.stride, shape, context)
        if templates is None:
            return shape, None
        found += templates
    return shape, tuple(found)


_templates_at: Memo[Place, Memo[Stage, tuple[Shape, tuple[Template, ...] | None]]] = Memo(
    lambda place: Memo(partial(_stage_templates, place))
)


@lru_cache(maxsize=65536)
def _block_rows(
    block: AnyBlock, width: int | None, stride: Sides, shape: Shape, context: Context
) -> tuple[Shape, Rows]:
    out_shape = block_counts(block, width, stride, shape, context)[0]
    return out_shape, layer_rows(lowered_at(block, width, stride, shape, context))


@lru_cache(maxsize=65536)
def _block_templates(
    block: AnyBlock, width: int | None, stride: Sides, shape: Shape, context: Context
) -> tuple[Shape, tuple[Template, ...] | None]:
    """The shape behind a block, and no template where it does nothing, one where it takes its rate as it is.

    `None` where it makes something else of the rate, which shows in what it lowers to at two of them.
    """
    out_shape = block_counts(block, width, stride, shape, context)[0]
    plain = lowered_at(block, width, stride, shape, context)
    if type(plain) is not Dag:
        dropped = lower_at(block, width, stride, (shape,), context, _ODD)
        if _drops_sums_alone(dropped, plain):
            return out_shape, () if type(plain) is Identity else (_template_of(rows_in(dropped)),)
    one, other = (lower_at(block, width, stride, (shape,), context, rate) for rate in (_PROBE, _OTHER))
    if type(one) is Identity:
        return out_shape, ()
    rows = rows_in(one)
    template = _template_at_probes(rows, rows_in(other), _OTHER)
    if template is not None and len(template) <= sum(len(row.rates) for row in rows):
        # Some rate is the block's own, at these two: below them it may be the one that the block was told.
        lows = rows_in(lower_at(block, width, stride, (shape,), context, _LOW))
        template = _template_at_probes(rows, lows, _LOW)
    return out_shape, None if template is None else (template,)


def _drops_sums_alone(dropped: Layer, plain: Layer) -> bool:
    """Whether layers at the odd rate are those at rate 0, at which costs are counted, but for the rates of sums.

    Most blocks are such, and are lowered once here. Others leave layers out at rate 0.
    """
    if isinstance(dropped, Sequence) and isinstance(plain, Sequence):
        pairs = zip(dropped.layers, plain.layers, strict=False)
        return dropped.names == plain.names and all(_drops_sums_alone(one, other) for one, other in pairs)
    if isinstance(dropped, Residual) and dropped.drop_rate == _ODD:
        return msgspec.structs.replace(dropped, drop_rate=0.0) == plain
    return dropped == plain


def _template_of(rows: list[LayerRow]) -> Template:
    """The rows of layers at the odd rate, in pieces between which it stood."""
    pieces = [b""]
    for row in rows:
        pieces[-1] += row.digest
        for rate in row.rates:
            if rate == _ODD:
                pieces.append(b"")
            else:
                pieces[-1] += rate_bytes(rate)
    return tuple(pieces)


def _template_at_probes(rows: list[LayerRow], twins: list[LayerRow], other: float) -> Template | None:
    """The rows of layers at the probe in pieces; `None` where those at the rate `other` differ by more than it."""
    if len(rows) != len(twins):
        return None
    pieces = [b""]
    for row, twin in zip(rows, twins, strict=True):
        if row.digest != twin.digest:
            return None
        pieces[-1] += row.digest
        for rates in zip(row.rates, twin.rates, strict=True):
            if rates == (_PROBE, other):
                pieces.append(b"")
            elif rates[0] == rates[1]:
                pieces[-1] += rate_bytes(rates[0])
            else:
                return None
    return tuple(pieces)


@lru_cache(maxsize=1024)
def _packed_rates(depth: StochasticDepth, num_blocks: int) -> tuple[bytes, ...]:
    return tuple(rate_bytes(depth.rate_of(index, num_blocks)) for index in range(num_blocks))


@lru_cache(maxsize=4096)
def _head_rows(head: Head, shape: Shape, num_classes: int, context: Context) -> Rows:
    head_tally(head, shape, num_classes, context)  # refuses a head that does not fit
    return layer_rows(lower_head(head, shape, num_classes, context))


def _marked_rows(arch: ArchSpec) -> Rows:
    """The rows of any network, block by block, with marks of outputs that later blocks may read and of heads."""
    found: dict[str, list[Rows]] = {f"stem{index}": [] for index in range(len(arch.stem))}
    found |= {f"stage{index}": [] for index in range(len(arch.stages))}
    output = digest_of("output") if reads_history(arch) else b""
    shapes = {"input": arch.input}
    shape = arch.input
    for block in dropped_blocks(arch):
        part = part_name(block.place)
        shapes[part] = shape = block.out_shape
        found[part].append(layer_rows(block.layer) + output)
    head = layer_rows(placed_head(arch, shape))
    for index, auxiliary in enumerate(arch.auxiliary):
        found[f"stage{auxiliary.after}"].append(_auxiliary_row(arch, index, shapes))
    return b"".join(rows for part in found.values() for rows in part) + head


def _auxiliary_row(arch: ArchSpec, index: int, shapes: dict[str, Shape]) -> Rows:
    """What stands for an auxiliary head behind the stage that it reads."""
    try:
        _, layer, weight = placed_auxiliary(arch, index, shapes)
    except SpecError:
        return digest_of({"refused": essence_of(msgspec.structs.replace(arch.auxiliary[index], after=0), [])})
    return digest_of({"auxiliary": layer_rows(layer).hex(), "weight": essence_of(weight, [])})
