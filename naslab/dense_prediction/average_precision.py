"""Average precision of boxes, masks and keypoints: COCO's, and that of 11 recall levels (Pascal VOC). No torch here.

COCO's is the mean over classes and over overlaps of 0.5 to 0.95, precision read at 101 recalls; found objects are
matched greedily by their scores, at most 100 an image, and what is marked as a crowd need not be found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
ELEVEN_RECALLS = np.linspace(0, 1, 11)
MOST_FOUND = 100
"""Found objects of an image that count, the most certain ones."""
AREAS = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Pixels of small, medium and large objects, for COCO."""
COCO_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
"""How far people's marks of COCO's 17 points of a person differ, in shares of its size."""
OTHER_SIGMA = 0.05
"""The same of points that nobody has measured it of."""


class Image(NamedTuple):
    """What was found in an image, and what is there.

    `similarity` is how far each found object is each true one, of shape (found, true); `scores`, `labels` and `areas`
    of shape (found,), `true_labels`, `true_areas` and `is_ignored` of shape (true,). What is ignored need not be found;
    `is_crowd`, of the same shape, may be found more than once.
    """

    similarity: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    true_labels: NDArray[np.int64]
    true_areas: NDArray[np.float64]
    is_ignored: NDArray[np.bool_]
    is_crowd: NDArray[np.bool_]


def average_precisions(images: Sequence[Image], num_classes: int, prefix: str) -> dict[str, float]:
    """The average precisions over `images` of `num_classes` classes, from 0 to 1, by names that begin with `prefix`.

    `ap` is COCO's, `ap50` and `ap75` of one overlap, `ap_voc11` of overlap 0.5 at 11 recalls, `ap_small`, `ap_medium`
    and `ap_large` of objects of a size, which are missing where there are none of it.
    """
    every = _precisions(images, num_classes, (0.0, 1e10))
    found = {
        f"{prefix}ap": _mean(every, RECALLS),
        f"{prefix}ap50": _mean(every[:, :1], RECALLS),
        f"{prefix}ap75": _mean(every[:, 5:6], RECALLS),
        f"{prefix}ap_voc11": _mean(every[:, :1], ELEVEN_RECALLS),
    }
    for name, bounds in AREAS.items():
        found[f"{prefix}ap_{name}"] = _mean(_precisions(images, num_classes, bounds), RECALLS)
    return {name: value for name, value in found.items() if value >= 0}


def class_precisions(images: Sequence[Image], num_classes: int) -> list[float | None]:
    """COCO's average precision of each of `num_classes` classes over `images`; `None` of one that is not there."""
    curves = _precisions(images, num_classes, (0.0, 1e10))
    means = [_mean(curves[label : label + 1], RECALLS) for label in range(num_classes)]
    return [each if each >= 0 else None for each in means]


def box_overlaps(
    found: NDArray[np.float64], true: NDArray[np.float64], is_crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The intersection over union of boxes, of shapes (found, 4) and (true, 4): of shape (found, true).

    Over the area of the found one alone for a crowd; `is_crowd` has the shape (true,).

    >>> box_overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]]), np.array([False])).round(3).tolist()
    [[0.333]]
    """
    corner = np.maximum(found[:, None, :2], true[None, :, :2])
    sides = np.clip(np.minimum(found[:, None, 2:], true[None, :, 2:]) - corner, 0, None)
    own = (found[:, 2:] - found[:, :2]).prod(axis=1)
    return _shares(sides.prod(axis=2), own, (true[:, 2:] - true[:, :2]).prod(axis=1), is_crowd)


def mask_overlaps(
    found: NDArray[np.bool_], true: NDArray[np.bool_], is_crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The same of masks, of shapes (found, height, width) and (true, height, width), `is_crowd` of shape (true,)."""
    one, other = (each.reshape(len(each), math.prod(each.shape[1:])).astype(np.float32) for each in (found, true))
    return _shares((one @ other.T).astype(np.float64), one.sum(axis=1), other.sum(axis=1), is_crowd)


def keypoint_similarities(
    found: NDArray[np.float64], true: NDArray[np.float64], boxes: NDArray[np.float64], areas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """COCO's object keypoint similarity of `found` and `true` points, of shapes (objects, points, 3).

    `boxes` and `areas` are those of the true ones, of shapes (true, 4) and (true,); the result is of shape (found,
    true). Of an object without marked points it is how far the found ones are in its box, made twice as large.
    """
    count = true.shape[1]
    sigmas = COCO_SIGMAS if count == len(COCO_SIGMAS) else np.full(count, OTHER_SIGMA)
    variances = (2 * sigmas) ** 2
    similar = np.zeros((len(found), len(true)))
    for index, (points, box, area) in enumerate(zip(true, boxes, areas, strict=True)):
        is_marked = points[:, 2] > 0
        if is_marked.any():
            apart = found[:, :, :2] - points[None, :, :2]
        else:
            sides = box[2:] - box[:2]
            low, high = box[:2] - sides, box[2:] + sides
            apart = np.maximum(0, low - found[:, :, :2]) + np.maximum(0, found[:, :, :2] - high)
        error = (apart**2).sum(axis=2) / variances / (area + np.spacing(1)) / 2
        shown = error[:, is_marked] if is_marked.any() else error
        similar[:, index] = np.exp(-shown).sum(axis=1) / shown.shape[1]
    return similar


def _shares(
    common: NDArray[np.float64], own: NDArray[np.float64], other: NDArray[np.float64], is_crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    union = np.where(is_crowd[None, :], own[:, None], own[:, None] + other[None, :] - common)
    shares: NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


class _Matched(NamedTuple):
    """Found objects of a class in an image: `scores`, and by overlap whether each is right and whether it counts."""

    scores: NDArray[np.float64]
    is_right: NDArray[np.bool_]
    is_ignored: NDArray[np.bool_]
    num_true: int


def _match(image: Image, label: int, bounds: tuple[float, float]) -> _Matched:
    order = np.flatnonzero(image.labels == label)
    order = order[np.argsort(-image.scores[order], kind="stable")][:MOST_FOUND]
    true = np.flatnonzero(image.true_labels == label)
    outside = (image.true_areas < bounds[0]) | (image.true_areas > bounds[1])
    ignored = image.is_ignored[true] | outside[true]
    rank = np.argsort(ignored, kind="stable")
    true, ignored = true[rank], ignored[rank]
    similar = image.similarity[np.ix_(order, true)]
    right = np.zeros((len(OVERLAPS), len(order)), bool)
    skipped = np.zeros((len(OVERLAPS), len(order)), bool)
    for level, least in enumerate(OVERLAPS):
        taken = np.zeros(len(true), bool)
        for place in range(len(order)):
            best, match = min(least, 1 - 1e-10), -1
            for index in range(len(true)):
                if taken[index] and not image.is_crowd[true[index]]:
                    continue
                if match > -1 and not ignored[match] and ignored[index]:
                    break
                if similar[place, index] >= best:
                    best, match = similar[place, index], index
            if match > -1:
                taken[match] = True
                right[level, place], skipped[level, place] = True, ignored[match]
    away = (image.areas[order] < bounds[0]) | (image.areas[order] > bounds[1])
    skipped |= ~right & away
    return _Matched(image.scores[order], right, skipped, int((~ignored).sum()))


def _precisions(images: Sequence[Image], num_classes: int, bounds: tuple[float, float]) -> NDArray[np.float64]:
    """Precision by class, overlap and the 101 recalls, and behind these the 11; -1 of classes that are not there."""
    levels = np.concatenate([RECALLS, ELEVEN_RECALLS])
    curves = np.full((num_classes, len(OVERLAPS), len(levels)), -1.0)
    for label in range(num_classes):
        matched = [_match(each, label, bounds) for each in images]
        count = sum(each.num_true for each in matched)
        if not count:
            continue
        order = np.argsort(-np.concatenate([each.scores for each in matched]), kind="stable")
        right = np.concatenate([each.is_right for each in matched], axis=1)[:, order]
        skipped = np.concatenate([each.is_ignored for each in matched], axis=1)[:, order]
        hits = np.cumsum(right & ~skipped, axis=1).astype(np.float64)
        misses = np.cumsum(~right & ~skipped, axis=1).astype(np.float64)
        for level in range(len(OVERLAPS)):
            precision = hits[level] / (hits[level] + misses[level] + np.spacing(1))
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(hits[level] / count, levels, side="left")
            curves[label, level] = np.where(at < len(precision), np.append(precision, 0.0)[at], 0.0)
    return curves


def _mean(curves: NDArray[np.float64], recalls: NDArray[np.float64]) -> float:
    """The mean of curves at one of the two sets of recalls; -1 where no class is there."""
    part = curves[..., : len(RECALLS)] if len(recalls) == len(RECALLS) else curves[..., len(RECALLS) :]
    there = part[part > -1]
    return float(there.mean()) if there.size else -1.0
