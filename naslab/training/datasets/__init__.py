"""Image data sets as arrays on the host: what they are, where they are found, how they are decoded. No torch here."""

from naslab.training.datasets.arrays import ImageArrays, Part
from naslab.training.datasets.facts import DATASETS, DatasetFacts, dataset_facts
from naslab.training.datasets.read import read_images
from naslab.training.datasets.split import split_indices, subset_indices

__all__ = [
    "DATASETS",
    "DatasetFacts",
    "ImageArrays",
    "Part",
    "dataset_facts",
    "read_images",
    "split_indices",
    "subset_indices",
]
