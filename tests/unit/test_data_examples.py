"""The examples of data of one's own run, are short, and learn what they are about."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["own_arrays", "spectrograms"])
def test_an_example_has_less_than_40_lines(name):
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 40


@pytest.mark.slow
def test_arrays_of_13_channels_are_searched_and_trained(tmp_path):
    result = loaded("own_arrays").main(tmp_path, trials=2, epochs=3)
    assert result.test_accuracy > 60  # of three classes by chance 33
    assert (tmp_path / "weights.safetensors").is_file()


@pytest.mark.slow
def test_spectrograms_are_searched_and_exported(tmp_path):
    [written] = loaded("spectrograms").main(tmp_path, trials=2, epochs=1)
    network = loaded_file(written).network()
    import torch

    assert network.eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 3)


def loaded_file(path):
    import sys

    spec = importlib.util.spec_from_file_location("written_network", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["written_network"] = module
    spec.loader.exec_module(module)
    return module
