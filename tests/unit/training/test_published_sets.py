"""Classification sets of torchvision in its own files, and those of Hugging Face's package, by their names."""

from __future__ import annotations

import struct
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from naslab.errors import DataError, UnknownNameError
from naslab.training.data import load_dataset, load_test_set
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.info import facts_of
from naslab.training.datasets.torchvision_sets import SPLITS

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NASLAB_DATA", raising=False)


def write_idx(path, array):
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.fixture
def kmnist(tmp_path):
    raw = tmp_path / "sets/KMNIST/raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 40), ("t10k", 20)):
        write_idx(raw / f"{prefix}-images-idx3-ubyte", RNG.integers(0, 255, (count, 28, 28), dtype=np.uint8))
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    return tmp_path / "sets"


def test_a_set_of_torchvision_is_read_from_its_files(kmnist):
    choice = choose_data("torchvision:KMNIST", kmnist)
    facts = facts_of(choice)
    assert (facts.channels, facts.height, facts.num_classes, facts.num_train) == (1, 28, 10, 40)
    assert facts.classes[0] == "o"
    assert len(load_test_set(choice)) == 20
    assert len(load_dataset(choice).train) == 30


def test_images_of_different_sizes_are_brought_to_one(tmp_path):
    for name in ("Forest", "River"):
        folder = tmp_path / "sets/eurosat/2750" / name
        folder.mkdir(parents=True)
        for number in range(5):
            Image.fromarray(RNG.integers(0, 255, (20 + number, 30, 3), dtype=np.uint8)).save(folder / f"{number}.jpg")
    facts = facts_of(choose_data("torchvision:EuroSAT@16x24", tmp_path / "sets"))
    assert (facts.channels, facts.height, facts.width, facts.num_train) == (3, 16, 24, 8)


def test_a_set_that_is_not_there_names_the_folder(tmp_path):
    with pytest.raises(
        DataError, match=r"torchvision:KMNIST is not in .*: looked for torchvision's own files of KMNIST"
    ):
        choose_data("torchvision:KMNIST", tmp_path)


@pytest.mark.parametrize("name", ["CocoDetection", "VOCSegmentation", "Kinetics", "FlyingChairs"])
def test_sets_of_other_tasks_are_refused_by_name(name):
    with pytest.raises(
        DataError, match=f"torchvision:{name} is no set of images with one class each; there are CIFAR10"
    ):
        choose_data(f"torchvision:{name}")


def test_a_name_of_no_set_has_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'SVHN'"):
        choose_data("torchvision:SVHNN")


def test_every_set_is_one_of_torchvision_with_such_parts():
    import inspect

    from torchvision import datasets

    for name, parts in SPLITS.items():
        known = inspect.signature(getattr(datasets, name).__init__).parameters
        for options in parts.values():
            assert all(option in known or "kwargs" in known for option in options), name


class Columns:
    """A part as Hugging Face's package gives it."""

    def __init__(self, count, column="image"):
        self.count = count
        self.column_names = [column, "label"]
        self.features = {"label": SimpleNamespace(names=["cat", "dog"])}

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        pixels = np.full((9, 9, 3), number, np.uint8)
        return {self.column_names[0]: Image.fromarray(pixels), "label": number % 2}


def published(monkeypatch, **parts):
    module = ModuleType("datasets")
    module.load_dataset = lambda name, cache_dir=None: parts
    module.config = SimpleNamespace(HF_HUB_OFFLINE=True)
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_a_set_of_hugging_face_is_read_with_its_class_names(monkeypatch):
    published(monkeypatch, train=Columns(20), validation=Columns(6), test=Columns(8))
    choice = choose_data("hf:someone/pets")
    facts = facts_of(choice)
    assert (facts.channels, facts.height, facts.classes, facts.has_validation) == (3, 9, ("cat", "dog"), True)
    assert len(load_test_set(choice)) == 8


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ({"test": Columns(4)}, "has no part train, it has test"),
        ({"train": Columns(4, "audio")}, "has no column of images .*, it has audio, label"),
    ],
)
def test_a_set_of_other_things_is_refused(monkeypatch, parts, rule):
    published(monkeypatch, **parts)
    with pytest.raises(DataError, match=rule):
        choose_data("hf:someone/sounds")


@pytest.mark.parametrize("has_network", [False, True])
def test_a_hub_that_cannot_be_reached_is_asked_once_and_told_in_one_line(monkeypatch, has_network):
    utils = pytest.importorskip("huggingface_hub", reason="Hugging Face's datasets is not installed")
    asked, offline = [], []

    def head(address, timeout):
        asked.append(timeout)
        if not has_network:
            raise OSError("Name or service not known")

    def load(name, cache_dir=None):
        offline.append(module.config.HF_HUB_OFFLINE)
        raise ConnectionError(f"couldn't reach {name}\nmore")

    module = ModuleType("datasets")
    module.config, module.load_dataset = SimpleNamespace(HF_HUB_OFFLINE=False), load
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setattr(utils, "get_session", lambda: SimpleNamespace(head=head))
    rule = (
        r"\(ConnectionError: couldn't reach someone/pets\)$" if has_network else "the hub cannot be reached from here"
    )
    with pytest.raises(DataError, match=rule) as caught:
        choose_data("hf:someone/pets")
    assert "\n" not in str(caught.value)
    assert (len(asked), offline, module.config.HF_HUB_OFFLINE) == (1, [not has_network], False)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:someone/pets needs Hugging Face's datasets: pip install 'naslab\[hf\]'"):
        choose_data("hf:someone/pets")


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A data set made by Hugging Face's own package, in the two forms in which it lies on a disk."""
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed: the extra hf")
    folder = tmp_path_factory.mktemp("pets")
    datasets.disable_progress_bars()

    def part(count):
        images = [Image.fromarray(np.full((9, 12, 3), number, np.uint8)) for number in range(count)]
        made = datasets.Dataset.from_dict({"image": images, "label": [number % 2 for number in range(count)]})
        return made.cast_column("label", datasets.ClassLabel(names=["cat", "dog"]))

    whole = datasets.DatasetDict(train=part(20), validation=part(6), test=part(8))
    whole.save_to_disk(str(folder / "saved"))
    whole["train"].save_to_disk(str(folder / "alone"))
    (folder / "parquet" / "data").mkdir(parents=True)
    for name, each in whole.items():
        each.to_parquet(str(folder / "parquet" / "data" / f"{name}-00000-of-00001.parquet"))
    return folder


@pytest.mark.parametrize("form", ["saved", "parquet"])
def test_a_folder_of_the_real_package_is_read_without_a_network(pets, form, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    choice = choose_data(f"hf:{pets / form}", str(tmp_path))
    facts = facts_of(choice, str(tmp_path))
    assert (facts.channels, facts.height, facts.width, facts.num_train) == (3, 9, 12, 20)
    assert (facts.classes, facts.has_validation) == (("cat", "dog"), True)
    test = load_test_set(choice, str(tmp_path))
    assert test.labels.tolist() == [number % 2 for number in range(8)]
    assert test.images[:, 0, 0, 0].tolist() == list(range(8))


def test_one_part_that_was_saved_alone_is_trained_on(pets, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    facts = facts_of(choose_data(f"hf:{pets / 'alone'}", str(tmp_path)), str(tmp_path))
    assert (facts.num_train, facts.has_validation, facts.classes) == (16, False, ("cat", "dog"))  # 4 test


def test_a_folder_that_holds_no_data_set_is_refused(pets, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty cannot be loaded \(\w+: "):
        choose_data(f"hf:{tmp_path / 'empty'}", str(tmp_path))
