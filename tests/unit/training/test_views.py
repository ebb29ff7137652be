"""Several views of an image at test time."""

from __future__ import annotations

import pytest
import torch
from networks import conv_net
from torch import nn

from naslab.arch.build import build
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe, default_recipe
from naslab.training import fit
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit, load_dataset
from naslab.training.evaluation import evaluate, mean_log_probability
from naslab.training.images import ImageSet
from naslab.training.views import views_of, views_size


class LeftMinusRight(nn.Module):
    """Two logits: twice what is brighter on the left, and 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[3] // 2
        left = (x[..., :half] - x[..., half:]).mean((1, 2, 3))
        return torch.stack([2 * left, torch.zeros_like(left)], 1)


def split_of(pixels: torch.Tensor, labels: torch.Tensor) -> DataSplit:
    images = ImageSet(pixels, labels)
    channels = pixels.shape[3]
    return DataSplit(images, images, 2, torch.zeros(channels), torch.ones(channels))


def test_probabilities_are_averaged_not_logits():
    logits = [torch.tensor([[4.0, 0.0]]), torch.tensor([[-1.0, 1.0]])]
    expected = (logits[0].softmax(1) + logits[1].softmax(1)) / 2
    assert torch.allclose(mean_log_probability(logits).exp(), expected)


def test_a_mirror_image_counts_as_much_as_the_image():
    pixels = torch.zeros(2, 4, 4, 1, dtype=torch.uint8)
    pixels[0, :, :2] = 3  # left side bright: class 0, and class 1 when mirrored
    data = split_of(pixels, torch.tensor([0, 1]))
    normalise = Normaliser(data, (4, 4))
    recipe = Recipe()
    assert evaluate(LeftMinusRight(), data.validation, normalise, recipe).accuracy == 50  # 0 on ties
    flipped = evaluate(LeftMinusRight(), data.validation, normalise, recipe, "flip")
    chance = 0.5 * (torch.sigmoid(torch.tensor(6.0)) + torch.sigmoid(torch.tensor(-6.0)))
    assert flipped.loss == pytest.approx(float(-(chance.log() + torch.tensor(0.5).log()) / 2), rel=1e-6)


@pytest.mark.parametrize(("views", "count"), [("plain", 1), ("flip", 2), ("five_crop", 5), ("ten_crop", 10)])
def test_every_view_has_the_size_of_the_network(views, count):
    size = (8, 6)
    images = torch.randn(3, 2, *views_size(size, views))
    seen = views_of(images, size, views)
    assert len(seen) == count
    assert {view.shape for view in seen} == {(3, 2, 8, 6)}


def test_crops_are_the_corners_and_the_centre():
    images = torch.arange(81.0).reshape(1, 1, 9, 9)
    corners = [float(view[0, 0, 0, 0]) for view in views_of(images, (7, 7), "five_crop")]
    assert corners == [0, 2, 18, 20, 10]
    mirrored = views_of(images, (7, 7), "ten_crop")[5:]
    assert torch.equal(mirrored[0], images[:, :, :7, 2:].flip(3))


def test_crops_are_cut_from_the_image_itself_where_it_is_larger():
    """A larger image is brought to 256 / 224 of the network's size at once, not to that size and back."""
    pixels = torch.randint(256, (2, 32, 32, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = split_of(pixels, torch.tensor([0, 1]))
    seen = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.zeros(len(x), 2)

    evaluate(Spy(), data.validation, Normaliser(data, (28, 28)), Recipe(), "five_crop")
    assert torch.equal(seen[0], pixels.permute(0, 3, 1, 2)[:, :, :28, :28].float())


def test_the_test_set_is_looked_at_as_the_recipe_says(monkeypatch):
    asked = []
    monkeypatch.setattr(fit, "evaluate", lambda *args: asked.append(args[4]) or evaluate(*args))
    recipe = Recipe(test_views="ten_crop", batch_size=256)
    result = fit.fit_and_test(conv_net(), DataChoice(name="digits", max_images=300), recipe, 1)
    assert asked == ["ten_crop"]
    assert 0 <= result.test_accuracy <= 100


@pytest.mark.parametrize("size", [(8, 8), (10, 6)])
def test_all_views_of_a_network_without_training_are_finite(size):
    data = load_dataset(DataChoice(name="digits", max_images=100))
    module = build(conv_net(input=(1, *size)), 0)
    for views in ("plain", "flip", "five_crop", "ten_crop"):
        seen = evaluate(module, data.validation, Normaliser(data, size), default_recipe("digits"), views)
        assert 0 < seen.loss < 10
