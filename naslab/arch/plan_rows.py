"""The rows of a plan: what its layers do, as bytes that are the same for the same layers, however they are written.

A row is written as JSON: the class of the layer and its fields by name, in the order of the alphabet, without those
that hold their default. So a new field changes no identity if its default is what was done before it. Numbers that are
equal are written the same. Layers inside a layer are written as the digests of their rows. Nothing depends on the
process, the machine or the version of Python. `naslab.arch.identity` says what is in the rows of a network.

>>> from naslab.arch.plan import Conv, seq
>>> layer_rows(seq(conv=Conv(8, 8, bias=False))) == layer_rows(seq(other_name=Conv(8, 8, stride=(1, 1))))
True
"""

from __future__ import annotations

import math
import struct
from functools import cache
from hashlib import blake2b
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

import msgspec

from naslab.arch.graph_order import canonical_order, reads
from naslab.arch.memo import Memo
from naslab.arch.plan import Concat, Dag, DropPath, Identity, Layer, Residual, Sequence

Rows: TypeAlias = bytes
"""Rows as bytes: of each its digest (16 bytes), then the rates of the stochastic depth in it (8 bytes each)."""
_DROPPED = {Residual: "drop_rate", Dag: "drop_rate", DropPath: "rate"}
"""The layers of stochastic depth, each with the field of its rate."""
_DIGEST_BYTES = 16
_NESTED = frozenset({Sequence, Identity, Concat, Residual, Dag})
"""Layers that are no row, or too large a one to be kept."""
_AS_THEY_ARE = frozenset({int, str, NoneType})
"""Kinds of values of which JSON has one form."""
_WHOLE = {int}
_LABELS = "names"
"""The field of combinators that says what the layers inside are called."""


class LayerRow(NamedTuple):
    """A layer: the `digest` of all its fields but its rates of stochastic depth, and the `rates`.

    The rates of layers inside it are among them. `packed` are both as bytes.
    """

    digest: bytes
    rates: tuple[float, ...]
    packed: Rows


def layer_rows(layer: Layer) -> Rows:
    """The rows of `layer`: those of its layers for a sequence, one row with all that is inside for any other layer.

    A layer that passes its input on has none.
    """
    return b"".join([row.packed for row in rows_in(layer)])


def rows_in(layer: Layer) -> list[LayerRow]:
    """The rows of `layer`: none where it passes its input on, those of a sequence's layers in order."""
    found: list[LayerRow] = []
    _add_rows(layer, found)
    return found


def _add_rows(layer: Layer, found: list[LayerRow]) -> None:
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


def _row(layer: Layer) -> LayerRow:
    rates: list[float] = []
    return _new_row(_essence_of_fields(layer, rates), rates)


def _new_row(essence: dict[str, Any], rates: list[float]) -> LayerRow:
    digest = digest_of(essence)
    return LayerRow(digest, tuple(rates), digest + b"".join(map(rate_bytes, rates)) if rates else digest)


_row_of: Memo[Layer, LayerRow] = Memo(_row, limit=1 << 16)
"""Rows of small layers: a network has many of few kinds."""


def _graph_row(layer: Dag) -> LayerRow:
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
    rows = rows_in(layer)
    rates = tuple(rate for row in rows for rate in row.rates)
    essence = b"".join([row.digest for row in rows]).hex()
    return essence.encode() + b"".join(map(rate_bytes, rates)), essence, rates


_node_part: Memo[Layer, tuple[bytes, str, tuple[float, ...]]] = Memo(_new_node_part)
_graph_row_of: Memo[Dag, LayerRow] = Memo(_graph_row)


def essence_of(value: Any, rates: list[float]) -> Any:
    """A `value` as JSON takes it, the same for equal values; rates of stochastic depth in it are moved to `rates`."""
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Layer):
        rows = rows_in(value)
        for row in rows:
            rates += row.rates
        return b"".join([row.digest for row in rows]).hex()
    if isinstance(value, msgspec.Struct):
        return _essence_of_fields(value, rates)
    if isinstance(value, tuple | list):
        return [essence_of(each, rates) for each in value]
    if isinstance(value, frozenset):
        return sorted((essence_of(each, rates) for each in value), key=msgspec.json.encode)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}  # JSON has no infinities
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole else value


def _essence_of_fields(value: msgspec.Struct, rates: list[float]) -> dict[str, Any]:
    """The class and its fields, but for labels and what holds its default.

    Whole numbers, words, truths and sides, which are most of a network's fields, are written without looking further.
    """
    kind = type(value)
    dropped = _DROPPED.get(kind)
    held = msgspec.structs.astuple(value)
    fields: dict[str, Any] = {}
    for name, place, default, plain_default in _fields(kind):
        field = held[place]
        if name == dropped:
            if field:
                rates.append(field)
                fields[name] = "dropped"
        elif field != default:
            kind_of_field = type(field)
            if kind_of_field in _AS_THEY_ARE or (kind_of_field is tuple and {*map(type, field)} == _WHOLE):
                fields[name] = field
            elif kind_of_field is bool:
                fields[name] = int(field)
            else:
                plain = essence_of(field, rates)
                if plain != plain_default:
                    fields[name] = plain
    return {kind.__name__: fields}


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, int, Any, Any], ...]:
    """Names of fields in order, each with its place in the struct, its default and that as JSON takes it."""
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    required = (msgspec.NODEFAULT,) * (len(names) - len(defaults))
    fields = sorted(zip(names, range(len(names)), required + defaults, strict=True), key=itemgetter(0))
    return tuple((name, place, default, essence_of(default, [])) for name, place, default in fields if name != _LABELS)


def digest_of(value: Any) -> bytes:
    """The digest (16 bytes) of `value` as JSON."""
    return blake2b(msgspec.json.encode(value), digest_size=_DIGEST_BYTES).digest()


rate_bytes = struct.Struct(">d").pack
"""A rate as 8 bytes."""
