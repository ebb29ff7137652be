"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels; they ship with the package.

The test set is a fixed stratified fifth (359 images), the training set the other 1,438.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from naslab.training.datasets.arrays import ImageArrays, Part, cached_arrays
from naslab.training.datasets.split import split_indices

TEST_FRACTION = 0.2
TEST_SEED = 0


def read_digits(part: Part) -> ImageArrays:
    """One part of the digits, 1,438 training or 359 test images; grey values scaled from 0..16 to 0..255."""
    whole = cached_arrays(f"digits-{version('scikit-learn')}", _decode)
    kept, held_out = split_indices(whole.labels, TEST_FRACTION, TEST_SEED)
    chosen = held_out if part == "test" else kept
    return ImageArrays(whole.images[chosen], whole.labels[chosen])


def _decode() -> ImageArrays:
    from sklearn.datasets import load_digits  # a second of imports that a warm cache saves

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return ImageArrays(grey[..., None], bunch.target.astype(np.int64))
