"""What the ledger keeps of a search that was planned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from naslab.lab.problems import block_source, metric_source, strategy_source, target_source
from naslab.ledger.record import StudyRecord

if TYPE_CHECKING:
    from naslab.lab.planned_search import PlannedSearch


def study_record(plan: PlannedSearch, strategy: str) -> StudyRecord:
    """What the ledger keeps of a search by the strategy of a name."""
    options, estimator = plan.options, plan.estimator
    made_with = {} if estimator is None else estimator.made_with
    made_with = made_with | strategy_source(plan.strategy) | block_source(plan.problem) | metric_source(plan.problem)
    made_with = made_with | target_source(plan.problem)
    return StudyRecord(
        name=plan.study,
        problem=msgspec.json.decode(msgspec.json.encode(plan.problem)),
        strategy=strategy,
        epochs=plan.fidelity.epochs if plan.rungs is None else plan.rungs.epochs[-1],
        seed=options.seed,
        trials=options.trials,
        created=time.time(),
        rungs=plan.rungs,
        stop_early=options.stop_early,
        inherit=options.inherit,
        pretrained=None if plan.start is None else plan.start.record,
        deterministic=options.deterministic,
        estimator="" if estimator is None else estimator.name,
        estimator_file="" if estimator is None else estimator.sha256,
        made_with=made_with,
        prior="" if plan.prior is None else str(plan.prior),
        pool=0 if plan.prior is None else plan.prior.pool,
    )
