"""The lab in a few lines of Python: search a space, train what was found, make families. The commands are thin over it.

study = naslab.search("digits_demo", trials=20)
print(naslab.pareto_front(study).front)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from naslab.analysis.front import FrontTable, front
from naslab.analysis.reference import reference_point
from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec, encode
from naslab.atomic_write import atomic_write
from naslab.errors import DataError, StudyError
from naslab.estimators.estimator import Estimator
from naslab.execution.checkpoints import sweep_checkpoints
from naslab.execution.events import Observer, StrategyChosen, StudyOpened, ignore
from naslab.execution.executor import Executor
from naslab.execution.search import run_candidates
from naslab.execution.search_source import require_stoppable, search_source
from naslab.execution.source import ListSource, make_candidate
from naslab.execution.workers import Workers
from naslab.lab.models import Model
from naslab.lab.problems import ListedNetwork as ListedNetwork
from naslab.lab.problems import baseline, make_problem, resolve_strategy, strategy_name
from naslab.lab.records import begun_with
from naslab.lab.records import open_record as open_record
from naslab.lab.records import run_record as run_record
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, DEFAULT_OBJECTIVES, MACS, TIMING
from naslab.space import SearchSpace
from naslab.strategies.choosing import AUTO, choose_strategy
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import EpochRecord
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe
from naslab.study.rungs import Rungs
from naslab.training.datasets.info import DATASETS, dataset_info
from naslab.training.memory import WorkerMemory
from naslab.training.recipe_files import find_recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.samplers import BaseSampler

    from naslab.training.fit import FitResult


def search(
    space: SearchSpace | str | Path,
    *,
    dataset: str | DataChoice | None = None,
    max_images: int | None = None,
    strategy: str | BaseSampler = "evolution",
    trials: int = 50,
    epochs: int = 4,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    limits: Sequence[str] = (),
    baselines: Sequence[str] = (),
    workers: Workers | int | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    seed: int = 0,
    recipe: Recipe | str | Path | None = None,
    rungs: Rungs | Sequence[int] | None = None,
    stop_early: float | None = None,
    inherit: bool = False,
    estimator: str | None = None,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """Search a space and return the study; the same call again continues it, also after a crash.

    `space` is a space, the name of a shipped one or a YAML file; its input channels and classes follow the data set.
    `max_images` is how many training images are used, validation images among them; a `DataChoice` in the place of the
    data set's name says more: how it is split, and whether its images are held in memory or streamed. `strategy` is a
    name (`auto` leaves the choice to naslab) or a sampler of Optuna. `trials` is a total over all calls, of `epochs`
    epochs each. `limits` such as `"macs<=50e6"` are met before anything is trained. `baselines` are zoo networks
    trained after the search with the same recipe: `short` unless another, its name or its file is given.

    `rungs` such as `(1, 3, 9)` take the place of `epochs`: `trials` networks are trained for the first, and the best
    third of each rung is trained on to the next, in trials of their own. `stop_early` is a confidence such as 0.95: a
    training ends when with this confidence its final accuracy will not bring the network to the front at its cost.
    With `inherit` a candidate that a strategy made from others begins with the weights of one of them; by rungs it does
    so on the first, with what its parent was there, and a promotion goes on from its own.
    `estimator` takes the place of short training: `"supernet:path=FILE"`, or `"predictor:study=NAME"`, which predicts
    what another study of the ledger would measure.
    Raises `NaslabError` before the first trial for whatever does not fit.
    """
    ladder = rungs if isinstance(rungs, Rungs) or rungs is None else Rungs(tuple(rungs))
    problem = make_problem(space, dataset, objectives, limits, recipe, max_images)
    if stop_early is not None:
        require_stoppable(stop_early, problem.objectives)
    if estimator is not None and (rungs is not None or inherit or stop_early is not None or baselines):
        raise StudyError(f"'{estimator}' trains nothing: leave rungs, inherit, stop_early and baselines out")
    listed = [baseline(name, problem) for name in baselines]
    pool = workers if isinstance(workers, Workers) else Workers(count=workers)
    name = study or f"{problem.space.name or 'search'}-{strategy_name(strategy)}-{seed}"
    choice = choose_strategy(problem, trials) if strategy == AUTO else None
    resolve_strategy(
        strategy if choice is None else choice.name, problem, seed
    )  # refuses a bad one before there is a ledger
    drawn = make_strategy("random", problem, seed).ask(1)  # refuses limits that no network meets before a study is made
    memory = WorkerMemory(problem.recipe, problem.data)
    archs = [problem.space.decode(proposal.genome) for proposal in drawn]
    search_estimator = None
    if estimator is not None:
        from naslab.lab.search_estimators import (
            find_search_estimator,  # loads scipy, which other searches may do without
        )

        search_estimator = find_search_estimator(estimator, problem, archs, ledger, data_dir, seed)
    pool = pool.packed(memory, [make_candidate(arch, 0, epochs, seed, "search") for arch in archs])
    with Ledger.open(ledger) as opened:
        if choice is not None:
            choice = begun_with(opened, name, choice)
            strategy = choice.name
        record = StudyRecord(
            name=name,
            problem=msgspec.json.decode(msgspec.json.encode(problem)),
            strategy=strategy_name(strategy),
            epochs=epochs if ladder is None else ladder.epochs[-1],
            seed=seed,
            trials=trials,
            created=time.time(),
            rungs=ladder,
            stop_early=stop_early,
            inherit=inherit,
            estimator="" if search_estimator is None else search_estimator.name,
            estimator_file="" if search_estimator is None else search_estimator.sha256,
        )
        search_strategy = resolve_strategy(strategy, problem, seed)
        open_record(opened, record)
        opened.add_run(record.name, run_record(pool))
        on_event(StudyOpened(record, problem, tuple(opened.outcomes(record.name, "search"))))
        if choice is not None:
            on_event(StrategyChosen(choice.name, choice.reason))
        made = (
            estimator_of(problem, data_dir, record, opened) if search_estimator is None else search_estimator.estimator
        )
        with pool.start(made, memory) as executor:
            tidy = partial(sweep_checkpoints, opened, record, problem.objectives)
            run_candidates(
                record.name, opened, executor, search_source(search_strategy, problem, record, opened), on_event, tidy
            )
            if listed:
                run_listed(opened, record, executor, "baseline", listed, on_event, tidy)
        return read_study(opened, record.name)


def train_family(
    study: StudyView,
    listed: Sequence[ListedNetwork],
    ledger: str | Path,
    workers: Workers | None = None,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """Train rescaled networks with a study's recipe, epochs and data, and keep them in the study as its family."""
    pool = workers or Workers()
    with Ledger.open(ledger, create=False) as opened:
        opened.add_run(study.record.name, run_record(pool))
        on_event(StudyOpened(study.record, study.problem, study.outcomes))
        memory = WorkerMemory(study.problem.recipe, study.problem.data)
        with pool.start(estimator_of(study.problem, data_dir), memory) as executor:
            run_listed(opened, study.record, executor, "family", listed, on_event)
        return read_study(opened, study.record.name)


def study_of_one(
    model: Model,
    dataset: str | None,
    epochs: int,
    study: str | None,
    workers: Workers,
    ledger: str | Path,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """A study that holds one network alone, trained: the baseline that a family of it is compared with."""
    return search(
        space_of_one(model.arch, Path(model.name).stem),
        dataset=dataset,
        strategy="random",
        trials=1,
        epochs=epochs,
        workers=workers,
        ledger=ledger,
        study=study or f"{Path(model.name).stem}-family",
        data_dir=data_dir,
        on_event=on_event,
    )


def space_of_one(arch: ArchSpec, name: str) -> SearchSpace:
    """The space that holds one network: a space needs a hole, so its activation is chosen from one."""
    return SearchSpace(template={**encode(arch), "activation": {"choice": [arch.activation]}}, name=name)


class Trained(msgspec.Struct, frozen=True):
    """A network trained to the end: what was trained, on what, how, and how well it does on the test set."""

    arch: ArchSpec
    dataset: str
    recipe: Recipe
    result: FitResult


def train(
    model: Model | ArchSpec,
    *,
    dataset: str | None = None,
    epochs: int = 20,
    recipe: Recipe | str | Path = "full",
    seed: int = 0,
    device: str = "auto",
    use_validation: bool = False,
    start_from: str | Path | None = None,
    save_to: str | Path | None = None,
    ledger: str | Path = "naslab.db",
    data_dir: str | None = None,
    report: Callable[[EpochRecord], None] = lambda _: None,
) -> Trained:
    """Train one network and read the test set once, at the end; its channels and classes follow the data set.

    A study's network is trained on the study's data unless another set is named. `save_to` takes the weights as
    safetensors. Raises `NaslabError` for data, weights or a device that do not fit.
    """
    from naslab.training.fit import fit_and_test

    found = model if isinstance(model, Model) else Model("network", model)
    choice = data_of(found, dataset, ledger)
    facts = dataset_info(choice.name)
    arch = msgspec.structs.replace(
        found.arch, input=(facts.channels, *found.arch.input[1:]), num_classes=facts.num_classes
    )
    how = recipe if isinstance(recipe, Recipe) else find_recipe(recipe, choice.name)
    result = fit_and_test(
        arch,
        choice,
        how,
        epochs,
        seed=seed,
        data_dir=data_dir,
        device=device,
        use_validation=use_validation,
        start_from=start_from,
        save_to=save_to,
        report=report,
    )
    return Trained(arch, choice.name, how, result)


def data_of(model: Model, dataset: str | None, ledger: str | Path) -> DataChoice:
    """The data to train a model on: the set that was named, else its study's."""
    if dataset is not None:
        dataset_info(dataset)
        return DataChoice(name=dataset)
    if model.study is None:
        raise DataError(f"say what to train {model.name} on: --dataset {', '.join(DATASETS)} or image_folder:PATH")
    return open_study(model.study, ledger).problem.data


def export_network(
    arch: ArchSpec, path: Path, title: str, onnx: Path | None = None, weights: Path | None = None
) -> list[Path]:
    """Write a network as a Python file that needs torch alone, and with its weights as ONNX; the files written."""
    from naslab.arch.build import build
    from naslab.arch.source import network_source
    from naslab.training.onnx_file import write_onnx
    from naslab.training.weights import load_weights

    module = build(arch, seed=0)
    atomic_write(path, network_source(module, title))
    if onnx is None:
        return [path]
    if weights is not None:
        load_weights(module, weights)
    write_onnx(module, arch.input, onnx)
    return [path, onnx]


def open_study(name: str, ledger: str | Path = "naslab.db") -> StudyView:
    """A study as its ledger has it now."""
    with Ledger.open(ledger, create=False) as opened:
        return read_study(opened, name)


def pareto_front(study: StudyView, objectives: Sequence[str] | None = None) -> FrontTable:
    """The front of a study in its own objectives or in others, with the hypervolume and its reference point."""
    goals = study.problem.objectives if objectives is None else tuple(map(Objective.named, objectives))
    return front(study.outcomes, goals, reference_point(study.problem, study.outcomes, goals))


def front_figure(study: StudyView, x: str = MACS.name, y: str = ACCURACY.name) -> go.Figure:
    """The Pareto front of a study as a Plotly figure, its baselines and family beside it."""
    from naslab.analysis.family import family
    from naslab.figures.front import front_figure as draw

    up, along = (Objective.named(each).metric for each in (y, x))
    return draw(pareto_front(study, (y, x)), along, up, family(study.baselines), family(study.family))


def write_report(study: StudyView, path: str | Path, ledger: str | Path = "naslab.db") -> None:
    """Everything about a study in one HTML file that opens offline."""
    from naslab.figures.report import write_report as write

    write(study, Path(path), str(ledger))


def estimator_of(
    problem: Problem, data_dir: str | None, record: StudyRecord | None = None, ledger: Ledger | None = None
) -> Estimator:
    """The estimator of a problem: short training, with latency where it is an objective.

    For a study with rungs or inheritance it leaves checkpoints beside the ledger.
    """
    from naslab.estimators.inheritance import InheritedTraining
    from naslab.estimators.short_training import ShortTraining

    checkpoints = None
    if record is not None and ledger is not None and (record.rungs is not None or record.inherit):
        checkpoints = str(ledger.checkpoints(record.name).folder.absolute())
    training = ShortTraining(
        data=problem.data,
        recipe=problem.recipe,
        data_dir=data_dir,
        latency=bool(problem.measured_by(TIMING)),
        checkpoints=checkpoints,
        stop_early=None if record is None else record.stop_early,
    )
    return InheritedTraining(training=training) if record is not None and record.inherit else training


def run_listed(
    ledger: Ledger,
    record: StudyRecord,
    executor: Executor,
    role: Literal["family", "baseline"],
    listed: Sequence[ListedNetwork],
    on_event: Observer,
    tidy: Callable[[], object] = lambda: None,
) -> None:
    """Train networks beside a search, those that the study has no result of."""
    candidates = [make_candidate(arch, 0, record.epochs, record.seed, role, origin=origin) for arch, origin in listed]
    run_candidates(record.name, ledger, executor, ListSource(candidates), on_event, tidy)
