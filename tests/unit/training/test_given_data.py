"""Data that callers bring: arrays, tensors, torch data sets and files of arrays, kept by their content."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

import naslab
from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.training.data import load_dataset, load_test_set
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.forms import channels_last
from naslab.training.datasets.info import facts_of

LABELS = np.arange(30) % 3


def bands(dtype=np.uint16, count=30):
    """Images of 13 bands whose brightest band is their class."""
    values = np.random.default_rng(0).integers(0, 10_000, (count, 8, 8, 13))
    return values.astype(dtype)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def split_of(data, **changes):
    choice = choose_data(data)
    return load_dataset(DataChoice(name=choice.name, fingerprint=choice.fingerprint, **changes))


class Pairs(Dataset):
    """A map-style data set of pairs that `make` gives for a number."""

    def __init__(self, make, count=30):
        self.make, self.count = make, count

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return self.make(number)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_values_that_eight_bits_do_not_hold_are_kept(dtype):
    images = bands(dtype)
    split = split_of(naslab.Data(train=(images, LABELS), validation=(images[:9], LABELS[:9])))
    assert split.train.pixels.dtype == torch.float32
    kept = {tuple(image.flatten().tolist()) for image in split.validation.pixels}
    assert kept == {tuple(image.flatten().astype(np.float32).tolist()) for image in images[:9]}
    assert split.train.channels == 13


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.bool_])
def test_integers_of_eight_bits_are_held_in_them_whatever_their_type(dtype):
    images = (bands() % 2).astype(dtype)
    assert split_of(naslab.Data(train=(images, LABELS))).train.pixels.dtype == torch.uint8


def test_statistics_are_those_of_the_training_images():
    images = bands(np.float32) / 7 + 1e4
    split = split_of(
        naslab.Data(train=(images, LABELS), validation=(images[:3], LABELS[:3]), test=(images[:3], LABELS[:3]))
    )
    flat = images.reshape(-1, 13).astype(np.float64)
    assert np.allclose(split.mean.numpy(), flat.mean(0), rtol=1e-6)
    assert np.allclose(split.deviation.numpy(), flat.std(0), rtol=1e-5)


def test_channels_first_and_last_tensors_and_data_sets_are_the_same_data():
    images = bands(np.float32)
    first = images.transpose(0, 3, 1, 2)
    given = [
        naslab.Data(train=(images, LABELS)),
        naslab.Data(train=(first, LABELS), layout="NCHW"),
        naslab.Data(train=(torch.from_numpy(first.copy()), torch.from_numpy(LABELS)), layout="NCHW"),
        naslab.Data(train=Pairs(lambda number: (torch.from_numpy(first[number]), int(LABELS[number])))),
        naslab.Data(train=Pairs(lambda number: (images[number], LABELS[number])), layout="NHWC"),
    ]
    assert len({choose_data(each).fingerprint for each in given}) == 1


def test_the_fingerprint_is_that_of_images_and_labels():
    images = bands()
    changed = images.copy()
    changed[3, 2, 1, 0] += 1
    swapped = LABELS[::-1].copy()
    prints = [
        choose_data(naslab.Data(train=each)).fingerprint
        for each in ((images, LABELS), (changed, LABELS), (images, swapped))
    ]
    assert len(set(prints)) == 3


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ((5, 32, 32, 13), 3),
        ((5, 13, 32, 32), 1),
        ((5, 48, 64, 3), 3),
        ((5, 3, 48, 64), 1),
        ((5, 64, 20, 1), 3),
        ((5, 4, 4, 1), 3),
    ],
)
def test_the_channels_are_found_by_the_sizes(shape, place):
    assert channels_last("mine", np.zeros(shape, np.uint8)).shape[3] == shape[place]


@pytest.mark.parametrize("shape", [(5, 8, 8, 8), (5, 13, 16, 24), (5, 2, 64, 2)])
def test_sizes_that_do_not_tell_the_channels_are_refused(shape):
    with pytest.raises(DataError, match=r"cannot be told; say layout 'NHWC' \(last\) or 'NCHW' \(first\)"):
        channels_last("mine", np.zeros(shape))
    assert channels_last("mine", np.zeros(shape), "NCHW").shape[3] == shape[1]


def test_pil_images_of_a_data_set_and_its_class_names():
    pairs = Pairs(lambda number: (Image.fromarray(np.full((6, 9), number, np.uint8)), number % 2), 12)
    pairs.classes = ["dark", "light"]
    facts = facts_of(choose_data(naslab.Data(train=pairs)))
    assert (facts.channels, facts.height, facts.width, facts.classes) == (1, 6, 9, ("dark", "light"))


def test_a_file_of_arrays_is_the_data_in_it(tmp_path):
    images = bands()
    np.savez_compressed(
        tmp_path / "all.npz", images=images, labels=LABELS, test_images=images[:6], test_labels=LABELS[:6]
    )
    choice = choose_data(f"arrays:{tmp_path}/all.npz")
    given = choose_data(naslab.Data(train=(images, LABELS), test=(images[:6], LABELS[:6])))
    assert choice.fingerprint == given.fingerprint
    assert len(load_test_set(choice)) == 6
    assert len(load_dataset(choice).train) == 24


def test_a_worker_elsewhere_reads_the_file_anew_and_refuses_another_content(tmp_path, monkeypatch):
    images = bands()
    np.savez(tmp_path / "all.npz", images=images, labels=LABELS)
    choice = choose_data(f"arrays:{tmp_path}/all.npz")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert len(load_dataset(choice).train) == 19
    np.savez(tmp_path / "all.npz", images=images + 1, labels=LABELS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "third"))
    with pytest.raises(DataError, match="is not what it was when the study began"):
        load_dataset(choice)


def test_data_of_a_caller_are_named_where_they_are_not_in_the_cache(tmp_path, monkeypatch):
    choice = choose_data(naslab.Data(train=(bands(), LABELS)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    with pytest.raises(DataError, match="handed over in Python and are not in the cache folder of this machine"):
        load_dataset(choice)


@pytest.mark.parametrize(
    ("train", "rule"),
    [
        (lambda: (bands(), LABELS[:4]), "train has 30 images and 4 labels"),
        (lambda: (bands()[..., 0, 0, 0], LABELS), r"must have the shape .*, got \(30,\)"),
        (
            lambda: (bands(np.complex64), LABELS),
            "must be numbers of 8 or 16 bits or floating-point ones, got complex64",
        ),
        (lambda: (np.where(bands(np.float32) > 9990, np.nan, bands(np.float32)), LABELS), "no finite numbers"),
        (lambda: (bands(), LABELS + 1), r"train has no image of 1 of 4 classes \(0\)"),
        (lambda: (bands(), LABELS - 1), "classes must be 0 to 1, labels are -1 to 1"),
        (lambda: (bands(), [object()] * 30), "labels of train must be numbers or texts"),
        (lambda: "photos", "got str photos"),
        (lambda: Pairs(lambda number: number), "items of Pairs must be pairs of an image and a label, got int 0"),
        (
            lambda: Pairs(lambda number: (np.zeros((8 + number // 9, 8, 3), np.uint8), 0)),
            "item 9 of Pairs is of .9, 8, 3",
        ),
        (lambda: Pairs(lambda number: (torch.rand(3, 8, 8), 0)), "another image when it is read again"),
        (lambda: Pairs(lambda number: 1 / 0), "item 0 of Pairs cannot be read .ZeroDivisionError"),
    ],
)
def test_what_is_no_data_is_refused_with_what_was_found(train, rule):
    with pytest.raises(DataError, match=rule) as caught:
        choose_data(naslab.Data(train=train()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (
            lambda path: np.savez(path, x_train=bands(), y_train=LABELS),
            r"must hold the keys images and labels, holds x_train \(30, 8, 8, 13\)",
        ),
        (lambda path: np.savez(path, images=bands()), r"must hold the keys images and labels, holds images"),
        (lambda path: np.savez(path, images=bands(), labels=np.array([{}] * 30)), "holds Python objects"),
        (lambda path: path.write_bytes(b"no archive"), "cannot be read as arrays"),
        (lambda path: None, "the file of arrays is not there"),
    ],
)
def test_a_file_of_other_things_is_refused(tmp_path, write, rule):
    write(tmp_path / "all.npz")
    with pytest.raises(DataError, match=rule):
        choose_data(f"arrays:{tmp_path}/all.npz")


def test_arrays_that_would_not_fit_the_memory_are_refused_before_they_are_unpacked(tmp_path):
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**7, 1000, 1000, 3)}
    )
    with zipfile.ZipFile(tmp_path / "all.npz", "w") as whole:
        whole.writestr("images.npy", header.getvalue())
    with pytest.raises(DataError, match="GiB of memory are free"):
        choose_data(f"arrays:{tmp_path}/all.npz")
