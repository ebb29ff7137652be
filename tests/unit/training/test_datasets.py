"""Finding and decoding data sets: every layout, every kind of damage."""

from __future__ import annotations

import gzip
import hashlib
import struct
import subprocess
import sys
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

from naslab.errors import DataError, UnknownNameError
from naslab.training.datasets import DATASETS, dataset_info, fashion_mnist, read_images
from naslab.training.datasets.arrays import ImageArrays, cached_arrays
from naslab.training.datasets.cifar import read_sheet
from naslab.training.datasets.digits import read_digits
from naslab.training.datasets.fashion_mnist import read_idx


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_fashion(folder, ending=".gz", count=20):
    folder.mkdir(parents=True)
    pack = gzip.compress if ending else bytes
    images = np.arange(count * 28 * 28).reshape(count, 28, 28) % 251
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte{ending}").write_bytes(pack(idx(images)))
        (folder / f"{prefix}-labels-idx1-ubyte{ending}").write_bytes(pack(idx(np.arange(count) % 10)))
    return images


def test_no_torch_and_no_scikit_learn_are_loaded_for_facts_or_a_warm_cache(own_cache):
    read_images("digits", "train")
    code = (
        "import sys; from naslab.training.datasets import dataset_info, read_images; dataset_info('digits');"
        "read_images('digits', 'train'); assert not {'torch', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digits_are_all_there_and_their_test_set_is_apart():
    train, test = read_digits("train"), read_digits("test")
    assert train.images.shape == (DATASETS["digits"].num_train, 8, 8, 1)
    assert len(train.labels) + len(test.labels) == 1797
    rows = {image.tobytes() for image in train.images}
    assert len(rows) == len(train.images)
    assert not rows & {image.tobytes() for image in test.images}
    assert np.bincount(test.labels).min() >= 34


def test_an_unknown_data_set_is_named_with_its_neighbour():
    with pytest.raises(UnknownNameError, match=r"unknown data set 'cifar01' .did you mean 'cifar10'"):
        dataset_info("cifar01")


@pytest.mark.parametrize(("there", "form"), [("mine", "image_folder"), ("five.npz", "arrays"), ("labels.csv", "csv")])
def test_a_folder_or_file_given_bare_is_named_with_its_form(tmp_path, there, form):
    path = tmp_path / there
    path.touch() if path.suffix else path.mkdir()
    with pytest.raises(UnknownNameError, match=f"; what lies there is named {form}:{path}$"):
        dataset_info(str(path))


@pytest.mark.parametrize("folder", ["fashion_mnist", "FashionMNIST/raw", "."])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_fashion_mnist_is_read_in_every_layout(tmp_path, folder, ending):
    images = write_fashion(tmp_path / "data" / folder, ending)
    arrays = read_images("fashion_mnist", "train", tmp_path / "data")
    assert np.array_equal(arrays.images[..., 0], images)
    assert arrays.labels.tolist() == [*range(10)] * 2


def test_the_environment_names_a_folder_and_an_argument_goes_before_it(tmp_path, monkeypatch):
    write_fashion(tmp_path / "named" / "fashion_mnist", count=20)
    write_fashion(tmp_path / "asked" / "fashion_mnist", count=30)
    monkeypatch.setenv("NASLAB_DATA", str(tmp_path / "named"))
    assert len(read_images("fashion_mnist", "train").labels) == 20
    assert len(read_images("fashion_mnist", "train", tmp_path / "asked").labels) == 30


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "cifar100"])
def test_a_folder_without_the_data_set_is_an_error_and_nothing_is_downloaded(tmp_path, name):
    with pytest.raises(DataError, match=rf"{name} is not in {tmp_path}: looked for .*mend --data-dir"):
        read_images(name, "train", tmp_path)


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"the data folder is not there: .*/nowhere"):
        read_images("cifar10", "train", tmp_path / "nowhere")


def test_without_a_network_the_error_names_the_folder_and_the_mend(own_cache, monkeypatch):
    def refuse(target):
        raise URLError("no network")

    monkeypatch.setattr(fashion_mnist, "_download", refuse)
    with pytest.raises(DataError, match=f"could not be downloaded into {own_cache}.*no network.*NASLAB_DATA"):
        read_images("fashion_mnist", "train")


def test_what_was_downloaded_is_used(own_cache, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "_download", lambda target: write_fashion(target / "FashionMNIST/raw"))
    assert len(read_images("fashion_mnist", "test").labels) == 20
    monkeypatch.setattr(fashion_mnist, "_download", None)
    assert len(read_images("fashion_mnist", "train").labels) == 20


@pytest.mark.parametrize(
    "content", [b"", b"not an idx file", idx(np.zeros((2, 3)))[:-1], struct.pack(">HBBI", 0, 9, 1, 0)]
)
def test_a_damaged_idx_file_is_named(tmp_path, content):
    (tmp_path / "odd-ubyte").write_bytes(content)
    with pytest.raises(DataError, match="odd-ubyte"):
        read_idx(tmp_path / "odd-ubyte")


def test_a_cut_gzip_file_is_named(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(idx(np.zeros((99, 9))))[:-9])
    with pytest.raises(DataError, match=r"cut\.gz"):
        read_idx(tmp_path / "cut.gz")


def test_a_missing_class_is_named(tmp_path):
    folder = tmp_path / "fashion_mnist"
    write_fashion(folder)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(20) % 9)))
    with pytest.raises(DataError, match=r"fashion_mnist .train. has no image of class 9"):
        read_images("fashion_mnist", "train", tmp_path)


def test_a_sheet_is_cut_into_its_tiles_row_by_row(tmp_path):
    pixels = np.zeros((3200, 3200, 3), np.uint8)
    pixels[32:64, 64:96] = (1, 2, 3)  # row 1, column 2
    Image.fromarray(pixels).save(tmp_path / "sheet.webp", lossless=True)
    images = read_sheet(tmp_path / "sheet.webp")
    assert images.shape == (10000, 32, 32, 3)
    assert np.flatnonzero(images.any(axis=(1, 2, 3))).tolist() == [102]
    assert images[102, 5, 7].tolist() == [1, 2, 3]


def test_a_corrupt_or_small_sheet_is_named(tmp_path):
    (tmp_path / "bad.webp").write_bytes(b"RIFF0000WEBPnonsense")
    Image.new("RGB", (32, 64)).save(tmp_path / "small.webp")
    with pytest.raises(DataError, match=r"bad\.webp cannot be read"):
        read_sheet(tmp_path / "bad.webp")
    with pytest.raises(DataError, match=r"small\.webp must be 3200 x 3200 pixels, is 32 x 64"):
        read_sheet(tmp_path / "small.webp")


def test_torchvision_batches_that_are_not_the_published_ones_are_never_unpickled(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DataError, match="cifar-10-batches-py is not cifar10 as published"):
        read_images("cifar10", "train", tmp_path)


@pytest.mark.slow
def test_real_cifar10_is_in_the_official_order(real_data):
    train = read_images("cifar10", "train", real_data)
    assert train.images.shape == (50000, 32, 32, 3)
    assert train.labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert train.images[0, 0, 0].tolist() == [59, 62, 63]  # the first pixel of the frog that CIFAR-10 begins with


def test_real_fashion_mnist_is_whole(real_data):
    train = read_images("fashion_mnist", "train", real_data)
    assert train.images.shape == (60000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [6000] * 10


def arrays_of(value: int) -> ImageArrays:
    return ImageArrays(np.full((2, 3, 3, 1), value, np.uint8), np.array([0, 1]))


def test_arrays_are_decoded_once(own_cache):
    assert cached_arrays("one", lambda: arrays_of(1)).images[0, 0, 0, 0] == 1
    assert cached_arrays("one", lambda: pytest.fail("decoded again")).images[0, 0, 0, 0] == 1
    assert not [path for path in (own_cache / "naslab/arrays").iterdir() if path.is_dir() and "." in path.name]


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_a_damaged_cache_is_decoded_anew(own_cache, name):
    cached_arrays("one", lambda: arrays_of(1))
    stored = next((own_cache / "naslab/arrays").glob("one*/")) / name
    stored.write_bytes(stored.read_bytes()[:-7])
    assert cached_arrays("one", lambda: arrays_of(2)).images[0, 0, 0, 0] == 2
    assert cached_arrays("one", lambda: arrays_of(3)).images[0, 0, 0, 0] == 2


def test_an_unwritable_cache_warns_and_decodes(own_cache):
    own_cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="decoded images are not kept"):
        assert cached_arrays("one", lambda: arrays_of(1)).images[0, 0, 0, 0] == 1


@pytest.fixture
def flowers(tmp_path):
    """Three classes of six images each, of different sizes, one colour a class."""
    for label, (name, colour) in enumerate({"aster": "red", "lily": "lime", "rose": "blue"}.items()):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for number in range(6):
            image = Image.new("RGB", (40 + 10 * number, 50 + 5 * label), colour)
            image.save(tmp_path / "flowers" / name / f"{number}.png")
    return tmp_path / "flowers"


def test_an_image_folder_is_decoded_to_one_size(flowers):
    name = f"image_folder:{flowers}@16x24"
    train, test = read_images(name, "train"), read_images(name, "test")
    assert dataset_info(name) == (3, 16, 24, 3, len(train.labels))
    assert train.images.shape[1:] == test.images.shape[1:] == (16, 24, 3)
    assert len(train.labels) + len(test.labels) == 18
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for part in (train, test):
        assert {(label, tuple(image[8, 12])) for image, label in zip(*part, strict=True)} == set(enumerate(colours))


def test_an_image_folder_may_have_its_own_test_set(flowers, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    flowers.rename(whole / "train")
    (whole / "val").mkdir()
    for name in ("aster", "lily", "rose"):
        (whole / "val" / name).mkdir()
        for number in range(2):
            Image.new("RGB", (8, 8)).save(whole / "val" / name / f"{number}.png")
    assert len(read_images(f"image_folder:{whole}", "train").labels) == 18
    assert len(read_images(f"image_folder:{whole}", "test").labels) == 6
    (whole / "val" / "rose").rename(whole / "val" / "tulip")
    with pytest.raises(DataError, match="the class 'rose' is in only one of"):
        read_images(f"image_folder:{whole}", "test")


def test_a_corrupt_image_is_named(flowers):
    (flowers / "lily" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    with pytest.raises(DataError, match=r"lily/3\.png cannot be read as an image"):
        [read_images(f"image_folder:{flowers}", part) for part in ("train", "test")]


def test_an_empty_class_folder_is_named(flowers):
    (flowers / "tulip").mkdir()
    with pytest.raises(DataError, match="tulip holds 0 images"):
        dataset_info(f"image_folder:{flowers}")


def test_an_empty_and_a_missing_folder_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must hold one folder a class"):
        dataset_info(f"image_folder:{tmp_path}/empty")
    with pytest.raises(DataError, match=r"not there: .*nowhere"):
        dataset_info(f"image_folder:{tmp_path}/nowhere")


def test_digits_are_as_published():
    """A change of the package's digits, or of the split, would make studies incomparable."""
    digest = hashlib.sha256(read_digits("test").images.tobytes()).hexdigest()
    assert digest[:16] == "79f879f7d5c51589"
