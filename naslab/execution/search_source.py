"""The source of a search: its strategy's networks, through rungs and with bars where the study has them."""

from __future__ import annotations

from naslab.execution.bar_source import BarSource
from naslab.execution.inherit_source import InheritSource
from naslab.execution.rung_source import RungSource
from naslab.execution.source import Source, StrategySource
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.outcome import Fidelity
from naslab.problem import Problem
from naslab.strategies.strategy import Strategy


def search_source(strategy: Strategy, problem: Problem, record: StudyRecord, ledger: Ledger) -> Source:
    """Where a study's candidates come from; checkpoints beside its ledger go when nothing can need them any more."""
    rungs = record.rungs
    first = Fidelity(epochs=record.epochs) if rungs is None else rungs.fidelity(0)
    networks = StrategySource(strategy, problem, first, record.seed, record.trials)
    # a checkpoint that children may begin with is never done with
    forget = keep_all if record.inherit else ledger.checkpoints(record.name).discard
    begun = InheritSource(networks) if record.inherit else networks
    ladder = begun if rungs is None else RungSource(begun, rungs, problem.objectives, forget)
    if record.stop_early is None:
        return ladder
    return BarSource(ladder, problem.objectives, Fidelity(epochs=record.epochs))


def keep_all(_: str) -> None:
    """Forget no checkpoint."""
