"""What the classes of a data set are called, in the order of their numbers; and a fingerprint of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from naslab.study.data_choice import FOLDER, DataChoice
from naslab.training.datasets.image_folder import list_part, parse_choice
from naslab.training.datasets.info import dataset_info, facts_of
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


def class_names(choice: DataChoice, data_dir: str | Path | None = None) -> tuple[str, ...]:
    """The names of the classes in the order of their numbers; the numbers where they have none.

    They are looked for where the data are, in `data_dir` where these have files there.

    >>> class_names(DataChoice(name="cifar10"))[3]
    'cat'
    """
    if choice.name not in CLASS_NAMES:
        facts = facts_of(choice, data_dir)
        return facts.classes or tuple(map(str, range(facts.num_classes)))
    names = tuple(each.replace("_", " ") for each in CLASS_NAMES[choice.name].split())
    assert len(names) == dataset_info(choice.name).num_classes
    return names


def content_fingerprint(choice: DataChoice, data_dir: Path | None = None) -> str:
    """Thirty-two hexadecimal digits of the training images and their labels, the same on every machine.

    Of a folder of images they change with the name below the folder, the size or the class of any file; of a data set
    known by name, which is looked for in `data_dir`, with any pixel. Raises `DataError` where it is missing.
    """
    if choice.fingerprint:
        return choice.fingerprint
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(choice, data_dir):
        digest.update(part)
    return digest.hexdigest()


def _parts(choice: DataChoice, data_dir: Path | None) -> Iterator[bytes]:
    if choice.name.startswith(FOLDER):
        root = parse_choice(choice.name).root
        listing = list_part(root, "train", choice.skip_unreadable)
        for path, label in zip(listing.files, listing.labels.tolist(), strict=True):
            yield repr((path.relative_to(root).as_posix(), path.stat().st_size, label)).encode()
        return
    arrays = read_images(choice.name, "train", data_dir)
    yield repr((arrays.images.shape, arrays.labels.tolist())).encode()
    for start in range(0, len(arrays.images), PORTION):
        yield np.ascontiguousarray(arrays.images[start : start + PORTION]).tobytes()
