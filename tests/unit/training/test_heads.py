"""Auxiliary heads: trained with the network, left out of what is kept."""

from __future__ import annotations

import torch
from networks import conv_net

from naslab.arch import AuxiliaryHead, Head
from naslab.arch.build import build
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training import fit as fitting
from naslab.training.fidelity import with_heads, without_heads
from naslab.training.fit import fit_and_test
from naslab.training.loop import train
from naslab.training.weights import load_weights

ARCH = conv_net(auxiliary=(AuxiliaryHead(after=0, head=Head(dropout=0.2)),))
DATA = DataChoice(name="digits", max_images=200)


def test_a_network_without_heads_is_itself():
    plain = build(conv_net(), 0)
    assert with_heads(plain, conv_net(), 0) is plain
    assert without_heads(plain, conv_net()) is plain


def test_the_network_begins_as_it_would_alone():
    plain = build(ARCH, 3)
    module = with_heads(plain, ARCH, 3)
    state = module.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    assert [name for name in state if name not in plain.state_dict()]
    again = with_heads(build(ARCH, 3), ARCH, 3).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in state.items())


def test_heads_change_the_training_and_are_not_kept(monkeypatch, tmp_path):
    trained = []

    def spy(module, *rest, **named):
        curve = train(module, *rest, **named)
        trained.append({name: value.clone() for name, value in module.state_dict().items()})
        return curve

    monkeypatch.setattr(fitting, "train", spy)
    path = tmp_path / "w.safetensors"
    result = fit_and_test(ARCH, DATA, Recipe(batch_size=32, drop_connect=0.1), 1, save_to=path)
    start = with_heads(build(ARCH, 0), ARCH, 0).state_dict()
    heads = [name for name in start if name.startswith("auxiliary.") and name.endswith("weight")]
    assert heads
    assert not any(torch.equal(trained[0][name], start[name]) for name in heads)
    plain = build(ARCH, 0)
    load_weights(plain, path)  # refuses names that the network lacks
    assert all(torch.equal(value, trained[0][name]) for name, value in plain.state_dict().items())
    slow = Recipe(batch_size=32, learning_rate=1e-9)
    again = fit_and_test(ARCH, DATA, slow, 1, start_from=path)
    assert abs(again.test_accuracy - result.test_accuracy) < 15
