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

A row is written as JSON: the class of the layer and its fields by name, in the order of the alphabet, without those
that hold their default. So a new field changes no identity if its default is what was done before it. Numbers that are
equal are written the same. Layers inside a layer are written as the digests of their rows. Nothing depends on the
process, the machine or the version of Python. Identities are kept in ledgers: a layer with another name, a field with
another default and any change of the form give networks new ones; `naslab.ledger.rows` says how old ones meet them.
"""

from __future__ import annotations

import math
import struct
from functools import cache, lru_cache, partial
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import msgspec

from naslab.arch.block import Context
from naslab.arch.blocks import AnyBlock
from naslab.arch.cost import Place, block_counts, head_tally
from naslab.arch.graph_order import canonical_order, reads
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
from naslab.arch.plan import Concat, Dag, DropPath, Identity, Layer, Residual, Sequence, Shape
from naslab.arch.sides import Sides
from naslab.arch.spec import ArchSpec, Head, Stage, StochasticDepth
from naslab.errors import SpecError

Rows: TypeAlias = bytes
"""Rows as bytes: of each its digest (16 bytes), then the rates of the stochastic depth in it (8 bytes each)."""
Template: TypeAlias = tuple[Rows, ...]
"""The rows of a block in pieces: between two of them is the place of its rate of stochastic depth."""


class Row(NamedTuple):
    """A layer: the `digest` of all its fields but its rates of stochastic depth, and the `rates`.

    The rates of layers inside it are among them. `packed` are both as bytes.
    """

    digest: bytes
    rates: tuple[float, ...]
    packed: Rows


_DIGEST_BYTES, _ID_BYTES = 16, 8
_PROBES = 0.5, 0.25
"""Rates with which a block is lowered to see where its rate of stochastic depth stands."""
_DROPPED = {Residual: "drop_rate", Dag: "drop_rate", DropPath: "rate"}
"""The layers of stochastic depth, each with the field of its rate."""
_NESTED = frozenset({Sequence, Identity, Concat, Residual, Dag})
"""Layers that are no row, or too large a one to be kept."""
_LABELS = "names"
"""The field of combinators that says what the layers inside are called."""


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
    one, other = (lower_at(block, width, stride, (shape,), context, rate) for rate in _PROBES)
    if type(one) is Identity:
        return out_shape, ()
    pieces = [b""]
    for row, twin in zip(_rows(one), _rows(other), strict=True):
        if row.digest != twin.digest:
            return out_shape, None
        pieces[-1] += row.digest
        for rates in zip(row.rates, twin.rates, strict=True):
            if rates == _PROBES:
                pieces.append(b"")
            elif rates[0] == rates[1]:
                pieces[-1] += _packed(rates[0])
            else:
                return out_shape, None
    return out_shape, (tuple(pieces),)


@lru_cache(maxsize=1024)
def _packed_rates(depth: StochasticDepth, num_blocks: int) -> tuple[bytes, ...]:
    return tuple(_packed(depth.rate_of(index, num_blocks)) for index in range(num_blocks))


@lru_cache(maxsize=4096)
def _head_rows(head: Head, shape: Shape, num_classes: int, context: Context) -> Rows:
    head_tally(head, shape, num_classes, context)  # refuses a head that does not fit
    return layer_rows(lower_head(head, shape, num_classes, context))


def _marked_rows(arch: ArchSpec) -> Rows:
    """The rows of any network, block by block, with marks of outputs that later blocks may read and of heads."""
    found: dict[str, list[Rows]] = {f"stem{index}": [] for index in range(len(arch.stem))}
    found |= {f"stage{index}": [] for index in range(len(arch.stages))}
    output = _digest("output") if reads_history(arch) else b""
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
        return _digest({"refused": _essence(msgspec.structs.replace(arch.auxiliary[index], after=0), [])})
    return _digest({"auxiliary": layer_rows(layer).hex(), "weight": _essence(weight, [])})


def layer_rows(layer: Layer) -> Rows:
    """The rows of `layer`: those of its layers for a sequence, one row with all that is inside for any other layer.

    A layer that passes its input on has none.
    """
    return b"".join([row.packed for row in _rows(layer)])


def _rows(layer: Layer) -> list[Row]:
    """The rows of a layer: none where it passes its input on, those of a sequence's layers in order."""
    found: list[Row] = []
    _add_rows(layer, found)
    return found


def _add_rows(layer: Layer, found: list[Row]) -> None:
    if isinstance(layer, Sequence):
        for each in layer.layers:
            if type(each) in _NESTED:
                _add_rows(each, found)
            else:
                found.append(_row_of[each])
    elif isinstance(layer, Concat) and len(layer.branches) == 1:
        _add_rows(layer.branches[0], found)
    elif isinstance(layer, Dag):
        found.append(_graph_row_of[layer])
    elif not isinstance(layer, Identity):
        found.append(_row(layer) if type(layer) in _NESTED else _row_of[layer])


def _row(layer: Layer) -> Row:
    rates: list[float] = []
    return _new_row(_essence_of_fields(layer, rates), rates)


def _new_row(essence: dict[str, Any], rates: list[float]) -> Row:
    digest = _digest(essence)
    return Row(digest, tuple(rates), digest + b"".join(map(_packed, rates)))


_row_of: Memo[Layer, Row] = Memo(_row, limit=1 << 16)
"""Rows of small layers: a network has many of few kinds."""


def _graph_row(layer: Dag) -> Row:
    """The row of a graph, its nodes in the order that does not depend on how it is written."""
    parts = [_node_part[node.layer] for node in layer.nodes]
    keys = [
        b"%s %s %d" % (key, node.join.encode(), node.shifted_like is None)
        for node, (key, _, _) in zip(layer.nodes, parts, strict=True)
    ]
    order = canonical_order(layer, keys)
    places = list(range(layer.num_inputs)) + [0] * len(order)
    for place, index in enumerate(order, layer.num_inputs):
        places[layer.num_inputs + index] = place
    rates: list[float] = []
    nodes: list[Any] = []
    for index in order:
        node = layer.nodes[index]
        _, essence, dropped = parts[index]
        rates += dropped
        nodes.append([essence, node.join, node.shifted_like is not None, *reads(node, places)])
    fields: dict[str, Any] = {
        "nodes": nodes,
        "outputs": [places[value] for value in layer.outputs],
        "inputs": layer.num_inputs,
    }
    if layer.drop_rate:
        rates.append(layer.drop_rate)
        fields["drop_rate"] = "dropped"
    return _new_row({"Dag": fields}, rates)


def _new_node_part(layer: Layer) -> tuple[bytes, str, tuple[float, ...]]:
    """Of a node's layer a key with its rates of stochastic depth, its essence without them, and the rates."""
    rows = _rows(layer)
    rates = tuple(rate for row in rows for rate in row.rates)
    essence = b"".join([row.digest for row in rows]).hex()
    return essence.encode() + b"".join(map(_packed, rates)), essence, rates


_node_part: Memo[Layer, tuple[bytes, str, tuple[float, ...]]] = Memo(_new_node_part)
_graph_row_of: Memo[Dag, Row] = Memo(_graph_row)


def _essence(value: Any, rates: list[float]) -> Any:
    """A value as JSON takes it, the same for equal values; rates of stochastic depth in it are moved to `rates`."""
    if isinstance(value, Layer):
        rows = _rows(value)
        for row in rows:
            rates += row.rates
        return b"".join([row.digest for row in rows]).hex()
    if isinstance(value, msgspec.Struct):
        return _essence_of_fields(value, rates)
    if isinstance(value, tuple | list):
        return [_essence(each, rates) for each in value]
    if isinstance(value, frozenset):
        return sorted((_essence(each, rates) for each in value), key=msgspec.json.encode)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}  # JSON has no infinities
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole else value


def _essence_of_fields(value: msgspec.Struct, rates: list[float]) -> dict[str, Any]:
    """The class and its fields, but for labels and what holds its default."""
    kind = type(value)
    dropped = _DROPPED.get(kind)
    fields: dict[str, Any] = {}
    for name, default, plain_default in _fields(kind):
        field = getattr(value, name)
        if name == dropped:
            if field:
                rates.append(field)
                fields[name] = "dropped"
        elif field != default:
            plain = _essence(field, rates)
            if plain != plain_default:
                fields[name] = plain
    return {kind.__name__: fields}


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any, Any], ...]:
    """Names of fields in order, each with its default and that as JSON takes it."""
    fields = sorted(msgspec.structs.fields(kind), key=lambda field: field.name)
    return tuple((each.name, each.default, _essence(each.default, [])) for each in fields if each.name != _LABELS)


def _digest(value: Any) -> bytes:
    return blake2b(msgspec.json.encode(value), digest_size=_DIGEST_BYTES).digest()


_packed = struct.Struct(">d").pack
