"""What was found, drawn on the image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.utils import draw_bounding_boxes, draw_keypoints, draw_segmentation_masks

from naslab.atomic_write import atomic_write
from naslab.dense_prediction.evaluation import Objects

COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000", "#000075", "#f032e6")
"""One for each class in turn."""


def draw_objects(pixels: Tensor, found: Objects, classes: Sequence[str]) -> Tensor:
    """Boxes, masks and points of `found` objects on an image, uint8 of shape (3, height, width) as the result.

    `classes` are the names that labels stand for.
    """
    if not len(found.labels):
        return pixels
    colours = [COLOURS[label % len(COLOURS)] for label in found.labels]
    words = [f"{classes[label]} {score:.2f}" for label, score in zip(found.labels, found.scores, strict=True)]
    drawn = pixels
    if found.masks is not None:
        drawn = draw_segmentation_masks(drawn, torch.from_numpy(found.masks), alpha=0.5, colors=colours)
    drawn = draw_bounding_boxes(drawn, torch.from_numpy(found.boxes), words, colours, width=1)
    if found.keypoints is not None:
        drawn = draw_keypoints(drawn, torch.from_numpy(found.keypoints[..., :2]), colors="white", radius=2)
    answer: Tensor = drawn
    return answer


def draw_classes(pixels: Tensor, found: NDArray[np.int64], num_classes: int) -> Tensor:
    """The classes of pixels, of shape (height, width), on an image, uint8 of shape (3, height, width) as the result.

    The first of the `num_classes` is not drawn.
    """
    masks = torch.stack([torch.from_numpy(found == label) for label in range(1, num_classes)])
    colours = [COLOURS[label % len(COLOURS)] for label in range(num_classes - 1)]
    drawn: Tensor = draw_segmentation_masks(pixels, masks, alpha=0.5, colors=colours)
    return drawn


def write_png(path: Path, pixels: Tensor) -> None:
    """Write an image, uint8 of shape (3, height, width), as the PNG file `path`."""
    content = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(content, format="png")
    atomic_write(path, content.getvalue())
