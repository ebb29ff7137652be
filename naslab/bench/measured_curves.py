"""Measured learning curves of a table's networks, searched as the made-up ones of `naslab.bench.made_curves` are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.bench.fashion_mixed import MAXIMISED, SPACE, load_fashion_mixed, read_fashion_table
from naslab.bench.table import TableDomain
from naslab.errors import SpecError
from naslab.metrics import ACCURACY


class MeasuredCurves(NamedTuple):
    """A table `domain` whose networks were trained from several seeds: `losses`, shape (epochs, rows, seeds).

    The losses are what a search is shown as its first objective, NaN where a network was not trained from a seed. They
    may be of other images than the first loss of the domain, by which what was found is judged.
    """

    domain: TableDomain
    losses: NDArray[np.float64]

    @property
    def epochs(self) -> int:
        """How many epochs a whole training has."""
        return len(self.losses)

    def measured(self, row: int, epochs: int, seed: int) -> tuple[float, ...]:
        """The losses of a `row` after `epochs` of one of its trainings, the same one at each epoch with this `seed`."""
        trained = np.flatnonzero(np.isfinite(self.losses[-1, row]))
        chosen = trained[np.random.default_rng([seed, 19, row]).integers(len(trained))]
        return (float(self.losses[epochs - 1, row, chosen]), *map(float, self.domain.losses[row, 1:]))


def fashion_curves(costs: Sequence[str] = ()) -> MeasuredCurves:
    """The curves of our own table: validation is shown, and what was found is judged by the mean test accuracy.

    `costs` are further objectives, of macs, params, activations and `latency_ms`. Epochs take the CPU seconds that they
    took, in multiples of their mean. Raises `SpecError` for other costs and `DataError` where the table cannot be read.

    >>> curves = fashion_curves(["macs"])
    >>> curves.epochs, curves.domain.num_objectives, len(curves.measured(0, 3, seed=1))
    (12, 2, 2)
    """
    if set(costs) & set(MAXIMISED):
        raise SpecError("costs", f"of {SPACE} are no accuracies, got {', '.join(costs)}")
    domain, table = load_fashion_mixed(objectives=(ACCURACY.name, *costs)), read_fashion_table()
    place = {genome: number for number, genome in enumerate(table.genomes)}
    rows = np.array([place[genome] for genome in domain.space.enumerate()])
    seconds = np.nanmean(table.seconds[rows], axis=1)
    domain.durations = seconds / seconds.mean()
    return MeasuredCurves(domain, -table.validation[:, rows])
