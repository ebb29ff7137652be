"""Images with a class a pixel: `images/train` and `masks/train`, files of the same names, and `classes.txt`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from naslab.dense_prediction.annotations import PART_NAMES, TRAIN, AnnotatedSet, Annotation, annotation, require_files
from naslab.dense_prediction.voc import lines_of
from naslab.dense_prediction.yolo import image_files_in
from naslab.errors import DataError, counted


def read_masks(name: str, root: Path) -> AnnotatedSet:
    """The data set `name` in the folder `root`; folders may stand the other way round, as `train/images`.

    A mask is a PNG of the image's name with one 8-bit number a pixel, the class from 0; 255 is of none. `classes.txt`
    lists the names of classes, one a line, the first that of 0. Raises `DataError` for what is not there.
    """
    file = root / "classes.txt"
    if not file.is_file():
        raise DataError(f"{root} says nowhere what its classes are: write classes.txt, one a line, the first that of 0")
    classes = tuple(lines_of(file))
    if len(classes) < 2:
        raise DataError(f"{file} lists {counted(len(classes), 'class', 'classes')}; a pixel is one of two or more")
    parts: dict[str, tuple[Annotation, ...]] = {}
    for part, names in PART_NAMES.items():
        for each in names:
            places = ((root / "images" / each, root / "masks" / each), (root / each / "images", root / each / "masks"))
            for images, masks in places:
                if (found := image_files_in(images)) and part not in parts:
                    parts[part] = tuple(_annotation(path, masks / f"{path.stem}.png") for path in found)
    if TRAIN not in parts:
        raise DataError(f"{root} has no training images: put them into images/train, their masks into masks/train")
    return AnnotatedSet(name, classes, parts)


def _annotation(path: Path, mask: Path) -> Annotation:
    from PIL import Image

    require_files([path, mask], path.parent)
    try:
        with Image.open(path) as image:
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from None
    return annotation(path, (height, width), [], np.zeros(0, np.int64).tolist())._replace(mask=mask)
