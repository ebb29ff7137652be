"""Bringing a network with weights under a budget: widths and depths searched with inherited weights, then fine-tuned.

table = naslab.shrink("efficientnet_lite0", "0.5x", weights="w.pth", dataset="cifar10", out="small")
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naslab.analysis.shrinking import ShrinkTable, ShrunkNetwork
from naslab.arch import ArchSpec, arch_id, cost
from naslab.arguments import function, number, optional, path, takes, text
from naslab.atomic_write import DRAFT_PREFIX, atomic_write, json_content, make_folder, require_writable
from naslab.errors import DataError, DivergedError, LimitError, SpecError, counted, shown
from naslab.lab.models import (
    COUNT,
    DATASET,
    FOLDER,
    LEDGER,
    MAX_IMAGES,
    MODEL,
    RECIPE,
    SEED,
    TRIALS,
    AnyModel,
    Model,
    find_model,
)
from naslab.lab.packages import Training, facts_of_training, require_other_folder
from naslab.lab.quantising import INT8_FILE
from naslab.lab.result_files import RESULT_FILE
from naslab.lab.seeds import SHRUNK_FILE
from naslab.lab.training import SCRATCH, data_of, recipe_of
from naslab.metrics import MACS
from naslab.package.facts import WEIGHTS_FILE, Facts
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Fidelity
from naslab.study.problem import Limit
from naslab.study.recipe import Recipe
from naslab.training.data import load_dataset
from naslab.training.datasets.class_names import class_names
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.fitting import require_recipe_fits, require_split
from naslab.training.datasets.given import Data
from naslab.training.datasets.info import facts_of
from naslab.training.fidelity import data_at
from naslab.training.fit import fit_and_test

if TYPE_CHECKING:
    from naslab.pretrained.carried import Carried
    from naslab.pretrained.start import Pretrained
    from naslab.training.fit import FitResult

TABLE_FILE = SHRUNK_FILE
SCORED_ON = 1000
"""Training images that candidates are probed on."""


@takes(
    model=MODEL,
    target_macs=text("a share of the model's macs, as 0.5x, or an amount, as 50M"),
    weights=optional(path("weights, as naslab.train takes them,")),
    dataset=DATASET,
    out=path("a folder"),
    trials=TRIALS,
    epochs=COUNT,
    recipe=RECIPE,
    least_match=number(),
    max_images=MAX_IMAGES,
    seed=SEED,
    device=text("a torch device, or auto"),
    ledger=LEDGER,
    data_dir=FOLDER,
    note=function(),
)
def shrink(
    model: AnyModel,
    target_macs: str,
    *,
    weights: str | Path | None = None,
    dataset: str | DataChoice | Data | None = None,
    out: str | Path = "shrunk",
    trials: int = 40,
    epochs: int = 5,
    recipe: Recipe | str | Path | None = None,
    least_match: float = 0.9,
    max_images: int | None = None,
    seed: int = 0,
    device: str = "auto",
    ledger: str | Path = "naslab.db",
    data_dir: str | Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> ShrinkTable:
    """Bring `model` with `weights` under a budget of macs, and compare it with what is simpler; a folder is written.

    `target_macs` is a share of the model's (`"0.5x"`) or an amount (`"50M"`). `trials` narrower and shallower networks
    within it are given the weights, their channels sorted by importance, and judged by a linear probe on validation
    images of `dataset`; the best is trained for `epochs`, and so are a network of one share of all widths, and the best
    from random weights; where one of these two diverges, its row says so. `recipe` is by default `fine-tune`, of that
    from nothing `full`. `weights` are those that `naslab.train` takes as `pretrained`, by default the model's own,
    where it is a trained folder; less of them than `least_match` is refused. `max_images`, `seed`, `device`, `ledger`
    and `data_dir` are those of `naslab.train`. `out` becomes a model for every command, with the table as
    `shrink.json`; `note` takes a line for each step. Raises `LimitError` for a budget that cannot be met,
    `DivergedError` where the network itself diverges, `DataError` without weights or classes, and `NaslabError` for
    whatever else does not fit, before anything is trained.

    >>> import naslab
    >>> naslab.shrink("mobilenet_v2", "0.5x", weights="torchvision", dataset="cifar10").networks  # doctest: +SKIP
    """
    from naslab.pretrained.carried import Carried
    from naslab.pretrained.narrowing import search_cuts, uniform_network
    from naslab.pretrained.start import pretrained as begin_with

    found = find_model(model, ledger)
    source = weights if weights is not None else found.weights
    if source is None:
        raise DataError(f"say which weights {found.name} begins with: --weights, as torchvision, or a file")
    choice, info = _classes_of(found, dataset, max_images, ledger, data_dir)
    arch = msgspec.structs.replace(
        found.arch, input=(info.channels, *found.arch.input[1:]), num_classes=info.num_classes
    )
    how = {way: recipe_of(recipe, choice.name, True, way, False, None) for way in ("all", SCRATCH)}
    for each in how.values():
        require_recipe_fits(each, info, choice.name)
    require_split(choice, data_dir)
    target = macs_asked(target_macs, arch)
    uniform_network(arch, target)  # refuses a budget that is out of reach
    folder = Path(out)
    require_other_folder(folder, source)
    make_folder(folder)
    require_writable(folder / WEIGHTS_FILE)
    names = class_names(choice, None if data_dir is None else Path(data_dir))
    begun = begin_with(
        arch, source, model=found.name, ledger=ledger, class_names=names, least_share=least_match, seed=seed
    )
    for line in begun.lines:
        note(line)
    carried = Carried(begun.arch, begun.weights, seed)
    score = _probe_of(carried, begun, choice, seed, data_dir, device)
    small, scored = search_cuts(begun.arch, target, score, trials, seed)
    uniform = uniform_network(begun.arch, target)
    probes = {arch_id(each): score(each) for each in (small, uniform)}
    note(f"{counted(scored, 'network')} of at most {target:,.0f} macs looked at; the best has {cost(small).macs:,}")
    rows = []
    draft = folder / f"{DRAFT_PREFIX}{WEIGHTS_FILE}"
    try:
        for way, net, tune in (("shrunk", small, "all"), ("uniform", uniform, "all"), ("from nothing", small, SCRATCH)):
            probe = probes[arch_id(net)] if tune == "all" else None
            try:
                result = fit_and_test(
                    net,
                    choice,
                    how[tune],
                    epochs,
                    seed=seed,
                    data_dir=data_dir,
                    device=device,
                    beginning=begun.beginning._replace(weights={} if tune == SCRATCH else carried.weights(net)),
                    save_to=draft if way == "shrunk" else None,
                )
            except DivergedError as error:
                if way == "shrunk":
                    raise
                rows.append(_row(way, net, None, probe, str(error)))
                note(f"{way}: {error}")
                continue
            rows.append(_row(way, net, result, probe))
            note(f"{way}: {result.test_accuracy:.2f} +- {result.test_accuracy_sem:.2f} % of the test images")
            if way == "shrunk":
                training = Training(choice, how[tune], epochs, seed, result)
                facts = facts_of_training(found, net, training, ledger, data_dir)
                _write_shrunk(folder, draft, facts, found.name)
    finally:
        draft.unlink(missing_ok=True)
    table = ShrinkTable(
        model=found.name,
        source=str(source),
        dataset=choice.name,
        target=target,
        macs=cost(arch).macs,
        params=cost(arch).params,
        scored=scored,
        epochs=epochs,
        seed=seed,
        networks=tuple(rows),
    )
    atomic_write(folder / TABLE_FILE, json_content(table.rows()))
    return table


def _classes_of(
    found: Model,
    dataset: str | DataChoice | Data | None,
    max_images: int | None,
    ledger: str | Path,
    data_dir: str | Path | None,
) -> tuple[DataChoice, DataFacts]:
    """The data that networks are compared on and what is known of them; refused where they have no classes."""
    choice = data_of(found, dataset, ledger, data_dir)
    if max_images is not None:
        choice = msgspec.structs.replace(choice, max_images=max_images)
    info = facts_of(choice, data_dir)
    if info.task != "classification":
        raise DataError(f"networks are compared by accuracy, {choice.name} is a {info.task}: name a classification")
    return choice, info


def _probe_of(
    carried: Carried, begun: Pretrained, choice: DataChoice, seed: int, data_dir: str | Path | None, device: str
) -> Callable[[ArchSpec], float]:
    """What a network with the weights that it takes is worth: the accuracy of a linear probe on validation images."""
    from naslab.pretrained.scoring import probe_accuracy

    split = begun.beginning.normalised(load_dataset(choice, data_dir, device))
    few = data_at(split, Fidelity(epochs=1, images=min(SCORED_ON, len(split.train))), seed)

    def score(each: ArchSpec) -> float:
        module = carried.module(each).to(few.train.labels.device)
        return probe_accuracy(module, few, each.input[1:])

    return score


def _write_shrunk(folder: Path, draft: Path, facts: Facts, name: str) -> None:
    """Put the weights of the `draft` with their `facts` into the folder, in place of an earlier training there."""
    from naslab.package.folder import copy_weights, write_package

    for earlier in (RESULT_FILE, INT8_FILE, TABLE_FILE):
        (folder / earlier).unlink(missing_ok=True)
    copy_weights(draft, folder / WEIGHTS_FILE, facts)
    write_package(folder, facts, f"{name}, shrunk by naslab; weights.safetensors fits it.")


def macs_asked(text: str, arch: ArchSpec) -> float:
    """The budget that `text` says for a network: a share of its macs, `0.5x`, or an amount, `50M` or `5e7`.

    Raises `SpecError` for what is neither, and `LimitError` for a budget that the network meets as it is.

    >>> from naslab.zoo import model
    >>> macs_asked("50M", model("mobilenet_v2"))
    50000000.0
    """
    whole = cost(arch).macs
    share = text.strip().removesuffix("x")
    if share != text.strip():
        try:
            value = float(share) * whole
        except ValueError:
            value = math.nan
    else:
        try:
            value = Limit.parse(f"{MACS.name}<={text.strip()}").most
        except SpecError:
            value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise SpecError("target_macs", f"must be a share as 0.5x, or an amount as 50M, got '{shown(text)}'")
    if value >= whole:
        raise LimitError(f"the network has {whole:,} macs, which {value:,.0f} allow: ask for fewer")
    return value


def _row(way: str, arch: ArchSpec, result: FitResult | None, probe: float | None, failure: str = "") -> ShrunkNetwork:
    total = cost(arch)
    return ShrunkNetwork(
        way=way,
        arch_id=arch_id(arch),
        macs=total.macs,
        params=total.params,
        accuracy=None if result is None else result.test_accuracy,
        sem=None if result is None else result.test_accuracy_sem,
        validation=None if result is None else result.curve[-1].validation_accuracy,
        probe=probe,
        failure=failure,
    )
