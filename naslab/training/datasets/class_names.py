"""What the classes of a data set are called, in the order of their numbers; and a fingerprint of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from naslab.study.data_choice import DataChoice
from naslab.training.datasets.info import checked_facts, dataset_info, facts_of
from naslab.training.datasets.read import read_images

CLASS_NAMES: dict[str, str] = {
    "digits": "0 1 2 3 4 5 6 7 8 9",
    "fashion_mnist": "t-shirt/top trouser pullover dress coat sandal shirt sneaker bag ankle_boot",
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "cifar100": (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
        "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
        "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
        "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
        "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
        "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
        "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
    ),
}
"""The names of known data sets, as published: words apart by spaces, `_` within one name."""
PORTION = 4096


def class_names(choice: DataChoice, data_dir: Path | None = None) -> tuple[str, ...]:
    """The names of the classes, labels or targets in the order of their numbers; empty where the data name none.

    The data are looked for in `data_dir`.

    >>> class_names(DataChoice(name="cifar10"))[3]
    'cat'
    """
    if choice.name not in CLASS_NAMES:
        return facts_of(choice, data_dir).classes
    names = tuple(each.replace("_", " ") for each in CLASS_NAMES[choice.name].split())
    assert len(names) == dataset_info(choice.name).num_classes
    return names


def content_fingerprint(choice: DataChoice, data_dir: Path | None = None) -> str:
    """Hexadecimal digits that tell training images and their labels from others, the same on every machine.

    Of a data set known by name, which is looked for in `data_dir`, they change with any pixel; of others see
    `naslab.training.datasets.info.checked_facts`. Raises `DataError` where it is missing.
    """
    if choice.name not in CLASS_NAMES:
        return choice.fingerprint or checked_facts(choice, data_dir).fingerprint
    arrays = read_images(choice.name, "train", data_dir)
    digest = hashlib.blake2b(repr((arrays.images.shape, arrays.labels.tolist())).encode(), digest_size=16)
    for start in range(0, len(arrays.images), PORTION):
        digest.update(np.ascontiguousarray(arrays.images[start : start + PORTION]).tobytes())
    return digest.hexdigest()
