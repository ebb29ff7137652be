"""`torchvision:SVHN`: the classification sets of torchvision by the names of their classes, in its own files.

`torchvision:Flowers102@96` brings images of different sizes to one, by default 64 x 64 pixels.
"""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path
from typing import Any, TypeAlias

from naslab.errors import DataError, UnknownNameError, shown
from naslab.training.datasets.folders import find_or_download
from naslab.training.datasets.given import Data
from naslab.training.datasets.sized import SizedPairs

Parts: TypeAlias = dict[str, dict[str, Any]]
_BY_FLAG: Parts = {"train": {"train": True}, "test": {"train": False}}
_BY_SPLIT: Parts = {"train": {"split": "train"}, "test": {"split": "test"}}
_IN_THREE: Parts = {**_BY_SPLIT, "validation": {"split": "val"}}
_VALIDATED: Parts = {"train": {"split": "train"}, "test": {"split": "val"}}
_WHOLE: Parts = {"train": {}}
SPLITS: dict[str, Parts] = {
    **dict.fromkeys(("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "USPS"), _BY_FLAG),
    **dict.fromkeys(("SVHN", "STL10", "GTSRB", "Food101", "StanfordCars", "LFWPeople"), _BY_SPLIT),
    **dict.fromkeys(("FGVCAircraft", "DTD", "Flowers102", "PCAM", "RenderedSST2"), _IN_THREE),
    **dict.fromkeys(("CLEVRClassification", "Imagenette", "ImageNet"), _VALIDATED),
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT", "SEMEION", "SUN397"), _WHOLE),
    "QMNIST": {"train": {"what": "train"}, "test": {"what": "test"}},
    "EMNIST": {"train": {"split": "balanced", "train": True}, "test": {"split": "balanced", "train": False}},
    "Country211": {**_BY_SPLIT, "validation": {"split": "valid"}},
    "FER2013": {"train": {"split": "train"}},
    "INaturalist": {"train": {"version": "2021_train_mini"}, "test": {"version": "2021_valid"}},
    "OxfordIIITPet": {"train": {"split": "trainval"}, "test": {"split": "test"}},
    "Omniglot": {"train": {"background": True}},
    "Places365": {"train": {"split": "train-standard", "small": True}, "test": {"split": "val", "small": True}},
}
"""The classification sets, and the arguments that give each part of them; without a test part a fifth is split off."""


def read_torchvision(rest: str, data_dir: Path | None) -> Data:
    """The data of a set of torchvision, looked for as the sets that naslab knows by name are, else downloaded by it.

    `rest` is its name, with the size of its images behind an `@`. Raises `DataError` for a set that is not there or is
    no classification set, and `UnknownNameError` for a name of none.
    """
    match = re.fullmatch(r"(\w+)(?:@(\d{1,5})(?:x(\d{1,5}))?)?", rest)
    name = match[1] if match else rest
    if match is None or name not in SPLITS:
        _refuse(name)
    assert match is not None
    size = None if match[2] is None else (int(match[2]), int(match[3] or match[2]))
    root = find_or_download(
        f"torchvision:{name}",
        data_dir,
        lambda folder: folder if _is_there(name, folder) else None,
        lambda folder: [_opened(name, folder, part, True) for part in SPLITS[name]],
        f"torchvision's own files of {name}",
    )
    parts = {part: SizedPairs(_opened(name, root, part, False), size) for part in SPLITS[name]}
    return Data(
        parts["train"], parts.get("test"), parts.get("validation"), classes=_class_names(parts["train"].dataset)
    )


def _refuse(name: str) -> None:
    from torchvision import datasets

    if name in datasets.__all__:
        raise DataError(
            f"torchvision:{name} is no set of images with one class each; there are {', '.join(sorted(SPLITS))}"
        )
    raise UnknownNameError("torchvision data set", name, SPLITS)


def _is_there(name: str, root: Path) -> bool:
    try:
        return all(_opened(name, root, part, False) is not None for part in SPLITS[name])
    except (RuntimeError, OSError):
        return False


def _opened(name: str, root: Path, part: str, download: bool) -> Any:
    from torchvision import datasets

    kind = getattr(datasets, name)
    options = dict(SPLITS[name][part])
    if "download" in inspect.signature(kind.__init__).parameters:
        options["download"] = download
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy and PIL on the age of published files
            return kind(str(root), **options)
    except (ImportError, ModuleNotFoundError) as error:
        raise DataError(f"torchvision:{name} needs another package: {shown(str(error), 200)}") from error


def _class_names(dataset: Any) -> list[str] | None:
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    if not isinstance(names, list | tuple):
        return None
    return [", ".join(map(str, each)) if isinstance(each, tuple | list) else str(each) for each in names]
