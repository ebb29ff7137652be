"""Priors of a search: what cheap estimators and earlier studies say of a pool of networks before any training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from naslab.analysis.front import widest
from naslab.analysis.ranking import score_goal
from naslab.analysis.study import StudyView, read_study
from naslab.arch.block import require
from naslab.errors import SpecError, StudyError
from naslab.estimators.estimator import Estimator
from naslab.estimators.named import EstimatorName, Setting, read_names
from naslab.estimators.several import Scorer, ScoresOf, TrialsAndScores
from naslab.execution.events import Observer
from naslab.execution.prior_source import PARTS, PriorSource
from naslab.execution.scoring import SCORED_BY, score_pool, unscored
from naslab.execution.source import CandidateSource, make_candidate
from naslab.execution.workers import Workers
from naslab.lab.search_estimators import learned_from
from naslab.ledger.genomes import require_genomes_of
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.ledger.scores import Score, enter_scores, scores_of
from naslab.space import Genome
from naslab.strategies.composed import ComposedStrategy
from naslab.strategies.domain import ArchDomain
from naslab.strategies.pausing_strategy import PausingSearch
from naslab.strategies.registry import WITH_PRIOR
from naslab.strategies.strategy import Strategy
from naslab.study.outcome import Candidate
from naslab.study.problem import Problem

STUDY = "study:"
"""What stands before the name of an earlier study."""
DEFAULT_POOL = 1000
DRAWS_EACH = 20
"""How often a network is drawn for each of the pool, until the space counts as too small for so many."""
LEAST_KNOWN = 5
"""Complete outcomes that an earlier study must have."""


class PlannedPrior(NamedTuple):
    """The parts of a prior, checked: `estimators` that workers ask, and names of earlier `studies`.

    `pool` is how many networks are scored.
    """

    estimators: tuple[EstimatorName, ...]
    studies: tuple[str, ...]
    pool: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores, as the ledger has them."""
        return (*map(str, self.estimators), *(STUDY + name for name in self.studies))

    def __str__(self) -> str:
        return ",".join(self.names)


def plan_prior(asked: str, pool: int, strategy: object, ledger: str | Path, study: str) -> PlannedPrior:
    """The prior that is `asked` for, as `naswot,study:earlier`, with a `pool` of so many networks.

    `strategy` is that of the search, `study` its name in `ledger`. Raises `SpecError` for a strategy that learns from
    none and for estimators that train, and `StudyError` for studies of too few outcomes.
    """
    require(strategy in WITH_PRIOR, "prior", f"is for --strategy {' or '.join(WITH_PRIOR)}, got '{strategy}'")
    require(pool >= 2, "pool", f"must be at least 2 networks, got {pool}")
    parts = [each.strip() for each in asked.split(",") if each.strip()]
    names = read_names(",".join(each for each in parts if not each.startswith(STUDY)))
    studies = tuple(dict.fromkeys(each.removeprefix(STUDY).strip() for each in parts if each.startswith(STUDY)))
    require(bool(names or studies), "prior", "needs the name of an estimator, as ensemble, or study:NAME")
    for name in names:
        if name.trains or name.row.is_own:
            why = "is a training" if name.trains else "is your own, of which naslab does not know what it costs"
            raise SpecError("prior", f"'{name}' {why}: name an estimator that trains nothing, as ensemble or naswot")
    if studies:
        with Ledger.open(ledger, create=False) as opened:
            for earlier in studies:
                require(earlier != study, "prior", f"study '{earlier}' is the search's own: name an earlier one")
                _known_networks(read_study(opened, earlier))
    return PlannedPrior(names, studies, pool)


def _known_networks(view: StudyView) -> list[tuple[Genome, float]]:
    """The networks of an earlier study and their losses, at the fidelity that most of them have."""
    goal = score_goal(view.record)
    require_genomes_of(view.problem.space, (each.candidate for each in view.outcomes))
    made = [each for each in view.outcomes if each.candidate.genome.genes and "stopped" not in each.estimate.notes]
    found = [(each.candidate.genome, goal.loss(each.value(goal.metric))) for each in widest(made) if each.is_complete]
    finite = [(genome, loss) for genome, loss in found if np.isfinite(loss)]
    if len(finite) < LEAST_KNOWN:
        rule = f"needs {LEAST_KNOWN} complete outcomes, it has {len(finite)}"
        raise StudyError(f"prior: the study '{view.record.name}' {rule}; search it further or leave it out")
    return finite


def pool_of(
    domain: ArchDomain, problem: Problem, count: int, seed: int, scored_by: Sequence[str] = ()
) -> list[Candidate]:
    """`count` different networks of the space of `problem` within its limits, fewer where it has no more.

    `domain` is that of the problem. Drawn by `seed`, each to be initialised by it, and in an order of chance; all of a
    space that is no larger. `scored_by` are the estimators that are to score them.
    """
    space = problem.space
    rng = np.random.default_rng([seed, 29])
    is_small = space.size() <= count
    drawn = space.enumerate() if is_small else (space.sample(rng) for _ in range(DRAWS_EACH * count))
    found: dict[str, Genome] = {}
    for genome in drawn:
        network = domain.examine(genome)
        if network.is_feasible:
            found.setdefault(network.network_id, genome)
        if len(found) == count:
            break
    genomes = list(found.values())
    rng.shuffle(genomes)  # those of a whole space stand in the order of its choices
    made = (make_candidate(space.decode(genome), 0, 1, seed, "pool", genome) for genome in genomes)
    return [
        msgspec.structs.replace(each, trial=-1 - number, origin={SCORED_BY: list(scored_by)})
        for number, each in enumerate(made)
    ]


class PreparedPrior(NamedTuple):
    """The `pool` of a study, the `names` of its scores, and those `known`, which the ledger holds.

    `scorers` are what workers ask for the others, `None` where there are none. The pool is scored in so many `parts`.
    Without names there is no prior: trials go on as they are.
    """

    names: tuple[str, ...] = ()
    pool: Sequence[Candidate] = ()
    known: Sequence[Score] = ()
    scorers: ScoresOf | None = None
    parts: int = PARTS

    def beside(self, estimator: Estimator) -> Estimator:
        """What workers run: `estimator` for the trials, and the scorers for the pool."""
        return estimator if self.scorers is None else TrialsAndScores(estimator, self.scorers)

    def among(self, source: CandidateSource, strategy: Strategy, on_event: Observer) -> CandidateSource:
        """The trials of `source` and the networks of the pool; `strategy` proposes by what is scored.

        `on_event` hears how much of the pool is.
        """
        if not self.names:
            return source
        assert isinstance(strategy, ComposedStrategy | PausingSearch), "the strategies of WITH_PRIOR are such"
        return PriorSource(source, self.pool, self.names, self.known, strategy.take_prior, on_event, self.parts)


def prepared_prior(
    plan: PlannedPrior | None,
    problem: Problem,
    record: StudyRecord,
    ledger: Ledger,
    workers: Workers,
    data_dir: str | None,
    on_event: Observer,
) -> PreparedPrior:
    """The pool of a study and what is known of it: what earlier studies tell, and what the ledger holds.

    `plan` is its prior, if it has one, `record` the study in `ledger`, of `problem`; estimators read the data from
    `data_dir`.
    `workers` are those of the search, which score the pool later. Those that join by the ledger train alone: for them
    the pool is scored here and now, by a local worker, and `on_event` hears how far it is.
    """
    if plan is None:
        return PreparedPrior()
    names = [str(each) for each in plan.estimators]
    pool = pool_of(ArchDomain(problem), problem, plan.pool, record.seed, names)
    for name in plan.studies:
        if left := unscored(ledger, record.name, [STUDY + name], pool):
            enter_scores(ledger, record.name, _transferred(name, problem, left, ledger))
    left, scorers = unscored(ledger, record.name, names, pool), None
    if left:
        scorers = ScoresOf(tuple(_scorer(each, problem, record, ledger, data_dir) for each in plan.estimators))
    if scorers is not None and workers.kind == "ledger":
        with Workers(device=workers.device).start(scorers, None, 1 if record.deterministic else None) as executor:
            score_pool(record.name, ledger, executor, left, on_event)
        scorers = None
    known = scores_of(ledger, record.name)
    return PreparedPrior(plan.names, pool, known, scorers, PARTS if plan.estimators else 1)


def _scorer(name: EstimatorName, problem: Problem, record: StudyRecord, ledger: Ledger, data_dir: str | None) -> Scorer:
    learned = partial(learned_from, problem, str(ledger.location), data_dir)
    made = name.make(Setting(problem, data_dir, record.seed, learned=learned))
    return Scorer(str(name), made.estimator, name.metric)


def _transferred(name: str, problem: Problem, pool: Sequence[Candidate], ledger: Ledger) -> list[Score]:
    from naslab.strategies.earlier_study import scores_of_transfer

    began = time.perf_counter()
    earlier = read_study(ledger, name)
    known = _known_networks(earlier)
    values = scores_of_transfer(
        earlier.problem.space,
        [genome for genome, _ in known],
        np.array([loss for _, loss in known]),
        problem.space,
        [each.genome for each in pool],
    )
    seconds, now = (time.perf_counter() - began) / len(pool), time.time()
    return [
        Score(STUDY + name, each.arch_id, float(value), None, seconds, now)
        for each, value in zip(pool, values, strict=True)
    ]
