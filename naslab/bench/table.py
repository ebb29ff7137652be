"""Table: networks whose results are known, as a space of knobs that strategies search without training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import product

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, counted
from naslab.space import Genome
from naslab.space.genome import Gene, Hole, other_option
from naslab.strategies.domain import Network
from naslab.strategies.outcome_history import Observation
from naslab.strategies.priors import Prior
from naslab.study.problem import Objective


class TableSpace:
    """The rows of a table as genomes: one gene for each of `knobs`. Other combinations are invalid networks."""

    def __init__(self, knobs: Sequence[Hole], keys: NDArray[np.int64]) -> None:
        """`keys` holds the option of every knob for every row: shape (rows, knobs)."""
        self.knobs = tuple(knobs)
        self.keys = keys
        self._rows = {tuple(key): row for row, key in enumerate(keys.tolist())}
        self._starts = np.cumsum([0, *(1 if knob.is_ordered else len(knob.options) for knob in self.knobs)])

    def row(self, genome: Genome) -> int | None:
        """The genome's row, `None` where it is not in the table."""
        return self._rows.get(tuple(gene.option for gene in genome.genes))

    def genome(self, row: int) -> Genome:
        """The genome of a row."""
        return self._made(self.keys[row])

    def size(self) -> int:
        """How many rows there are."""
        return len(self.keys)

    def sample(self, rng: np.random.Generator) -> Genome:
        """A random row."""
        return self.genome(int(rng.integers(len(self.keys))))

    def mutate(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        """The genome with one knob set to another of its values; a row if one of a few tries is.

        With `near` ordered knobs prefer near values, as `other_option` says.
        """
        mutant = genome
        for _ in range(8):
            knob = int(rng.integers(len(self.knobs)))
            if len(self.knobs[knob].options) > 1:
                option = other_option(self.knobs[knob], genome.genes[knob].option, rng, near)
                mutant = self._with(genome, knob, option)
                if self.row(mutant) is not None:
                    break
        return mutant

    def cross(self, one: Genome, two: Genome, rng: np.random.Generator) -> Genome:
        """Each knob of one parent or the other."""
        takes = rng.random(len(self.knobs)) < 0.5
        return Genome(tuple(a if take else b for a, b, take in zip(one.genes, two.genes, takes, strict=True)))

    def neighbours(self, genome: Genome) -> Iterator[Genome]:
        """Every row that differs in one knob."""
        for index, knob in enumerate(self.knobs):
            for option in range(len(knob.options)):
                if option != genome.genes[index].option:
                    near = self._with(genome, index, option)
                    if self.row(near) is not None:
                        yield near

    def enumerate(self) -> Iterator[Genome]:
        """Every row."""
        return (self.genome(row) for row in range(len(self.keys)))

    def holes(self) -> Sequence[Hole]:
        """The knobs."""
        return self.knobs

    def fill(self, choose: Callable[[Hole], int]) -> Genome:
        """The genome of the options that `choose` takes, a row or not."""
        return self._made([choose(knob) for knob in self.knobs])

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        """Ordered knobs as their rank from 0 to 1, the others one column a value: shape (columns,)."""
        vector = np.zeros(int(self._starts[-1]))
        for start, knob, gene in zip(self._starts, self.knobs, genome.genes, strict=False):
            if knob.is_ordered:
                vector[start] = gene.option / max(1, len(knob.options) - 1)
            else:
                vector[start + gene.option] = 1.0
        return vector

    def _made(self, options: Sequence[int] | NDArray[np.int64]) -> Genome:
        return Genome(tuple(Gene(knob.path, int(each)) for knob, each in zip(self.knobs, options, strict=True)))

    def _with(self, genome: Genome, knob: int, option: int) -> Genome:
        genes = list(genome.genes)
        genes[knob] = Gene(self.knobs[knob].path, option)
        return Genome(tuple(genes))


class TableDomain:
    """A table as strategies see it: the rows of `space`; rows that are the same network are known as one.

    `losses`: shape (rows, objectives), to be small. `is_known`: which objectives are known before training, shape
    (objectives,). `features`: what a model may learn from, shape (rows, features). `networks`: shape (rows,), equal
    where rows are one network; a row's own number by default. `reference`: losses that count as worthless, shape
    (objectives,); the table's worst by default. `objectives`: what the losses are of. `durations`: how long each row's
    training takes, shape (rows,), in any unit; kept as multiples of their mean, all alike by default. `prior` are
    scores of rows by cheap estimators, `preferred` the losses that are preferred at most, shape (objectives,), NaN
    where none is. `shown` are the first losses that searches are told instead of those of `losses`, by which they are
    judged: one of several trainings of each row, shape (trainings, rows), NaN where there are fewer. `spreads`, of the
    shape of `losses`, say how uncertain what is told of each row is, NaN where that is not known. Raises `DataError`
    where there are not as many losses as rows, and where no training of a row is shown.
    """

    def __init__(
        self,
        space: TableSpace,
        losses: NDArray[np.float64],
        is_known: Sequence[bool] = (),
        features: NDArray[np.float64] | None = None,
        networks: NDArray[np.int64] | None = None,
        reference: Sequence[float] | None = None,
        objectives: Sequence[Objective] = (),
        durations: NDArray[np.float64] | None = None,
        prior: Prior | None = None,
        preferred: NDArray[np.float64] | None = None,
        shown: NDArray[np.float64] | None = None,
        spreads: NDArray[np.float64] | None = None,
    ) -> None:
        if len(losses) != space.size():
            raise DataError(f"a table of {counted(space.size(), 'row')} needs as many losses, got {len(losses)}")
        if shown is not None and not np.isfinite(shown).any(axis=0).all():
            raise DataError("a table needs a training to show of every row")
        self.space = space
        self.losses = losses
        self.networks = np.arange(len(losses)) if networks is None else networks
        self.reference = losses.max(axis=0) if reference is None else np.array(reference, dtype=np.float64)
        self.is_known = np.array(is_known or [False] * losses.shape[1], dtype=bool)
        self.objectives = tuple(objectives) or tuple(
            Objective(metric=f"loss{i}", maximise=False) for i in range(losses.shape[1])
        )
        self.durations = np.ones(len(losses)) if durations is None else durations / durations.mean()
        self.prior = prior
        self.preferred = preferred
        self.shown = shown
        self.spreads = spreads
        self._features = np.zeros((len(losses), 0)) if features is None else features

    @property
    def num_objectives(self) -> int:
        """How many losses a row has."""
        return int(self.losses.shape[1])

    @property
    def num_networks(self) -> int:
        """How many of the rows are distinct networks."""
        return len(np.unique(self.networks))

    def examine(self, genome: Genome) -> Network:
        """What is known of a row before its results are looked up."""
        row = self.space.row(genome)
        if row is None:
            return Network("", (), (None,) * self.num_objectives, math.inf)
        losses = tuple(
            float(loss) if known else None for loss, known in zip(self.losses[row], self.is_known, strict=True)
        )
        features = tuple(float(value) for value in self._features[row])
        return Network(str(self.networks[row]), features, losses, 0.0)

    def scored(self, names: Sequence[str], scores: NDArray[np.float64]) -> TableDomain:
        """The same table with the prior `scores` of each row by estimators of these `names`: shape (rows, names)."""
        _, first = np.unique(self.networks, return_index=True)
        genomes = [self.space.genome(int(row)) for row in first]
        scored = copy(self)
        scored.prior = Prior(names, genomes, [str(self.networks[row]) for row in first], scores[first])
        return scored

    def repair(self, genome: Genome, rng: np.random.Generator) -> Genome | None:
        """A row that differs from the genome in one knob, `None` if there is none."""
        near = list(self.space.neighbours(genome))
        return near[int(rng.integers(len(near)))] if near else None

    def unmet_limits(self) -> str:
        """A table has no limits: only a table without rows has nothing to propose."""
        return "the table holds no row"

    def look_up(self, genome: Genome, noise: NDArray[np.float64] | None = None, training: int = 0) -> Observation:
        """What a search is told of a row; a combination that is not a row has failed.

        `noise`, of shape (objectives,), is added. Of several trainings that are shown it is that of the number
        `training`, counted from 0 and around again.
        """
        row = self.space.row(genome)
        if row is None:
            return Observation(genome, "", None)
        losses = self.losses[row] if noise is None else self.losses[row] + noise
        if self.shown is not None:
            trainings = self.shown[np.isfinite(self.shown[:, row]), row]
            losses = losses.copy()
            losses[0] += trainings[training % len(trainings)] - self.losses[row, 0]
        spreads = () if self.spreads is None else tuple(self.spreads[row].tolist())
        return Observation(genome, str(self.networks[row]), tuple(float(loss) for loss in losses), spreads=spreads)


def full_keys(knobs: Sequence[Hole]) -> NDArray[np.int64]:
    """Every combination of the options of `knobs`: shape (combinations, knobs)."""
    return np.array(list(product(*(range(len(knob.options)) for knob in knobs))), dtype=np.int64)
