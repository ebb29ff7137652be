"""`naslab measure` of a trained network: its accuracy as it runs in the target, and of which images."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naslab
from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.cli.main import run
from naslab.errors import DataError, NaslabError
from naslab.lab.measuring import measure

ARCH = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=8),), num_classes=10)
LOUD = {"most_spread": 1e9}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("trained") / "weights.safetensors"
    naslab.train(ARCH, dataset="digits", max_images=300, epochs=2, save_to=file)
    return file


@pytest.mark.slow
def test_the_accuracy_in_a_target_is_told_with_its_images(trained: Path, monkeypatch: Any, capsys: Any) -> None:
    words = ["naslab", "measure", str(trained), "--target", "onnxruntime-int8", "--json", "--most-spread", "1e9"]
    monkeypatch.setattr(sys, "argv", words)
    with suppress(SystemExit):
        run()
    told = json.loads(capsys.readouterr().out)
    assert told["accuracy_on"] == "validation images of digits"
    assert (told["num_images"], told["num_calibration"]) == (60, 240)
    plain = measure(trained, "torch", **LOUD)
    facts = naslab.find_model(trained).facts
    assert facts is not None
    assert plain.accuracy == pytest.approx(facts.metrics["validation_accuracy"].value)
    assert abs(told["accuracy"] - plain.accuracy) < 10
    assert told["accuracy_sem"] > 0
    assert plain.num_calibration == 0


@pytest.mark.slow
def test_a_network_that_was_trained_on_validation_images_is_judged_by_the_test_images(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    result = naslab.train(ARCH, dataset="digits", max_images=100, epochs=1, use_validation=True, save_to=file).result
    seen = measure(file, "torch", **LOUD)
    assert seen.accuracy_on == "test images of digits"
    assert seen.num_images == result.num_test_images
    assert seen.accuracy == pytest.approx(result.test_accuracy)


@pytest.mark.slow
def test_a_network_whose_data_are_gone_is_timed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the header of weights holds no folders
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "some.npz", images=images, labels=np.arange(100) % 10)
    data = "arrays:some.npz"
    naslab.train(ARCH, dataset=data, epochs=1, save_to=tmp_path / "w.safetensors")
    assert measure(tmp_path / "w.safetensors", "torch", **LOUD).accuracy is not None
    (tmp_path / "some.npz").unlink()
    seen = measure(tmp_path / "w.safetensors", "torch", **LOUD)
    assert (seen.accuracy, seen.latency_ms > 0) == (None, True)
    assert str(seen.accuracy_on).startswith("no images: ")
    with pytest.raises(NaslabError):
        measure(tmp_path / "w.safetensors", "torch", dataset=data, **LOUD)


def test_too_few_images_to_calibrate_are_one_line(tmp_path: Path) -> None:
    naslab.train(ARCH, dataset="digits", max_images=38, epochs=1, save_to=tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="8 bits are calibrated on at least 32 training images, got"):
        measure(tmp_path / "w.safetensors", "onnxruntime-int8", **LOUD)


@pytest.mark.slow
def test_what_has_no_accuracy_has_none(trained: Path) -> None:
    assert measure(ARCH, "torch", **LOUD).accuracy is None
    assert measure(trained, "torch", accuracy=False, **LOUD).accuracy is None
    with pytest.raises(DataError, match="is not trained, so it has no accuracy"):
        measure(ARCH, "torch", dataset="digits", **LOUD)
    with pytest.raises(DataError, match="name the data set that it is for"):
        measure(trained, "torch", dataset="cifar10", **LOUD)
