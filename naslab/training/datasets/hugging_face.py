"""`hf:NAME`: data sets of Hugging Face's hub or of a local folder, by its package `datasets`.

`hf:NAME@96` brings images of different sizes to one. The image column and that of labels are found by their types.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from naslab.errors import DataError, shown
from naslab.training.datasets.given import Data
from naslab.training.datasets.sized import SizedPairs
from naslab.training.hub import OUT_OF_REACH, hub_or_cache

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
IMAGES = ("image", "img", "images", "pixel_values")
LABELS = ("label", "labels", "fine_label", "target", "class")

SAVED = ("dataset_dict.json", "state.json")
"""A folder with one of these was written by `save_to_disk`: parts by name, or one part, which is trained on."""


def read_hugging_face(rest: str, data_dir: Path | None) -> Data:
    """The data set of a name, as the package `datasets` loads it; `data_dir` is its cache folder where given.

    `rest` may end in `@SIZE`. Raises `DataError` where the package or the data set is missing, and for one without a
    column of images and one of labels.
    """
    match = re.fullmatch(r"(.+?)(?:@(\d{1,5})(?:x(\d{1,5}))?)?", rest)
    if match is None:
        raise DataError("hf: names no data set: write hf:NAME, as hf:ylecun/mnist")
    name, size = match[1], None if match[2] is None else (int(match[2]), int(match[3] or match[2]))
    whole = _loaded(name, data_dir)
    found = {part: next((each for each in names if each in whole), None) for part, names in PARTS.items()}
    if found["train"] is None:
        raise DataError(f"hf:{name} has no part train, it has {shown(', '.join(map(str, whole)), 200)}")
    if found["test"] is None and found["validation"] is not None:
        found["test"], found["validation"] = found["validation"], None
    train = whole[found["train"]]
    columns = list(train.column_names)
    image = next((each for each in IMAGES if each in columns), None)
    label = next((each for each in LABELS if each in columns), None)
    if image is None or label is None:
        lacks = "images" if image is None else "labels"
        raise DataError(
            f"hf:{name} has no column of {lacks} ({', '.join(IMAGES if image is None else LABELS)}), "
            f"it has {shown(', '.join(columns), 200)}; name a function that picks them (--dataset my_code:make_data)"
        )
    parts = {part: SizedPairs(whole[key], size, (image, label)) for part, key in found.items() if key is not None}
    names = getattr(train.features.get(label), "names", None)
    return Data(parts["train"], parts.get("test"), parts.get("validation"), classes=names)


def _loaded(name: str, data_dir: Path | None) -> Any:
    try:
        import datasets
    except ImportError:
        raise DataError(f"hf:{name} needs Hugging Face's datasets: pip install 'naslab[hf]'") from None
    is_reached = True
    try:
        if any((Path(name).expanduser() / file).is_file() for file in SAVED):
            saved = datasets.load_from_disk(str(Path(name).expanduser()))
            return saved if isinstance(saved, dict) else {"train": saved}
        with hub_or_cache(datasets.config, is_needed=not Path(name).expanduser().exists()) as is_reached:
            return datasets.load_dataset(name, cache_dir=None if data_dir is None else str(data_dir))
    except Exception as error:
        if not is_reached:
            raise DataError(
                f"hf:{name} cannot be loaded: {OUT_OF_REACH}; "
                "download it where there is a network, or name a folder that save_to_disk wrote (hf:FOLDER)"
            ) from error
        told = shown((str(error) or type(error).__name__).splitlines()[0], 300)
        raise DataError(f"hf:{name} cannot be loaded ({type(error).__name__}: {told})") from error
