"""Folders and tables of image files: layouts, foreign files, channels and depths of the files, damaged ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiff_files import write_tiff

from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.training.data import load_dataset, load_test_set
from naslab.training.datasets import dataset_facts, read_images
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.folder_parts import list_folder
from naslab.training.datasets.foreign import is_foreign
from naslab.training.datasets.tiff import read_tiff
from naslab.training.decode import read_pixels

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def fill(folder, count=4, values=None, ending="png"):
    """Files of two classes in a folder; `values` makes each array."""
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            array = RNG.integers(0, 120 + 100 * label, (8, 8, 3), dtype=np.uint8) if values is None else values(label)
            path = folder / name / f"{number}.{ending}"
            if ending == "npy":
                np.save(path, array)
            else:
                Image.fromarray(array).save(path)
    return folder


@pytest.mark.parametrize(
    "how",
    [{}, {"order": ">"}, {"compression": 8}, {"tile": 16}, {"planar": 2}, {"compression": 8, "predictor": 2}],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_tiff_of_many_bands_is_read_as_it_was_written(tmp_path, how, dtype):
    if how.get("predictor") == 2 and dtype == "float32":
        pytest.skip("differences are of integers")
    array = (RNG.random((8, 20, 13)) * 200).astype(dtype)
    write_tiff(tmp_path / "a.tif", array, **how)
    assert np.array_equal(read_tiff(tmp_path / "a.tif"), array)


@pytest.mark.parametrize("at", [3, 7, 60, 200])
def test_a_tiff_that_is_cut_short_or_nonsense_is_named(tmp_path, at):
    write_tiff(tmp_path / "a.tif", (RNG.random((8, 20, 13)) * 200).astype("uint16"))
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[:-at])
    with pytest.raises(DataError, match=r"a\.tif cannot be read as an image"):
        read_pixels(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("values", "ending", "channels", "dtype"),
    [
        (lambda label: RNG.integers(0, 255, (8, 8), dtype=np.uint8), "png", 1, np.uint8),
        (lambda label: RNG.integers(0, 255, (8, 8, 3), dtype=np.uint8), "png", 3, np.uint8),
        (lambda label: RNG.integers(0, 255, (8, 8, 4), dtype=np.uint8), "png", 4, np.uint8),
        (lambda label: RNG.integers(0, 4096, (8, 8)).astype(np.uint16), "png", 1, np.float32),
        (lambda label: RNG.random((8, 8)).astype(np.float32), "tif", 1, np.float32),
        (lambda label: RNG.integers(0, 2**20, (8, 8)).astype(np.int32), "tif", 1, np.float32),
        (lambda label: RNG.integers(0, 255, (8, 8, 13), dtype=np.uint8), "npy", 13, np.uint8),
        (lambda label: RNG.random((13, 16, 16)), "npy", 13, np.float32),
    ],
)
def test_images_have_the_channels_and_values_of_their_files(tmp_path, values, ending, channels, dtype):
    name = f"image_folder:{fill(tmp_path / 'set', values=values, ending=ending)}@8"
    train = read_images(name, "train")
    assert train.images.shape[3] == dataset_facts(name).channels == channels
    assert train.images.dtype == dtype
    assert len(np.unique(train.images)) > 100
    streamed = load_dataset(DataChoice(name=name, storage="stream"))
    held = load_dataset(DataChoice(name=name, storage="memory"))
    parts = [torch.arange(len(held.train))]
    assert torch.equal(next(held.train.batches(parts))[0], next(streamed.train.batches(parts))[0])
    assert torch.equal(held.mean, streamed.mean)


def test_bands_of_a_tiff_are_channels_and_stay_what_they_are(tmp_path):
    for label, name in enumerate(("field", "water")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            write_tiff(tmp_path / "set" / name / f"{number}.tif", np.full((8, 8, 5), 3 + label, np.uint16))
    images = read_images(f"image_folder:{tmp_path}/set@8", "train").images
    assert images.shape[3] == 5
    assert np.allclose(np.unique(images) * 257, [3, 4])


def test_grey_files_among_coloured_ones_become_coloured_and_none_are_lost(tmp_path):
    fill(tmp_path / "set")
    Image.fromarray(np.full((8, 8), 7, np.uint8)).save(tmp_path / "set/dark/grey.png")
    assert dataset_facts(f"image_folder:{tmp_path}/set").channels == 3
    Image.fromarray(np.full((8, 8, 4), 7, np.uint8)).save(tmp_path / "set/dark/alpha.png")
    assert dataset_facts(f"image_folder:{tmp_path}/set").channels == 4


def test_files_without_a_form_in_common_are_named(tmp_path):
    fill(tmp_path / "set")
    np.save(tmp_path / "set/dark/bands.npy", np.zeros((8, 8, 13), np.uint8))
    with pytest.raises(DataError, match=r"bands\.npy has 13 channels and .*0\.png has 3"):
        dataset_facts(f"image_folder:{tmp_path}/set")
    np.save(tmp_path / "set/dark/bands.npy", np.zeros((8, 8, 3), np.float32))
    with pytest.raises(DataError, match=r"bands\.npy holds 32-bit numbers and .*0\.png 8 or 16 bits"):
        dataset_facts(f"image_folder:{tmp_path}/set")


def test_old_studies_read_grey_folders_as_coloured_images(tmp_path):
    fill(tmp_path / "set", values=lambda label: RNG.integers(0, 255, (8, 8), dtype=np.uint8))
    stored = DataChoice(name=f"image_folder:{tmp_path}/set").as_stored()
    assert load_dataset(stored).train.channels == 3


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "._x.png",
        "Thumbs.db",
        "__MACOSX",
        ".ipynb_checkpoints",
        "@eaDir",
        "$RECYCLE.BIN",
        "desktop.ini",
        "a.png~",
        "#recycle",
    ],
)
def test_names_that_systems_and_programs_leave_are_foreign(name):
    assert is_foreign(name)
    assert not is_foreign(f"my {name.strip('.~$@#_')}.png")


def test_foreign_files_and_folders_are_left_out_at_every_depth(tmp_path):
    root = fill(tmp_path / "set")
    for place in ("__MACOSX", "dark/.ipynb_checkpoints", "dark/more/@eaDir", ".git", "light/._8.png/deep"):
        (root / place).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / place / "copy.png")
    (root / "dark/._0.png").write_bytes(b"resource fork")
    (root / "light/Thumbs.db").write_bytes(b"thumbs")
    (root / "dark/more/folder.png").mkdir()
    listed = [path for part in ("train", "test") for path in list_folder(root)[part].files]
    assert len(listed) == 8
    assert list_folder(root)["train"].classes == ["dark", "light"]


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_validation_images_of_their_own_validate(tmp_path, validation, test):
    for part, count in (("train", 6), (validation, 3), (test, 5)):
        fill(tmp_path / "set" / part, count)
    split = load_dataset(DataChoice(name=f"image_folder:{tmp_path}/set@8"))
    assert (len(split.train), len(split.validation)) == (12, 6)
    assert len(load_test_set(DataChoice(name=f"image_folder:{tmp_path}/set@8"))) == 10


@pytest.mark.parametrize("parts", [("train",), ("train", "valid"), ("train", "test"), ()])
def test_every_common_layout_has_a_test_part(tmp_path, parts):
    for part in parts:
        fill(tmp_path / "set" / part, 6)
    if not parts:
        fill(tmp_path / "set", 6)
    choice = choose_data(f"image_folder:{tmp_path}/set@8")
    assert len(load_test_set(choice)) == (12 if len(parts) > 1 else 2)
    assert len(load_dataset(choice).validation) > 0


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path / "set")
    (tmp_path / "set/light").rename(tmp_path / "set/train")
    assert dataset_facts(f"image_folder:{tmp_path}/set").classes == ("dark", "train")


def test_two_folders_of_one_part_are_refused(tmp_path):
    for part in ("train", "val", "valid"):
        fill(tmp_path / "set" / part)
    with pytest.raises(DataError, match="holds val and valid, which are both the validation part"):
        dataset_facts(f"image_folder:{tmp_path}/set")


def test_a_folder_whose_name_looks_like_a_size_is_found(tmp_path):
    fill(tmp_path / "photos@2024")
    assert dataset_facts(f"image_folder:{tmp_path}/photos@2024").height == 64
    assert dataset_facts(f"image_folder:{tmp_path}/photos@2024@12x16").width == 16


@pytest.mark.parametrize("part", ["train", "test"])
def test_damaged_files_of_every_part_are_named_with_the_option(tmp_path, part):
    for each in ("train", "test"):
        fill(tmp_path / "set" / each)
    for number in (1, 2):
        (tmp_path / "set" / part / "dark" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    choice = DataChoice(name=f"image_folder:{tmp_path}/set@8")
    with pytest.raises(
        DataError, match=rf"dark/1\.png cannot be .*dark/2\.png cannot .*2 of 8 files of {part}.*--skip-unreadable"
    ):
        choose_data(choice)
    left = choose_data(DataChoice(name=choice.name, skip_unreadable=True))
    assert left.fingerprint


def test_a_link_that_leads_nowhere_is_a_damaged_file(tmp_path):
    fill(tmp_path / "set")
    (tmp_path / "set/dark/9.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"dark/9\.png cannot be read"):
        choose_data(f"image_folder:{tmp_path}/set@8")


def test_the_fingerprint_is_that_of_the_content(tmp_path):
    root = fill(tmp_path / "set")
    name = f"image_folder:{root}@8"
    first = choose_data(name).fingerprint
    (root / "dark/0.png").touch()
    assert choose_data(name).fingerprint == first
    Image.new("RGB", (8, 8), (1, 2, 3)).save(root / "dark/0.png")
    changed = choose_data(name).fingerprint
    assert changed != first
    (root / "dark/1.png").rename(root / "light/1b.png")
    assert choose_data(name).fingerprint not in (first, changed)


@pytest.mark.parametrize(
    ("header", "labels", "task", "classes"),
    [
        ("path,label", ["cat", "dog", "cat", "dog", "cat", "dog"], "classification", ("cat", "dog")),
        ("path,label", ["2", "10", "2", "10", "2", "10"], "classification", ("2", "10")),
        ("label,file", ["cat", "dog", "cat", "dog", "cat", "dog"], "classification", ("cat", "dog")),
        ("path,value", ["0.5", "1.5", "2", "3", "4", "5"], "regression", ()),
        ("path,red,round", ["1,0", "0,1", "1,1", "0,0", "1,0", "0,1"], "multilabel", ("red", "round")),
    ],
)
def test_a_table_of_paths_and_labels(tmp_path, header, labels, task, classes):
    fill(tmp_path / "files", 3)
    paths = [f"files/{name}/{number}.png" for number in range(3) for name in ("dark", "light")]
    rows = [
        f"{label},{path}" if header.startswith("label") else f"{path},{label}"
        for path, label in zip(paths, labels, strict=True)
    ]
    (tmp_path / "table.csv").write_text("\n".join([header, *rows]))
    facts = dataset_facts(f"csv:{tmp_path}/table.csv@8")
    assert (facts.task, facts.classes) == (task, classes)
    split = load_dataset(choose_data(f"csv:{tmp_path}/table.csv@8"))
    assert (
        len(split.train) + len(split.validation) + len(load_test_set(DataChoice(name=f"csv:{tmp_path}/table.csv@8")))
        == 6
    )


def test_a_table_may_say_the_part_of_each_line(tmp_path):
    fill(tmp_path / "files", 6)
    rows = [
        f"files/{name}/{number}.png,{name},{'train' if number < 4 else 'test'}"
        for number in range(6)
        for name in ("dark", "light")
    ]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,split", *rows]))
    choice = choose_data(f"csv:{tmp_path}/table.csv@8")
    assert len(load_test_set(choice)) == 4


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("path,label\nfiles/dark/0.png,a\nfiles/gone.png,b", "names 1 of 2 files that are not there: files/gone.png"),
        ("path\nfiles/dark/0.png", "must hold a line of names"),
        ("path,label\nfiles/dark/0.png,a,b", "line 2: has 3 cells, the first line 2"),
        ("path,split,label\nfiles/dark/0.png,blue,b", "line 2: the part 'blue' is none of train"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, rule):
    fill(tmp_path / "files")
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(DataError, match=rule):
        dataset_facts(f"csv:{tmp_path}/table.csv")
