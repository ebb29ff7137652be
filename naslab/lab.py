"""The lab in a few lines of Python: search a space, train what was found, make families. The commands are thin over it.

study = naslab.search("digits_demo", trials=20)
print(naslab.pareto_front(study).front)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from naslab.analysis.front import FrontTable, front
from naslab.analysis.reference import reference_point
from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec, encode
from naslab.errors import DataError, StudyError
from naslab.execution.events import Observer, StrategyChosen, StudyOpened, ignore
from naslab.execution.executor import Executor
from naslab.execution.search import run_candidates, run_search
from naslab.execution.source import ListSource, make_candidate
from naslab.execution.workers import Workers
from naslab.facts import command_line, machine_facts, version_facts
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.models import Model
from naslab.outcome import EpochRecord
from naslab.problem import DataChoice, Limit, Objective, Problem
from naslab.space import SearchSpace, load_space
from naslab.strategies.choosing import AUTO, StrategyChoice, choose_strategy
from naslab.strategies.registry import make_strategy
from naslab.strategies.strategy import Strategy
from naslab.training.datasets.facts import DATASETS, dataset_facts
from naslab.training.recipe import Recipe, default_recipe
from naslab.training.recipe_files import find_recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.samplers import BaseSampler

    from naslab.estimators.short_training import ShortTraining
    from naslab.training.fit import FitResult

Entrant = tuple[ArchSpec, dict[str, Any]]
"""A network to train beside a search, and where it came from."""


def search(
    space: SearchSpace | str | Path,
    *,
    dataset: str | None = None,
    max_images: int | None = None,
    strategy: str | BaseSampler = "evolution",
    trials: int = 50,
    epochs: int = 4,
    objectives: Sequence[str] = ("accuracy", "macs"),
    limits: Sequence[str] = (),
    baselines: Sequence[str] = (),
    workers: Workers | int | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    seed: int = 0,
    recipe: Recipe | str | Path | None = None,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """Search a space and return the study; the same call again continues it, also after a crash.

    `space` is a space, the name of a shipped one or a YAML file; its input channels and classes follow the data set.
    `max_images` is how many training images are used, validation images among them. `strategy` is a name (`auto`
    leaves the choice to naslab) or a sampler of Optuna. `trials` is a total over all calls, of `epochs` epochs
    each. `limits` such as `"macs<=50e6"` are met before anything is trained. `baselines` are zoo networks trained
    after the search with the same recipe: `short` unless another, its name or its file is given. Raises `NaslabError`
    before the first trial for whatever does not fit.
    """
    problem = make_problem(space, dataset, objectives, limits, recipe, max_images)
    entrants = [baseline(name, problem) for name in baselines]
    crew = workers if isinstance(workers, Workers) else Workers(count=workers)
    name = study or f"{problem.space.name or 'search'}-{strategy_name(strategy)}-{seed}"
    choice = choose_strategy(problem, trials) if strategy == AUTO else None
    make_mind(strategy if choice is None else choice.name, problem, seed)  # refuses a bad one before there is a ledger
    make_strategy("random", problem, seed).ask(1)  # refuses limits that no network meets before a study is made
    with Ledger.open(ledger) as opened:
        if choice is not None:
            choice = begun_with(opened, name, choice)
            strategy = choice.name
        record = StudyRecord(
            name=name,
            problem=msgspec.json.decode(msgspec.json.encode(problem)),
            strategy=strategy_name(strategy),
            epochs=epochs,
            seed=seed,
            trials=trials,
            created=time.time(),
        )
        mind = make_mind(strategy, problem, seed)
        open_record(opened, record)
        opened.add_run(record.name, run_record(crew))
        on_event(StudyOpened(record, problem, tuple(opened.outcomes(record.name, "search"))))
        if choice is not None:
            on_event(StrategyChosen(choice.name, choice.reason))
        with crew.start(estimator_of(problem, data_dir)) as executor:
            run_search(record.name, opened, mind, executor, problem, epochs, seed, trials, on_event)
            if entrants:
                run_entrants(opened, record, executor, "baseline", entrants, on_event)
        return read_study(opened, record.name)


def train_family(
    study: StudyView,
    entrants: Sequence[Entrant],
    ledger: str | Path,
    workers: Workers | None = None,
    data_dir: str | None = None,
    on_event: Observer = ignore,
) -> StudyView:
    """Train rescaled networks with a study's recipe, epochs and data, and keep them in the study as its family."""
    crew = workers or Workers()
    with Ledger.open(ledger, create=False) as opened:
        opened.add_run(study.record.name, run_record(crew))
        on_event(StudyOpened(study.record, study.problem, study.outcomes))
        with crew.start(estimator_of(study.problem, data_dir)) as executor:
            run_entrants(opened, study.record, executor, "family", entrants, on_event)
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
    facts = dataset_facts(choice.name)
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
        dataset_facts(dataset)
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
    path.write_text(network_source(module, title), encoding="utf-8")
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


def front_figure(study: StudyView, x: str = "macs", y: str = "accuracy") -> go.Figure:
    """The Pareto front of a study as a Plotly figure, its baselines and family beside it."""
    from naslab.analysis.family import family
    from naslab.figures.front import front_figure as draw

    return draw(pareto_front(study, (y, x)), x, y, family(study.baselines), family(study.family))


def write_report(study: StudyView, path: str | Path, ledger: str | Path = "naslab.db") -> None:
    """Everything about a study in one HTML file that opens offline."""
    from naslab.figures.report import write_report as write

    write(study, Path(path), str(ledger))


def make_problem(
    space: SearchSpace | str | Path,
    dataset: str | None,
    objectives: Sequence[str],
    limits: Sequence[str],
    recipe: Recipe | str | Path | None,
    max_images: int | None = None,
) -> Problem:
    """The problem that a search is about; every name in it is checked here."""
    template = space if isinstance(space, SearchSpace) else load_space(space)
    name = dataset or fitting_dataset(template)
    facts = dataset_facts(name)
    if isinstance(recipe, str | Path):
        recipe = find_recipe(recipe, name)
    goals = tuple(Objective.named(metric) for metric in objectives)
    if not goals:
        raise StudyError("a search needs at least one objective, such as accuracy")
    if len({goal.metric for goal in goals}) < len(goals):
        raise StudyError(f"an objective is named twice: {', '.join(objectives)}")
    return Problem(
        space=template.for_data(facts.channels, facts.num_classes),
        objectives=goals,
        data=DataChoice(name=name, max_images=max_images),
        recipe=recipe or default_recipe(name),
        limits=tuple(Limit.parse(text) for text in limits),
    )


def fitting_dataset(space: SearchSpace) -> str:
    """The data set whose images and classes a space is made for."""
    wanted = (*space.template["input"], space.template["num_classes"])
    for name, facts in DATASETS.items():
        if (facts.channels, facts.height, facts.width, facts.num_classes) == wanted:
            return name
    size = " x ".join(map(str, wanted[:3]))
    raise StudyError(
        f"no data set has images of {size} in {wanted[3]} classes as the space does; "
        f"name one: {', '.join(DATASETS)} or image_folder:PATH"
    )


def baseline(name: str, problem: Problem) -> Entrant:
    """A zoo network for a problem's images and classes, at the space's resolution."""
    from naslab import zoo

    channels, height, width = problem.space.template["input"]
    arch = zoo.model(
        name, num_classes=problem.space.template["num_classes"], resolution=(height, width), in_channels=channels
    )
    return arch, {"zoo": name}


def strategy_name(strategy: str | BaseSampler) -> str:
    """What a study calls its strategy; `auto` is the name of one that is yet to be chosen."""
    return strategy if isinstance(strategy, str) else f"optuna.{type(strategy).__name__}"


def make_mind(strategy: str | BaseSampler, problem: Problem, seed: int) -> Strategy:
    """The strategy of a name, or one that thinks with a sampler of Optuna."""
    if isinstance(strategy, str):
        return make_strategy(strategy, problem, seed)
    from naslab.strategies.optuna_bridge import sampler_strategy

    return sampler_strategy(strategy, problem, seed)


def begun_with(ledger: Ledger, study: str, choice: StrategyChoice) -> StrategyChoice:
    """The choice, or the strategy that the study was begun with where there is one: a larger budget changes nothing."""
    if study not in ledger.study_names():
        return choice
    return StrategyChoice(ledger.study(study).strategy, "the study was begun with it")


def estimator_of(problem: Problem, data_dir: str | None) -> ShortTraining:
    """The estimator of a problem: short training, with latency where it is an objective."""
    from naslab.estimators.short_training import ShortTraining

    wants_latency = any(goal.metric == "latency_ms" for goal in problem.objectives)
    return ShortTraining(data=problem.data, recipe=problem.recipe, data_dir=data_dir, latency=wants_latency)


def open_record(ledger: Ledger, record: StudyRecord) -> None:
    """Make the study, or take up the one of that name if it is the same search."""
    if record.name not in ledger.study_names():
        ledger.create_study(record)
        return
    there = ledger.study(record.name)
    for field in ("problem", "strategy", "epochs", "seed"):
        old, new = getattr(there, field), getattr(record, field)
        if field == "problem" and old != new:
            part = next(key for key in new if old.get(key) != new[key])
            field, old, new = part, old.get(part), new[part]
        if old != new:
            raise StudyError(
                f"study '{record.name}' was made with another {field}: {_brief(old)}, asked for {_brief(new)}; "
                f"continue it as it was, or give the new search its own name (--study NAME)"
            )
    ledger.set_trials(record.name, record.trials)


def run_entrants(
    ledger: Ledger,
    record: StudyRecord,
    executor: Executor,
    role: Literal["family", "baseline"],
    entrants: Sequence[Entrant],
    on_event: Observer,
) -> None:
    """Train networks beside a search, those that the study has no result of."""
    candidates = [make_candidate(arch, 0, record.epochs, record.seed, role, origin=origin) for arch, origin in entrants]
    run_candidates(record.name, ledger, executor, ListSource(candidates), on_event)


def run_record(crew: Workers) -> RunRecord:
    """This launch: the command, the machine and the versions."""
    return RunRecord(
        command=command_line(),
        started=time.time(),
        machine=machine_facts(),
        versions=version_facts(),
        executor=crew.kind,
        num_workers=crew.num_workers,
    )


def _brief(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 160 else text[:157] + "..."
