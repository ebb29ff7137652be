"""The trials of a study as rows: what was chosen, what it costs, what was measured, where it came from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from naslab.analysis.front import metrics_of, plain_metrics
from naslab.arch.summary import describe_arch
from naslab.ledger.genomes import require_genomes_of
from naslab.study.outcome import LATER_NOTE, Outcome

if TYPE_CHECKING:
    from naslab.analysis.study import StudyView


def every_outcome(study: StudyView) -> list[Outcome]:
    """All outcomes of `study`, of its search, baselines and family, by trial."""
    return sorted((*study.outcomes, *study.baselines, *study.family), key=lambda each: each.candidate.trial)


def later_metrics(outcomes: Iterable[Outcome]) -> list[str]:
    """The names of the metrics that `naslab measure STUDY --metric` added to some of `outcomes`, in order."""
    return list(dict.fromkeys(name for each in outcomes for name in each.estimate.notes.get(LATER_NOTE, {})))


def trial_rows(study: StudyView) -> list[dict[str, Any]]:
    """A row for each finished trial of `study`, its search, baselines and family, all with the same keys; by trial.

    `trial`, `state` (`complete`, or why it failed), `role`, every metric and cost by its name, `epochs`, `started` and
    `finished` (seconds since the epoch, UTC), `wall_seconds`, `operator`, `parents` and `worker`, `failure` (what it
    said), `arch_id` and `network` in words; and for every choice of the space a column with its path, such as
    `stages[0].block`. What a trial has not is `None`. Raises `LedgerError` for a genome of another space.
    """
    outcomes = every_outcome(study)
    measured = dict.fromkeys(name for each in outcomes for name in metrics_of(each))
    require_genomes_of(study.problem.space, (each.candidate for each in study.outcomes))
    choices = {hole.path: hole.labels for hole in study.problem.space.holes()}
    return [_row(each, list(measured), choices) for each in outcomes]


def _row(outcome: Outcome, measured: list[str], choices: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    candidate, estimate = outcome.candidate, outcome.estimate
    values = plain_metrics(metrics_of(outcome))
    genes = dict(candidate.genome.genes)
    return {
        "trial": candidate.trial,
        "state": "complete" if estimate.failure is None else estimate.failure.reason,
        "role": candidate.role,
        **{name: values.get(name) for name in measured},
        "epochs": candidate.fidelity.epochs,
        "started": outcome.finished - estimate.wall_seconds,
        "finished": outcome.finished,
        "wall_seconds": estimate.wall_seconds,
        "operator": candidate.origin.get("operator"),
        "parents": candidate.origin.get("parents"),
        "worker": estimate.worker,
        "failure": None if estimate.failure is None else estimate.failure.message,
        "arch_id": candidate.arch_id,
        "network": "; ".join(describe_arch(candidate.arch)),
        **{path: labels[genes[path]] if path in genes else None for path, labels in choices.items()},
    }
