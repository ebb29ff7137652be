"""What is known of the images of a data set with boxes, masks, keypoints or a class a pixel. No torch here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.dense_prediction.segments import Segment
from naslab.errors import DataError, shown
from naslab.regular_files import regular_status
from naslab.training.datasets.threads import mapped

TRAIN, VALIDATION, TEST = "train", "val", "test"
PART_NAMES = {TRAIN: ("train",), VALIDATION: ("val", "valid", "validation"), TEST: ("test",)}
"""The parts of a data set, and what their folders and files are called."""
BEYOND = 1.0
"""Pixels that a box may reach over its image, from which it is cut: published sets round so."""
LEAST_SHARE = 2.0**-20
"""What a side of a box is longer than, in shares of the image's longer one: 8 steps of float32, so that neither scaling
nor flipping makes it 0."""
TESTED_SHARE = 0.2
"""The share of the training images that a data set of one part is tested on."""


class Annotation(NamedTuple):
    """An image of the file `path`, `height` x `width` pixels, and the objects in it.

    `boxes` are float64 of shape (objects, 4), left, top, right and bottom in pixels; `labels`, from 0, `areas` in
    pixels, `is_crowd`, which hold many objects, and `is_ignored`, single ones, of shape (objects,): neither are trained
    on nor to be found. `segments` are the outlines of the objects, `keypoints`, of shape (objects, points, 3), x, y and
    whether it is there (0, 1 hidden, 2 seen); `None` where they are not told. `mask` is the file of a class a pixel.
    """

    path: Path
    height: int
    width: int
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]
    is_ignored: NDArray[np.bool_]
    segments: tuple[Segment, ...] | None = None
    keypoints: NDArray[np.float64] | None = None
    mask: Path | None = None

    @property
    def is_to_find(self) -> NDArray[np.bool_]:
        """Which objects count, of shape (objects,): those that are no crowd and not ignored."""
        return ~(self.is_crowd | self.is_ignored)


class AnnotatedSet(NamedTuple):
    """A data set, called `name`: its `classes`, the images of each of its `parts`, the names of its `keypoints`.

    `notes` say what was left out of it, a line each.
    """

    name: str
    classes: tuple[str, ...]
    parts: dict[str, tuple[Annotation, ...]]
    keypoints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def split(self) -> tuple[tuple[Annotation, ...], tuple[Annotation, ...], str]:
        """The images to train on, those to test on, and what the latter are called.

        They are those of the test part, else those of the validation part, else a fifth of the training images, which
        the names of their files choose.
        """
        train = self.parts[TRAIN]
        for part in (TEST, VALIDATION):
            if self.parts.get(part):
                return train, self.parts[part], part
        return *held_out(train), "a fifth of train"

    def search_split(self) -> tuple[tuple[Annotation, ...], tuple[Annotation, ...]]:
        """The images that a search trains on and those that it chooses by, none of which `split` tests on.

        The latter are those of the validation part where it is not tested on, else a fifth of the training images.
        """
        train, _, tested_on = self.split()
        if tested_on == TEST and self.parts.get(VALIDATION):
            return train, self.parts[VALIDATION]
        return held_out(train)


def held_out(images: Sequence[Annotation]) -> tuple[tuple[Annotation, ...], tuple[Annotation, ...]]:
    """The rest of the `images`, and a fifth of them that the names of their files choose, each in their order."""
    order = sorted(images, key=lambda each: hashlib.sha256(each.path.name.encode()).digest())
    out = {each.path for each in order[: max(1, round(TESTED_SHARE * len(order)))]}
    return tuple(each for each in images if each.path not in out), tuple(each for each in images if each.path in out)


class Box(NamedTuple):
    """A box by its left, top, right and bottom in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def checked_box(box: Sequence[float], width: int, height: int, place: str) -> Box:
    """A `box` (left, top, right, bottom) of an image of `width` x `height` pixels, cut to it.

    Raises `DataError`, which says its `place`, for one of no area and one outside of the image.
    """
    cut = cut_box(box, width, height, place)
    if cut is None:
        raise DataError(
            f"{place}: the box {_ends(box)} has no area in the image of {width} x {height}; mend it or take it away"
        )
    return cut


def cut_box(box: Sequence[float], width: int, height: int, place: str) -> Box | None:
    """The same, and `None` for one of no area: of sides that the float32 numbers of a detector may not tell from 0.

    `box`, `width`, `height` and `place` are as in `checked_box`. Raises `DataError` for one outside of the image.
    """
    left, top, right, bottom = (float(each) for each in box)
    if not np.isfinite([left, top, right, bottom]).all():
        raise DataError(f"{place}: the box {listed(box)} has numbers that are not finite; write pixels")
    over = max(-left, -top, right - width, bottom - height)
    if over > BEYOND:
        raise DataError(
            f"{place}: the box {_ends(box)} reaches {over:g} pixels out of the image of {width} x {height}; mend the "
            "box, or the size of the image"
        )
    cut = Box(max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    return cut if min(cut.right - cut.left, cut.bottom - cut.top) > LEAST_SHARE * max(width, height) else None


def _ends(box: Sequence[float]) -> str:
    left, top, right, bottom = box
    return f"from ({left:g}, {top:g}) to ({right:g}, {bottom:g})"


def listed(values: Sequence[float]) -> str:
    """Numbers as messages show them."""
    return f"[{', '.join(f'{each:g}' for each in list(values)[:8])}]"


def annotation(
    path: Path,
    size: tuple[int, int],
    boxes: Sequence[Box],
    labels: Sequence[int],
    *,
    areas: Sequence[float] | None = None,
    is_crowd: Sequence[bool] | None = None,
    is_ignored: Sequence[bool] | None = None,
    segments: Sequence[Segment] | None = None,
    keypoints: NDArray[np.float64] | None = None,
) -> Annotation:
    """The annotation of an image file `path` of a `size` (height, width) from lists, an entry an object.

    `boxes`, `labels`, `areas` (by default those of the boxes), `is_crowd` and `is_ignored` (none is), `segments` and
    `keypoints`, of the shape (objects, points, 3), are as in `Annotation`.
    """
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    own = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return Annotation(
        path,
        *size,
        corners,
        np.array(labels, np.int64),
        own if areas is None else np.array(areas, np.float64),
        np.zeros(len(labels), bool) if is_crowd is None else np.array(is_crowd, bool),
        np.zeros(len(labels), bool) if is_ignored is None else np.array(is_ignored, bool),
        None if segments is None else tuple(segments),
        keypoints,
    )


def inner_file(folder: Path, name: str, place: str) -> Path:
    """The file `name` within a `folder`. Raises `DataError`, with its `place`, for a name that leads elsewhere."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name.strip() or "\0" in name or parts.is_absolute() or ".." in parts.parts:
        raise DataError(f"{place}: the file name '{shown(name)}' leads out of the data set; name a file within it")
    return folder / name


def require_files(files: Iterable[Path], told_by: object) -> None:
    """Raise `DataError` for the first of some files, named by `told_by`, that is no file of its own (a link, say)."""
    for path in files:
        try:
            status = regular_status(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
        if status is None:
            raise DataError(f"{path} is not there, {told_by} names it; add the file, or take it out")


def check_images(data: AnnotatedSet) -> None:
    """Read every image and every mask of a data set. Raises `DataError` for the first one that disagrees.

    That is one that cannot be read, is a link, or has another size than its annotations say.
    """
    from naslab.dense_prediction.images import read_image, read_mask

    def wrong(each: Annotation) -> str | None:
        try:
            height, width = read_image(each.path).shape[1:]
            if (height, width) != (each.height, each.width):
                return (
                    f"{each.path} has {width} x {height} pixels and its annotations say {each.width} x {each.height}; "
                    "annotate the image as it is"
                )
            if each.mask is not None:
                read_mask(each.mask, (each.height, each.width), len(data.classes))
        except DataError as error:
            return str(error)
        return None

    for images in data.parts.values():
        require_files((each.path for each in images), data.name)
        require_files((each.mask for each in images if each.mask is not None), data.name)
        for problem in mapped(wrong, images):
            if problem is not None:
                raise DataError(problem)
