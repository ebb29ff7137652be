"""Searching a space: one call that makes a study, or goes on with it.

study = naslab.search("digits_demo", trials=20)
print(naslab.pareto_front(study).front)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from naslab.analysis.ranking import has_trained
from naslab.analysis.study import StudyView, read_study
from naslab.arch.block import require
from naslab.arguments import either, flag, many, number, optional, takes, text
from naslab.arguments import path as paths
from naslab.estimators.estimator import Estimator
from naslab.estimators.limited import limited, measures_before
from naslab.estimators.named import named
from naslab.execution.checkpoints import sweep_checkpoints
from naslab.execution.events import Observer, StrategyChosen, StudyOpened, TrialsReached, ignore, tell_prints
from naslab.execution.executor import Executor
from naslab.execution.first_failures import FirstFailuresSource
from naslab.execution.lease_executor import LeaseExecutor
from naslab.execution.search import run_candidates
from naslab.execution.search_source import require_stoppable, search_source
from naslab.execution.source import make_candidate
from naslab.execution.time_budget import require_hours, within_hours
from naslab.execution.workers import Workers
from naslab.lab.detector_search import of_whole_detectors
from naslab.lab.joining import require_offerable
from naslab.lab.listed_runs import run_listed
from naslab.lab.models import (
    COUNT,
    DATASET,
    FOLDER,
    LEDGER,
    MAX_IMAGES,
    NAME,
    NAMES,
    OBSERVER,
    RECIPE,
    RESOLUTIONS,
    SEED,
    SPACE,
    TRIALS,
    WORKERS,
    AnyResolutions,
    sizes_of,
)
from naslab.lab.notebook import notebook_observer
from naslab.lab.planned_search import PlannedSearch, rungs_of
from naslab.lab.pretrained_search import begun_from, fitting_words, recipe_or_default
from naslab.lab.priors import plan_prior, prepared_prior
from naslab.lab.problems import (
    baseline,
    make_problem,
    resolve_strategy,
    strategy_name,
)
from naslab.lab.records import as_begun, begun_with, run_record, taken_up, with_idle_fields
from naslab.lab.search_arguments import ESTIMATOR, RUNGS, STRATEGY
from naslab.lab.search_estimators import (
    estimator_of,
    fidelity_of,
    find_search_estimator,
    require_estimator_fits,
)
from naslab.lab.search_options import DEFAULT_EPOCHS, SearchOptions
from naslab.lab.search_record import study_record
from naslab.ledger.finished import finished_trials
from naslab.ledger.ledger import Ledger
from naslab.ledger.location import locate
from naslab.ledger.scores import scores_of
from naslab.space import SearchSpace
from naslab.strategies.choosing import AUTO, choose_strategy
from naslab.strategies.registry import PER_SECOND, make_strategy
from naslab.strategies.strategy import Strategy
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Fidelity
from naslab.study.recipe import Recipe
from naslab.study.rungs import Rungs
from naslab.training.memory import GivenMemory, WorkerMemory

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from naslab.training.datasets.given import Data


@takes(
    space=SPACE,
    dataset=DATASET,
    resolution=either(text(), RESOLUTIONS),
    max_images=MAX_IMAGES,
    strategy=STRATEGY,
    trials=TRIALS,
    hours=optional(number()),
    epochs=optional(COUNT),
    objectives=optional(NAMES),
    limits=many(text("a limit, as 'macs<=50e6'")),
    prefer=optional(many(text("a preference, as 'accuracy>=90'"))),
    baselines=NAMES,
    workers=WORKERS,
    ledger=LEDGER,
    study=NAME,
    seed=SEED,
    recipe=RECIPE,
    rungs=RUNGS,
    pause=flag(),
    stop_early=optional(number()),
    inherit=flag(),
    pretrained=optional(paths("weights, as naslab.train takes them,")),
    least_match=number(),
    keep_channels=text("largest or first"),
    estimator=ESTIMATOR,
    prior=optional(text("names of estimators, as 'naswot,synflow', or 'study:NAME'")),
    pool=COUNT,
    data_dir=FOLDER,
    deterministic=flag(),
    accept_changes=flag(),
    on_event=OBSERVER,
)
def search(
    space: SearchSpace | str | Path,
    *,
    dataset: str | DataChoice | Data | None = None,
    resolution: AnyResolutions | None = None,
    max_images: int | None = None,
    strategy: str | BaseSampler | Strategy = "auto",
    trials: int = 50,
    hours: float | None = None,
    epochs: int | None = None,
    objectives: Sequence[str] | None = None,
    limits: Sequence[str] = (),
    prefer: Sequence[str] | None = None,
    baselines: Sequence[str] = (),
    workers: Workers | int | Literal["auto"] | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    seed: int = 0,
    recipe: Recipe | str | Path | None = None,
    rungs: Rungs | Sequence[int] | None = None,
    pause: bool = False,
    stop_early: float | None = None,
    inherit: bool = False,
    pretrained: str | Path | None = None,
    least_match: float = 0.9,
    keep_channels: Literal["largest", "first"] = "largest",
    estimator: str | Callable[..., Any] | Estimator | None = None,
    prior: str | None = None,
    pool: int = 1000,
    data_dir: str | None = None,
    deterministic: bool = False,
    accept_changes: bool = False,
    on_event: Observer = tell_prints,
) -> StudyView:
    """Search a space and return the study; the same call again continues it, also after a crash.

    `space` is a space, the name of a shipped one or a YAML file; its input channels and classes follow the data set.
    `dataset` is a data set's name, by default the one that fits the space; `max_images` is how many training images are
    used, validation images among them; a `DataChoice` in the place of the name says more: how it is split, and whether
    its images are held in memory or streamed; `Data` hands over arrays, tensors or torch data sets. `resolution` is the
    size that networks take, a side, `"32x48"` or (height, width), by default the space's; images are resized to it. Of
    several, `"128,160,192"` or `"128:224:32"`, each network chooses its own (elastic resolution).
    `strategy` is a name (`auto` leaves the choice to naslab), a sampler of Optuna, or one of your own: an object with
    `ask` and `tell`, what makes such of (problem, seed), or its name as `"my_code:MyStrategy"`. `trials` is a total
    over all calls, of `epochs` epochs each, by default 4; `hours` ends a study by time, whichever comes first: nothing
    new is started once it was searched so long over all calls, and what is in flight ends. `objectives` are names of
    metrics, accuracy and macs by default; `limits` such as `"macs<=50M"` are met before anything is trained. `prefer`
    such as `"accuracy>=90"` names the part of the front to search: networks beyond are trained, too, and rank behind.
    `baselines` are zoo networks trained after the search with the same recipe: `recipe` is a recipe, its name or its
    file, `short` by default.

    Equal seeds give equal proposals for the same order in which candidates finish; with several workers that order may
    be another in each run. A `deterministic` study is the same for any number of workers, also when it was interrupted:
    outcomes are told in the order of trials, each candidate is proposed without those of the eight before it, and a
    worker computes with one thread. Equal are networks and, on equal machines, what is measured of them but times.

    `workers` is how many train side by side, or a `Workers`; `ledger` the file or database URL that keeps the study,
    `study` its name there; `on_event` is called with what happens (`naslab.execution.events`): by
    itself it tells what candidates print, and a notebook shows how far the search is below its cell.

    `rungs` such as `(1, 3, 9)` take the place of `epochs`: `trials` networks are trained for the first, and the best
    third of each rung is trained on to the next, in trials of their own. With `pause` trainings stop after every epoch,
    and what is expected to gain most goes on, one of them or a new network: as many epochs in all as `trials` whole
    trainings have, each in a trial of its own, by `bayes` or `bayes_per_second`. `stop_early` is a confidence such as
    0.95: a training ends when with this confidence its final accuracy will not bring the network to the front at its
    cost, or none of its objectives where several are measured after each epoch. With
    `inherit` a candidate that a strategy made from others begins with the weights of one of them; by rungs it does so
    on the first, with what its parent was there, and a promotion goes on from its own. With `pretrained`, weights as
    `naslab.train` takes them, all others begin with those of the network that the space is around, sliced, widened or
    deepened; images are normalised as those that they were learned on, and `recipe` is by default `fine-tune`. Where
    less than `least_match` of the weights fits that network they are refused; `keep_channels` says which channels
    narrower networks keep, the `largest` by L1 or the `first`. `estimator` takes the place of short training, by any
    name that `calibrate` knows: `"naswot"`, `"ensemble"`, `"extrapolated:epochs=3,of=4"`, `"supernet:path=FILE"`,
    `"table:path=FILE.csv"`, or `"predictor:study=NAME"`, which predicts what another study of the ledger would measure.
    `"detection:data=coco:DIR"` (`instance_segmentation`, `keypoints`, `segmentation`; with `kind`, `levels` as
    4-8-16-32, `channels`) trains each network under the heads of a detector; macs and params are those of the whole.
    There `rungs`, `stop_early`, `inherit` and `pretrained` are as above, of the network under the heads.
    One that measures no accuracy has its own score as an objective in the place of that; baselines are estimated as the
    candidates are.

    `prior` names estimators that train nothing, `"ensemble"` or `"naswot,synflow"`, and earlier studies `"study:NAME"`.
    The workers score a `pool` of so many networks, all of a smaller space, a fifth before each of the first five trials
    and beside them; `bayes` learns from outcomes how far to trust each score. They take time and no trials.

    `estimator` may also be a training of your own, `evaluate(network, trial)`, or its name as `"my_code:evaluate"`: it
    is given a torch module and a `naslab.Trial` and returns a dict of numbers, which `objectives` name with their
    directions (`"f1:max"`). It needs no data set of naslab's; without `dataset` the images are those of the space.
    `naslab.short_training` is naslab's own training in that form, to be wrapped or copied. With `inherit` the module
    that a child's training is given begins with what its parent's was left with. A study is not gone on with where such
    code has changed, unless with `accept_changes`. Raises `NaslabError` before the first trial for whatever does not
    fit.

    >>> import naslab
    >>> study = naslab.search("digits_demo", trials=20, epochs=4)  # doctest: +SKIP
    >>> naslab.pareto_front(study).front[0].label  # doctest: +SKIP
    """
    options = SearchOptions(
        space=space,
        dataset=dataset,
        resolution=resolution,
        max_images=max_images,
        strategy=strategy,
        trials=trials,
        hours=hours,
        epochs=epochs,
        objectives=objectives,
        limits=limits,
        prefer=prefer,
        baselines=baselines,
        workers=workers,
        ledger=ledger,
        study=study,
        seed=seed,
        recipe=recipe,
        rungs=rungs,
        pause=pause,
        stop_early=stop_early,
        inherit=inherit,
        pretrained=pretrained,
        least_match=least_match,
        keep_channels=keep_channels,
        estimator=estimator,
        prior=prior,
        pool=pool,
        data_dir=data_dir,
        deterministic=deterministic,
        accept_changes=accept_changes,
    )
    return run_search(options, notebook_observer(on_event))


def plan_search(options: SearchOptions) -> PlannedSearch:
    """Check every option of a search. Raises `NaslabError` for whatever does not fit, `SpecError` for a wrong prior."""
    asked = None if options.estimator is None else named(options.estimator)
    is_own = asked is not None and asked.row.is_own
    brings_data = is_own or (asked is not None and asked.row.brings_data)
    options = of_whole_detectors(options, asked)
    problem = make_problem(
        options.space,
        options.dataset,
        options.objectives,
        options.limits,
        recipe_or_default(options),
        options.max_images,
        score=None if asked is None else asked.metric,
        brings_data=brings_data,
        data_dir=options.data_dir,
        resolution=sizes_of(options.resolution),
        prefer=options.prefer or (),
    )
    start = None
    if options.pretrained is not None:
        problem, start = begun_from(problem, options, asked)
    if asked is not None:
        require_estimator_fits(asked, options, problem)
    require_hours(options.hours, options.deterministic)
    rule = "learns from seconds, which are never the same: name another strategy, or leave deterministic out"
    require(not (options.deterministic and options.strategy in PER_SECOND), "strategy", f"'{options.strategy}' {rule}")
    if options.stop_early is not None:
        require_stoppable(options.stop_early, problem.objectives, brings_data)
    baselines = [baseline(name, problem) for name in options.baselines]
    if start is not None:
        baselines = [(start.fitted(arch), origin) for arch, origin in baselines]
    pool = options.workers if isinstance(options.workers, Workers) else Workers(count=options.workers)
    study = options.study or f"{problem.space.name or 'search'}-{strategy_name(options.strategy)}-{options.seed}"
    choice = None
    if options.strategy == AUTO:
        choice = choose_strategy(
            problem,
            options.trials,
            by_time=options.hours is not None,
            inherits=options.inherit,
            needs_model=options.prior is not None or options.pause,
        )
    strategy = options.strategy if choice is None else choice.name
    resolve_strategy(strategy, problem, options.seed)  # refuses a bad one
    anywhere = msgspec.structs.replace(problem, preferences=())
    drawn = make_strategy("random", anywhere, options.seed).ask(1)  # refuses limits that no network meets
    epochs = DEFAULT_EPOCHS if options.epochs is None else options.epochs
    rungs = rungs_of(options, epochs, strategy_name(strategy))
    typical = [
        make_candidate(problem.space.decode(each.genome), 0, epochs, options.seed, "search", each.genome)
        for each in drawn
    ]
    estimator = None
    if options.estimator is not None:
        estimator = find_search_estimator(
            options.estimator, problem, typical, options.ledger, options.data_dir, options.seed, options.inherit
        )
    prior = None
    if options.prior is not None:
        require(not brings_data, "prior", "looks at images of a data set of naslab's: leave it or the estimator out")
        prior = plan_prior(options.prior, options.pool, strategy, options.ledger, study)
    given = None if pool.memory_bytes is None else GivenMemory(pool.memory_bytes)
    memory = given if brings_data else WorkerMemory(problem.recipe, problem.data, options.data_dir)
    fidelity = fidelity_of(rungs, epochs, estimator)
    builds = asked is None or asked.row.builds or prior is not None or measures_before(problem)
    return PlannedSearch(
        options=options,
        problem=problem,
        study=study,
        strategy=strategy,
        choice=choice,
        rungs=rungs,
        baselines=baselines,
        workers=pool if memory is None else pool.packed(memory, typical),
        memory=memory if builds else None,
        estimator=estimator,
        fidelity=fidelity,
        start=start,
        prior=prior,
    )


def run_search(options: SearchOptions, on_event: Observer = ignore) -> StudyView:
    """Make the study that the options ask for, or go on with it; see `search`."""
    plan = plan_search(options)
    with plan.workers.connection(locate(options.ledger).ray_log), Ledger.open(options.ledger) as ledger:
        if begun := as_begun(ledger, plan.study, plan.problem):
            plan = plan_search(dataclasses.replace(options, study=plan.study, **begun))
        choice = None if plan.choice is None else begun_with(ledger, plan.study, plan.choice)
        strategy = plan.strategy if choice is None else choice.name
        record = with_idle_fields(ledger, study_record(plan, strategy_name(strategy)))
        if plan.workers.kind == "ledger":
            require_offerable(record, ledger)
        spent = plan.fidelity if has_trained(record) else msgspec.structs.replace(plan.fidelity, epochs=record.epochs)
        with taken_up(ledger, record, on_event, options.accept_changes) as record:
            ledger.add_run(record.name, run_record(plan.workers))
            outcomes = finished_trials(ledger, record.name, "search")
            on_event(
                StudyOpened(record, plan.problem, outcomes, fitting_words(plan.options.space, plan.problem, plan.start))
            )
            if choice is not None:
                on_event(StrategyChosen(choice.name, choice.reason))
            if record.trials > options.trials:
                on_event(TrialsReached(record.trials, options.trials))
            if plan.estimator is None:
                estimator = estimator_of(plan.problem, options.data_dir, record, ledger, plan.start)
            else:
                estimator = plan.estimator.placed(ledger, record, plan.start)
            estimator = limited(estimator, plan.problem)
            scored = [each.finished for each in scores_of(ledger, record.name)]
            scoring = (plan.problem, record, ledger, plan.workers, options.data_dir, on_event)
            prior = prepared_prior(plan.prior, *scoring)
            proposing = resolve_strategy(strategy, plan.problem, options.seed, record.rungs)
            threads = 1 if record.deterministic else None
            if plan.workers.kind == "ledger":
                workers: Executor = LeaseExecutor(ledger, record.name, plan.workers.num_workers)
            else:
                workers = plan.workers.start(prior.beside(estimator), plan.memory, threads)
            with workers as executor:
                tidy = partial(sweep_checkpoints, ledger, record, plan.problem.objectives)
                source = search_source(proposing, plan.problem, record, ledger, spent)
                if plan.estimator is not None and plan.estimator.made_with:
                    source = FirstFailuresSource(source)
                source = prior.among(source, proposing, on_event)
                source = within_hours(source, options.hours, ledger.runs(record.name), outcomes, on_event, scored)
                run_candidates(record.name, ledger, executor, source, on_event, tidy)
                if plan.baselines:
                    whole = spent if plan.rungs is None else Fidelity(epochs=record.epochs)
                    run_listed(ledger, record, executor, "baseline", plan.baselines, on_event, tidy, whole)
        return read_study(ledger, record.name)
