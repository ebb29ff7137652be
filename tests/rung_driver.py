"""A driver to kill: a search of the digits with rungs. Arguments: folder, trials."""

from __future__ import annotations

import sys

from naslab.execution.events import EpochEnded, Event, TrialFinished
from naslab.execution.workers import Workers
from naslab.lab import search as lab


def show(event: Event) -> None:
    """One line an event that tests look for."""
    if isinstance(event, TrialFinished):
        print(f"finished {event.outcome.candidate.fidelity.epochs}", flush=True)
    if isinstance(event, EpochEnded):
        print(f"epoch {event.epoch.epoch}", flush=True)


def main(folder: str, trials: str) -> None:
    """Search with rungs of 1, 3 and 6 epochs."""
    lab.search(
        "digits_demo",
        strategy="random",
        trials=int(trials),
        max_images=300,
        rungs=(1, 3, 6),
        workers=Workers(count=2, device="cpu"),
        ledger=f"{folder}/naslab.db",
        study="rungs",
        on_event=show,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
