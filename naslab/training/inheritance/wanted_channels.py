"""Wanted channels: which of the parent's channels a layer should make, so that the layer behind can read them."""

from __future__ import annotations

import torch

from naslab.arch.plan import Conv, Layer, Linear, Sequence, named_parts
from naslab.training.inheritance.channels import chooses_outputs, keeps_channels
from naslab.training.inheritance.flow import Channels, spread_in_groups
from naslab.training.inheritance.weight_transfer import WeightTransfer


def wanted_behind(transfer: WeightTransfer, old_path: str, old: Sequence, new: Sequence, index: int) -> Channels | None:
    """The parent's channels that layer `index` of the child's sequence should make for the layer that reads them.

    `old` is the parent's sequence, at `old_path` in its module, `new` the child's; the reader is the next layer of
    `new` that does not keep channels. Where it filters in groups, each group takes channels of the parent's same group;
    where fewer channels are left than the parent has, those stay whose outgoing weights, read in `transfer`, are
    largest in sum of absolute values (Cai et al. 2020, arXiv 1908.09791, section 3.3). `None` where nothing is to be
    preferred, or a layer outside the sequence reads them.
    """
    if not chooses_outputs(new.layers[index]):
        return None
    for name, each in zip(new.names[index + 1 :], new.layers[index + 1 :], strict=True):
        if keeps_channels(each):
            continue
        if name not in old.names:
            return None
        return _for_reader(transfer, f"{old_path}.{name}", old.layers[old.names.index(name)], each)
    return None


def _for_reader(transfer: WeightTransfer, path: str, old: Layer, new: Layer) -> Channels | None:
    while isinstance(old, Sequence) and isinstance(new, Sequence):
        firsts = [
            next(((name, part) for name, part in named_parts(each) if not keeps_channels(part)), None)
            for each in (old, new)
        ]
        if firsts[0] is None or firsts[1] is None or firsts[0][0] != firsts[1][0]:
            return None
        path, old, new = f"{path}.{firsts[0][0]}", firsts[0][1], firsts[1][1]
    if isinstance(old, Conv) and isinstance(new, Conv):
        if new.groups > 1 or old.groups > 1:
            same = new.groups == old.groups
            return spread_in_groups(old.in_channels, new.in_channels, new.groups) if same else None
        if new.in_channels < old.in_channels:
            return _largest(transfer, path, new.in_channels)
    if isinstance(old, Linear) and isinstance(new, Linear) and new.in_features < old.in_features:
        return _largest(transfer, path, new.in_features)
    return None


def _largest(transfer: WeightTransfer, path: str, count: int) -> Channels:
    """The channels that a layer of the parent reads with the largest weights, in their order."""
    weight = transfer.parent[f"{path}.weight"]
    size = weight.abs().sum(dim=[dim for dim in range(weight.ndim) if dim != 1])
    kept = torch.argsort(size, descending=True, stable=True)[:count]
    return tuple(sorted(kept.tolist()))
