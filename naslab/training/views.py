"""Several views of an image at test time: mirrored, and crops of a larger copy."""

from __future__ import annotations

from torch import Tensor

from naslab.study.recipe import Views

ENLARGED = 256 / 224
"""The side of the image that crops are cut from, relative to the crop's (Krizhevsky et al. 2012, section 4.1)."""


def views_size(size: tuple[int, int], views: Views) -> tuple[int, int]:
    """The (height, width) that images are brought to before views of `size` are made of them.

    >>> views_size((224, 224), "ten_crop"), views_size((32, 32), "flip")
    ((256, 256), (32, 32))
    """
    if views in ("plain", "flip"):
        return size
    height, width = size
    return max(height + 1, round(height * ENLARGED)), max(width + 1, round(width * ENLARGED))


def views_of(images: Tensor, size: tuple[int, int], views: Views) -> tuple[Tensor, ...]:
    """Views of images, each of shape (batch, channels, *size), the images in the same order.

    `images` are of shape (batch, channels, *views_size(size, views)).
    `flip` is the image and its mirror image, `five_crop` the corners and the centre, `ten_crop` those and their mirror
    images.
    """
    if views == "plain":
        return (images,)
    from torchvision.transforms.v2 import functional  # more than a second, which plain evaluations do without

    if views == "flip":
        return images, functional.horizontal_flip(images)
    make = functional.five_crop if views == "five_crop" else functional.ten_crop
    crops: tuple[Tensor, ...] = make(images, list(size))
    return crops
