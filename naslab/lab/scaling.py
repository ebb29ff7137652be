"""Coefficients and laws fitted to a network: trainings as a study, on the same executors and ledger as a search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from naslab.analysis.law_points import NEEDED
from naslab.analysis.scaling_fit import CompoundFit, fit_of_study
from naslab.analysis.scaling_law import LawTable, scaling_laws
from naslab.analysis.study import StudyView, read_study
from naslab.arch import ArchSpec, arch_id
from naslab.arguments import instance, many, number, takes, text, whole
from naslab.errors import StudyError, UnknownNameError
from naslab.execution.events import Observer, StudyOpened, ignore
from naslab.execution.search import run_candidates
from naslab.execution.source import ListSource, make_candidate
from naslab.execution.workers import Workers
from naslab.lab.families import space_of_one
from naslab.lab.models import (
    COUNT,
    FOLDER,
    LEDGER,
    MAX_IMAGES,
    MODEL,
    NAME,
    OBSERVER,
    RECIPE,
    WORKERS,
    AnyModel,
    Model,
    find_model,
)
from naslab.lab.records import run_record, taken_up
from naslab.lab.search_estimators import estimator_of
from naslab.lab.training import data_of
from naslab.ledger.ledger import Ledger
from naslab.ledger.location import locate
from naslab.ledger.record import StudyRecord
from naslab.metrics import DEFAULT_OBJECTIVES
from naslab.scaling.coefficients import Coefficients
from naslab.scaling.compound import Compound
from naslab.scaling.grid import Grid, compound_grid, given_grid
from naslab.scaling.rounding import ROUNDINGS
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Fidelity
from naslab.study.problem import Objective, Problem
from naslab.study.recipe import Recipe
from naslab.training.datasets.info import facts_of
from naslab.training.recipe_files import find_recipe


@takes(
    model=MODEL,
    dataset=NAME,
    max_images=MAX_IMAGES,
    budget_ratio=number(),
    epochs=COUNT,
    seeds=whole(most=10_000),
    step=number(),
    points=whole(most=1_000_000),
    tolerance=number(),
    rounding=text("the name of a rounding"),
    grid=many(instance(Compound)),
    workers=WORKERS,
    ledger=LEDGER,
    study=NAME,
    recipe=RECIPE,
    data_dir=FOLDER,
    on_event=OBSERVER,
)
def fit_compound(
    model: AnyModel,
    *,
    dataset: str | None = None,
    max_images: int | None = None,
    budget_ratio: float = 2.0,
    epochs: int = 4,
    seeds: int = 3,
    step: float = 0.05,
    points: int = 16,
    tolerance: float = 0.05,
    rounding: str = "plain",
    grid: Sequence[Compound] | Compound = (),
    workers: Workers | int | Literal["auto"] | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    recipe: Recipe | str | Path | None = None,
    data_dir: str | Path | None = None,
    on_event: Observer = ignore,
) -> CompoundFit:
    """Fit compound coefficients to a network by training ways to spend `budget_ratio` times its macs.

    `model` is the baseline. It and every point are trained on `dataset` for `epochs` epochs with `seeds` seeds; the
    same call again continues the study, also after a crash, and with more seeds or points adds them. The grid has
    coefficients in steps of `step`; `points` of its networks whose macs, after `rounding` (the name of one), are within
    `tolerance` (a share) of the budget are trained, or those of `grid`, coefficients chosen by hand. `max_images` is
    how many training images are used, `recipe` how networks are trained. `workers` is how many train side by side, or a
    `Workers`; `ledger` the file or database URL that keeps the study, and `study` its name there. `on_event` is called
    with what happens. `STUDY:best` and its like are trained on their study's data unless another set is named.

    Raises `NaslabError` before the first training for whatever does not fit: `StudyError` for numbers out of range,
    `UnknownNameError` for a rounding that is none.

    >>> import naslab
    >>> fit = naslab.fit_compound("resnet20_cifar", dataset="cifar10", seeds=3)  # doctest: +SKIP
    >>> fit.compound.factors(1)  # doctest: +SKIP
    """
    found = find_model(model, ledger)
    assert isinstance(grid, tuple)
    assert data_dir is None or isinstance(data_dir, str)
    if rounding not in ROUNDINGS:
        raise UnknownNameError("rounding", rounding, ROUNDINGS)
    if seeds < 1:
        raise StudyError(f"seeds: a fit needs at least 1 seed, got {seeds}")
    problem = problem_of(found, dataset, max_images, ledger, recipe)
    base = problem.space.decode(problem.space.genome_at(0))
    candidates = (
        given_grid(base, grid, budget_ratio, tolerance, ROUNDINGS[rounding])
        if grid
        else compound_grid(base, budget_ratio, step, points, tolerance, ROUNDINGS[rounding])
    )
    view = run_trainings(
        study or f"{short_name(found)}-scaling",
        problem,
        trainings(found, base, candidates, rounding, epochs, seeds),
        workers if isinstance(workers, Workers) else Workers(count=workers),
        ledger,
        data_dir,
        on_event,
    )
    return fit_of_study(view, budget_ratio)


@takes(
    model=MODEL,
    images=many(whole()),
    dataset=NAME,
    epochs=COUNT,
    seeds=whole(most=10_000),
    workers=WORKERS,
    ledger=LEDGER,
    study=NAME,
    recipe=RECIPE,
    data_dir=FOLDER,
    on_event=OBSERVER,
)
def fit_data_law(
    model: AnyModel,
    *,
    images: Sequence[int],
    dataset: str | None = None,
    epochs: int = 4,
    seeds: int = 3,
    workers: Workers | int | Literal["auto"] | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    recipe: Recipe | str | Path | None = None,
    data_dir: str | Path | None = None,
    on_event: Observer = ignore,
) -> LawTable:
    """The law of a network's error against the number of images that it is trained on.

    Every training of `model` takes the same number of steps: `epochs` over the most of `images`, more over fewer, each
    with `seeds` seeds. All are judged by the same validation images of `dataset`, which are never trained on. The same
    call again continues the study, also after a crash, and with more seeds or numbers of images adds them, if the most
    of them stays what it is. `recipe` is how networks are trained. `workers` is how many train side by side, or a
    `Workers`; `ledger` the file or database URL that keeps the study, and `study` its name there. `on_event` is called
    with what happens. Raises `NaslabError` before the first training for whatever does not fit.

    >>> import naslab
    >>> images = (1_000, 2_000, 4_000, 8_000, 16_000)
    >>> law = naslab.fit_data_law("resnet20_cifar", images=images, dataset="cifar10")  # doctest: +SKIP
    >>> law.laws[0].best.exponent  # doctest: +SKIP
    """
    found = find_model(model, ledger)
    assert data_dir is None or isinstance(data_dir, str)
    problem = problem_of(found, dataset, None, ledger, recipe)
    require_numbers(images, seeds, problem.data)
    base = problem.space.decode(problem.space.genome_at(0))
    jobs = [
        msgspec.structs.replace(
            make_candidate(base, 0, epochs, seed, "search", origin={"operator": "data law"}),
            fidelity=Fidelity(epochs=max(1, round(epochs * max(images) / number)), images=number),
        )
        for seed in range(seeds)
        for number in sorted(images)
    ]
    pool = workers if isinstance(workers, Workers) else Workers(count=workers)
    name = study or f"{short_name(found)}-data-law"
    return scaling_laws(run_trainings(name, problem, jobs, pool, ledger, data_dir, on_event, epochs), ("images",))


def require_numbers(images: Sequence[int], seeds: int, data: DataChoice) -> None:
    """Raise `StudyError` unless there are enough numbers of images for a law, and images for each of them."""
    facts = facts_of(data)
    distinct = set(images)
    if len(distinct) < NEEDED:
        raise StudyError(f"a law of images needs at least {NEEDED} different numbers of them, got {len(distinct)}")
    if seeds < 1:
        raise StudyError(f"seeds: a law needs at least 1 seed, got {seeds}")
    most = int((data.max_images or facts.num_train) * (1 - data.validation_fraction))
    if not facts.num_classes <= min(distinct) <= max(distinct) <= most:
        raise StudyError(
            f"numbers of images must be from {facts.num_classes} (one a class) to {most:,} (those of {data.name} that "
            f"are not for validation), got {min(distinct):,} to {max(distinct):,}"
        )


def coefficients_of(fit: CompoundFit) -> Coefficients:
    """The fit as what `naslab rescale --coefficients` reads."""
    return Coefficients(
        alpha=fit.compound.alpha,
        beta=fit.compound.beta,
        gamma=fit.compound.gamma,
        budget_ratio=fit.ratio,
        rounding=fit.rounding,
        model=fit.model,
        arch_id=fit.arch_id,
        study=fit.study,
        dataset=fit.dataset,
        epochs=fit.epochs,
        seeds=len(fit.best.errors),
        intervals=fit.intervals or {},
    )


def problem_of(
    model: Model, dataset: str | None, max_images: int | None, ledger: str | Path, recipe: Recipe | str | Path | None
) -> Problem:
    """The problem of training `model` alone: its space holds nothing else.

    It is trained on `dataset`, by default that of its study in `ledger`, on `max_images` of its training images, by
    `recipe` or the data set's own.
    """
    data = data_of(model, dataset, ledger)
    if max_images is not None:
        data = msgspec.structs.replace(data, max_images=max_images)
    facts = facts_of(data)
    space = space_of_one(model.arch, short_name(model))
    return Problem(
        space=space.for_data(facts.channels, facts.num_classes),
        objectives=tuple(map(Objective.named, DEFAULT_OBJECTIVES)),
        data=data,
        recipe=recipe if isinstance(recipe, Recipe) else find_recipe(recipe or "short", data.name),
    )


def short_name(model: Model) -> str:
    """What a study about a network is called: its zoo name, its file's, or `STUDY-TRIAL`."""
    return Path(model.name).stem.replace(":", "-")


def trainings(model: Model, base: ArchSpec, grid: Grid, rounding: str, epochs: int, seeds: int) -> list[Candidate]:
    """The baseline `base` and every point of `grid` with each of `seeds` seeds, for `epochs` epochs.

    Seed by seed, so that each round is a whole grid. Origins note `model` and `rounding`, by which the grid was made.
    """
    origin = {
        "budget_ratio": grid.ratio,
        "base_macs": grid.base_macs,
        "base_arch_id": arch_id(base),
        "model": model.name,
        "rounding": rounding,
    }
    jobs = []
    for seed in range(seeds):
        jobs.append(make_candidate(base, 0, epochs, seed, "search", origin={"operator": "baseline"}))
        for point in grid.points:
            about = {**point.member.origin, "rule": point.rule, **origin}
            jobs.append(make_candidate(point.member.arch, 0, epochs, seed, "family", origin=about))
    return jobs


def run_trainings(
    name: str,
    problem: Problem,
    jobs: Sequence[Candidate],
    workers: Workers,
    ledger: str | Path,
    data_dir: str | None = None,
    on_event: Observer = ignore,
    epochs: int | None = None,
) -> StudyView:
    """Train the networks `jobs`, those that the study `name` of `ledger` has no result of, and return the study.

    Makes the study, about `problem`, where there is none; raises `StudyError` where it is about something else. Its
    `epochs` are those of the first network unless said. `workers` say where to train, `on_event` is called with what
    happens.
    """
    record = StudyRecord(
        name=name,
        problem=msgspec.json.decode(msgspec.json.encode(problem)),
        strategy="given networks",
        epochs=epochs or jobs[0].fidelity.epochs,
        seed=0,
        trials=len(jobs),
        created=time.time(),
    )
    log = locate(ledger).ray_log
    with workers.connection(log), Ledger.open(ledger) as opened, taken_up(opened, record, on_event):
        opened.add_run(name, run_record(workers))
        on_event(StudyOpened(record, problem))
        with workers.start(estimator_of(problem, data_dir)) as executor:
            run_candidates(name, opened, executor, ListSource(jobs), on_event)
        return read_study(opened, name)
