"""Splits on the device, and the test set that a search never reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from naslab.errors import DataError, DeviceError
from naslab.study.data_choice import DataChoice
from naslab.training import storage
from naslab.training.data import find_device, load_dataset, load_test_set, with_validation
from naslab.training.datasets import read_images

DIGITS = DataChoice(name="digits")


def rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_train_validation_and_test_share_no_image():
    split, test = load_dataset(DIGITS), load_test_set(DIGITS)
    parts = [rows(split.train.pixels), rows(split.validation.pixels), rows(test.pixels)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 1797


def test_images_are_bytes_of_the_training_set_with_their_labels():
    split = load_dataset(DIGITS)
    assert split.train.images.dtype == torch.uint8
    assert split.train.images.shape == (1150, 1, 8, 8)
    whole = read_images("digits", "train")
    known = {image.tobytes(): label for image, label in zip(*whole, strict=True)}
    for part in (split.train, split.validation):
        assert all(
            known[pixels.numpy().tobytes()] == label for pixels, label in zip(part.pixels, part.labels, strict=True)
        )


def test_the_split_is_stratified_and_seeded():
    split = load_dataset(DIGITS)
    whole = np.bincount(read_images("digits", "train").labels)
    held_out = np.bincount(split.validation.labels.numpy())
    assert np.all(np.abs(held_out - whole * 0.2) < 1)
    assert torch.equal(split.train.pixels, load_dataset(DIGITS).train.pixels)
    assert not torch.equal(split.train.labels, load_dataset(DIGITS, seed=1).train.labels)


def test_statistics_are_those_of_the_training_images():
    split = load_dataset(DIGITS)
    values = split.train.pixels.double()
    assert float(split.mean) == pytest.approx(float(values.mean()), rel=1e-6)
    assert float(split.deviation) == pytest.approx(float(values.std(correction=0)), rel=1e-6)


def test_max_images_limits_both_parts_together():
    split = load_dataset(DataChoice(name="digits", max_images=100))
    assert (len(split.train), len(split.validation)) == (80, 20)
    assert len(load_test_set(DataChoice(name="digits", max_images=100))) == 359


def test_too_few_images_for_the_classes_are_refused():
    with pytest.raises(DataError, match="max_images: must be at least 20 for the 10 classes of digits"):
        load_dataset(DataChoice(name="digits", max_images=19))


def test_the_last_training_may_use_the_validation_images():
    split = load_dataset(DIGITS)
    whole = with_validation(split)
    assert len(whole.train) == 1438
    assert whole.validation is split.validation


def test_loading_what_a_search_sees_never_reads_the_test_set(monkeypatch):
    def read(name, part, data_dir=None):
        assert part != "test"
        return read_images(name, part, data_dir)

    monkeypatch.setattr(storage, "read_images", read)
    load_dataset(DIGITS)
    with pytest.raises(AssertionError):
        load_test_set(DIGITS)


@pytest.mark.parametrize(("device", "message"), [("cuda:99", "no device 'cuda:99'"), ("toaster", "'toaster' is not")])
def test_a_device_that_is_not_there_is_named(device, message):
    with pytest.raises(DeviceError, match=message):
        find_device(device)
