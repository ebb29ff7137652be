"""`naslab train --quantize int8`: what is refused before anything is spent, what is written and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_studies import naslab
from networks import conv_net

import naslab as lab
from naslab.errors import NaslabError, SpecError
from naslab.lab import seeds
from naslab.lab.seeds import settle, train_seeds
from naslab.package.predict import OnnxPredictor
from naslab.targets import exporting
from naslab.training import onnx_file

WEIGHTS = "float/seed-0/weights.safetensors"
DATA = {"dataset": "digits", "max_images": 200, "epochs": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network."""
    place = tmp_path_factory.mktemp("quantised")
    train_seeds(conv_net(), 1, place / "float", **DATA)
    return place


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX files by the quick exporter."""
    for name in ("torchao", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    monkeypatch.setattr(onnx_file, "write_onnx", onnx_file.write_onnx_quickly)


def test_the_gain_over_post_training_is_stated_and_the_network_written(folder: Path) -> None:
    shown = naslab(folder, "train", "float/seed-0", "--quantize", "int8", "--epochs", "1", "--out", "q", "--json")
    value = json.loads((folder / "q" / "result.json").read_text())
    told = value["int8"]
    assert shown.value["int8"] == told
    assert told["target"] == "onnxruntime-int8"
    assert told["gain"] == pytest.approx(told["accuracy"] - told["post_training"])
    assert told["num_calibration"] == 200 - told["num_images"] or told["num_calibration"] >= 32
    assert told["size_bytes"] == (folder / "q" / told["file"]).stat().st_size
    assert value["recipe"]["precision"] == "float32"
    assert value["recipe"]["learning_rate"] == 0.01
    predictor = OnnxPredictor(folder / "q" / told["file"])
    assert predictor.facts.name == "float/seed-0"
    assert lab.find_model(folder / "q").weights is not None
    naslab(folder, "train", "float/seed-0", "--epochs", "1", "--out", "q", "--json")
    assert not (folder / "q" / told["file"]).exists()
    assert "int8" not in json.loads((folder / "q" / "result.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet5", "--quantize", "int8", "--dataset", "digits"), "fine-tunes trained weights, lenet5 has none"),
        (("float/seed-0", "--quantize", "int4"), "must be int8, got 'int4'"),
        (("float/seed-0", "--quantize", "int8", "--use-validation"), "leave use_validation out"),
        (
            (
                "float/seed-0",
                "--quantize",
                "int8",
                "--start-from",
                "float/seed-0/weights.safetensors",
                "--tune",
                "head",
            ),
            "trains all of a network, got tune head",
        ),
    ],
)
def test_what_cannot_be_quantised_is_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    told = naslab(folder, "train", *arguments, "--epochs", "1", "--out", "refused")
    assert told.code == 2
    assert message in told.err.splitlines()[-1]
    assert "Traceback" not in told.err
    assert not (folder / "refused" / "result.json").exists()


def test_python_needs_a_place_for_the_network(folder: Path) -> None:
    with pytest.raises(SpecError, match="quantize: writes the network in 8 bits beside its weights: give save_to"):
        lab.train(folder / "float" / "seed-0", quantize="int8", epochs=1)


def test_what_cannot_be_written_in_8_bits_fails_before_training(folder: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise NaslabError("the network cannot be quantised to 8 bits: no")

    monkeypatch.setattr(exporting, "quantised", refuse)
    monkeypatch.setattr("naslab.targets.onnx_runtime.quantised", refuse)
    epochs: list[object] = []
    with pytest.raises(NaslabError, match="cannot be quantised"):
        lab.train(folder / "float" / "seed-0", quantize="int8", save_to=folder / "n", report=epochs.append)
    assert epochs == []


def test_the_weights_that_a_training_begins_with_are_not_overwritten(folder: Path) -> None:
    before = (folder / WEIGHTS).read_bytes()
    for given in (("float/seed-0", "--quantize", "int8"), (str(folder / WEIGHTS), "--quantize", "int8")):
        told = naslab(folder, "train", *given, "--epochs", "1", "--out", "float/seed-0").refusal()
        assert "holds the weights that this begins with, which it would overwrite: name another folder" in told
    told = naslab(folder, "shrink", "float/seed-0", "--target-macs", "0.5x", "--out", "float/seed-0").refusal()
    assert "which it would overwrite" in told
    assert (folder / WEIGHTS).read_bytes() == before


def test_other_classes_than_the_weights_have_are_told(folder: Path) -> None:
    np.savez(
        folder / "five.npz",
        images=np.zeros((60, 32, 32, 3), np.uint8) + np.arange(60, dtype=np.uint8)[:, None, None, None],
        labels=np.arange(60) % 5,
    )
    told = naslab(folder, "train", "float/seed-0", "--quantize", "int8", "--dataset", "arrays:five.npz", "--out", "o")
    assert "was trained on 1 channel and 10 classes, arrays:five.npz has 3 and 5: adapt it first" in told.refusal()


def test_seeds_of_other_weights_are_another_training(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "source"
    shutil.copytree(folder / "float" / "seed-0", copied)
    begun = lab.find_model(copied)
    nothing = dict.fromkeys(("data_dir", "pretrained", "tune"))
    how = settle(begun, "digits", None, quantize="int8", epochs=1, ledger="naslab.db", **nothing)
    asked = seeds._asked(begun, how)
    data = bytearray((copied / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (copied / "weights.safetensors").write_bytes(bytes(data))
    assert seeds._asked(begun, how) != asked
