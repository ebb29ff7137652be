"""Training networks into folders, one a network and seed: those of a study's front, each for several seeds.

naslab.train_seeds("mystudy:front", seeds=3, out="front").rows()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from naslab.arch import cost
from naslab.arguments import flag, path, takes
from naslab.atomic_write import DRAFT_PREFIX, atomic_write, json_content, put_in_place, require_writable
from naslab.errors import DivergedError, SpecError
from naslab.lab.models import MODEL, RESOLUTION, SEEDS, AnyModel, AnyResolution, Model, find_models, is_front
from naslab.lab.packages import require_other_folder, weights_digest
from naslab.lab.result_files import RESULT_FILE, result_in
from naslab.lab.training import HOW_TO_TRAIN, data_of, recipe_of
from naslab.lab.training import train as train_one
from naslab.metrics import ACCURACY
from naslab.package.facts import WEIGHTS_FILE
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.datasets.given import Data

SUMMARY_FILE = "seeds.json"
SHRUNK_FILE = "shrink.json"
"""What `naslab shrink` says of the network in a folder."""


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How networks are trained into folders: what `naslab.train` takes, and whether `network.py` is `bare`.

    `data` is the data set that was chosen, `recipe` the recipe that was settled; `epochs`, `device`, `use_validation`,
    `start_from`, `pretrained`, `tune`, `quantize`, `least_match`, `ledger`, `data_dir` and `licence` are those of
    `naslab.train`.
    """

    data: DataChoice
    recipe: Recipe
    epochs: int
    device: str = "auto"
    use_validation: bool = False
    start_from: str | Path | None = None
    pretrained: str | Path | None = None
    tune: str | None = None
    quantize: str | None = None
    least_match: float = 0.9
    ledger: str | Path = "naslab.db"
    data_dir: str | Path | None = None
    licence: str | None = None
    bare: bool = False


class SeedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A training of a network from a `seed`: its `folder`, its test metrics by name, whether it was done now.

    `failure` says why there are none.
    """

    seed: int
    folder: str
    measured: dict[str, float] = {}
    is_new: bool = True
    failure: str = ""


class SeedMean(msgspec.Struct, frozen=True):
    """The `mean` of a test metric over `num_seeds` seeds; its `standard_error` is `None` for one seed."""

    mean: float
    standard_error: float | None
    num_seeds: int


class TrainedNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network that was trained from several seeds: the name of `model`, identity, costs, and a run for each seed."""

    model: str
    trial: int | None
    arch_id: str
    macs: int
    params: int
    runs: tuple[SeedRun, ...]

    @property
    def means(self) -> dict[str, SeedMean]:
        """Every test metric over the seeds that have it, by name."""
        names = dict.fromkeys(name for run in self.runs for name in run.measured)
        return {name: _mean([run.measured[name] for run in self.runs if name in run.measured]) for name in names}


class SeedTable(msgspec.Struct, frozen=True, kw_only=True):
    """Networks trained on a `dataset` for `epochs`, each from the same seeds, in the order of the front."""

    dataset: str
    epochs: int
    networks: tuple[TrainedNetwork, ...]

    def rows(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {
            "dataset": self.dataset,
            "epochs": self.epochs,
            "networks": [
                {
                    **msgspec.to_builtins(each),
                    "test": {name: msgspec.to_builtins(mean) for name, mean in each.means.items()},
                }
                for each in self.networks
            ],
        }


Report = Callable[[str, int, EpochRecord], None]


@takes(model=MODEL, seeds=SEEDS, out=path("a folder"), resolution=RESOLUTION, bare=flag(), **HOW_TO_TRAIN)
def train_seeds(
    model: AnyModel,
    seeds: int = 3,
    out: str | Path = "trained",
    *,
    dataset: str | DataChoice | Data | None = None,
    epochs: int = 20,
    recipe: Recipe | str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    use_validation: bool = False,
    start_from: str | Path | None = None,
    pretrained: str | Path | None = None,
    tune: str | None = None,
    quantize: str | None = None,
    freeze_norm: bool = False,
    layer_decay: float | None = None,
    least_match: float = 0.9,
    max_images: int | None = None,
    resolution: AnyResolution | None = None,
    ledger: str | Path = "naslab.db",
    data_dir: str | Path | None = None,
    licence: str | None = None,
    bare: bool = False,
    report: Report = lambda *_: None,
    note: Callable[[str], None] = lambda _: None,
) -> SeedTable:
    """Train a network, or every network of a front, from several seeds; the test metrics with means and their errors.

    `model` is what `naslab.train` takes, or `STUDY:front` or `STUDY:front@macs<=5M` of a study of `ledger`, at another
    `resolution` (height, width) where asked. Each is trained from the `seeds` seeds that begin with `seed`, each time
    into a folder of its own in `out`, which is a model for every command. A folder that holds the training already is
    read and not trained again, so that what was interrupted goes on; one that diverges is told as such. `out` gets the
    table as `seeds.json`. `dataset`, `epochs`, `recipe`, `device`, `use_validation`, `start_from`, `pretrained`,
    `tune`, `quantize`, `freeze_norm`, `layer_decay`, `least_match`, `max_images`, `data_dir`, `licence` and `note` are
    those of `naslab.train`, with `bare` normalisation is left outside of `network.py`; `report` is called with the
    network's name, the seed and every epoch. Raises `StudyError` where a folder holds another training, `SpecError` for
    `start_from` beside several networks, and what `naslab.train` raises.

    >>> import naslab
    >>> naslab.train_seeds("mystudy:front", seeds=3, epochs=60).networks[0].means["accuracy"]  # doctest: +SKIP
    """
    found = find_models(model, ledger, resolution)
    if start_from is not None and len(found) > 1:
        raise SpecError("start_from", "is the weights of one network, several are to be trained: leave it out")
    how = settle(
        found[0],
        dataset,
        recipe,
        freeze_norm=freeze_norm,
        layer_decay=layer_decay,
        max_images=max_images,
        epochs=epochs,
        device=device,
        use_validation=use_validation,
        start_from=start_from,
        pretrained=pretrained,
        tune=tune,
        quantize=quantize,
        least_match=least_match,
        ledger=ledger,
        data_dir=data_dir,
        licence=licence,
        bare=bare,
    )
    numbers = range(seed, seed + seeds)
    names = [_folder_name(each, is_front(model)) for each in found]
    known = {  # another training in a folder is told before anything is trained
        (name, number): done_in(Path(out) / f"{name}seed-{number}", each, number, how)
        for each, name in zip(found, names, strict=True)
        for number in numbers
    }
    networks = []
    for each, name in zip(found, names, strict=True):
        runs = []
        for number in numbers:
            folder = Path(out) / f"{name}seed-{number}"
            done = known[name, number]
            runs.append(_run(folder, each, number, how, report, note) if done is None else _read(folder, number, done))
        networks.append(_network(each, runs))
        table = SeedTable(dataset=how.data.name, epochs=epochs, networks=tuple(networks))
        atomic_write(Path(out) / SUMMARY_FILE, json_content(table.rows()))
    return table


def settle(
    found: Model,
    dataset: str | DataChoice | Data | None,
    recipe: Recipe | str | Path | None,
    *,
    freeze_norm: bool = False,
    layer_decay: float | None = None,
    max_images: int | None = None,
    **how: Any,
) -> How:
    """How the network `found` is trained: its data chosen and checked, its recipe found and fitted to what is tuned.

    `dataset`, `recipe`, `freeze_norm`, `layer_decay` and `max_images` are those of `naslab.train`, `how` the fields of
    `How` beside the data and the recipe.
    """
    data = data_of(found, dataset, how["ledger"], how["data_dir"])
    if max_images is not None:
        data = msgspec.structs.replace(data, max_images=max_images)
    is_pretrained = how["pretrained"] is not None
    settled = recipe_of(recipe, data.name, is_pretrained, how["tune"], freeze_norm, layer_decay, how["quantize"])
    return How(data=data, recipe=settled, **how)


def train_to_folder(
    folder: Path,
    found: Model,
    seed: int,
    how: How,
    report: Callable[[EpochRecord], None],
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train the network `found` from `seed` as `how` says and write `folder`; what its result file says, written last.

    `report` is called with every epoch, `note` with what was taken of pretrained weights, a line at a time. What was in
    `folder` stays until the training is done.
    """
    from naslab.lab.quantising import INT8_FILE
    from naslab.package.folder import write_package

    if how.quantize is not None or how.pretrained is not None:
        require_other_folder(folder, found.weights if how.quantize is not None else None, how.pretrained)
    places = weights, result = folder / WEIGHTS_FILE, folder / RESULT_FILE
    for place in places if folder.exists() else ():
        require_writable(place)
    draft = folder / f"{DRAFT_PREFIX}{WEIGHTS_FILE}"
    try:
        trained = train_one(
            found,
            dataset=how.data,
            epochs=how.epochs,
            recipe=how.recipe,
            seed=seed,
            device=how.device,
            use_validation=how.use_validation,
            start_from=how.start_from,
            pretrained=how.pretrained,
            tune=how.tune,
            quantize=how.quantize,
            least_match=how.least_match,
            save_to=draft,
            ledger=how.ledger,
            data_dir=how.data_dir,
            licence=how.licence,
            report=report,
            note=note,
        )
        result.unlink(missing_ok=True)
        if trained.int8 is None:
            (folder / INT8_FILE).unlink(missing_ok=True)  # of an earlier training
        (folder / SHRUNK_FILE).unlink(missing_ok=True)
        put_in_place(draft, weights)
    finally:
        draft.unlink(missing_ok=True)
    write_package(folder, trained.facts, f"{found.name}, trained by naslab; weights.safetensors fits it.", how.bare)
    value = {
        "model": found.name,
        "dataset": trained.dataset,
        "epochs": how.epochs,
        "recipe": trained.recipe,
        "seed": seed,
        **msgspec.structs.asdict(trained.result),
        **({} if trained.int8 is None else {"int8": trained.int8}),
        "asked": _asked(found, how),
        "folder": str(folder),
    }
    atomic_write(result, json_content(value))
    return value


def done_in(folder: Path, found: Model, seed: int, how: How) -> dict[str, Any] | None:
    """What the result file in `folder` says where it is of this training, `None` where there is none yet.

    The training is that of the network `found` from `seed` as `how` says. Raises `StudyError` where the folder holds
    another one.
    """
    new = {"seed": seed, "epochs": how.epochs, "recipe": how.recipe, **_asked(found, how)}
    return result_in(
        folder, new, lambda told: {each: told.get(each) for each in ("seed", "epochs", "recipe")} | _dict(told, "asked")
    )


def test_metrics(result: dict[str, Any]) -> dict[str, float]:
    """The test metrics of a result file by name, in the units of `naslab.metrics`."""
    accuracy = result.get("test_accuracy")
    values = {ACCURACY.name: accuracy} | _dict(result, "test_metrics")
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def _asked(found: Model, how: How) -> dict[str, Any]:
    """What makes a training beside its epochs, recipe and seed."""
    start = None if how.start_from is None else str(how.start_from)
    asked = {"arch_id": found.arch_id, "data": how.data, "use_validation": how.use_validation, "start_from": start}
    if how.pretrained is not None:
        asked |= {"pretrained": str(how.pretrained), **weights_digest("pretrained_sha256", how.pretrained)}
    if how.tune is not None:
        asked |= {"tune": how.tune}
    if how.quantize is not None:
        asked |= {"quantize": how.quantize, **weights_digest("begins_with_sha256", how.start_from or found.weights)}
    return dict(msgspec.to_builtins(asked))


def _run(folder: Path, found: Model, seed: int, how: How, report: Report, note: Callable[[str], None]) -> SeedRun:
    try:
        value = train_to_folder(folder, found, seed, how, lambda epoch: report(found.name, seed, epoch), note)
    except DivergedError as error:
        return SeedRun(seed=seed, folder=str(folder), failure=str(error))
    return SeedRun(seed=seed, folder=str(folder), measured=test_metrics(value))


def _read(folder: Path, seed: int, done: dict[str, Any]) -> SeedRun:
    return SeedRun(seed=seed, folder=str(folder), measured=test_metrics(done), is_new=False)


def _network(found: Model, runs: Sequence[SeedRun]) -> TrainedNetwork:
    total = cost(found.arch)
    return TrainedNetwork(
        model=found.name,
        trial=found.trial,
        arch_id=found.arch_id,
        macs=total.macs,
        params=total.params,
        runs=tuple(runs),
    )


def _folder_name(found: Model, is_of_front: bool) -> str:
    return f"trial-{found.trial}-" if is_of_front else ""


def _mean(values: Sequence[float]) -> SeedMean:
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return SeedMean(mean, None, len(values))
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return SeedMean(mean, math.sqrt(variance / len(values)), len(values))


def _dict(values: dict[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}
