"""A search with two workers in a copy of naslab whose blocks have one more. Arguments: folder, trials."""

from __future__ import annotations

import sys
from pathlib import Path

import naslab
from naslab.execution.workers import Workers

SPACE = """
input: [1, 8, 8]
num_classes: 10
stem: [{block: {type: conv}, width: {choice: [4, 6, 8]}}]
stages:
  - {block: {type: space_to_depth, kernel: {choice: [1, 3]}}, width: {choice: [8, 12]}}
"""


def main(folder: str, trials: str) -> None:
    """Print the accuracy of every candidate and what became of it."""
    space = Path(folder, "outside.yaml")
    space.write_text(SPACE, encoding="utf-8")
    view = naslab.search(
        space,
        dataset="digits",
        strategy="random",
        trials=int(trials),
        max_images=200,
        epochs=1,
        workers=Workers(count=2, device="cpu"),
        ledger=Path(folder, "naslab.db"),
    )
    print(naslab.__file__)
    for outcome in view.outcomes:
        print(outcome.estimate.failure, outcome.candidate.arch.stages[0].block)


if __name__ == "__main__":
    main(*sys.argv[1:])
