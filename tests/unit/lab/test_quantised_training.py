"""`naslab train --quantize int8`: what is refused before anything is spent, what is written and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_studies import naslab
from networks import conv_net

import naslab as lab
from naslab.errors import NaslabError, SpecError
from naslab.lab.seeds import train_seeds
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
