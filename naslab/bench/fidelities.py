"""Several fidelities on a table: short trainings that half agree with long ones, and successive halving over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.bench.made_table import make_scores
from naslab.bench.table import TableDomain
from naslab.errors import SpaceExhaustedError
from naslab.space import Genome
from naslab.strategies.composed import Search
from naslab.strategies.outcome_history import Observation

SHORTFALL = 2.0
"""How much worse the shortest trainings are, in deviations of the table."""


class Ladder(msgspec.Struct, frozen=True):
    """Trainings of `efforts` (in epochs, rising); of each one's networks the share `keep` goes on to the next.

    `agreements` are the correlations of a training's losses with those of the longest. Raises `SpecError` where efforts
    do not rise, or where there is not one agreement for each, the last of 1.

    >>> Ladder((1, 3, 9), (0.6, 0.85, 1.0)).keep
    0.3333333333333333
    """

    efforts: tuple[int, ...]
    agreements: tuple[float, ...]
    keep: float = 1 / 3

    def __post_init__(self) -> None:
        rises = all(one < two for one, two in zip(self.efforts, self.efforts[1:], strict=False))
        require(len(self.efforts) > 0 and rises, "efforts", f"must rise, got {self.efforts}")
        alike = len(self.agreements) == len(self.efforts) and self.agreements[-1] == 1
        require(alike, "agreements", f"must be one for each effort, the last 1, got {self.agreements}")
        require(0 < self.keep < 1, "keep", f"must be a share between 0 and 1, got {self.keep}")


def make_fidelities(domain: TableDomain, ladder: Ladder, seed: int = 0) -> NDArray[np.float64]:
    """The first loss of every row of `domain` after each of the trainings of `ladder`: shape (efforts, rows).

    The last is the table's. A shorter training is the table's own loss mixed with that of a made table of the same
    knobs, worse and more spread, so that it favours some networks for reasons of its own.
    """
    own = domain.losses[:, 0]
    centre, spread = own.mean(), own.std()
    rng = np.random.default_rng([seed, 13])
    found = []
    for index, agreement in enumerate(ladder.agreements):
        short = 1 - index / max(1, len(ladder.agreements) - 1)
        other = make_scores(domain.space.knobs, domain.space.keys, rng)
        mixed = agreement * (own - centre) / spread + np.sqrt(1 - agreement**2) * other
        found.append(centre + spread * ((1 + short) * mixed + SHORTFALL * short))
    return np.array([*found[:-1], own])


class LadderTrace(NamedTuple):
    """How a search of a ladder went, of shape (trainings,) each.

    `spent` counts epochs, `best` is the table's own loss of the best network that was trained to the end, infinite
    before there is one.
    """

    spent: NDArray[np.float64]
    best: NDArray[np.float64]

    def best_after(self, epochs: float) -> float:
        """The best found with so many epochs spent, infinite if nothing was trained to the end."""
        within = np.flatnonzero(self.spent <= epochs)
        return float(self.best[within[-1]]) if len(within) else np.inf


def successive_halving(
    domain: TableDomain,
    ladder: Ladder,
    losses: NDArray[np.float64],
    search: Search,
    epochs: int,
    tells_all: bool,
    noise: float = 0.0,
    seed: int = 0,
) -> LadderTrace:
    """Asynchronous successive halving (Li et al. 2018, arXiv 1810.05934) on one worker until `epochs` are spent.

    `losses`, shape (efforts, rows), are those of the trainings of `ladder` on the table `domain`; each is seen with
    normal noise of the deviation `noise`. A network that goes on is charged what its training adds. `search` is told
    every training or, without `tells_all`, those of the first effort alone. The best network is the one whose full
    training looked best, by its own loss in the table: a lucky measurement counts for nothing.
    """
    rungs: list[dict[int, float]] = [{} for _ in ladder.efforts]
    spent, shown, best = 0.0, np.inf, np.inf
    trail: list[tuple[float, float]] = []
    genomes: dict[int, Genome] = {}
    while spent < epochs:
        due = _due(rungs, ladder.keep)
        if due is None:
            try:
                genome = search.ask(1)[0].genome
            except SpaceExhaustedError:
                break
            found = domain.space.row(genome)
            assert found is not None, "the filter lets only rows through"
            due, genomes[found] = (0, found), genome
        rung, row = due
        luck = np.random.default_rng([seed, 17, rung, row]).standard_normal()
        value = float(losses[rung, row]) + noise * float(luck)
        rungs[rung][row] = value
        spent += ladder.efforts[rung] - (ladder.efforts[rung - 1] if rung else 0)
        if rung == 0 or tells_all:
            effort = float(ladder.efforts[rung])
            told = Observation(genomes[row], str(domain.networks[row]), (value,), {}, len(trail), effort)
            search.learn([told])
        if rung == len(rungs) - 1 and value < shown:
            shown, best = value, float(domain.losses[row, 0])
        trail.append((spent, best))
    steps = np.array(trail, dtype=np.float64).reshape(-1, 2)
    return LadderTrace(steps[:, 0], steps[:, 1])


def _due(rungs: Sequence[dict[int, float]], keep: float) -> tuple[int, int] | None:
    """The next rung and row of a network that is to go on, from the highest rung down; `None` if none is."""
    for rung in reversed(range(len(rungs) - 1)):
        best = sorted(rungs[rung], key=lambda row: rungs[rung][row])[: int(len(rungs[rung]) * keep + 1e-9)]
        for row in best:
            if row not in rungs[rung + 1]:
                return rung + 1, row
    return None
