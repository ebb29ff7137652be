"""A driver to kill: a search of the digits by rungs whose networks inherit. Arguments: folder, trials."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from inherit_estimators import Watched
from tiny_space import SPACE

from naslab.estimators.inheritance import ANCESTOR_EPOCHS
from naslab.execution.events import EpochEnded, Event, TrialFinished
from naslab.execution.workers import Workers
from naslab.lab import search as lab
from naslab.lab.search_estimators import estimator_of


def show(event: Event) -> None:
    """One line for each epoch of a network that goes on from what it inherited, and for one that ran once more."""
    if isinstance(event, EpochEnded) and event.candidate.origin.get("operator") == "promote":
        print(f"promoted {event.candidate.origin.get(ANCESTOR_EPOCHS, 0)}", flush=True)
    if isinstance(event, TrialFinished) and "retried" in event.outcome.estimate.notes:
        print("retried", flush=True)


def main(folder: str, trials: str) -> None:
    """Search with rungs of 1, 2 and 4 epochs."""
    plain = estimator_of
    space = Path(folder, "tiny.yaml")
    space.write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "estimator_of", lambda *given: Watched(plain(*given), folder))
        lab.search(
            space,
            dataset="digits",
            strategy="local",
            trials=int(trials),
            max_images=150,
            rungs=(1, 2, 4),
            inherit=True,
            workers=Workers(count=2, device="cpu"),
            ledger=f"{folder}/naslab.db",
            study="heirs",
            on_event=show,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
