"""Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) from its four idx files, packed or not."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError
from naslab.training.datasets.arrays import ImageArrays, Part, cached_arrays, fingerprint
from naslab.training.datasets.folders import find_or_download

PREFIX: dict[Part, str] = {"train": "train", "test": "t10k"}
FOLDERS = ("fashion_mnist", "FashionMNIST/raw", ".")


def read_fashion_mnist(part: Part, data_dir: Path | None) -> ImageArrays:
    """One part: 60,000 training or 10,000 test images of 28 x 28 grey pixels.

    `data_dir` is where it is looked for alone, where given (`find_or_download`). Raises `DataError` where it is
    missing or damaged.
    """
    looked_for = "fashion_mnist/train-images-idx3-ubyte.gz or FashionMNIST/raw/train-images-idx3-ubyte, and the rest"
    files = find_or_download("fashion_mnist", data_dir, lambda root: find_files(root, part), _download, looked_for)
    return cached_arrays(f"fashion_mnist-{part}-{fingerprint(files)}", lambda: _decode(files))


def find_files(root: Path, part: Part) -> tuple[Path, Path] | None:
    """The files of a part's images and labels under `root`, if both are there."""
    names = (f"{PREFIX[part]}-images-idx3-ubyte", f"{PREFIX[part]}-labels-idx1-ubyte")
    for folder in FOLDERS:
        for ending in ("", ".gz"):
            images, labels = (root / folder / f"{name}{ending}" for name in names)
            if images.is_file() and labels.is_file():
                return images, labels
    return None


def _download(target: Path) -> None:
    from torchvision.datasets import FashionMNIST

    FashionMNIST(str(target), download=True)


def _decode(files: tuple[Path, Path]) -> ImageArrays:
    images, labels = (read_idx(path) for path in files)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(f"{files[0]} holds {images.shape} and {files[1].name} {labels.shape}: not images with labels")
    return ImageArrays(images[..., None], labels.astype(np.int64))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an idx file of bytes, uint8 of the shape that the file says; one ending in `.gz` is unpacked.

    The file holds two bytes of 0, the type 8 (bytes) and the number of sizes, then the sizes (four bytes each, big
    endian) and the values. Raises `DataError` for any other file, and for one that is cut short.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, num_sizes = struct.unpack(">HBB", raw[:4])
        sizes = struct.unpack(f">{num_sizes}I", raw[4 : 4 + 4 * num_sizes])
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * num_sizes)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DataError(f"{path} cannot be read as an idx file: {error}") from error
    if (zero, kind) != (0, 8) or values.size != int(np.prod(sizes, dtype=np.int64)):
        raise DataError(f"{path} is not a whole idx file of bytes: {values.size} values for sizes {sizes}")
    return values.reshape(sizes)
