"""Networks estimated beside a search: its baselines and its rescaled family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from naslab.execution.events import Observer
from naslab.execution.executor import Executor
from naslab.execution.search import run_candidates
from naslab.execution.source import ListSource, make_candidate
from naslab.lab.problems import ListedNetwork
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.study.outcome import Fidelity


def run_listed(
    ledger: Ledger,
    record: StudyRecord,
    executor: Executor,
    role: Literal["family", "baseline"],
    listed: Sequence[ListedNetwork],
    on_event: Observer,
    tidy: Callable[[], object] = lambda: None,
    fidelity: Fidelity | None = None,
    seeds: int = 1,
) -> None:
    """Estimate the networks `listed` beside a search, in the `role` of its family or its baselines.

    Those of which the study `record` of `ledger` has a result are left out. `executor` runs them at `fidelity`, by
    default whole, each from as many `seeds`, the study's own first; `on_event` is told, `tidy` called at the end.
    """
    spent = fidelity or Fidelity(epochs=record.epochs)
    jobs = [(arch, origin, record.seed + more) for more in range(seeds) for arch, origin in listed]
    made = [make_candidate(arch, 0, spent.epochs, seed, role, origin=origin) for arch, origin, seed in jobs]
    candidates = [msgspec.structs.replace(each, fidelity=spent) for each in made]
    run_candidates(record.name, ledger, executor, ListSource(candidates), on_event, tidy)
