"""Image files of every kind, decoded alike by the fast decoder and by Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from naslab.errors import DataError
from naslab.training import decode
from naslab.training.decode import crop_at_random, fit_pixels, read_by_pillow, read_pixels

COLOURS = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
UPSIDE = Image.Exif()
UPSIDE[0x0112] = 6  # a quarter turn


def write(folder, name):
    """A file of this name, made of random pixels as the name says."""
    kind, _, ending = name.partition(".")
    image = Image.fromarray(COLOURS)
    if kind == "grey":
        image = image.convert("L")
    if kind == "palette":
        image = image.quantize(16)
    if kind == "transparent":
        image.putalpha(90)
    if kind == "deep":
        image = Image.fromarray(COLOURS[..., 0].astype(np.uint16) * 251 + 3)
    image.save(folder / f"image.{ending}", exif=UPSIDE if kind == "turned" else Image.Exif())
    return folder / f"image.{ending}"


@pytest.mark.parametrize(
    "name", ["a.jpg", "grey.jpg", "turned.jpg", "a.png", "grey.png", "palette.png", "transparent.png", "deep.png"]
)
def test_the_fast_decoder_gives_the_pixels_of_pillow(tmp_path, name):
    if decode.fast_decoder() is None:
        pytest.skip("torchcodec is not installed")
    path = write(tmp_path, name)
    fast, slow = read_pixels(path), read_by_pillow(path)
    assert fast.dtype == slow.dtype == torch.uint8
    assert torch.equal(fast, slow)
    assert fast.shape == ((3, 50, 37) if name.startswith("turned") else (3, 37, 50))


@pytest.mark.parametrize("name", ["a.bmp", "a.tiff", "a.ppm", "a.png"])
def test_lossless_files_are_read_as_they_were_written(tmp_path, name):
    assert np.array_equal(read_pixels(write(tmp_path, name)).permute(1, 2, 0).numpy(), COLOURS)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp"])
@pytest.mark.parametrize("is_fast", [True, False])
def test_a_file_that_is_cut_short_is_named(tmp_path, monkeypatch, name, is_fast):
    if not is_fast:
        monkeypatch.setattr(decode, "fast_decoder", lambda: None)
    path = write(tmp_path, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"{path} cannot be read as an image"):
        read_pixels(path)


def test_fitting_keeps_the_middle_in_its_proportions():
    image = torch.zeros(3, 20, 40, dtype=torch.uint8)
    image[:, :, 10:30] = 200  # the square in the middle
    assert torch.equal(fit_pixels(image, 5, 5), torch.full((3, 5, 5), 200, dtype=torch.uint8))
    assert fit_pixels(image, 20, 40) is image
    assert fit_pixels(image[:, :1, :1], 3, 7).unique().tolist() == [0]


def test_a_random_window_is_a_function_of_its_seed_and_leaves_the_global_state():
    image = torch.from_numpy(COLOURS).permute(2, 0, 1)
    torch.manual_seed(5)
    first = crop_at_random(image, 16, 16, 0.3, seed=1)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert torch.equal(first, crop_at_random(image, 16, 16, 0.3, seed=1))
    assert not torch.equal(first, crop_at_random(image, 16, 16, 0.3, seed=2))
