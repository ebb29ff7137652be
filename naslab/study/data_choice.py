"""DataChoice: which data a problem is about. No torch here: problems hold it."""

from __future__ import annotations

from typing import Literal

from naslab.arch.block import Spec, require
from naslab.arguments import refuse_wrong_fields

OWN_DATA = "data of its own"
"""The data set's name where a user's training function brings its own data."""


class DataChoice(Spec, frozen=True):
    """Which data a problem is about: a data set's name, how it is split, and how much of it is used.

    `name` is `digits`, `fashion_mnist`, `cifar10`, `cifar100` or `image_folder:PATH`; `validation_fraction` is the
    share of the training images that validates; `max_images` is how many of the training images are used, training and
    validation together.

    `storage` is where the images lie: on the device (`memory`), or on disk, from where each batch is read when it is
    needed (`stream`); `auto` streams what would take too much of the memory. The pixels are the same, but for recipes
    with `resized_crop`, whose windows are cut from the files' own pixels where images are streamed. `skip_unreadable`
    leaves files of an image folder out that cannot be read, where they are an error otherwise. Raises `SpecError` for
    numbers out of range.
    """

    name: str
    validation_fraction: float = 0.2
    max_images: int | None = None
    storage: Literal["auto", "memory", "stream"] = "auto"
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        share = self.validation_fraction
        require(0 < share < 1, "validation_fraction", f"must be between 0 and 1, got {share}")
        count = self.max_images
        require(count is None or count >= 2, "max_images", f"must be at least 2, got {count}")
