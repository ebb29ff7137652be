"""TIFFs of every number, of BigTIFF's offsets, and of several images: read as they are, or refused in words."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiff_files import write_tiff

from naslab.errors import DataError
from naslab.training.datasets.file_forms import form_of
from naslab.training.decode import read_pixels

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float16", "float32", "float64"])
def test_numbers_of_every_kind_are_read_as_they_are(tmp_path: Path, bands: int, dtype: str) -> None:
    values = (RNG.random((8, 12, bands)) * 100 - (0 if dtype[0] == "u" else 30)).astype(dtype)
    write_tiff(tmp_path / "a.tif", values)
    read = read_pixels(tmp_path / "a.tif", form_of([tmp_path / "a.tif"]))
    assert np.array_equal(read.permute(1, 2, 0).numpy(), values.astype(np.float32))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_bigtiff_is_read(tmp_path: Path, dtype: str) -> None:
    values = RNG.integers(0, 255, (8, 12)).astype(dtype)
    Image.fromarray(values).save(tmp_path / "a.tif", big_tiff=True)
    assert (tmp_path / "a.tif").read_bytes()[2] == 43
    read = read_pixels(tmp_path / "a.tif", form_of([tmp_path / "a.tif"]))
    assert np.allclose(read[0].numpy(), values if dtype == "uint8" else values / 257)


@pytest.mark.parametrize("kind", [{}, {"big_tiff": True}])
def test_several_images_in_a_file_are_refused_and_smaller_copies_left_aside(tmp_path: Path, kind: dict) -> None:
    pages = [Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], **kind)
    with pytest.raises(DataError, match=r"a\.tif .*several images, of which one would be read: write each to a file"):
        read_pixels(tmp_path / "a.tif")
    for page in pages[1:]:
        page.encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], **kind)
    assert np.array_equal(read_pixels(tmp_path / "a.tif")[0].numpy(), np.asarray(pages[0]))


def test_directories_that_lead_to_each_other_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", RNG.integers(0, 255, (8, 8, 5), dtype=np.uint8))
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    place = int.from_bytes(raw[4:8], "little")
    after = place + 2 + 12 * int.from_bytes(raw[place : place + 2], "little")
    raw[after : after + 4] = raw[4:8]
    (tmp_path / "a.tif").write_bytes(raw)
    with pytest.raises(DataError, match="several images"):
        read_pixels(tmp_path / "a.tif")
