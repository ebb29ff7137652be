"""`scripts/make_scenes.py`: the same scenes from the same seed, in two layouts that say the same."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from naslab.dense_prediction.choosing import open_annotated
from naslab.dense_prediction.segments import mask_of

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_scenes.py"


def test_scenes_are_repeated_and_both_layouts_agree(tmp_path: Path) -> None:
    write_part = runpy.run_path(str(SCRIPT))["write_part"]
    rng = np.random.default_rng(0)
    articles = np.zeros((6, 28, 28), np.uint8)
    articles[:, 4:24, 6:20] = rng.integers(60, 255, (6, 20, 14))
    data = SimpleNamespace(images=articles[..., None], labels=np.arange(6) % 2)
    for name in ("one", "two"):
        write_part(tmp_path / name, "train", 3, 64, np.random.default_rng(7), ("bag", "coat"), data)
    first, second = ([path.read_bytes() for path in sorted((tmp_path / n).rglob("*.*"))] for n in ("one", "two"))
    assert first == second
    boxes = open_annotated(f"coco:{tmp_path}/one/coco", "instance_segmentation")
    pixels = open_annotated(f"masks:{tmp_path}/one/masks", "segmentation")
    assert (boxes.classes, pixels.classes) == (("bag", "coat"), ("background", "bag", "coat"))
    assert sum(len(each.labels) for each in boxes.parts["train"]) >= 3
    for one, other in zip(boxes.parts["train"], pixels.parts["train"], strict=True):
        assert other.mask is not None
        classes = np.zeros((64, 64), np.uint8)
        for label, segment in zip(one.labels, one.segments or (), strict=True):
            classes[mask_of(segment, 64, 64)] = label + 1
        assert (np.asarray(Image.open(other.mask)) == classes).all()
        assert Image.open(one.path).tobytes() == Image.open(other.path).tobytes()


def test_articles_are_chosen_and_labelled_by_their_place() -> None:
    chosen = runpy.run_path(str(SCRIPT))["of_articles"]
    data = SimpleNamespace(images=np.arange(6)[:, None, None], labels=np.array([4, 0, 2, 4, 1, 2]))
    found = chosen(data, [4, 2])
    assert found.images.flatten().tolist() == [0, 2, 3, 5]
    assert found.labels.tolist() == [0, 1, 0, 1]
