"""Priors of a search: what cheap estimators and earlier studies say of a pool of networks before any training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from naslab.analysis.front import widest
from naslab.analysis.ranking import score_goal
from naslab.analysis.study import StudyView, read_study
from naslab.arch.block import require
from naslab.errors import SpecError, StudyError
from naslab.estimators.named import EstimatorName, Setting, read_names
from naslab.estimators.several import Scorer, ScoresOf
from naslab.execution.events import Observer
from naslab.execution.scoring import score_pool, unscored
from naslab.execution.source import make_candidate
from naslab.execution.workers import Workers
from naslab.lab.search_estimators import learned_from
from naslab.ledger.genomes import require_genomes_of
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.ledger.scores import Score, enter_scores, scores_of
from naslab.space import Genome
from naslab.strategies.domain import ArchDomain
from naslab.strategies.priors import Prior
from naslab.strategies.registry import WITH_PRIOR
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


def pool_of(domain: ArchDomain, problem: Problem, count: int, seed: int) -> list[Candidate]:
    """`count` different networks of the space of `problem` within its limits, fewer where it has no more.

    `domain` is that of the problem. Drawn by `seed`, each to be initialised by it; all of a space that is no larger.
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
    return [
        make_candidate(space.decode(genome), number, 1, seed, "search", genome)
        for number, genome in enumerate(found.values())
    ]


def prepared_prior(
    plan: PlannedPrior,
    problem: Problem,
    record: StudyRecord,
    ledger: Ledger,
    workers: Workers,
    data_dir: str | None,
    on_event: Observer,
) -> Prior:
    """The scores of the pool of a study, those that its ledger does not hold yet measured first.

    `plan` is its prior, `record` the study in `ledger`, of `problem`; estimators are asked by `workers`, which read the
    data from `data_dir`. `on_event` hears how far they are. Workers that join by the ledger train alone: here local
    ones ask.
    """
    domain = ArchDomain(problem)
    pool = pool_of(domain, problem, plan.pool, record.seed)
    names = [str(each) for each in plan.estimators]
    left = unscored(ledger, record.name, names, pool)
    if left:
        scorers = ScoresOf(tuple(_scorer(each, problem, record, ledger, data_dir) for each in plan.estimators))
        here = workers if workers.kind != "ledger" else Workers(device=workers.device)
        with here.start(scorers, None, 1 if record.deterministic else None) as executor:
            score_pool(record.name, ledger, executor, names, left, on_event)
    for name in plan.studies:
        if left := unscored(ledger, record.name, [STUDY + name], pool):
            enter_scores(ledger, record.name, _transferred(name, problem, left, ledger))
    return _prior_of(plan.names, pool, scores_of(ledger, record.name))


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


def _prior_of(names: Sequence[str], pool: Sequence[Candidate], scores: Sequence[Score]) -> Prior:
    known = {(each.prior, each.arch_id): each.score for each in scores if each.score is not None}
    values = np.array([[known.get((name, each.arch_id), np.nan) for name in names] for each in pool])
    ids = [each.arch_id for each in pool]
    return Prior(names, [each.genome for each in pool], ids, values.reshape(len(pool), len(names)))
