"""A driver to kill: searches by a prior with two real workers. Argument: a folder. Says how much is scored."""

from __future__ import annotations

import sys
from pathlib import Path

from tiny_space import SPACE

import naslab
from naslab.execution.events import Event, PriorScored, TrialFinished


def show(event: Event) -> None:
    """One line an event that tests look for."""
    if isinstance(event, PriorScored):
        print(f"scored {event.number} of {event.total}", flush=True)
    if isinstance(event, TrialFinished):
        print(f"finished {event.number} of {event.total}", flush=True)


def main(folder: str) -> None:
    """Search the tiny space; nothing is trained."""
    space = Path(folder, "tiny.yaml")
    space.write_text(SPACE, encoding="utf-8")
    naslab.search(
        space,
        dataset="digits",
        strategy="bayes",
        trials=6,
        estimator="depth",
        objectives=("depth",),
        prior="naswot,layers",
        pool=15,
        workers=2,
        ledger=Path(folder, "studies.db"),
        study="searched",
        on_event=show,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
