"""Which tensors of a file are which of a network, by structure: the order, the kind and the shapes of layers.

Names say nothing across libraries; the order in which layers run and their shapes do. Layers of both are written as
signatures, and the longest common row of signatures pairs them. A 1 x 1 convolution is a linear layer over channels, so
that both have one signature. The first convolution may read other channels and the classifier give other classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec
import torch
from torch import Tensor

from naslab.errors import counted
from naslab.zoo.torchvision_weights import in_running_order

AUXILIARY = ("AuxLogits.", "aux1.", "aux2.", "auxiliary.")
"""Heads that are there in training only."""
COUNTER = "num_batches_tracked"
KNOWN = ("weight", "bias", "running_mean", "running_var")
Signature: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]


class LayerTensors(NamedTuple):
    """The tensors of one layer: `names` by what they are in it, and its `signature`, which is that of its like."""

    names: dict[str, str]
    signature: Signature


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a network takes of the weights of another, in names of its own tensors but for `left`, which are theirs.

    `taken` are as they were, `reshaped` the same values in another shape, `adapted` the first filters for images of
    other channels, `fresh` those that begin anew. `share` is twice the tensors that both have, over the tensors of
    both, classifiers left aside: 1 for one network, 0 for strangers.
    """

    taken: tuple[str, ...]
    reshaped: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    share: float = 1.0

    @property
    def words(self) -> str:
        """The match on one line."""
        told = [f"{counted(len(self.taken), 'tensor')} taken"]
        told += [f"{len(self.reshaped)} reshaped"] if self.reshaped else []
        told += [f"{', '.join(self.adapted)} made for other channels"] if self.adapted else []
        told += [f"{len(self.fresh)} begin anew ({_some(self.fresh)})"] if self.fresh else []
        told += [f"{len(self.left)} left ({_some(self.left)})"] if self.left else []
        return f"{'; '.join(told)}; {self.share:.0%} of both networks"


class Matched(NamedTuple):
    """The tensors of a network by its names, `weights`, and the report of where they are from, `match`."""

    weights: dict[str, Tensor]
    match: Match


def matched(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], keeps_classifier: bool = True) -> Matched:
    """What of `theirs`, the tensors of another network in its order, a network with the tensors `own` begins with.

    Tensors of the same names are those of the same network, in whatever order. Of `own` the names and the shapes alone
    are read. Where `keeps_classifier` is false, or it has another shape, the
    classifier begins anew. Filters of the first layer are averaged or repeated for images of another number of
    channels (`adapted_filters`).
    """
    if own.keys() == theirs.keys():
        theirs = {name: theirs[name] for name in own}
    ours = layers_of({name: tuple(value.shape) for name, value in own.items()})
    others = layers_of({name: tuple(value.shape) for name, value in theirs.items()})
    stems, ends = (_stem_pair(ours, others, own, theirs), _classifier_pair(ours, others, own, theirs))
    pairs = aligned(
        [_marked(index, each, stems[0], ends[0]) for index, each in enumerate(ours)],
        [_marked(index, each, stems[1], ends[1]) for index, each in enumerate(others)],
    )
    weights: dict[str, Tensor] = {}
    reshaped: list[str] = []
    adapted: list[str] = []
    used: set[str] = set()
    for mine, other in pairs:
        if mine == ends[0] and (not keeps_classifier or ours[mine].signature != others[other].signature):
            used.update(others[other].names.values())
            continue
        for name, source in paired_tensors(ours[mine], others[other]).items():
            value = theirs[source].detach()
            used.add(source)
            if mine == stems[0] and value.ndim == 4 and value.shape[1] != own[name].shape[1]:
                value = adapted_filters(value, own[name].shape[1])
                adapted.append(name)
            elif value.shape != own[name].shape:
                reshaped.append(name)
            weights[name] = value.reshape(own[name].shape).to(own[name].dtype)
    end_names = set(ours[ends[0]].names.values()) if ends[0] is not None else set()
    their_end = set(others[ends[1]].names.values()) if ends[1] is not None else set()
    both = len(set(weights) - end_names)
    total = sum(len(set(each.names.values()) - end_names) for each in ours)
    total += sum(len(set(each.names.values()) - their_end) for each in others)
    match = Match(
        taken=tuple(name for name in weights if name not in {*reshaped, *adapted}),
        reshaped=tuple(reshaped),
        adapted=tuple(adapted),
        fresh=tuple(name for each in ours for name in each.names.values() if name not in weights),
        left=tuple(name for each in others for name in each.names.values() if name not in used),
        share=2 * both / max(1, total),
    )
    return Matched(weights, match)


def layers_of(shapes: Mapping[str, tuple[int, ...]]) -> list[LayerTensors]:
    """The layers of a network whose tensors have these names and shapes, in the order in which they run.

    >>> [layer.signature for layer in layers_of({"a.weight": (4, 3, 1, 1), "a.bias": (4,), "b.gamma": (4, 1, 1)})]
    [(('bias', (4,)), ('weight', (4, 3))), (('other', (4,)),)]
    """
    kept = [each for each in shapes if not each.startswith(AUXILIARY) and each.rpartition(".")[2] != COUNTER]
    groups: dict[str, list[str]] = {}
    for name in in_running_order(kept):
        prefix, _, last = name.rpartition(".")
        key = prefix if last in KNOWN or f"{prefix}.weight" in shapes else name
        groups.setdefault(key, []).append(name)
    return [_layer(names, shapes) for names in groups.values()]


def _layer(names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> LayerTensors:
    parts = {_role(name): name for name in names}
    return LayerTensors(parts, tuple(sorted((role, _squeezed(shapes[name])) for role, name in parts.items())))


def _role(name: str) -> str:
    last = name.rpartition(".")[2]
    return last if last in KNOWN else "other"


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without ones at its end: 1 x 1 filters are a matrix, a value for each channel is a vector."""
    kept = list(shape)
    while len(kept) > 1 and kept[-1] == 1:
        kept.pop()
    return tuple(kept)


def _stem_pair(
    ours: list[LayerTensors], others: list[LayerTensors], own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> tuple[int | None, int | None]:
    """The places of the first convolutions, where they differ in the channels that they read alone."""
    first, second = (_first_filter(layers, of) for layers, of in ((ours, own), (others, theirs)))
    if first is None or second is None:
        return None, None
    one, other = own[ours[first].names["weight"]].shape, theirs[others[second].names["weight"]].shape
    is_like = one[0] == other[0] and one[2:] == other[2:] and ours[first].names.keys() == others[second].names.keys()
    return (first, second) if is_like else (None, None)


def _first_filter(layers: list[LayerTensors], tensors: Mapping[str, Tensor]) -> int | None:
    for index, layer in enumerate(layers):
        if "weight" in layer.names and tensors[layer.names["weight"]].ndim == 4:
            return index
    return None


def _classifier_pair(
    ours: list[LayerTensors], others: list[LayerTensors], own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> tuple[int | None, int | None]:
    """The places of the classifiers: the last layers that mix channels, where both read as many."""
    first, second = (_last_mixing(layers, of) for layers, of in ((ours, own), (others, theirs)))
    if first is None or second is None:
        return first, None
    one, other = (
        _squeezed(tuple(of[layers[index].names["weight"]].shape))
        for layers, index, of in ((ours, first, own), (others, second, theirs))
    )
    return (first, second) if one[1:] == other[1:] else (first, None)


def _last_mixing(layers: list[LayerTensors], tensors: Mapping[str, Tensor]) -> int | None:
    for index in range(len(layers) - 1, -1, -1):
        if "weight" in layers[index].names and tensors[layers[index].names["weight"]].ndim > 1:
            return index
    return None


def _marked(index: int, layer: LayerTensors, stem: int | None, end: int | None) -> Signature:
    """The signature of a layer; stems that differ in channels and classifiers that differ in classes are alike."""
    if index == end:
        return (("classifier", ()),)
    return (("stem", ()),) if index == stem else layer.signature


def aligned(ours: list[Signature], others: list[Signature]) -> list[tuple[int, int]]:
    """The longest common row of two rows of signatures: pairs of places, in order.

    >>> a, b, c = ((name, (1,)),) if (name := "a") else (), (("b", (1,)),), (("c", (1,)),)
    >>> aligned([a, b, c], [a, c, c])
    [(0, 0), (2, 1)]
    """
    if ours == others:
        return [(index, index) for index in range(len(ours))]
    ahead = [[0] * (len(others) + 1) for _ in range(len(ours) + 1)]
    for i in range(len(ours) - 1, -1, -1):
        row, below, mine = ahead[i], ahead[i + 1], ours[i]
        for j in range(len(others) - 1, -1, -1):
            row[j] = below[j + 1] + 1 if mine == others[j] else max(below[j], row[j + 1])
    pairs = []
    i = j = 0
    while i < len(ours) and j < len(others):
        if ours[i] == others[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif ahead[i + 1][j] >= ahead[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def paired_tensors(mine: LayerTensors, other: LayerTensors) -> dict[str, str]:
    """The other layer's name of each tensor of a layer, by what it is in both."""
    return {name: other.names[role] for role, name in mine.names.items() if role in other.names}


def adapted_filters(filters: Tensor, channels: int) -> Tensor:
    """Filters of a first layer for images of another number of `channels`: of shape (out, channels, height, width).

    `filters` are of shape (out, in, height, width). For one channel they are averaged, else repeated in turn; times in
    over `channels`, so that images whose channels are equal give what they gave.

    >>> adapted_filters(torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1), 1).flatten().tolist()
    [9.0]
    >>> adapted_filters(torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1), 6).flatten().tolist()
    [0.5, 1.0, 3.0, 0.5, 1.0, 3.0]
    """
    count = filters.shape[1]
    if channels == 1:
        return filters.sum(1, keepdim=True)
    if channels % count:  # a part of the channels would weigh more than the rest
        return filters.mean(1, keepdim=True).expand(-1, channels, -1, -1) * (count / channels)
    turn = torch.arange(channels, device=filters.device) % count
    return filters[:, turn] * (count / channels)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
