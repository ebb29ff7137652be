"""Calibration: estimators beside a reference on a sample of a space, each a study on the executors and in the ledger.

table = naslab.calibrate("nas_bench_macro", ["naswot", "ensemble"], sample=50)
print(table.lines[0].tau)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from naslab.analysis.calibration import LEAST_NETWORKS, CalibrationTable, Estimated, calibration
from naslab.arch import arch_id
from naslab.arguments import Kind, takes, text, whole
from naslab.errors import DataError, SpecError, counted
from naslab.estimators.named import EstimatorName, read_name, read_names
from naslab.estimators.options import TableOptions
from naslab.estimators.rows import MadeEstimator, Setting
from naslab.estimators.timed import Timed
from naslab.execution.events import Observer, StudyOpened, ignore
from naslab.execution.search import run_candidates
from naslab.execution.source import ListSource, make_candidate
from naslab.execution.workers import Workers
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
    SEED,
    SPACE,
    WORKERS,
)
from naslab.lab.problems import make_problem
from naslab.lab.records import run_record, taken_up
from naslab.ledger.ledger import Ledger
from naslab.ledger.location import locate
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, DEFAULT_OBJECTIVES
from naslab.space import Genome, SearchSpace
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Fidelity, Outcome
from naslab.study.problem import Problem
from naslab.study.recipe import Recipe

if TYPE_CHECKING:
    from naslab.estimators.predictor import KnownResult

REFERENCES = ("table", "full")
MAX_DRAWS = 50
"""Draws for each network asked for, until a space is said to hold no more."""


class CalibrationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a calibration runs: networks to judge, others whose results are known to those that learn, estimators.

    Its studies are called `name/ESTIMATOR` and `name/reference REFERENCE`.
    """

    name: str
    problem: Problem
    judged: tuple[Genome, ...]
    known: tuple[Genome, ...]
    estimators: tuple[EstimatorName, ...]
    reference: str
    truth: MadeEstimator
    data_dir: str | None = None
    seed: int = 0

    @property
    def reference_study(self) -> str:
        """The study of the reference."""
        return f"{self.name}/reference {self.reference}"

    def study_of(self, estimator: EstimatorName) -> str:
        """The study of an estimator; one that learns is told by what it is not to learn from."""
        return f"{self.name}/{estimator}" + (f" of {len(self.judged)}" if estimator.num_known else "")

    def jobs(self, genomes: Sequence[Genome], fidelity: Fidelity) -> list[Candidate]:
        """Genomes as candidates; their trials are numbered when they start."""
        return [_candidate(self.problem.space, genome, fidelity, self.seed) for genome in genomes]


@takes(
    space=SPACE,
    estimators=Kind("names of estimators", lambda said: said if isinstance(said, str) else NAMES.read(said)),
    reference=text("table, full or a CSV file"),
    sample=whole(),
    dataset=DATASET,
    max_images=MAX_IMAGES,
    epochs=COUNT,
    seed=SEED,
    workers=WORKERS,
    ledger=LEDGER,
    study=NAME,
    recipe=RECIPE,
    data_dir=FOLDER,
    on_event=OBSERVER,
)
def calibrate(
    space: SearchSpace | str | Path,
    estimators: Sequence[str] | str,
    *,
    reference: str = "table",
    sample: int = 100,
    dataset: str | DataChoice | None = None,
    max_images: int | None = None,
    epochs: int = 20,
    seed: int = 0,
    workers: Workers | int | Literal["auto"] | None = None,
    ledger: str | Path = "naslab.db",
    study: str | None = None,
    recipe: Recipe | str | Path | None = None,
    data_dir: str | Path | None = None,
    on_event: Observer = ignore,
) -> CalibrationTable:
    """Judge estimators by how they rank a sample of a space, beside a reference; the same call again continues.

    `space` is a space, the name of a shipped one or a YAML file. `estimators` are names as in
    `short:epochs=1,images=2000`. `reference` is `table` (known results of the space), a CSV of such, or `full`: the
    recipe `full` for `epochs` epochs. `sample` distinct networks are drawn by `seed`, from a table that knows a part of
    the space among those, the first of a larger sample being those of a smaller one; what learns from known results
    learns from others, whose reference is estimated too. `dataset` is trained on, at most `max_images` images of it,
    with `recipe` for estimates of short training. `workers` is how many train side by side, or a `Workers`; `ledger`
    the file or database URL that keeps the study, and `study` its name there. `on_event` is called with what happens.
    Raises `NaslabError` before anything runs for whatever does not fit.

    >>> import naslab
    >>> table = naslab.calibrate("digits_demo", ["params", "naswot"], reference="full", sample=20)  # doctest: +SKIP
    >>> [(line.name, line.tau.words()) for line in table.lines]  # doctest: +SKIP
    """
    plan = plan_calibration(
        space,
        estimators,
        reference=reference,
        sample=sample,
        dataset=dataset,
        max_images=max_images,
        epochs=epochs,
        seed=seed,
        study=study,
        recipe=recipe,
        data_dir=None if data_dir is None else str(data_dir),
    )
    pool = workers if isinstance(workers, Workers) else Workers(count=workers)
    with pool.connection(locate(ledger).ray_log), Ledger.open(ledger) as opened:
        run_reference(plan, opened, pool, on_event)
        for name in plan.estimators:
            run_estimator(plan, name, opened, pool, on_event)
        return read_calibration(plan, opened)


def plan_calibration(
    space: SearchSpace | str | Path,
    estimators: Sequence[str] | str,
    *,
    reference: str = "table",
    sample: int = 100,
    dataset: str | DataChoice | None = None,
    max_images: int | None = None,
    epochs: int = 20,
    seed: int = 0,
    study: str | None = None,
    recipe: Recipe | str | Path | None = None,
    data_dir: str | None = None,
) -> CalibrationPlan:
    """What `calibrate` would run; every name and every number in it is checked here.

    `space`, `estimators`, `reference`, `sample`, `dataset`, `max_images`, `epochs`, `study` and `recipe` are those of
    `calibrate`. Raises `SpecError` for numbers and options out of range, and `NaslabError` for whatever else does not
    fit.
    """
    if sample < LEAST_NETWORKS:
        raise SpecError("sample", f"must be at least {LEAST_NETWORKS} networks, got {sample}")
    names = read_names(estimators if isinstance(estimators, str) else ",".join(estimators))
    if not names:
        raise SpecError("estimators", "name at least one, as in naswot,short:epochs=1")
    problem = make_problem(space, dataset, DEFAULT_OBJECTIVES, (), recipe, max_images)
    if problem.space.size() < sample:
        raise SpecError(
            "sample", f"must be at most the {counted(problem.space.size(), 'genome')} of the space, got {sample}"
        )
    truth = reference_estimator(reference, problem, epochs, data_dir)
    among = truth.known_part()
    judged = distinct_networks(problem.space, sample, [seed], among=among)
    num_known = max(name.num_known for name in names)
    taken = frozenset(judged)
    known = distinct_networks(problem.space, num_known, [seed, 1], taken, among) if num_known else {}
    typical = _candidate(problem.space, next(iter(judged.values())), truth.fidelity, seed)
    truth.require(typical)
    for name in names:
        require_made(name, problem, typical, data_dir)
    return CalibrationPlan(
        name=study or f"{problem.space.name or 'space'}-{problem.data.name}-calibration-{seed}",
        problem=problem,
        judged=tuple(judged.values()),
        known=tuple(known.values()),
        estimators=names,
        reference=f"full:epochs={epochs}" if reference == "full" else reference,
        truth=truth,
        data_dir=data_dir,
        seed=seed,
    )


def distinct_networks(
    space: SearchSpace,
    count: int,
    seed: Sequence[int],
    but: frozenset[str] = frozenset(),
    among: Sequence[Genome] = (),
) -> dict[str, Genome]:
    """`count` random networks of `space` by identity, in the order drawn, none of `but`; where given, `among` these.

    The first of more networks are those of fewer, with the same `seed`. Raises `SpecError` where 50 draws for each do
    not give so many, or there are not so many `among` those given.
    """
    source = np.random.default_rng(list(seed))
    draws = (space.sample(source) for _ in range(MAX_DRAWS * count))
    if among:
        draws = (among[place] for place in source.permutation(len(among)))
    found: dict[str, Genome] = {}
    for genome in draws:
        identity = arch_id(space.decode(genome))
        if identity not in but:
            found.setdefault(identity, genome)
        if len(found) == count:
            return found
    if among:
        there = counted(len(found), "distinct network") + (f" beside {len(but)} others" if but else "")
        raise SpecError("sample", f"the table knows {there} of this space, not {count}")
    raise SpecError(
        "sample", f"the space gave {counted(len(found), 'distinct network')} in {MAX_DRAWS * count} draws, not {count}"
    )


def reference_estimator(reference: str, problem: Problem, epochs: int, data_dir: str | None) -> MadeEstimator:
    """The `reference` of a name: `full` trains for `epochs` epochs, `table` is that of the space of `problem`.

    Any other name is a CSV file of known results.

    Raises `DataError` where a space has no table, or there is no such file.
    """
    setting = Setting(problem, data_dir)
    if reference == "full":
        return read_name(f"full:epochs={epochs}").make(setting)
    if reference != "table":
        if not Path(reference).is_file():
            raise DataError(
                f"reference '{reference}' is neither of {', '.join(REFERENCES)} nor a CSV file that is there"
            )
        return EstimatorName(read_name("table").row, TableOptions(path=reference)).make(setting)
    try:
        return read_name("table").make(setting)
    except DataError as error:
        raise DataError(f"{error}; or train the reference, as --reference full") from error


def require_made(name: EstimatorName, problem: Problem, typical: Candidate, data_dir: str | None) -> None:
    """Raise `SpecError` where the options of the estimator `name` do not fit `problem`, before anything runs.

    Raises `DataError` where its file is of other networks than those like `typical`.
    """
    from naslab.estimators.predictor import KnownResult

    def known(count: int) -> tuple[KnownResult, ...]:
        return tuple(KnownResult(typical.genome, float(each), 0) for each in range(count))  # nothing is learned of it

    try:
        made = name.make(Setting(problem, data_dir, known=known))
    except SpecError as error:
        raise SpecError(str(name), str(error)) from error
    made.require(typical)


def run_reference(plan: CalibrationPlan, ledger: Ledger, pool: Workers, on_event: Observer = ignore) -> None:
    """Estimate the reference of every network of `plan`, those to be judged and those to learn from.

    `ledger` keeps the outcomes, `pool` says where they are estimated, `on_event` is called with what happens.
    """
    networks = (*plan.judged, *plan.known)
    _run(plan, plan.reference_study, plan.reference, plan.truth, networks, ledger, pool, on_event)


def run_estimator(
    plan: CalibrationPlan, name: EstimatorName, ledger: Ledger, pool: Workers, on_event: Observer = ignore
) -> None:
    """Estimate every network of `plan` that is to be judged by the estimator `name`.

    The reference of those to learn from is in `ledger`, which keeps the outcomes; `pool` says where they are estimated,
    `on_event` is called with what happens.
    """

    def known(count: int) -> tuple[KnownResult, ...]:
        return known_results(plan, ledger)[:count]

    made = name.make(Setting(plan.problem, plan.data_dir, plan.seed, known))
    _run(plan, plan.study_of(name), name.whole, made, plan.judged, ledger, pool, on_event)


def known_results(plan: CalibrationPlan, ledger: Ledger) -> tuple[KnownResult, ...]:
    """The references of the networks to learn from, in the plan's order."""
    from naslab.estimators.predictor import KnownResult

    outcomes = ledger.outcomes(plan.reference_study)
    accuracies = {each.candidate.genome: each.value(ACCURACY.name) for each in outcomes if each.is_complete}
    return tuple(KnownResult(genome, accuracies[genome], plan.seed) for genome in plan.known if genome in accuracies)


def read_calibration(plan: CalibrationPlan, ledger: Ledger) -> CalibrationTable:
    """The table of what the ledger holds by now; estimators that were not begun are left out."""
    there = ledger.study_names()
    judged = {each.arch_id for each in plan.jobs(plan.judged, plan.truth.fidelity)}

    def outcomes(study: str) -> list[Outcome]:
        return [each for each in ledger.outcomes(study) if each.candidate.arch_id in judged]

    begun = [name for name in plan.estimators if plan.study_of(name) in there]
    return calibration(
        plan.problem.space.name or "a space of its own",
        plan.problem.data.name,
        plan.seed,
        Estimated(plan.reference, ACCURACY.name, outcomes(plan.reference_study)),
        [Estimated(str(name), name.metric, outcomes(plan.study_of(name))) for name in begun],
    )


def _run(
    plan: CalibrationPlan,
    study: str,
    what: str,
    made: MadeEstimator,
    networks: Sequence[Genome],
    ledger: Ledger,
    pool: Workers,
    on_event: Observer,
) -> None:
    """Estimate the networks that a study has no result of; no worker is started where it has all."""
    jobs = plan.jobs(networks, made.fidelity)
    record = StudyRecord(
        name=study,
        problem=msgspec.json.decode(msgspec.json.encode(plan.problem)),
        strategy=f"calibrate: {what}",
        epochs=made.fidelity.epochs,
        seed=plan.seed,
        trials=len(jobs),
        created=time.time(),
        estimator_file=made.sha256,
    )
    with taken_up(ledger, record, on_event):
        outcomes = ledger.outcomes(study)
        on_event(StudyOpened(record, plan.problem, tuple(outcomes)))
        if {each.arch_id for each in jobs} <= {each.candidate.arch_id for each in outcomes}:
            return
        ledger.add_run(study, run_record(pool))
        with pool.start(Timed(made.estimator)) as executor:
            run_candidates(study, ledger, executor, ListSource(jobs), on_event)


def _candidate(space: SearchSpace, genome: Genome, fidelity: Fidelity, seed: int) -> Candidate:
    made = make_candidate(space.decode(genome), 0, fidelity.epochs, seed, "search", genome)
    return msgspec.structs.replace(made, fidelity=fidelity)
