"""Finished trials of a study by columns: what is asked of very many of them without reading their networks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self, overload

import numpy as np
from numpy.typing import NDArray

from naslab.space import Genome
from naslab.study.outcome import Fidelity, Outcome

INFEASIBLE = "infeasible"
READ_AT_ONCE = 1_000


class Made(NamedTuple):
    """How a candidate was made: its choices, and what its strategy said of it."""

    genome: Genome
    origin: dict[str, Any]


class FinishedReader(Protocol):
    """What reads of finished trials of a study, by their numbers, what is not in their columns.

    >>> from naslab.arch import arch_id, cost
    >>> from naslab.study.outcome import Candidate, Estimate
    >>> from naslab.zoo import model
    >>> class Listed:  # outcomes in a list, where the number of a trial is its place
    ...     def __init__(self, outcomes):
    ...         self._outcomes = outcomes
    ...     def whole(self, trials):
    ...         return [self._outcomes[trial] for trial in trials]
    ...     def made(self, trials):
    ...         return [Made(each.candidate.genome, each.candidate.origin) for each in self.whole(trials)]
    ...     def made_by(self, operator):
    ...         origins = [each.candidate.origin for each in self._outcomes]
    ...         return {trial for trial, origin in enumerate(origins) if origin.get("operator") == operator}
    ...     def values(self, metric, trials):
    ...         return np.array([each.value(metric) for each in self.whole(trials)])
    ...     def finished(self, trials):
    ...         return np.array([each.finished for each in self.whole(trials)])
    >>> arch = model("lenet5")
    >>> candidate = Candidate(trial=0, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(), seed=0)
    >>> reader = Listed([Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": 91.5}))])
    >>> reader.values("accuracy", np.array([0])), reader.made_by("mutate")
    (array([91.5]), set())
    """

    def whole(self, trials: Sequence[int]) -> list[Outcome]:
        """The whole outcomes of `trials`, in their order."""
        ...

    def made(self, trials: Sequence[int]) -> list[Made]:
        """The genomes and origins of `trials`, in their order."""
        ...

    def made_by(self, operator: str) -> set[int]:
        """The trials, perhaps among others, whose origin names that `operator`."""
        ...

    def values(self, metric: str, trials: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values of a `metric` that is a cost or measured, of the shape of `trials`; NaN where there is none."""
        ...

    def finished(self, trials: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each of `trials` was finished, in seconds since the epoch (UTC), of their shape."""
        ...


class FinishedColumns(NamedTuple):
    """Arrays of the shape (trials,), in the order finished.

    `fidelity` is the place of each one's in `fidelities`, `reason` why it has no result, empty where it has one.
    """

    trial: NDArray[np.int64]
    network_id: NDArray[np.object_]
    role: NDArray[np.object_]
    fidelity: NDArray[np.int64]
    reason: NDArray[np.object_]
    fidelities: tuple[Fidelity, ...]


class FinishedTrials(Sequence[Outcome]):
    """Finished trials in order: by columns at once, one by one as whole outcomes, which are read when asked for."""

    def __init__(self, reader: FinishedReader, columns: FinishedColumns) -> None:
        self.reader = reader
        self.columns = columns
        self._read: list[Outcome] = []

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> FinishedTrials:
        """The columns of `outcomes`, which are whole."""
        if isinstance(outcomes, FinishedTrials):
            return outcomes
        places: dict[Fidelity, int] = {}
        candidates = [each.candidate for each in outcomes]
        reasons = ["" if each.estimate.failure is None else each.estimate.failure.reason for each in outcomes]
        columns = FinishedColumns(
            np.array([each.trial for each in candidates], dtype=np.int64),
            _objects([each.arch_id for each in candidates]),
            _objects([each.role for each in candidates]),
            np.array([places.setdefault(each.fidelity, len(places)) for each in candidates], dtype=np.int64),
            _objects(reasons),
            tuple(places),
        )
        return cls(InMemory(outcomes), columns)

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """Which have a result: shape (trials,)."""
        return np.asarray(self.columns.reason == "", dtype=np.bool_)

    @property
    def is_infeasible(self) -> NDArray[np.bool_]:
        """Which broke a limit on what is measured: shape (trials,)."""
        return np.asarray(self.columns.reason == INFEASIBLE, dtype=np.bool_)

    @property
    def is_searched(self) -> NDArray[np.bool_]:
        """Which are of the search itself: shape (trials,)."""
        return np.asarray(self.columns.role == "search", dtype=np.bool_)

    @property
    def efforts(self) -> NDArray[np.float64]:
        """The epochs of each: shape (trials,)."""
        epochs = np.array([each.epochs for each in self.columns.fidelities], dtype=np.float64)
        return epochs[self.columns.fidelity] if len(self) else np.zeros(0)

    def is_of(self, fidelity: Fidelity) -> NDArray[np.bool_]:
        """Which are of that `fidelity`: shape (trials,)."""
        known = self.columns.fidelities
        return np.asarray(self.columns.fidelity == (known.index(fidelity) if fidelity in known else -1))

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Those of which `chosen`, shape (trials,), is true."""
        if chosen.all():
            return self
        found = self.columns
        kept = FinishedColumns(
            found.trial[chosen],
            found.network_id[chosen],
            found.role[chosen],
            found.fidelity[chosen],
            found.reason[chosen],
            found.fidelities,
        )
        return type(self)(self.reader, kept)

    def of_networks(self, network_ids: Collection[str]) -> Self:
        """Those of the networks with these `network_ids`."""
        asked = set(network_ids)
        if not asked:
            return self.where(np.zeros(len(self), dtype=np.bool_))
        chosen = map(asked.__contains__, self.columns.network_id.tolist())
        return self.where(np.fromiter(chosen, dtype=np.bool_, count=len(self)))

    @property
    def finished(self) -> NDArray[np.float64]:
        """When each was finished, in seconds since the epoch (UTC), read when asked for: shape (trials,)."""
        return self.reader.finished(self.columns.trial)

    def values(self, metric: str) -> NDArray[np.float64]:
        """A `metric` that is a cost or measured: shape (trials,), NaN where there is no value."""
        return self.reader.values(metric, self.columns.trial)

    def __len__(self) -> int:
        return len(self.columns.trial)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        if isinstance(index, slice):
            return self.reader.whole(self.columns.trial[index].tolist())
        return self.reader.whole([int(self.columns.trial[index])])[0]

    def __iter__(self) -> Iterator[Outcome]:
        for place in range(len(self)):
            if place == len(self._read):
                self._read += self.reader.whole(self.columns.trial[place : place + READ_AT_ONCE].tolist())
            yield self._read[place]


class InMemory:
    """Reads of `outcomes` that are there already."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = {each.candidate.trial: each for each in outcomes}

    def whole(self, trials: Sequence[int]) -> list[Outcome]:
        """The outcomes of `trials`, in their order."""
        return [self._outcomes[trial] for trial in trials]

    def made(self, trials: Sequence[int]) -> list[Made]:
        """The genomes and origins of `trials`, in their order."""
        found = (self._outcomes[trial].candidate for trial in trials)
        return [Made(each.genome, each.origin) for each in found]

    def made_by(self, operator: str) -> set[int]:
        """The trials whose origin names that `operator`."""
        named = self._outcomes.items()
        return {trial for trial, each in named if each.candidate.origin.get("operator") == operator}

    def values(self, metric: str, trials: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values of any `metric`, of the shape of `trials`; NaN where there is none."""
        return np.array([self._outcomes[trial].value(metric) for trial in trials.tolist()], dtype=np.float64)

    def finished(self, trials: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each of `trials` was finished, of their shape."""
        return np.array([self._outcomes[trial].finished for trial in trials.tolist()], dtype=np.float64)


def _objects(values: Sequence[str]) -> NDArray[np.object_]:
    return np.array(values, dtype=np.object_)
