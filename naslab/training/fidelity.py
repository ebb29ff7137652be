"""What a fidelity makes of a network and of its training images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from naslab.arch.spec import ArchSpec
from naslab.errors import DataError
from naslab.outcome import Fidelity
from naslab.scaling.scale import scale
from naslab.training.datasets.split import subset_indices

if TYPE_CHECKING:
    from naslab.training.data import DataSplit


def arch_at(arch: ArchSpec, fidelity: Fidelity) -> ArchSpec:
    """The network that is trained in the place of `arch`: at the fidelity's width and resolution.

    Raises `SpecError` where nothing is left of it.

    >>> from naslab.zoo import model
    >>> arch_at(model("mobilenet_v2"), Fidelity(resolution=(64, 48))).input
    (3, 64, 48)
    """
    narrow = arch if fidelity.width is None else scale(arch, width=fidelity.width)
    if fidelity.resolution is None:
        return narrow
    return msgspec.structs.replace(narrow, input=(arch.input[0], *fidelity.resolution))


def data_at(split: DataSplit, fidelity: Fidelity, seed: int) -> DataSplit:
    """The split with the fidelity's number of training images, each class in proportion; all where there are no more.

    The subset is a function of the seed, and a larger one holds every smaller one of the same seed but for classes
    whose share is rounded. Validation images and statistics stay. Images are resized as batches are made of them.
    """
    import torch  # who asks for the network alone does without

    count = fidelity.images
    if count is None or count >= len(split.train):
        return split
    if count < split.num_classes:
        raise DataError(f"images: must be at least one for each of {split.num_classes} classes, got {count}")
    labels = split.train.labels
    chosen = torch.from_numpy(subset_indices(labels.cpu().numpy(), count, seed)).to(labels.device)
    return split._replace(train=split.train.chosen(chosen))
