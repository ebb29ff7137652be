"""The networks among which a surrogate looks for the next one, as arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from naslab.space import Genome
from naslab.strategies.domain import Domain, Network
from naslab.strategies.totals import Totals

MAX_ENUMERATED = 10_000
"""All networks of a space of up to this many genomes are candidates."""
POOL_SIZE = 256
"""Random networks that stand for a larger space."""
MAX_REPAIRED = 32
"""How many random networks that break the limits are repaired: a repair costs many evaluations of the cost."""
POOL_SEED = 20_231_117


class Candidates:
    """Networks that meet the limits as the rows of arrays: their `genomes` and the `ids` of their networks, in order.

    `inputs` are what a model sees, shape (networks, columns). `known`, kept as `known_losses`, has the shape
    (networks, objectives): the losses known before training, NaN where an objective is to be measured. `features` are
    those of `Network`, shape (networks, features).
    """

    def __init__(
        self,
        genomes: list[Genome],
        ids: list[str],
        inputs: NDArray[np.float64],
        known: NDArray[np.float64],
        features: NDArray[np.float64],
    ) -> None:
        self.genomes = genomes
        self._row_of = {network_id: row for row, network_id in enumerate(ids)}
        self.inputs = inputs
        self.known_losses = known
        self.features = features

    def part(self, rows: NDArray[np.intp]) -> Candidates:
        """Those of some `rows`, shape (part,)."""
        ids = list(self._row_of)
        genomes = [self.genomes[row] for row in rows]
        known, features = self.known_losses[rows], self.features[rows]
        return Candidates(genomes, [ids[row] for row in rows], self.inputs[rows], known, features)

    def is_unseen(self, seen: Collection[str]) -> NDArray[np.bool_]:
        """Which networks are not among the ids `seen`: bool of shape (networks,)."""
        unseen = np.ones(len(self.genomes), dtype=bool)
        unseen[[row for network_id, row in self._row_of.items() if network_id in seen]] = False
        return unseen


class Catalogue:
    """Turns genomes into a model's inputs, and keeps the standing candidates of a domain.

    `standing` are all networks of a space of up to 10,000 genomes (`is_complete`), else those that a prior scored, or
    a fixed random sample. `is_known` says for each objective whether it is known before training. The columns of the
    inputs are the encoded choices, their totals and the logarithms of the costs, each scaled so that the standing
    candidates span 0 to 1, and the normal scores of `prior`, that of the domain as it was.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.prior = domain.prior
        self._totals = Totals(domain.space)
        self._low: NDArray[np.float64] | float = 0.0
        self._span: NDArray[np.float64] | float = 1.0
        self._num_scores = 0
        self.is_complete = domain.space.size() <= MAX_ENUMERATED
        standing = self.described(self._standing_genomes())
        if standing.genomes:
            self._low, span = standing.inputs.min(axis=0), np.ptp(standing.inputs, axis=0)
            self._span = np.where(span > 0, span, 1.0)
            standing.inputs = (standing.inputs - self._low) / self._span
        if self.prior is not None and standing.genomes:
            self._num_scores = len(self.prior.names)
            self.prior.fit(self._plain_inputs(self.prior.genomes))
            standing.inputs = self._with_scores(standing.genomes, standing.inputs)
        self.standing = standing
        self.is_known = [not any(np.isnan(column)) for column in standing.known_losses.T]

    def described(self, genomes: Iterable[Genome]) -> Candidates:
        """The genomes that meet the limits as candidates, one for each network: the first."""
        found: dict[str, tuple[Genome, Network]] = {}
        for genome in genomes:
            network = self._domain.examine(genome)
            if network.is_feasible:
                found.setdefault(network.network_id, (genome, network))
        known = [[np.nan if loss is None else loss for loss in network.losses] for _, network in found.values()]
        return Candidates(
            [genome for genome, _ in found.values()],
            list(found),
            self.inputs_of([genome for genome, _ in found.values()]),
            np.array(known, dtype=np.float64).reshape(len(found), self._domain.num_objectives),
            np.array([network.features for _, network in found.values()]).reshape(len(found), -1 if found else 0),
        )

    def features_of(self, genomes: Iterable[Genome]) -> NDArray[np.float64]:
        """The features of the networks of `genomes`, as `Network` has them: shape (genomes, features)."""
        rows = [self._domain.examine(each).features for each in genomes]
        return np.array(rows).reshape(len(rows), -1 if rows else 0)

    def known_losses_of(self, genomes: Iterable[Genome]) -> NDArray[np.float64]:
        """The losses of `genomes` known before training, NaN for the others: shape (genomes, objectives)."""
        rows = [[np.nan if loss is None else loss for loss in self._domain.examine(each).losses] for each in genomes]
        return np.array(rows, dtype=np.float64).reshape(len(rows), self._domain.num_objectives)

    def _standing_genomes(self) -> Iterable[Genome]:
        if self.is_complete:
            return self._domain.space.enumerate()
        return _random_genomes(self._domain) if self.prior is None else self.prior.genomes

    def inputs_of(self, genomes: list[Genome]) -> NDArray[np.float64]:
        """The model inputs of `genomes`: shape (genomes, columns)."""
        return self._with_scores(genomes, self._plain_inputs(genomes)) if genomes else np.zeros((0, 0))

    def _with_scores(self, genomes: list[Genome], inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.prior is None or not self._num_scores:
            return inputs
        ids = [self._domain.examine(each).network_id for each in genomes]
        return np.column_stack((inputs, self.prior.of(ids, inputs)))

    def _plain_inputs(self, genomes: list[Genome]) -> NDArray[np.float64]:
        rows = [
            np.concatenate(
                (self._domain.space.encode(each), self._totals.of(each), self._domain.examine(each).features)
            )
            for each in genomes
        ]
        return (np.array(rows) - self._low) / self._span if rows else np.zeros((0, 0))

    def parts(self) -> tuple[NDArray[np.intp], ...]:
        """The columns that hold choices, those that hold totals and those that hold costs, each of shape (columns,).

        Columns that are the same for all standing candidates are left out, and so are parts without columns.
        """
        genome = self.standing.genomes[0]
        num_choices = len(self._domain.space.encode(genome))
        edges = np.cumsum([0, num_choices, self._totals.num_columns, len(self._domain.examine(genome).features)])
        varying = np.ptp(self.standing.inputs, axis=0) > 0
        ranges = (np.arange(first, last) for first, last in pairwise(edges))
        return tuple(part[varying[part]] for part in ranges if varying[part].any())

    @property
    def score_columns(self) -> NDArray[np.intp]:
        """The columns that hold the scores of a prior, none without one: shape (names,)."""
        num_columns = self.standing.inputs.shape[1]
        return np.arange(num_columns - self._num_scores, num_columns)


def _random_genomes(domain: Domain) -> Iterator[Genome]:
    """The same random genomes whenever they are drawn, some repaired where they break a limit."""
    rng = np.random.default_rng(POOL_SEED)
    drawn = [domain.space.sample(rng) for _ in range(POOL_SIZE)]
    broken = [genome for genome in drawn if not domain.examine(genome).is_feasible]
    yield from drawn
    for genome in broken[:MAX_REPAIRED]:
        mended = domain.repair(genome, rng)
        if mended is not None:
            yield mended
