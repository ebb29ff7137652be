"""Checkpoints: a training that went on from one is, bit by bit, the training that never stopped."""

from __future__ import annotations

import json

import msgspec
import pytest
import torch
from networks import conv_net, random_net
from safetensors.torch import save

from naslab.arch.build import build
from naslab.arch.spec import ArchSpec
from naslab.blobs import BlobStore
from naslab.errors import DataError, LedgerError
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Fidelity
from naslab.study.recipe import Recipe
from naslab.training.checkpoint import Checkpoint, Origin, load_checkpoint, save_checkpoint
from naslab.training.data import ImageSet, load_dataset
from naslab.training.loop import train

AUGMENTED = Recipe(batch_size=64, crop_padding=1, horizontal_flip=True, cutout=2, mixup=0.2, cutmix=0.5)
RECIPES = {
    "sgd": msgspec.structs.replace(AUGMENTED, ema_decay=0.9, label_smoothing=0.1, clip_ratio=0.1),
    "adamw": Recipe(optimizer="adamw", learning_rate=1e-3, schedule="plateau", patience=1),
    "rmsprop": Recipe(optimizer="rmsprop", learning_rate=1e-3, schedule="cosine", warmup_epochs=1.0),
}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The digits' first 200 training images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        digits = load_dataset(DataChoice(name="digits"))
    return digits._replace(train=ImageSet(*(part[:200] for part in digits.train)))


def trained(arch, data, recipe, epochs, folder, start=None, seed=3):
    """The curve, the weights, and the hash of the checkpoint of the first epochs of a schedule of 4."""
    module = build(arch, seed)
    hashes = []
    origin = Origin(arch, Fidelity(epochs=epochs, schedule_epochs=4), seed)

    def keep(progress, tensors):
        hashes.append(save_checkpoint(Checkpoint(origin, progress, tensors), folder))

    curve = train(
        module, data, recipe, epochs, size=arch.input[1:], seed=seed, schedule_epochs=4, start=start, keep=keep
    )
    timeless = [msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in curve]
    return timeless, {name: value.clone() for name, value in module.state_dict().items()}, hashes[0]


@pytest.mark.parametrize("name", RECIPES)
def test_one_epoch_and_two_through_a_checkpoint_are_three(few, tmp_path, name):
    arch = random_net()  # dropout and stochastic depth draw from the global generator
    straight = trained(arch, few, RECIPES[name], 3, tmp_path)
    begun = trained(arch, few, RECIPES[name], 1, tmp_path)
    torch.manual_seed(99)
    resumed = trained(arch, few, RECIPES[name], 3, tmp_path, load_checkpoint(begun[2], tmp_path))
    assert resumed[0] == straight[0]
    assert all(torch.equal(value, resumed[1][key]) for key, value in straight[1].items())
    assert begun[0] == straight[0][:1]


def test_seconds_go_on_where_they_stopped(few, tmp_path):
    module = build(conv_net(), 0)
    start = load_checkpoint(trained(conv_net(), few, Recipe(), 1, tmp_path)[2], tmp_path)
    curve = train(module, few, Recipe(), 2, size=(8, 8), schedule_epochs=4, start=start)
    assert curve[0] == start.progress.curve[0]
    assert curve[1].wall_seconds > curve[0].wall_seconds


def test_the_weights_of_a_checkpoint_are_those_that_were_evaluated(few, tmp_path):
    for recipe in (RECIPES["sgd"], RECIPES["adamw"]):
        _, weights, sha256 = trained(conv_net(), few, recipe, 1, tmp_path)
        found = load_checkpoint(sha256, tmp_path).weights()
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_the_network_is_in_the_file(few, tmp_path):
    sha256 = trained(conv_net(), few, Recipe(), 1, tmp_path)[2]
    content = BlobStore(tmp_path).get(sha256)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert msgspec.json.decode(header["__metadata__"]["arch"], type=ArchSpec) == conv_net()


def test_a_checkpoint_cut_short_is_noticed(few, tmp_path):
    sha256 = trained(conv_net(), few, Recipe(), 1, tmp_path)[2]
    path = BlobStore(tmp_path).path(sha256)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LedgerError, match="is damaged"):
        load_checkpoint(sha256, tmp_path)
    path.unlink()
    with pytest.raises(LedgerError, match="cannot be read"):
        load_checkpoint(sha256, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"weights", "is not a checkpoint"),
        (save({"a": torch.ones(1)}), "is not a checkpoint"),
        (save({"a": torch.ones(1)}, {"format": "99"}), "written by a newer naslab"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    sha256 = BlobStore(tmp_path).put(content)
    with pytest.raises(DataError, match=message):
        load_checkpoint(sha256, tmp_path)


def test_the_state_of_another_network_is_refused(few, tmp_path):
    start = load_checkpoint(trained(random_net(), few, Recipe(), 1, tmp_path)[2], tmp_path)
    with pytest.raises(DataError, match="is not one of this training"):
        trained(conv_net(), few, Recipe(), 2, tmp_path, start)


def test_only_the_same_training_goes_on():
    arch = conv_net()
    begun = Origin(arch, Fidelity(epochs=1, schedule_epochs=9, images=100), 0)
    assert Origin(arch, Fidelity(epochs=3, schedule_epochs=9, images=100), 0).continues(begun)
    assert Origin(arch, Fidelity(epochs=9, images=100), 0).continues(begun)
    assert Origin(arch, Fidelity(epochs=9), 0).continues(Origin(arch, Fidelity(epochs=9), 0))
    for other in (
        Origin(arch, Fidelity(epochs=3, schedule_epochs=9), 0),
        Origin(arch, Fidelity(epochs=3, images=100), 0),
        Origin(arch, Fidelity(epochs=9, images=100), 1),
        Origin(random_net(), Fidelity(epochs=9, images=100), 0),
    ):
        assert not other.continues(begun)
    assert not begun.continues(Origin(arch, Fidelity(epochs=9, images=100), 0))
