"""What of a network is trained: what stays stays to the last bit, and a probe is solved on its features."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from naslab.arch import ArchSpec, ConvBlock, Head, Stage
from naslab.arch.build import build
from naslab.errors import SpecError
from naslab.study.outcome import Fidelity
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser
from naslab.training.checkpoint import Checkpoint, Origin
from naslab.training.data import DataSplit
from naslab.training.images import ImageSet
from naslab.training.loop import train
from naslab.training.optimizer import make_optimizer, set_rate
from naslab.training.probe import features_of, keeps_features, train_on_features
from naslab.training.tuning import rate_scales, require_tunable

ARCH = ArchSpec(
    input=(1, 6, 6),
    stem=(Stage(block=ConvBlock(), width=4),),
    stages=(Stage(block=ConvBlock(), width=6, stride=2), Stage(block=ConvBlock(), width=8)),
    head=Head(width=12, dropout=0.2),
    num_classes=3,
)


def data() -> DataSplit:
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> ImageSet:
        pixels = torch.randint(256, (count, 6, 6, 1), generator=generator, dtype=torch.uint8)
        return ImageSet(pixels, torch.randint(3, (count,), generator=generator))

    return DataSplit(part(21), part(9), 3, torch.tensor([127.5]), torch.tensor([70.0]))


def trained(
    recipe: Recipe, function: Any = train, epochs: int = 2, **how: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor], Any]:
    module = build(ARCH, seed=1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    curve = function(module, data(), recipe, epochs, size=(6, 6), seed=5, **how)
    assert all(each.requires_grad for each in module.parameters())
    return before, module.state_dict(), curve


@pytest.mark.parametrize(
    ("tune", "parts"),
    [
        ("head", ("head.classifier",)),
        ("last:0", ("head.",)),
        ("last:1", ("head.", "stage1.")),
        ("last:2", ("head.", "stage1.", "stage0.")),
        ("all", ("head.", "stage1.", "stage0.", "stem0.")),
    ],
)
def test_what_is_not_tuned_stays(tune: str, parts: tuple[str, ...]) -> None:
    before, after, _ = trained(Recipe(batch_size=7, tune=tune))
    assert {name for name in after if not torch.equal(before[name], after[name])} == {
        name for name in after if name.startswith(parts)
    }


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_stages_are_trained_one_after_the_other(optimizer: Any) -> None:
    # The classifier for two epochs, then the head and the last stage for two, and so on: at last all.
    recipe = Recipe(optimizer=optimizer, learning_rate=0.01, batch_size=7, tune="gradual:2")
    parts = {1: ("head.classifier",), 3: ("head.", "stage1."), 5: ("head.", "stage1.", "stage0."), 7: ("",)}
    for epochs, begun in parts.items():
        before, after, _ = trained(recipe, epochs=epochs, schedule_epochs=8)
        changed = {name for name in after if not torch.equal(before[name], after[name])}
        assert changed == {name for name in after if name.startswith(begun)}


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_gradual_training_goes_on_from_a_checkpoint(epochs: int) -> None:
    recipe = Recipe(batch_size=7, tune="gradual:2", l1=1e-4, clip_norm=1.0, clip_ratio=0.1)
    kept = []

    def keep(progress: Any, tensors: dict[str, Tensor]) -> None:
        kept.append(Checkpoint(Origin(ARCH, Fidelity(epochs=epochs), 5), progress, tensors))

    _, whole, _ = trained(recipe, epochs=6)
    trained(recipe, epochs=epochs, schedule_epochs=6, keep=keep)
    _, after, _ = trained(recipe, epochs=6, start=kept[0])
    assert all(torch.equal(whole[name], after[name]) for name in whole)


@pytest.mark.parametrize("tune", ["all", "gradual:1"])
def test_frozen_norms_keep_statistics_and_weights(tune: str) -> None:
    recipe = Recipe(batch_size=7, freeze_norm=True, tune=tune)
    before, after, _ = trained(recipe, epochs=4)
    assert {name for name in after if torch.equal(before[name], after[name])} == {
        name for name in after if ".norm." in name
    }


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_probe_on_features_is_the_slow_way(optimizer: str) -> None:
    # The same: one order of batches and one row of updates on the same features; sums over other batches round.
    recipe = Recipe(optimizer=optimizer, learning_rate=0.01, batch_size=7, tune="head")
    _, slow, seen = trained(recipe)
    _, fast, found = trained(recipe, train_on_features)
    assert all(torch.allclose(slow[name], fast[name], atol=1e-6) for name in slow)
    assert [each.validation_accuracy for each in found] == [each.validation_accuracy for each in seen]
    assert [each.train_loss for each in found] == pytest.approx([each.train_loss for each in seen], abs=1e-5)


def test_features_are_what_the_classifier_reads() -> None:
    module, split = build(ARCH, seed=1).eval(), data()
    normalise = Normaliser(split, (6, 6))
    found = features_of(module, split.validation, normalise, Recipe(precision="float32"))
    assert found.pixels.shape == (9, 1, 1, 12)
    with torch.inference_mode():
        logits = module.head.classifier(found.pixels.flatten(1))
        assert torch.allclose(logits, module(normalise(split.validation.pixels)), atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "is_kept"),
    [
        (Recipe(tune="head"), True),
        (Recipe(tune="head", ema_decay=0.9), True),
        (Recipe(tune="last:1"), False),
        (Recipe(tune="gradual:9"), False),
        (Recipe(), False),
        (Recipe(tune="head", horizontal_flip=True), False),
        (Recipe(tune="head", mixup=0.2), False),
        (Recipe(tune="head", hue=0.1), False),
    ],
)
def test_features_are_kept_where_images_stay_the_same(recipe: Recipe, is_kept: bool) -> None:
    assert keeps_features(build(ARCH, seed=1), recipe) is is_kept


def test_rates_fall_from_the_head_to_the_stem() -> None:
    module = build(ARCH, seed=1)
    scales = rate_scales(module, 0.5)
    optimizer = make_optimizer(module, Recipe(layer_decay=0.5), scales=scales)
    set_rate(optimizer, 0.8)
    rates = {each: group["lr"] for group in optimizer.param_groups for each in group["params"]}
    for part, rate in (("head", 0.8), ("stage1", 0.4), ("stage0", 0.2), ("stem0", 0.1)):
        assert {rates[each] for each in module.get_submodule(part).parameters()} == {rate}


def test_without_a_decay_groups_are_as_ever() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = make_optimizer(module, Recipe()).param_groups
    assert [(len(each["params"]), each["weight_decay"]) for each in groups] == [(1, 5e-4), (3, 0.0)]


@pytest.mark.parametrize(
    "tune", ["heads", "last:", "last:-1", "last:x", "last:1.5", "", "gradual:0", "gradual:", "last:gradual:1"]
)
def test_a_text_that_says_nothing(tune: str) -> None:
    with pytest.raises(
        SpecError, match=r"^tune: must be head, last:K \(as last:2\), gradual:N \(as gradual:2\) or all, got "
    ):
        Recipe(tune=tune)


def test_more_stages_than_there_are() -> None:
    with pytest.raises(SpecError, match=r"^tune: the network has 2 stages, got last:3$"):
        require_tunable(Recipe(tune="last:3"), ARCH)
