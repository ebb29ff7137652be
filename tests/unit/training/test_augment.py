"""Batches made on the device, against loops over single images."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from naslab.study.recipe import Recipe
from naslab.training.augment import (
    Normaliser,
    crop,
    cutmix,
    cutout,
    epoch_sizes,
    flip,
    mixup,
    plain_batches,
    training_batches,
)
from naslab.training.data import DataSplit, ImageSet


def numbered_images(count: int, height: int = 6, width: int = 5, channels: int = 2) -> ImageSet:
    """Images whose every pixel is different within one image; the label is the image's number."""
    values = torch.arange(height * width * channels, dtype=torch.uint8).reshape(1, height, width, channels)
    return ImageSet((values + torch.arange(count, dtype=torch.uint8)[:, None, None, None]), torch.arange(count))


def split_of(images: ImageSet) -> DataSplit:
    channels = images.pixels.shape[3]
    return DataSplit(images, images, len(images), torch.full((channels,), 3.0), torch.full((channels,), 2.0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(count=st.integers(1, 400), batch_size=st.integers(2, 500))
def test_batches_cover_an_epoch_evenly(count, batch_size):
    sizes = epoch_sizes(count, batch_size)
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch_size, 3)
    assert min(sizes) >= 2 or count == 1


@given(seed=st.integers(0, 50), batch_size=st.integers(2, 40))
def test_an_epoch_shows_each_image_once(seed, batch_size):
    data = split_of(numbered_images(23))
    recipe = Recipe(batch_size=batch_size)
    batches = training_batches(data, recipe, Normaliser(data, (6, 5)), generator(seed), random.Random(seed))
    assert sorted(torch.cat([batch.labels for batch in batches]).tolist()) == list(range(23))


def test_pixels_are_normalised_and_stay_with_their_label():
    data = split_of(numbered_images(7))
    for batch in training_batches(data, Recipe(batch_size=3), Normaliser(data, (6, 5)), generator(), random.Random(0)):
        expected = (data.train.images[batch.labels].float() - 3.0) / 2.0
        assert torch.allclose(batch.images, expected, atol=1e-5)  # one multiplication in place of a division


def test_images_are_resized_to_the_network():
    data = split_of(ImageSet(torch.full((4, 6, 5, 2), 9, dtype=torch.uint8), torch.arange(4)))
    for size in ((12, 10), (3, 3), (6, 9)):
        images = next(plain_batches(data.train, Normaliser(data, size), 4)).images
        assert images.shape == (4, 2, *size)
        assert torch.allclose(images, torch.full_like(images, 3.0), atol=1e-5)  # a flat image stays flat: (9 - 3) / 2


@pytest.mark.parametrize("size", [(2, 5), (6, 2), (2, 2)])
def test_smaller_images_are_means_of_what_they_cover_whichever_side_shrinks(size):
    images = numbered_images(4)
    data = split_of(images)
    seen = next(plain_batches(images, Normaliser(data, size), 4)).images
    whole = (images.images.float() - 3.0) / 2.0
    expected = torch.nn.functional.interpolate(whole, size, mode="bilinear", antialias=True)
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(seen, torch.nn.functional.interpolate(whole, size, mode="bilinear"), atol=0.01)


@pytest.mark.parametrize("padding", [1, 2, 4])
def test_a_crop_is_a_window_of_the_padded_image(padding):
    pixels = numbered_images(40).pixels + 1
    cropped = crop(pixels, padding, generator())
    assert cropped.shape == pixels.shape
    places = set()
    for image, cut in zip(pixels, cropped, strict=True):
        padded = torch.nn.functional.pad(image, (0, 0, padding, padding, padding, padding))
        windows = {
            (top, left): padded[top : top + 6, left : left + 5]
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
        }
        found = [place for place, window in windows.items() if torch.equal(window, cut)]
        assert found
        places.add(found[0])
    assert len(places) > 3


def test_about_half_of_the_images_are_mirrored():
    pixels = numbered_images(200).pixels
    flipped = flip(pixels, generator())
    is_same = (flipped == pixels).flatten(1).all(1)
    is_mirrored = (flipped == pixels.flip(2)).flatten(1).all(1)
    assert (is_same ^ is_mirrored).all()
    assert 60 <= int(is_mirrored.sum()) <= 140  # false alarm below 1e-7


@pytest.mark.parametrize("side", [1, 3, 4])
def test_cutout_masks_one_square(side):
    images = cutout(torch.ones(2000, 2, 9, 8), side, generator())
    assert torch.equal(images[:, 0], images[:, 1])
    masked = images[:, 0] == 0
    assert masked.flatten(1).sum(1).max() == side * side
    assert masked.flatten(1).any(1).all()
    rows, columns = masked.any(2), masked.any(1)
    assert torch.equal(masked, rows[:, :, None] & columns[:, None, :])  # a rectangle
    assert masked.any(0).all()  # anywhere; false alarm below 1e-9


def test_mixup_is_the_weighted_mean_of_neighbours():
    images = torch.randn(5, 2, 3, 3, generator=generator())
    mixed, share = mixup(images, 0.3, random.Random(0))
    assert share == 0.3
    assert torch.allclose(mixed[1], 0.3 * images[1] + 0.7 * images[0], atol=1e-6)


@given(share=st.floats(0, 1), seed=st.integers(0, 20))
def test_cutmix_says_how_much_is_left(share, seed):
    images = torch.stack([torch.full((1, 8, 6), float(number)) for number in range(3)])
    mixed, left = cutmix(images, share, random.Random(seed))
    assert float((mixed[1] == 1).float().mean()) == pytest.approx(left, abs=1e-6)
    assert set(mixed[1].unique().tolist()) <= {0.0, 1.0}


def test_mixed_batches_carry_both_labels():
    data = split_of(numbered_images(8))
    recipe = Recipe(batch_size=8, mixup=0.4, cutmix=1.0)
    batch = next(training_batches(data, recipe, Normaliser(data, (6, 5)), generator(), random.Random(0)))
    assert batch.other_labels is not None
    assert torch.equal(batch.other_labels, batch.labels.roll(1))
    assert 0 <= batch.share <= 1


@pytest.mark.parametrize("changes", [{"mixup": 0.4}, {"cutmix": 1.0}, {"cutout": 2, "mixup": 0.4}, {}])
def test_batches_are_channels_last_in_memory_however_they_are_made(changes):
    data = split_of(numbered_images(8))
    recipe = Recipe(batch_size=8, crop_padding=1, horizontal_flip=True, **changes)
    batch = next(training_batches(data, recipe, Normaliser(data, (6, 5)), generator(), random.Random(0)))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "recipe", [Recipe(batch_size=5, crop_padding=2, horizontal_flip=True, cutout=3, mixup=0.2, cutmix=1.0)]
)
def test_batches_are_a_function_of_the_seed(recipe):
    data = split_of(numbered_images(30))

    def epoch(seed: int) -> torch.Tensor:
        normalise = Normaliser(data, (6, 5))
        batches = training_batches(data, recipe, normalise, generator(seed), random.Random(seed))
        return torch.cat([batch.images for batch in batches])

    assert torch.equal(epoch(1), epoch(1))
    assert not torch.equal(epoch(1), epoch(2))
