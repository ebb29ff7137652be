"""What a data set of boxes, masks or points holds, as one hash. No torch here."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from naslab.dense_prediction.annotations import AnnotatedSet, Annotation
from naslab.dense_prediction.segments import Polygons
from naslab.training.datasets.image_folder import content_digests


def content_hash(data: AnnotatedSet) -> str:
    """The SHA-256 of the annotations of `data`, of its listing and of the images and masks, in hexadecimal digits.

    Where its folder lies does not count.
    """
    root = Path(data.name.partition(":")[2]).expanduser()
    whole = hashlib.sha256(repr((data.classes, data.keypoints)).encode())
    for part, images in sorted(data.parts.items()):
        whole.update(repr((part, len(images))).encode())
        for each in images:
            _add(whole, each, root)
        whole.update(content_digests([each.path for each in images]).tobytes())
        whole.update(content_digests([each.mask for each in images if each.mask is not None]).tobytes())
    return whole.hexdigest()


def _add(whole: hashlib._Hash, each: Annotation, root: Path) -> None:
    name = each.path.relative_to(root) if each.path.is_relative_to(root) else Path(each.path.name)
    known = (name.as_posix(), each.height, each.width, each.mask is None, each.segments is None, each.keypoints is None)
    whole.update(repr(known).encode())
    arrays = [each.boxes, each.labels, each.areas, each.is_crowd, each.is_ignored]
    for segment in each.segments or ():
        rings = segment.rings if isinstance(segment, Polygons) else (segment.counts,)
        arrays += [np.array(len(rings)), *rings]
    for array in arrays if each.keypoints is None else [*arrays, each.keypoints]:
        whole.update(repr((array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
