"""Objects that need not be found: they are not trained on, and what finds them is neither right nor wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naslab.dense_prediction.annotations import Annotation, Box, annotation
from naslab.dense_prediction.average_precision import average_precisions
from naslab.dense_prediction.evaluation import Objects, compared
from naslab.dense_prediction.fit import _Source

DIFFICULT, REAL = Box(0, 0, 100, 100), Box(150, 150, 190, 190)


def there(**marks: Any) -> Annotation:
    return annotation(Path("0.png"), (200, 200), [DIFFICULT, REAL], [0, 0], **marks)


def found(*boxes: Box) -> Objects:
    """The boxes, each less certain than the one before, and behind these the real object."""
    count = len(boxes) + 1
    return Objects(np.array([*boxes, REAL], float), np.zeros(count, np.int64), 0.9 - 0.1 * np.arange(count))


@pytest.mark.parametrize(
    ("mark", "boxes", "precision"),
    [
        ("is_ignored", (Box(10, 10, 30, 30),), 0.5),  # a part of it is not it
        ("is_ignored", (Box(0, 0, 100, 90),), 1.0),
        ("is_ignored", (Box(0, 0, 100, 90), Box(0, 0, 90, 100)), 1.0),
        ("is_crowd", (Box(10, 10, 30, 30), Box(40, 40, 60, 60)), 1.0),  # one of the many in it
    ],
)
def test_what_an_object_to_ignore_does_to_precision(mark: str, boxes: tuple[Box, ...], precision: float) -> None:
    true = there(**{mark: [True, False]})
    values = average_precisions([compared(found(*boxes), true, "box_")], 1, "box_")
    assert values["box_ap50"] == pytest.approx(precision)
    assert values["box_ap_voc11"] == pytest.approx(precision)


@pytest.mark.parametrize("mark", ["is_ignored", "is_crowd"])
def test_what_is_ignored_is_not_trained_on(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr("naslab.dense_prediction.fit.read_image", lambda _: torch.zeros(3, 200, 200, dtype=torch.uint8))
    source = _Source([there(**{mark: [True, False]})], "detection", 1, 3, (200, 200))
    _, target = source._made(source._images[0])
    assert target["boxes"].tolist() == [list(REAL)]
