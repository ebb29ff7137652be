"""Image data sets as arrays on the host: what they are, where they are found, how they are decoded. No torch here."""

from naslab.training.datasets.arrays import ImageArrays, Part
from naslab.training.datasets.info import DATASETS, DatasetInfo, dataset_facts, dataset_info
from naslab.training.datasets.read import read_images
from naslab.training.datasets.split import split_indices, subset_indices

__all__ = [
    "DATASETS",
    "DatasetInfo",
    "ImageArrays",
    "Part",
    "dataset_facts",
    "dataset_info",
    "read_images",
    "split_indices",
    "subset_indices",
]
