"""Animations are refused in one line, since one of their images would be read; still files of the formats are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from naslab.errors import DataError
from naslab.training.datasets.file_forms import COLOURED, FileForm, form_of
from naslab.training.decode import read_pixels

FRAMES = [Image.fromarray(np.full((8, 8, 3), 40 * number, dtype=np.uint8)) for number in range(3)]


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
@pytest.mark.parametrize("is_told", [False, True])
def test_an_animation_is_refused_and_a_still_file_is_read(tmp_path: Path, ending: str, is_told: bool) -> None:
    moving, still = tmp_path / f"moving.{ending}", tmp_path / f"still.{ending}"
    FRAMES[0].save(moving, save_all=True, append_images=FRAMES[1:])
    FRAMES[1].save(still)

    def form(path: Path) -> FileForm:
        return form_of([path]) if is_told else COLOURED

    assert read_pixels(still, form(still)).shape[1:] == (8, 8)
    with pytest.raises(DataError, match=r"moving\.\w+ cannot be read as an image: it holds several images"):
        read_pixels(moving, form(moving))
