"""`naslab export` of detectors and segmenters: one ONNX file with the heads, which predict runs as the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dense_commands import command, folder_with
from PIL import Image

import naslab
from naslab.arch import load_arch
from naslab.atomic_write import json_content
from naslab.dense_prediction.facts import DETECTOR_FILE, WEIGHTS_FILE, DenseFacts
from naslab.dense_prediction.onnx_detectors import share_found, write_dense_onnx
from naslab.dense_prediction.package import load_module, make_module
from naslab.dense_prediction.tasks import DENSE_TASKS
from naslab.errors import DataError, NaslabError
from naslab.training.onnx_session import onnx_session
from naslab.training.weights import save_weights


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with images of noise, on which no two objects are as probable."""
    folder_with(tmp_path, monkeypatch)
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index, (height, width) in enumerate([(32, 32), (40, 30)]):
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "images" / f"{index}.png")
    return tmp_path


def write_folder(root: Path, task: Any) -> None:
    """A folder `found` as a training for a `task` leaves it, of fresh weights."""
    facts = DenseFacts(
        name="net.yaml",
        arch=load_arch(root / "net.yaml"),
        task=task,
        kind=DENSE_TASKS[task].kinds[0],
        levels=(2, 4),
        classes=("dark", "bright"),
        side=(32, 32),
        mean=(0.5, 0.4, 0.3),
        deviation=(0.2, 0.3, 0.4),
        channels=8,
        keypoints=("corner", "end") if task == "keypoints" else (),
    )
    (root / "found").mkdir()
    (root / "found" / DETECTOR_FILE).write_bytes(json_content(facts))
    save_weights(make_module(facts, 1), root / "found" / WEIGHTS_FILE)


@pytest.mark.slow
def test_a_detector_leaves_with_its_heads(here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_folder(here, "detection")
    code, out, said = command(monkeypatch, capsys, "export", "found", "--onnx", "found.onnx", "--json")
    assert (code, json.loads(out)["files"], said) == (0, ["found.onnx"], "")
    session = onnx_session(here / "found.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert (json.loads(told["class_names"]), told["task"]) == (["dark", "bright"], "detection")
    assert [each.name for each in session.get_outputs()] == ["boxes", "labels", "scores"]
    words = ("images", "--least-score", "0.1", "--json")
    code, out, _ = command(monkeypatch, capsys, "predict", "found.onnx", *words, "--out", "one")
    assert code == 0
    _, there, _ = command(monkeypatch, capsys, "predict", "found", *words, "--out", "other")
    given, wanted = json.loads(out), json.loads(there)
    assert sum(len(each["objects"]) for each in wanted) > 0
    for one, other in zip(given, wanted, strict=True):
        assert Path(one["drawn"]).is_file()
        assert share_found(arrays(one["objects"]), arrays(other["objects"])) > 0.9


@pytest.mark.slow
def test_a_detector_leaves_whose_proposals_are_as_probable(here: Path) -> None:
    write_folder(here, "detection")
    facts, module = load_module(here / "found", "cpu")
    head: Any = module.get_submodule("rpn.head")
    with torch.no_grad():  # as dead units make it
        head.cls_logits.weight.zero_()
        head.bbox_pred.weight.mul_(100)
    write_dense_onnx(facts, module, here / "found.onnx")
    assert (here / "found.onnx").is_file()


def test_a_segmenter_leaves_for_images_of_any_size(here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_folder(here, "segmentation")
    for name, more in (("plain.onnx", []), ("bare.onnx", ["--bare"])):
        assert command(monkeypatch, capsys, "export", "found", "--onnx", name, *more)[0] == 0
        (logits,) = onnx_session(here / name).run(None, {"images": np.zeros((2, 3, 48, 40), np.float32)})
        assert logits.shape == (2, 2, 48, 40)
        with pytest.raises(DataError, match=r"naslab\.detect takes it"):
            naslab.predict(name, ["images"])
        given, wanted = naslab.detect(name, ["images"]), naslab.detect("found", ["images"])
        for one, other in zip(given, wanted, strict=True):
            assert one.shares == pytest.approx(other.shares, abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["instance_segmentation", "keypoints"])
def test_masks_and_points_leave_too(task: Any, here: Path) -> None:
    write_folder(here, task)
    facts, module = load_module(here / "found", "cpu")
    write_dense_onnx(facts, module, here / "found.onnx", is_bare=True)
    (given, *_), (wanted, *_) = (naslab.detect(each, ["images"]) for each in ("found.onnx", "found"))
    assert len(given.objects) == len(wanted.objects)
    for one, other in zip(given.objects, wanted.objects, strict=True):
        assert one.area == other.area
        for name, point in one.keypoints.items():
            assert point == pytest.approx(other.keypoints[name], abs=0.5)


def test_a_file_that_finds_something_else_is_not_written(here: Path, monkeypatch: Any) -> None:
    write_folder(here, "detection")
    with pytest.raises(DataError, match="found is the folder of a detector or segmenter, which is no network by"):
        naslab.find_model(here / "found")
    facts, module = load_module(here / "found", "cpu")
    monkeypatch.setattr("naslab.dense_prediction.onnx_detectors.share_found", lambda *_: 0.5)
    with pytest.raises(NaslabError, match="agree in 50% of the objects"):
        write_dense_onnx(facts, module, here / "found.onnx")
    assert not (here / "found.onnx").exists()


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ((), "becomes an ONNX file: name it, as --onnx found.onnx"),
        (("--onnx", "a.onnx", "--out", "net.py"), "--out has no effect with a detector"),
        (("--onnx", "a.onnx", "--weights", "w.safetensors"), "--weights has no effect"),
        (("--onnx", "a.onnx", "--resolution", "64"), "--resolution has no effect with a detector"),
        (("--onnx", "a.onnx", "--opset", "23"), "--opset of a detector or segmenter must be at most 20, got 23"),
    ],
)
def test_what_does_not_fit_a_detector_is_one_line(
    words: Any, rule: str, here: Path, monkeypatch: Any, capsys: Any
) -> None:
    write_folder(here, "detection")
    code, out, said = command(monkeypatch, capsys, "export", "found", *words)
    assert (code, out) == (2, "")
    assert rule in said
    assert len(said.strip().splitlines()) == 1
    assert not list(here.glob("*.onnx"))


def arrays(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Objects as the arrays that a file gives."""
    return {
        "boxes": np.array([each["box"] for each in objects]).reshape(-1, 4),
        "labels": np.array([each["name"] == "bright" for each in objects]),
        "scores": np.array([each["score"] for each in objects]),
    }
