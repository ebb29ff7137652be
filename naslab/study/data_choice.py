"""DataChoice: which data a problem is about. No torch here: problems hold it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from naslab.arch.block import Spec, require
from naslab.arguments import refuse_wrong_fields
from naslab.study.task import Task

FOLDER = "image_folder:"
"""How the name of a folder of images begins."""

OWN_DATA = "data of its own"
"""The data set's name where a user's training function brings its own data."""
VALIDATION_FRACTION = 0.2
"""The share of the training images that validates, where nothing else is said."""


class DataChoice(Spec, frozen=True):
    """Which data a problem is about: a data set's name, how it is split, and how much of it is used.

    `name` is that of a data set (`naslab.training.datasets`), such as `digits`, `image_folder:PATH`, `arrays:FILE.npz`
    or `my_code:make_data`; `validation_fraction` is the share of the training images that validates, where the data
    have no validation images or `own_validation` leaves theirs out; `max_images` is how many of the training images are
    used, validation images split from them included.

    `storage` is where the images lie: on the device (`memory`), or on disk, from where each batch is read when it is
    needed (`stream`); `auto` streams what would take too much of the memory. The pixels are the same, but for recipes
    with `resized_crop`, whose windows are cut from the files' own pixels where images are streamed. `skip_unreadable`
    leaves files out that cannot be read, where they are an error otherwise.

    `channels` makes images of files grey (1) or coloured (3, 8 bits each); by default they have the channels of their
    files. `task` says what labels mean where they do not tell it themselves. `fingerprint` is that of the content of
    the data, which a study goes on with alone; empty in studies of earlier versions, and for data sets that are known
    by name. Raises `SpecError` for numbers out of range.
    """

    name: str
    validation_fraction: float = VALIDATION_FRACTION
    max_images: int | None = None
    storage: Literal["auto", "memory", "stream"] = "auto"
    skip_unreadable: bool = False
    own_validation: bool = True
    channels: Literal[1, 3] | None = None
    task: Task | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        share = self.validation_fraction
        require(0 < share < 1, "validation_fraction", f"must be between 0 and 1, got {share}")
        count = self.max_images
        require(count is None or count >= 2, "max_images", f"must be at least 2, got {count}")

    def as_stored(self) -> DataChoice:
        """The choice as a study holds it that may have been made by an earlier version.

        Those read all image folders as coloured images and split the training images in any case; their studies have
        no fingerprint.

        >>> DataChoice(name="image_folder:flowers").as_stored().channels
        3
        """
        if self.fingerprint or not self.name.startswith(FOLDER):
            return self
        return msgspec.structs.replace(self, channels=3, own_validation=False)

    def is_continued_by(self, other: DataChoice) -> bool:
        """Whether a study of these data goes on with `other`: the same, whose content may not be known here."""
        mine = self.as_stored()
        unknown: dict[str, Any] = {} if mine.fingerprint else {"fingerprint": ""}
        return msgspec.structs.replace(other, **unknown) == mine
