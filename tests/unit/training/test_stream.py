"""Streamed images are those held in memory: same pixels, same order, same training, whatever the number of loaders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import conv_net
from PIL import Image

from naslab.arch.build import build
from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training import storage
from naslab.training.data import ImageSet, load_dataset, load_test_set, with_validation
from naslab.training.device import DeviceMemory
from naslab.training.loop import train
from naslab.training.storage import is_streamed
from naslab.training.stream import StreamedSet

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

GIB = 2**30


@pytest.fixture
def folder(tmp_path):
    """Three classes of ten images, of different sizes and kinds."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(("aster", "lily", "rose")):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for number in range(10):
            pixels = generator.integers(0, 120 + 60 * label, (20 + number, 30 + label, 3), dtype=np.uint8)
            ending = ("png", "jpg", "webp", "bmp")[number % 4]
            Image.fromarray(pixels).save(tmp_path / "flowers" / name / f"{number}.{ending}")
    return tmp_path / "flowers"


def load(folder, storage, **changes):
    return load_dataset(DataChoice(name=f"image_folder:{folder}@12", storage=storage, **changes))


def epochs(images, count=2, **how):
    """Batches of the images in a different order in every epoch."""
    generator = torch.Generator().manual_seed(0)
    batches = []
    for epoch in range(count):
        order = torch.randperm(len(images), generator=generator)
        batches += images.batches(torch.split(order, 7), **({"seed": epoch} | how))
    return batches


def equal(these, others):
    assert len(these) == len(others)
    return all(torch.equal(a, b) for pair in zip(these, others, strict=True) for a, b in zip(*pair, strict=True))


def test_streamed_pixels_labels_and_statistics_are_those_held_in_memory(folder):
    held, streamed = load(folder, "memory"), load(folder, "stream")
    assert isinstance(held.train, ImageSet)
    assert isinstance(streamed.train, StreamedSet)
    assert equal(epochs(held.train), epochs(streamed.train))
    assert equal(epochs(held.validation), epochs(streamed.validation))
    assert torch.equal(held.mean, streamed.mean)
    assert torch.equal(held.deviation, streamed.deviation)
    assert streamed.train.channels == 3


def test_the_number_of_loader_processes_changes_nothing(folder, monkeypatch):
    alone = epochs(load(folder, "stream").train, least_area=0.3)
    monkeypatch.setattr(storage, "loaders_for", lambda device: 2)
    assert equal(alone, epochs(load(folder, "stream").train, least_area=0.3))


def test_windows_are_other_ones_in_every_epoch_and_the_same_with_the_same_seed(folder):
    images = load(folder, "stream").train
    parts = [torch.arange(5)]
    first, again, other = (next(images.batches(parts, 0.2, seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("recipe", [Recipe(batch_size=8, crop_padding=2, horizontal_flip=True, cutout=3, mixup=0.2)])
def test_a_training_on_streamed_images_is_the_one_on_images_in_memory(folder, recipe):
    arch = conv_net(input=(3, 12, 12), num_classes=3)
    held, streamed = (numbers_of(arch, load(folder, where), recipe) for where in ("memory", "stream"))
    assert held == streamed


@pytest.mark.parametrize("num_loaders", [0, 1])
def test_layers_that_draw_do_so_whatever_reads_the_images(folder, monkeypatch, num_loaders):
    """Also in a second training on the same stream, whose loaders run by then."""
    monkeypatch.setattr(storage, "loaders_for", lambda device: num_loaders)
    arch, recipe = conv_net(input=(3, 12, 12), num_classes=3), Recipe(batch_size=8, dropout=0.3, stochastic_depth=0.3)
    expected, stream = numbers_of(arch, load(folder, "memory"), recipe), load(folder, "stream")
    assert [numbers_of(arch, stream, recipe) for _ in range(2)] == [expected, expected]


def numbers_of(arch, split, recipe):
    """What a training of two epochs reports, but for its seconds."""
    curve = train(build(arch, seed=0), split, recipe, 2, size=(12, 12), seed=3)
    return [(each.train_loss, each.validation_loss, each.validation_accuracy) for each in curve]


def test_a_data_set_of_arrays_may_be_streamed_too():
    held, streamed = (load_dataset(DataChoice(name="digits", storage=where)) for where in ("memory", "stream"))
    assert equal(epochs(held.train, 1), epochs(streamed.train, 1))
    assert torch.equal(held.deviation, streamed.deviation)
    assert len(with_validation(streamed).train) == 1438
    test = load_test_set(DataChoice(name="digits", storage="stream"))
    assert equal(epochs(test, 1), epochs(load_test_set(DataChoice(name="digits")), 1))


def test_chosen_images_are_a_part_of_a_stream(folder):
    held, streamed = load(folder, "memory").train, load(folder, "stream").train
    places = torch.tensor([3, 1, 4, 15])
    assert equal(epochs(held.chosen(places), 1), epochs(streamed.chosen(places), 1))


@pytest.mark.parametrize("num_loaders", [0, 1])
def test_a_corrupt_image_is_named_when_it_is_needed_and_the_stream_goes_on(folder, monkeypatch, num_loaders):
    monkeypatch.setattr(storage, "loaders_for", lambda device: num_loaders)
    split = load(folder, "stream")
    every = [torch.arange(len(split.train))]
    path = split.train.stream._loader.dataset._source._files[split.train.indices[4]].decode()
    with open(path, "r+b") as file:
        file.truncate(40)
    with pytest.raises(DataError, match=rf"^{path} cannot be read as an image") as caught:
        list(split.train.batches(every))
    assert "Traceback" not in str(caught.value)
    assert next(split.train.batches([torch.tensor([0, 1])]))[0].shape == (2, 12, 12, 3)


def test_unreadable_files_are_left_out_where_that_is_asked_for(folder):
    for name in ("lily/3.bmp", "rose/4.png"):
        (folder / name).write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as an image"):
        [load(folder, "memory"), load_test_set(DataChoice(name=f"image_folder:{folder}@12"))]
    held, streamed = (load(folder, where, skip_unreadable=True) for where in ("memory", "stream"))
    test = load_test_set(DataChoice(name=f"image_folder:{folder}@12", skip_unreadable=True))
    assert len(held.train) + len(held.validation) + len(test) == 28
    assert held.num_skipped == streamed.num_skipped
    assert equal(epochs(held.train), epochs(streamed.train))


def test_a_class_that_cannot_be_read_is_named(folder):
    for path in (folder / "lily").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="too few images of class 'lily' that can be read"):
        load(folder, "stream", skip_unreadable=True)


@pytest.mark.parametrize(
    ("num_bytes", "memory", "expected"),
    [
        (3 * GIB, DeviceMemory(16 * GIB, 12 * GIB), False),
        (5 * GIB, DeviceMemory(16 * GIB, 12 * GIB), True),  # more than a quarter of the memory
        (3 * GIB, DeviceMemory(16 * GIB, 5 * GIB), True),  # more than half of what is free
    ],
)
def test_what_would_take_too_much_of_the_memory_is_streamed(num_bytes, memory, expected):
    assert is_streamed(DataChoice(name="digits"), num_bytes, memory) is expected
    assert is_streamed(DataChoice(name="digits", storage="stream"), num_bytes, memory)
    assert not is_streamed(DataChoice(name="digits", storage="memory"), num_bytes, memory)


def test_images_that_are_to_be_held_and_do_not_fit_say_so():
    with pytest.raises(DataError, match=r"take 9\.0 GiB and 8\.0 GiB of memory are free: stream them"):
        is_streamed(DataChoice(name="digits", storage="memory"), 9 * GIB, DeviceMemory(16 * GIB, 8 * GIB))


def test_a_folder_that_is_too_large_for_memory_is_streamed(folder, monkeypatch):
    monkeypatch.setattr(storage, "device_memory", lambda device: DeviceMemory(20_000, 16_000))
    assert isinstance(load(folder, "auto").train, StreamedSet)
    assert isinstance(load_dataset(DataChoice(name=f"image_folder:{folder}@6")).train, ImageSet)
