"""`naslab train --task detection` and the like: a folder of what was trained, which predict draws with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from annotated_images import SIDE, write_coco, write_masks
from dense_commands import command, folder_with
from PIL import Image

import naslab
from naslab.dense_prediction.choosing import open_annotated
from naslab.dense_prediction.fit import fit
from naslab.errors import DataError, NaslabError, StudyError

HOW: dict[str, Any] = {"levels": (2, 4), "channels": 8, "device": "cpu"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return folder_with(tmp_path, monkeypatch)


def test_a_segmenter_learns_and_is_drawn(here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_masks(here / "set")
    words: tuple[str, ...] = (
        "train",
        "net.yaml",
        "--task",
        "segmentation",
        "--dataset",
        "masks:set",
        "--epochs",
        "25",
        "--out",
        "out",
    )
    words = (*words, "--levels", "2,4", "--head-channels", "16", "--device", "cpu", "--json")
    code, out, _ = command(monkeypatch, capsys, *words)
    result = json.loads(out)
    assert code == 0
    assert result["metrics"]["mean_iou"] > 0.8
    assert set(result["classes"]) == {"dark", "bright"}
    assert result["cost"]["macs"] == naslab.detector_cost("net.yaml", 2, "unet", levels=(2, 4), channels=16).macs
    assert [each["epoch"] for each in result["curve"]] == list(range(1, 26))
    before = (here / "out" / "weights.safetensors").stat().st_mtime_ns
    code, again, said = command(monkeypatch, capsys, *words)
    assert json.loads(again) == json.loads((here / "out" / "result.json").read_text(encoding="utf-8")) == result
    assert "holds this training already" in said
    assert (here / "out" / "weights.safetensors").stat().st_mtime_ns == before
    code, out, _ = command(monkeypatch, capsys, "predict", "out", "set/images/test", "--out", "drawn", "--json")
    (first, _) = json.loads(out)
    assert abs(first["shares"]["bright"] - 196 / SIDE**2) < 0.05
    drawn, image = (np.asarray(Image.open(here / each)) for each in (first["drawn"], first["file"]))
    assert drawn.shape == image.shape
    assert (drawn != image).any(axis=2).mean() == pytest.approx(first["shares"]["bright"], abs=0.01)


@pytest.mark.parametrize("task", ["detection", "instance_segmentation", "keypoints"])
def test_detectors_are_trained_into_a_folder(task: Any, here: Path) -> None:
    write_coco(here / "set")
    epochs: list[Any] = []
    result = naslab.train_detector(
        "net.yaml", task=task, dataset="coco:set", out="out", epochs=1, report=epochs.append, **HOW
    )
    prefix = {"detection": "box_", "instance_segmentation": "mask_", "keypoints": "keypoint_"}[task]
    assert {f"{prefix}ap", f"{prefix}ap50", f"{prefix}ap_voc11"} <= result["metrics"].keys()
    assert (result["num_train_images"], result["num_test_images"], result["tested_on"]) == (4, 2, "val")
    assert len(epochs) == 1
    found = naslab.detect("out", [here / "set" / "val2020"], out="drawn", least_score=0.0, device="cpu")
    assert [Path(each.drawn).name for each in found] == ["0.png", "1.png"]
    some = [it for each in found for it in each.objects]
    assert all(it.name in ("dark", "bright") and 0 <= it.score <= 1 for it in some)
    assert all((it.area is not None) == (task == "instance_segmentation") for it in some)
    assert all(set(it.keypoints) == ({"corner", "end"} if task == "keypoints" else set()) for it in some)
    with pytest.raises(StudyError, match="holds another training: seed is 0 there, asked for 1"):
        naslab.train_detector("net.yaml", task=task, dataset="coco:set", out="out", epochs=1, seed=1, **HOW)


def test_a_training_is_repeated_by_its_seed_and_begins_with_weights(here: Path) -> None:
    write_masks(here / "set")
    given = {"task": "segmentation", "dataset": "masks:set", "epochs": 1, **HOW}
    one, two, other = (
        naslab.train_detector("net.yaml", out=name, seed=seed, **given) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert one["weights_sha256"] == two["weights_sha256"] != other["weights_sha256"]
    naslab.train("net.yaml", dataset="digits", epochs=1, max_images=40, device="cpu", save_to="w.safetensors")
    said: list[str] = []
    begun = naslab.train_detector("net.yaml", out="d", pretrained="w.safetensors", note=said.append, **given)
    assert begun["notes"]["pretrained"]["share"] > 0.9
    assert said[0].startswith("weights of w.safetensors")
    with pytest.raises(StudyError, match=r"holds another training: least_match is 0\.9 there, asked for 0\.5"):
        naslab.train_detector("net.yaml", out="d", pretrained="w.safetensors", least_match=0.5, **given)
    naslab.train("net.yaml", dataset="digits", epochs=1, max_images=40, seed=1, device="cpu", save_to="w.safetensors")
    with pytest.raises(StudyError, match="holds another training: begun_with_sha256 is"):
        naslab.train_detector("net.yaml", out="d", pretrained="w.safetensors", **given)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "masks/train/0.png").write_bytes((root / "empty.png").read_bytes()),
        lambda root: (root / "images/test/0.png").write_bytes((root / "images/test/1.png").read_bytes()),
        lambda root: [(root / name / "train/3.png").unlink() for name in ("images", "masks")],
        lambda root: (root / "classes.txt").write_text("dark\nlight\n", encoding="utf-8"),
    ],
)
def test_a_training_of_other_data_is_not_read(change: Any, here: Path) -> None:
    write_masks(here / "set")
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(here / "set/empty.png")
    given = {"task": "segmentation", "dataset": "masks:set", "epochs": 1, "out": "out", **HOW}
    first = naslab.train_detector("net.yaml", **given)
    assert naslab.train_detector("net.yaml", **given)["wall_seconds"] == first["wall_seconds"]
    change(here / "set")
    with pytest.raises(StudyError, match="holds another training: data_sha256 is"):
        naslab.train_detector("net.yaml", **given)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--task", "detection", "--dataset", "masks:set"), "needs a data set coco:DIR or voc:DIR or yolo:DIR"),
        (("--task", "segmentation", "--dataset", "masks:set"), "has maps at strides 2, 4, none at 8, 16, 32"),
        (("--task", "segmentation", "--dataset", "masks:set", "--levels", "a"), "levels: must be strides with commas"),
        (("--task", "detection", "--dataset", "coco:set", "--kind", "unet"), "of the task detection must be one of"),
        (
            ("--task", "detection", "--dataset", "coco:set", "--recipe", "full"),
            "recipe: must be a file of a detector's or segmenter's recipe, as 'boxes: 64', got 'full', a classifier's",
        ),
        (("--task", "detection"), "--task has no effect without --dataset"),
        (("--kind", "unet", "--dataset", "digits"), "--kind has no effect without --task"),
    ],
)
def test_what_does_not_fit_is_one_line(words: Any, rule: str, here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_masks(here / "set")
    levels = () if "--levels" in words or "strides 2" in rule or "--kind has" in rule else ("--levels", "2,4")
    code, out, said = command(monkeypatch, capsys, "train", "net.yaml", *words, *levels, "--out", "out")
    assert (code, out) == (2, "")
    assert rule in said
    assert len(said.splitlines()) == 1
    assert not (here / "out").exists()


def test_a_detector_is_trained_by_the_recipe_of_a_file(here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_coco(here / "set")
    (here / "how.yaml").write_text("learning_rate: 3e-3\nboxes: 64\n", encoding="utf-8")
    words: tuple[str, ...] = ("train", "net.yaml", "--task", "detection", "--dataset", "coco:set", "--levels", "2,4")
    words = (*words, "--epochs", "1", "--head-channels", "8", "--device", "cpu", "--recipe", "how.yaml", "--json")
    code, out, said = command(monkeypatch, capsys, *words, "--out", "found")
    assert code == 0, said
    result = json.loads(out)
    how = naslab.DenseRecipe(learning_rate=3e-3, boxes=64)
    assert result["recipe"] == msgspec.to_builtins(how)
    given: dict[str, Any] = {"task": "detection", "dataset": "coco:set", "epochs": 1, **HOW}
    assert naslab.train_detector("net.yaml", out="found", recipe=how, **given) == result
    other = naslab.train_detector("net.yaml", out="other", recipe=naslab.DenseRecipe(boxes=4), **given)
    assert other["weights_sha256"] != result["weights_sha256"]
    with pytest.raises(StudyError, match="holds another training: recipe"):
        naslab.train_detector("net.yaml", out="found", **given)
    for content, rule in (("box: 64", "how.yaml: .*box"), ("boxes: 2", "how.yaml: boxes: must be at least 4")):
        (here / "how.yaml").write_text(content, encoding="utf-8")
        with pytest.raises(NaslabError, match=rule):
            naslab.train_detector("net.yaml", out="third", recipe="how.yaml", **given)


@pytest.mark.parametrize("boxes", [4, 16])
def test_heads_learn_from_so_many_boxes(boxes: int, here: Path) -> None:
    write_coco(here / "set")
    trained, _, _ = open_annotated("coco:set", "detection").split()
    module: Any = naslab.detector("net.yaml", 2, levels=(2, 4), channels=8)
    seen: list[int] = []
    module.roi_heads.box_head.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    recipe = naslab.DenseRecipe(boxes=boxes, batch_size=2)
    given: dict[str, Any] = {"channels": 3, "side": (SIDE, SIDE), "device": "cpu", "is_pretrained": False}
    fit(module, trained, "detection", 2, epochs=1, seed=0, recipe=recipe, **given)
    assert seen == [2 * boxes] * (len(trained) // 2)


def test_a_folder_without_a_detector_is_refused(here: Path) -> None:
    with pytest.raises(DataError, match="set holds no detector"):
        naslab.detect("set", ["photo.png"])
