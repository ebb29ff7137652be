"""A training whose network torch compiles, with the real compiler."""

from __future__ import annotations

import shutil

import msgspec
import pytest
import torch
from networks import conv_net

from naslab.arch import ConvBlock, Stage
from naslab.arch.build import build
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training.data import ImageSet, load_dataset
from naslab.training.loop import train


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and g++ is not here")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # torch 2.11's own use
def test_a_compiled_network_trains_to_the_same_numbers(tmp_path, monkeypatch):
    """By inductor on this CPU; weights differed by 2e-7 after 40 steps, for sums are taken in another order."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    digits = load_dataset(DataChoice(name="digits"))
    few = digits._replace(train=ImageSet(*(part[:200] for part in digits.train)))
    recipe = Recipe(batch_size=10, learning_rate=0.05)
    counters = torch._dynamo.utils.counters
    counters.clear()
    curves, weights = [], []
    for compiles in ("off", "on"):
        module = build(conv_net(stages=(Stage(block=ConvBlock(), width=4),)), 3)
        curves.append(train(module, few, msgspec.structs.replace(recipe, compile=compiles), 2, size=(8, 8), seed=3))
        weights.append(module.state_dict())
    assert counters["stats"]["unique_graphs"] == 1
    counters.clear()
    for plain, compiled in zip(*curves, strict=True):
        assert compiled.train_loss == pytest.approx(plain.train_loss, rel=1e-4)
        assert compiled.validation_loss == pytest.approx(plain.validation_loss, rel=1e-4)
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-5)
