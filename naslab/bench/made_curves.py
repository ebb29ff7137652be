"""Made-up learning curves that cross, and searches of them by the second: whole trainings, rungs, and pauses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from naslab.bench.made_table import make_scores, make_table
from naslab.bench.measured_curves import MeasuredCurves
from naslab.bench.table import TableDomain
from naslab.errors import SpaceExhaustedError
from naslab.pareto import hypervolume
from naslab.space import Genome
from naslab.strategies.composed import Search
from naslab.strategies.outcome_history import Observation, best_first
from naslab.strategies.pausing import Pausing

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


class MadeCurves(NamedTuple):
    """A table `domain` whose first loss is measured after every epoch: `losses`, (epochs, rows), the last the table's.

    A measurement comes with normal noise of the deviations `noise`, shape (epochs,).
    """

    domain: TableDomain
    losses: Matrix
    noise: Vector

    @property
    def epochs(self) -> int:
        """How many epochs a whole training has."""
        return len(self.losses)

    def measured(self, row: int, epochs: int, seed: int) -> tuple[float, ...]:
        """The losses of a `row` trained for `epochs`, the same whenever they are measured with this `seed`."""
        luck = float(np.random.default_rng([seed, 19, row, epochs]).standard_normal())
        first = float(self.losses[epochs - 1, row] + self.noise[epochs - 1] * luck)
        return (first, *map(float, self.domain.losses[row, 1:]))


def make_curves(
    num_options: tuple[int, ...] = (6, 5, 4),
    num_kinds: tuple[int, ...] = (4, 3, 2),
    objectives: tuple[str, ...] = ("score",),
    epochs: int = 12,
    seed: int = 0,
    noise: float = 0.05,
    is_late: bool = False,
) -> MadeCurves:
    """A table of `make_table` (its `num_options`, `num_kinds` and `objectives`) with a curve for each row.

    Each falls as an exponential of a rate and a height that differ: both depend on the choices and on the row alone,
    and the height on the result, too, so that networks that are better in the end are often worse at first. A whole
    training has so many `epochs`. `noise` is the deviation of the last epoch's measurement, in deviations of the table;
    that of the first is twice that. With `is_late` nothing is learned in a first third of the epochs, and the first is
    twenty times as noisy as the last. Equal seeds make equal curves.

    >>> curves = make_curves((3, 2), (2,), epochs=4)
    >>> curves.losses.shape, bool((curves.losses[-1] == curves.domain.losses[:, 0]).all())
    ((4, 11), True)
    """
    domain = make_table(num_options, num_kinds, objectives=objectives, seed=seed)
    rng = np.random.default_rng([seed, 23])
    result = domain.losses[:, 0]
    alike = [make_scores(domain.space.knobs, domain.space.keys, rng) for _ in range(2)]
    own = rng.standard_normal((2, len(result)))
    height = 3.0 * np.exp(0.3 * alike[0] + 0.2 * own[0] - 0.2 * result)
    pace = epochs / 4 * np.exp(0.3 * alike[1] + 0.2 * own[1])
    past = np.arange(1, epochs + 1)[:, None]
    if is_late:
        past = np.maximum(past - epochs // 3, 1)
    fallen = (np.exp(-past / pace) - np.exp(-past[-1] / pace)) / (np.exp(-1 / pace) - np.exp(-past[-1] / pace))
    louder = np.geomspace(20.0, 1.0, epochs) if is_late else np.linspace(2.0, 1.0, epochs)
    return MadeCurves(domain, result + height * fallen, noise * louder)


AnyCurves: TypeAlias = MadeCurves | MeasuredCurves


class CurveStep(NamedTuple):
    """What a search trained: a `row` up to `epochs`; `seconds` are all that were spent by the end of it."""

    row: int
    epochs: int
    seconds: float


class CurveSearch:
    """A search of `curves` by `search` on one worker: it trains rows on, tells of every result, and keeps the `steps`.

    `seed` is that of the measurements. With `tells_all` results before the last epoch are told, too. A second is what
    an epoch takes on average.
    """

    def __init__(self, curves: AnyCurves, search: Search, seed: int, tells_all: bool) -> None:
        self.curves = curves
        self.search = search
        self.steps: list[CurveStep] = []
        self.reached: dict[int, Observation] = {}
        """The last result of each row."""
        self._tells_all = tells_all
        self._seed = seed

    @property
    def seconds(self) -> float:
        """What was spent so far."""
        return self.steps[-1].seconds if self.steps else 0.0

    def begin(self, epochs: int) -> None:
        """Train a new network for so many epochs. Raises `SpaceExhaustedError` where there is none."""
        genome = self.search.ask(1)[0].genome
        row = self.curves.domain.space.row(genome)
        assert row is not None, "the filter lets only rows through"
        self._train(row, genome, 0, epochs)

    def go_on(self, row: int, epochs: int) -> None:
        """Train a network that was begun up to so many epochs."""
        before = self.reached[row]
        self._train(row, before.genome, int(before.effort), epochs)

    def _train(self, row: int, genome: Genome, done: int, epochs: int) -> None:
        spent = float((epochs - done) * self.curves.domain.durations[row])
        self.steps.append(CurveStep(row, epochs, self.seconds + spent))
        name = str(self.curves.domain.networks[row])
        losses = self.curves.measured(row, epochs, self._seed)
        told = Observation(genome, name, losses, {}, len(self.steps), float(epochs), spent)
        self.reached[row] = told
        if self._tells_all or epochs == self.curves.epochs:
            self.search.learn([told])


def train_whole(going: CurveSearch) -> None:
    """Begin a network and train it to the end."""
    going.begin(going.curves.epochs)


def halving(epochs: Sequence[int], keep: float) -> Callable[[CurveSearch], None]:
    """A step of asynchronous successive halving: rungs of these `epochs`, of each of which the share `keep` goes on."""

    def step(going: CurveSearch) -> None:
        for low, high in reversed(list(pairwise(epochs))):
            there = rungs[low]
            quota = int(len(there) * keep + 1e-9)
            rows = list(there)
            best = [rows[place] for place in best_first(there.values())[:quota]]
            due = [row for row in best if row not in rungs[high]]
            if due:
                going.go_on(due[0], high)
                rungs[high][due[0]] = going.reached[due[0]]
                return
        going.begin(epochs[0])
        row = going.steps[-1].row
        rungs[epochs[0]][row] = going.reached[row]

    rungs: dict[int, dict[int, Observation]] = {each: {} for each in epochs}
    return step


def pauses(pausing: Pausing) -> Callable[[CurveSearch], None]:
    """A step of a search that decides after every epoch, by `pausing`, which proposes its networks, too."""

    def step(going: CurveSearch) -> None:
        history = going.search.history
        paused = {each.network_id: row for row, each in going.reached.items() if each.effort < going.curves.epochs}
        chosen = pausing.next_paused(history, list(paused), True)
        if chosen is None:
            going.begin(1)
        else:
            row = paused[chosen]
            going.go_on(row, int(going.reached[row].effort) + 1)

    return step


def run(going: CurveSearch, step: Callable[[CurveSearch], None], seconds: float) -> list[CurveStep]:
    """The steps of a search until so many `seconds` are spent, or the table is exhausted."""
    while going.seconds < seconds:
        try:
            step(going)
        except SpaceExhaustedError:
            break
    return going.steps


def found_after(curves: AnyCurves, steps: Sequence[CurveStep], seed: int) -> list[tuple[float, float]]:
    """What the networks trained to the end are worth, after the seconds at which each ended: (seconds, worth).

    One objective: by how much the one that looked best, measured with this `seed`, is worse than the table's best.
    Several: the hypervolume of all of them as a share of the whole table's, both by exact losses.
    """
    domain, trail = curves.domain, []
    finished: list[int] = []
    whole = hypervolume(domain.losses, domain.reference) if domain.num_objectives > 1 else 0.0
    for each in steps:
        if each.epochs < curves.epochs:
            continue
        finished.append(each.row)
        if domain.num_objectives > 1:
            worth = hypervolume(domain.losses[finished], domain.reference) / whole
        else:
            best = min(finished, key=lambda row: curves.measured(row, curves.epochs, seed)[0])
            worth = float(domain.losses[best, 0] - domain.losses[:, 0].min())
        trail.append((each.seconds, worth))
    return trail
