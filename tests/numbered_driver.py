"""A driver to kill: searches the numbered space with real workers. Arguments: folder, trials, executor, a number.

Trials from that number on wait for the file `go`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fake_estimators import Scripted
from tiny_search import Counting, numbered_problem, numbered_study

from naslab.execution.events import Event, Interrupted, Resumed, TrialFinished
from naslab.execution.search import run_search
from naslab.execution.workers import Workers


def show(event: Event) -> None:
    """One line an event that tests look for."""
    if isinstance(event, Resumed):
        print(f"resumed {event.finished} {event.requeued}", flush=True)
    if isinstance(event, TrialFinished):
        print(f"finished {event.number} of {event.total}", flush=True)
    if isinstance(event, Interrupted):
        print(f"interrupted {event.in_flight}", flush=True)


def main(folder: str, trials: str, kind: str, holds_from: str) -> None:
    """Search the numbered space; every run of a trial leaves a file in the folder."""
    workers = Workers(kind="ray" if kind == "ray" else "local", count=2, device="cpu")
    with (
        numbered_study(Path(folder), int(trials)) as ledger,
        workers.start(Scripted(folder, int(holds_from))) as executor,
    ):
        run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 0, int(trials), show)


if __name__ == "__main__":
    main(*sys.argv[1:])
