"""What pretrained weights are worth on data of one's own: every way to tune them, with seeds and error bars.

table = naslab.transfer("efficientnet_b0", "torchvision", datasets=["cifar10"], images=[10, 50])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naslab.analysis.transfer import TransferCell, TransferTable
from naslab.arguments import function, many, path, takes, text, whole
from naslab.errors import DataError, SpecError, counted
from naslab.lab.models import COUNT, FOLDER, LEDGER, MAX_IMAGES, MODEL, NAMES, SEEDS, AnyModel, find_model
from naslab.lab.training import SCRATCH, recipe_of
from naslab.study.outcome import Fidelity
from naslab.study.recipe import Recipe, tuned_stages
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.class_names import class_names
from naslab.training.datasets.info import facts_of

if TYPE_CHECKING:
    from naslab.pretrained.start import Pretrained
    from naslab.training.data import DataSplit

WAYS = ("head", "last:2", "all", SCRATCH)
"""The ways of the lectures, in the order of what they train: a probe, the last stages, everything, and no weights."""


@takes(
    model=MODEL,
    pretrained=path("weights, as naslab.train takes them,"),
    datasets=NAMES,
    images=many(whole(1)),
    ways=NAMES,
    seeds=SEEDS,
    epochs=COUNT,
    max_images=MAX_IMAGES,
    device=text("a torch device, or auto"),
    ledger=LEDGER,
    data_dir=FOLDER,
    note=function(),
)
def transfer(
    model: AnyModel,
    pretrained: str | Path,
    *,
    datasets: Sequence[str],
    images: Sequence[int] = (10, 50),
    ways: Sequence[str] = WAYS,
    seeds: int = 3,
    epochs: int = 10,
    max_images: int | None = None,
    device: str = "auto",
    ledger: str | Path = "naslab.db",
    data_dir: str | Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> TransferTable:
    """Train `model` with the weights `pretrained` in every one of `ways`, and compare validation accuracies.

    Each of `datasets` is learned from `images` a class, drawn anew for each of `seeds`, for `epochs` epochs; ways are
    those of `naslab.train`'s `tune`, in the order of what they cost. All are judged on the same validation images;
    `max_images` bounds the images of a data set, a fifth of which validate. The test set is not read. `device`,
    `ledger` and `data_dir` are those of `naslab.train`; `note` takes a line for each training. Raises `SpecError` for
    ways that are none, and `DataError` where there are too few images, before anything is trained.

    >>> table = naslab.transfer("resnet18", "torchvision", datasets=["cifar10"])  # doctest: +SKIP
    >>> table.chosen("cifar10", 10).way  # doctest: +SKIP
    """
    from naslab.pretrained.start import pretrained as begin_with
    from naslab.training.data import load_dataset
    from naslab.training.tuning import require_tunable

    found = find_model(model, ledger)
    if not datasets or not images or not ways:
        raise SpecError("", "there must be at least one data set, one number of images and one way")
    for way in ways:
        if way != SCRATCH:
            tuned_stages(way)
    folder = None if data_dir is None else Path(data_dir)
    begun: dict[str, tuple[Pretrained, DataSplit]] = {}
    for name in datasets:
        choice = msgspec.structs.replace(choose_data(name, data_dir), max_images=max_images)
        info = facts_of(choice, folder)
        arch = msgspec.structs.replace(
            found.arch, input=(info.channels, *found.arch.input[1:]), num_classes=info.num_classes
        )
        if info.task != "classification":
            raise DataError(f"ways to tune are compared by accuracy, {name} is a {info.task}: name a classification")
        for way in ways:
            require_tunable(Recipe(tune="all" if way == SCRATCH else way), arch)
        start = begin_with(arch, pretrained, model=found.name, ledger=ledger, class_names=class_names(choice, folder))
        split = start.beginning.normalised(load_dataset(choice, data_dir, device))
        if max(images) * split.num_classes > len(split.train):
            raise DataError(
                f"{max(images)} images a class of {name} are {max(images) * split.num_classes}, there are "
                f"{len(split.train)} to train on: ask for fewer, or raise max_images"
            )
        begun[name] = start, split
    cells = []
    for name, (start, split) in begun.items():
        for line in start.lines:
            note(f"{name}: {line}")
        for count in images:
            for way in ways:
                accuracies = tuple(_accuracy(start, split, name, way, count, epochs, seed) for seed in range(seeds))
                cells.append(TransferCell(dataset=name, images=count, way=way, accuracies=accuracies))
                note(f"{name}, {counted(count, 'image')} a class, {way}: {cells[-1].mean:.1f} %")
    return TransferTable(
        model=found.name,
        source=str(pretrained),
        epochs=epochs,
        ways=tuple(ways),
        num_validation={name: len(split.validation) for name, (_, split) in begun.items()},
        cells=tuple(cells),
    )


def _accuracy(start: Pretrained, split: DataSplit, dataset: str, way: str, count: int, epochs: int, seed: int) -> float:
    """The validation accuracy behind one training, on `count` images a class."""
    from naslab.arch.build import build
    from naslab.training.early_stopping import kept_epoch
    from naslab.training.fidelity import data_at, with_heads
    from naslab.training.loop import train
    from naslab.training.probe import keeps_features, train_on_features

    # scratch has the recipe of all, so that the weights alone differ
    recipe = recipe_of(None, dataset, True, "all" if way == SCRATCH else way, False, None)
    module = build(start.arch, seed)
    if way != SCRATCH:
        module.load_state_dict(module.state_dict() | start.weights)
    module = with_heads(module, start.arch, seed)
    seen = data_at(split, Fidelity(epochs=epochs, images=count * split.num_classes), seed)
    fitted = train_on_features if keeps_features(module, recipe) else train
    curve = fitted(module, seen, recipe, epochs, size=start.arch.input[1:], seed=seed)
    return kept_epoch(curve, recipe).validation_accuracy
