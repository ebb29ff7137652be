"""Labels as they come, and what they mean: classes, several labels, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, counted, shown
from naslab.reading import whole_number
from naslab.study.task import TASKS, Task

MOST_CLASSES = 100_000
SEPARATORS = (";", "|")
"""What stands between several labels in one text; where a text has none of these, commas, and else spaces, do."""


class Labels(NamedTuple):
    """The labels of several parts of one data set, in the order of the parts.

    `parts` are int64 of shape (images,) for classes, float32 of shape (images, labels) of 0 and 1 for several labels,
    float32 of shape (images, targets) for numbers. `classes` are the names of classes or labels.
    """

    task: Task
    parts: tuple[NDArray[Any], ...]
    classes: tuple[str, ...]


def read_labels(
    name: str, parts: Mapping[Any, Any], task: Task | None = None, classes: Sequence[str] | None = None
) -> Labels:
    """What the labels of the `parts` of a data set mean, and these as they are trained on.

    `name` is what messages call it. By themselves integers and texts of shape (images,) are classes, tables of 0 and 1
    of shape (images, labels) are several labels, other numbers of shape (images,) or (images, targets) are targets;
    `task` says so where they do not tell. `classes` are the names of the classes from 0, in order; texts name their
    own. For several labels (`multilabel`) a text may name them all, as `cat;dog`: by semicolons or bars, else commas,
    else spaces, an empty one for none; without `task` such texts are refused, for they may be classes. Raises
    `DataError` for labels that are none of these.

    >>> read_labels("mine", {"train": ["cat", "dog", "cat"]}).classes
    ('cat', 'dog')
    >>> read_labels("mine", {"train": ["cat;dog", "", "cat"]}, "multilabel").parts[0].tolist()
    [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    """
    arrays = {part: _plain(name, part, each) for part, each in parts.items()}
    first = next(iter(arrays.values()))
    for part, each in arrays.items():
        if each.ndim != first.ndim or each.shape[1:] != first.shape[1:]:
            raise DataError(f"{name}: labels of {part} have the shape {each.shape}, those of train {first.shape}")
    if task is None:
        _refuse_joined(name, arrays)
    found = task or _told_by(arrays)
    if found == "multilabel" and any(each.dtype.kind == "U" for each in arrays.values()):
        return _named(name, arrays, classes)
    if found == "classification":
        return _classes(name, arrays, classes)
    numbers = tuple(_numbers(name, part, each, found) for part, each in arrays.items())
    if classes is not None and len(classes) != numbers[0].shape[1]:
        raise DataError(
            f"{name}: {len(classes)} names for {counted(numbers[0].shape[1], 'column')} of labels; name each"
        )
    return Labels(found, numbers, tuple(map(str, classes or ())))


def strata(labels: NDArray[Any], task: Task) -> NDArray[np.int64]:
    """What a split keeps in proportion: classes; of several labels and numbers nothing, one class of all.

    `labels` have the images first, of shape (images,) or (images, labels); the result is int64 of shape (images,).
    """
    return np.asarray(labels) if task == "classification" else np.zeros(len(labels), np.int64)


def _plain(name: str, part: str, labels: Any) -> NDArray[Any]:
    try:
        array = np.asarray(labels)
    except ValueError:  # rows of different lengths
        raise DataError(
            f"{name}: labels of {part} must be one an image, or as many for each, got {shown(repr(labels[0]))} first; "
            "for several labels write a table of 0 and 1, or texts as 'cat;dog' with task 'multilabel'"
        ) from None
    if array.dtype.kind not in "biufUS":
        raise DataError(
            f"{name}: labels of {part} must be numbers or texts, got {array.dtype} "
            f"({shown(labels[0]) if len(labels) else 'none'})"
        )
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "biuUS":
        array = array[:, 0]
    if array.ndim not in (1, 2):
        raise DataError(
            f"{name}: labels of {part} must have the shape (images,) or (images, labels), got {array.shape}"
        )
    return array.astype(str) if array.dtype.kind == "S" else array


def _refuse_joined(name: str, arrays: dict[str, NDArray[Any]]) -> None:
    """Raise `DataError` for texts that may be several labels in one."""
    for part, each in arrays.items():
        texts = each.ravel().tolist() if each.dtype.kind == "U" else []
        joined = next((text for text in texts if any(mark in text for mark in SEPARATORS)), None)
        if joined is not None:
            raise DataError(
                f"{name}: the label '{shown(joined)}' of {part} may be several: say task 'multilabel' "
                "(--task multilabel) to read it so, or 'classification' to make each text one class"
            )


def _named(name: str, arrays: dict[str, NDArray[Any]], classes: Sequence[str] | None) -> Labels:
    """Several labels by their names: of each image those in its text, or in its row of texts."""
    texts = {part: each.astype(str) for part, each in arrays.items()}
    flat = [text for each in texts.values() for text in each.ravel().tolist()]
    marks = SEPARATORS if any(mark in text for mark in SEPARATORS for text in flat) else (",",)
    mark = next((mark for mark in marks if any(mark in text for text in flat)), None)

    def split(text: str) -> list[str]:
        return [found for each in text.split(mark) if (found := each.strip())]

    rows = {
        part: [
            {label for text in (row if isinstance(row, list) else [row]) for label in split(text)}
            for row in each.tolist()
        ]
        for part, each in texts.items()
    }
    names = _in_order(np.array([label for part in rows.values() for labels in part for label in labels], str))
    known = names if classes is None else tuple(map(str, classes))
    odd = sorted(set(names) - set(known))
    if odd:
        raise DataError(f"{name}: the label '{shown(odd[0])}' is none of those named, {', '.join(known)}")
    if len(known) < 2:
        raise DataError(f"{name}: needs at least 2 different labels for multilabel, got {', '.join(known) or 'none'}")
    places = {label: place for place, label in enumerate(known)}
    tables = []
    for part in rows.values():
        table = np.zeros((len(part), len(known)), np.float32)
        for row, labels in zip(table, part, strict=True):
            row[[places[label] for label in sorted(labels)]] = 1
        tables.append(table)
    return Labels("multilabel", tuple(tables), known)


def _told_by(arrays: dict[str, NDArray[Any]]) -> Task:
    kinds = {each.dtype.kind for each in arrays.values()}
    if next(iter(arrays.values())).ndim == 2:
        is_table = kinds <= set("biuf") and all(bool(np.isin(each, (0, 1)).all()) for each in arrays.values())
        return "multilabel" if is_table and next(iter(arrays.values())).shape[1] > 1 else "regression"
    return "regression" if "f" in kinds else "classification"


def _numbers(name: str, part: str, array: NDArray[Any], task: Task) -> NDArray[np.float32]:
    words = TASKS[task].words
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: labels of {part} must be numbers for {task} ({words}), got {shown(array.flat[0])}")
    table = array.astype(np.float32).reshape(len(array), -1)
    if not np.isfinite(table).all():
        place = int(np.flatnonzero(~np.isfinite(table).all(1))[0])
        raise DataError(f"{name}: label {place} of {part} is {shown(array[place])}: must be a number; leave it out")
    if task == "multilabel" and (array.ndim != 2 or not np.isin(table, (0, 1)).all()):
        raise DataError(
            f"{name}: labels of {part} must be 0 and 1 of shape (images, labels) for multilabel, "
            f"got {array.dtype} of shape {array.shape} up to {shown(float(table.max()))}"
        )
    return table


def _classes(name: str, arrays: dict[str, NDArray[Any]], classes: Sequence[str] | None) -> Labels:
    for part, each in arrays.items():
        if each.ndim != 1:
            raise DataError(f"{name}: labels of {part} must have the shape (images,) for classes, got {each.shape}")
        if each.dtype.kind == "f" and not np.array_equal(each, np.rint(each)):
            raise DataError(
                f"{name}: labels of {part} must be whole numbers for classes, got {shown(float(each[0]))}; "
                "for numbers say task 'regression'"
            )
    if any(each.dtype.kind == "U" for each in arrays.values()):
        names = tuple(map(str, classes)) if classes is not None else _in_order(_joined(arrays))
        numbers = {each: number for number, each in enumerate(names)}
        for part, each in arrays.items():
            for odd in sorted(set(each.tolist()) - set(names))[:1]:
                raise DataError(f"{name}: the label '{shown(odd)}' of {part} is none of the classes named")
        coded = {part: np.array([numbers[each] for each in array.tolist()], np.int64) for part, array in arrays.items()}
    else:
        coded = {part: each.astype(np.int64) for part, each in arrays.items()}
        names = tuple(map(str, classes)) if classes is not None else ()
    return Labels("classification", tuple(coded.values()), _checked(name, coded, names))


def _in_order(texts: NDArray[Any]) -> tuple[str, ...]:
    """Different texts in their order; by number where all of them are whole numbers."""
    found: list[str] = np.unique(texts).tolist()
    is_number = all(whole_number(each) is not None for each in found)
    return tuple(sorted(found, key=int) if is_number else found)


def _joined(arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([each.astype(str) for each in arrays.values()])


def _checked(name: str, coded: dict[str, NDArray[np.int64]], names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classes, once every class has an image in every part."""
    every = np.concatenate(list(coded.values()))
    if every.size == 0:
        raise DataError(f"{name} has no labels")
    low, high = int(every.min()), int(every.max())
    count = len(names) or high + 1
    mend = "number them from 0 without gaps; for numbers say task 'regression'"
    if low < 0 or high >= count or count > MOST_CLASSES:
        raise DataError(f"{name}: classes must be 0 to {count - 1}, labels are {low} to {high}; {mend}")
    if count < 2:
        raise DataError(f"{name}: needs at least 2 classes, all labels are {low}")
    for part, each in coded.items():
        lacking = np.flatnonzero(np.bincount(each, minlength=count) == 0)
        if lacking.size:
            few = ", ".join(names[label] if names else str(label) for label in lacking[:5])
            raise DataError(
                f"{name}: {part} has no image of {lacking.size} of {counted(count, 'class', 'classes')} ({few}); {mend}"
            )
    return names
