"""Seeded, stratified splits: every class keeps its share in every part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, counted

Indices = NDArray[np.int64]


def subset_indices(labels: Indices, count: int, seed: int) -> Indices:
    """`count` indices of `labels` in ascending order, each class in proportion, at least one of each.

    Shares are rounded by largest remainders, images drawn by `seed`. `labels` are int64 of shape (images,), the result
    int64 of shape (count,). Raises `DataError` for a count below one a class or above the number of images.

    >>> subset_indices(np.array([0, 0, 0, 0, 1, 1]), 3, seed=0).size
    3
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if not classes.size <= count <= labels.size:
        raise DataError(f"a subset of {counted(count, 'image')}: must be {classes.size} (one a class) to {labels.size}")
    exact = sizes * count / labels.size
    quota = np.maximum(np.floor(exact).astype(np.int64), 1)
    order = np.argsort(quota - exact, kind="stable")
    for step in range(abs(count - int(quota.sum()))):
        if quota.sum() < count:
            quota[order[step % classes.size]] += 1
        else:
            quota[np.argmax(quota)] -= 1
    generator = np.random.default_rng(seed)
    chosen = [
        generator.permutation(np.flatnonzero(labels == each))[:share]
        for each, share in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def split_indices(labels: Indices, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Indices of `labels` to keep and to hold out, about a `fraction` of each class; ascending, all classes in both.

    `labels` are int64 of shape (images,), the results int64 of shape (kept,) and (held out,); `seed` draws which.
    Raises `DataError` for a class of one image.

    >>> kept, held_out = split_indices(np.array([0, 1] * 10), 0.2, seed=0)
    >>> len(kept), np.array([0, 1] * 10)[held_out].tolist().count(1)
    (16, 2)
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < 2:
        lonely = classes[sizes < 2][0]
        raise DataError(f"class {lonely} has 1 image: a class needs at least 2, one to train on and one to validate on")
    count = max(classes.size, min(round(labels.size * fraction), labels.size - classes.size))
    held_out = _capped(labels, subset_indices(labels, count, seed))
    return np.setdiff1d(np.arange(labels.size), held_out), held_out


def _capped(labels: Indices, held_out: Indices) -> Indices:
    """The held-out part without the last image of any class that it would take whole."""
    classes, sizes = np.unique(labels, return_counts=True)
    taken = [held_out[labels[held_out] == each] for each in classes]
    return np.sort(np.concatenate([part[: size - 1] for part, size in zip(taken, sizes, strict=True)]))
