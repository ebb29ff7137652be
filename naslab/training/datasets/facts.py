"""What a data set is: the form of its images, what its labels mean, and the fingerprint of its content."""

from __future__ import annotations

import msgspec

from naslab.errors import counted
from naslab.study.task import TASKS, Task


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The form of a data set, known before an image is trained on.

    `channels`, `height` and `width` are those of one image; `num_classes` is how many numbers a network gives: classes,
    labels, or targets. `num_train` counts the training images before any is split off for validation. `classes` are
    their names in order, where there are such. `value_bytes` is the size of one value of a pixel: 1 for 8 bits, 4 for
    floating-point numbers, which hold all other depths. `fingerprint` is that of the content, empty where the name
    alone tells it; `num_skipped` is how many files were left out.
    """

    channels: int
    height: int
    width: int
    num_classes: int
    num_train: int
    task: Task = "classification"
    classes: tuple[str, ...] = ()
    has_validation: bool = False
    value_bytes: int = 1
    fingerprint: str = ""
    num_skipped: int = 0

    @property
    def image_bytes(self) -> int:
        """What one image takes, decoded."""
        return self.channels * self.height * self.width * self.value_bytes

    def __str__(self) -> str:
        kind = "8-bit" if self.value_bytes == 1 else "floating-point"
        what = {"classification": "classes", "multilabel": "labels", "regression": "targets"}[self.task]
        channels = f"{self.channels} channel" + "s" * (self.channels != 1)
        return (
            f"{counted(self.num_train, 'training image', form=',')} of {channels} and {self.height} x "
            f"{self.width} {kind} pixels, "
            f"{self.num_classes} {what} ({TASKS[self.task].words})"
        )
