"""Data: images and labels that a caller hands over, as arrays, tensors or torch data sets.

data = naslab.Data(train=(images, labels), test=(test_images, test_labels))
study = naslab.search("space.yaml", dataset=data)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, counted, shown
from naslab.study.task import MOST_OF_A_CLASS_NAME, TASKS, Task
from naslab.training.datasets.forms import Layout, channels_last, kind_of, require_finite

PARTS = ("train", "test", "validation")
"""The parts of a data set: what is trained on, the one reading at the end, and what a search compares by."""


class Data:
    """Images with labels to search, train and measure on: each part arrays, tensors, or a map-style torch `Dataset`.

    `train`, `test` and `validation` are pairs of images and labels, or data sets whose items are such pairs. Without
    `validation` a share of the training images validates, without `test` a fifth of them is the test set, both with
    each class in proportion. Images have the shape (images, height, width, channels) or (images, channels, height,
    width), as `layout` says (`NHWC`, `NCHW`) where the sizes do not tell; grey ones may be of shape (images, height,
    width). They have any number of channels; integers from 0 to 255 are held in 8 bits, all else as 32-bit
    floating-point numbers, as it is.

    Labels are integers or texts of shape (images,), 0 and 1 of shape (images, labels) for several labels an image, or
    numbers of shape (images,) or (images, targets); `task` (`classification`, `multilabel`, `regression`) says which
    where they do not tell, `classes` how the classes or labels are called. What a data set transforms at random is
    refused: images are read once. Raises `DataError` for what is none of these.

    >>> Data(train=(np.zeros((4, 8, 8, 13), np.uint8), [0, 1, 0, 1]))
    Data(train: 4 images)
    """

    def __init__(
        self,
        train: Any,
        test: Any = None,
        validation: Any = None,
        *,
        layout: Layout = "auto",
        task: Task | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        if layout not in ("auto", "NHWC", "NCHW"):
            raise DataError(f"layout must be auto, NHWC or NCHW, got {shown(layout)}")
        if task is not None and task not in TASKS:
            raise DataError(f"task must be one of {', '.join(TASKS)}, got {shown(task)}")
        given = {"train": train, "test": test, "validation": validation}
        self.parts = {part: part_of(part, each) for part, each in given.items() if each is not None}
        if "train" not in self.parts:
            raise DataError("Data needs a train part: images with labels, or a torch Dataset")
        self.layout = layout
        self.task = task
        own = getattr(train, "classes", None)
        named = own if classes is None and isinstance(own, list | tuple) else classes
        self.classes = None if named is None else tuple(map(_class_name, named))

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {counted(len(part), 'image')}" for name, part in self.parts.items())
        return f"Data({told})"


class ArrayPart(NamedTuple):
    """Images and labels in arrays."""

    images: NDArray[Any]
    labels: Any

    def __len__(self) -> int:
        return len(self.images)


class DatasetPart:
    """A map-style torch data set of pairs of an image and a label, read item by item; `what` is what it is."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.what = type(dataset).__name__

    def __len__(self) -> int:
        return len(self.dataset)


GivenPart = ArrayPart | DatasetPart


def as_data(value: Any, name: str) -> Data:
    """The data that a value stands for: `Data`, arrays, a data set, a mapping of parts, or a function that gives these.

    `name` is what messages call it. Raises `DataError` for everything else.
    """
    if isinstance(value, Data):
        return value
    if callable(value) and not _is_dataset(value):
        return as_data(_called(value, name), name)
    if isinstance(value, Mapping):
        odd = sorted(set(map(str, value)) - {*PARTS, "layout", "task", "classes"})
        if odd or "train" not in value:
            raise DataError(
                f"{name} gives the keys {', '.join(map(str, value))}: must be train and any of test, validation"
            )
        return Data(**value)
    if (
        isinstance(value, tuple)
        and value
        and all(_is_dataset(each) or _is_pair(each) for each in value)
        and len(value) <= 2
    ):
        return Data(*value)
    if _is_dataset(value) or _is_pair(value):
        return Data(train=value)
    raise DataError(
        f"{name} gives {_what(value)}: must give naslab.Data, a pair of images and labels, or a map-style torch Dataset"
    )


def _called(value: Callable[[], Any], name: str) -> Any:
    try:
        return value()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name} failed: {type(error).__name__}: {shown(str(error), 300)}") from error


def part_of(part: str, value: Any) -> GivenPart:
    """One part as it is read. Raises `DataError`, which names the `part`, for what is none."""
    if _is_pair(value):
        images, labels = (_array(each) for each in value)
        if len(images) != len(labels):
            raise DataError(
                f"{part} has {counted(len(images), 'image')} and {counted(len(labels), 'label')}: must be as many"
            )
        if not len(images):
            raise DataError(f"{part} has no images")
        return ArrayPart(images, labels)
    if _is_dataset(value):
        if not len(value):
            raise DataError(f"{part} is a {type(value).__name__} without items")
        return DatasetPart(value)
    raise DataError(
        f"{part} must be a pair of images and labels or a map-style torch Dataset (__len__ and __getitem__), "
        f"got {_what(value)}"
    )


def _is_pair(value: Any) -> bool:
    """Images with labels, of whatever arrays."""
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and hasattr(value[0], "shape")
        and hasattr(value[0], "dtype")
    )


def _is_dataset(value: Any) -> bool:
    is_plain = isinstance(value, tuple | list | dict | str | bytes) or hasattr(value, "dtype")
    return hasattr(value, "__getitem__") and hasattr(value, "__len__") and not is_plain and not isinstance(value, type)


def _array(value: Any) -> NDArray[Any]:
    """A tensor or whatever numpy takes, as an array."""
    detached = value.detach().cpu() if hasattr(value, "detach") else value
    if str(getattr(detached, "dtype", "")) == "torch.bfloat16":
        detached = detached.float()
    try:
        return np.asarray(detached)
    except (ValueError, TypeError) as error:
        raise DataError(f"not an array: {_what(value)} ({error})") from None


def _what(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)} ({', '.join(_what(each) for each in value[:3])})"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return f"{type(value).__name__} {shown(value, 40)}"


def _class_name(value: Any) -> str:
    name = "/".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    if len(name) > MOST_OF_A_CLASS_NAME:
        raise DataError(
            f"the name of a class may have {MOST_OF_A_CLASS_NAME:,} characters, got {len(name):,}: {shown(name)}"
        )
    return name


def images_of(
    name: str, part: GivenPart, layout: Layout
) -> tuple[tuple[int, ...], Any, Iterator[NDArray[Any]], list[Any]]:
    """A part's images to write: their shape (images, height, width, channels), their type, portions of them, labels.

    Portions are of shape (portion, height, width, channels), in order. The list of labels is filled as portions are
    taken. `name` is what messages call the part, `layout` where channels stand. Raises `DataError` as `channels_last`
    does, and for items of a data set that are no pairs, differ in shape, or are other ones when they are read again.
    """
    if isinstance(part, ArrayPart):
        images = channels_last(name, part.images, layout)
        kind = kind_of(name, images)
        portions = (images[start : start + 512].astype(kind) for start in range(0, len(images), 512))
        return images.shape, kind, portions, list(part.labels)
    first, _ = _item(name, part, 0, layout)
    again, _ = _item(name, part, 0, layout)
    if first.shape != again.shape or not np.array_equal(first, again):
        raise DataError(
            f"{name}: item 0 of {part.what} is another image when it is read again: leave random transforms out, "
            "the recipe augments"
        )
    kind = np.uint8 if first.dtype in (np.uint8, np.bool_) else np.float32
    labels: list[Any] = []

    def portions_of() -> Iterator[NDArray[Any]]:
        for number in range(len(part)):
            image, label = _item(name, part, number, layout)
            if image.shape != first.shape:
                raise DataError(
                    f"{name}: item {number} of {part.what} is of {image.shape}, item 0 of {first.shape} (height, "
                    "width, channels): bring them to one size"
                )
            if (image.dtype in (np.uint8, np.bool_)) != (kind is np.uint8):
                raise DataError(f"{name}: item {number} of {part.what} is {image.dtype}, item 0 {first.dtype}")
            if kind is np.float32:
                require_finite(name, image[None], number)
            labels.append(label)
            yield image[None].astype(kind)

    return (len(part), *first.shape), kind, portions_of(), labels


def _item(name: str, part: DatasetPart, number: int, layout: Layout) -> tuple[NDArray[Any], Any]:
    """The image of an item, of shape (height, width, channels), and its label."""
    try:
        item = part.dataset[number]
    except Exception as error:
        told = f"{type(error).__name__}: {shown(str(error), 300)}"
        raise DataError(f"{name}: item {number} of {part.what} cannot be read ({told})") from error
    if isinstance(item, Mapping) and {"image", "label"} <= set(item):
        item = (item["image"], item["label"])
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"{name}: items of {part.what} must be pairs of an image and a label, got {_what(item)}")
    image, label = item
    array = _array(image)
    is_tensor = hasattr(image, "detach")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.dtype.kind not in "biuf":
        raise DataError(
            f"{name}: images of {part.what} must be arrays, tensors or PIL images of two or three dimensions, "
            f"got {_what(image)}"
        )
    where: Layout = layout
    if layout == "auto" and is_tensor:
        where = "NCHW"
    elif layout == "auto" and not isinstance(image, np.ndarray):
        where = "NHWC"
    found = channels_last(f"{name}: item {number} of {part.what}", array[None], where)[0]
    plain = np.asarray(_array(label))
    return found, plain.item() if plain.ndim == 0 else plain


def path_of(text: str) -> Path:
    """A path as it is written in a data set's name."""
    return Path(text).expanduser()
