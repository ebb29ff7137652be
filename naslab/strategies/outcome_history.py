"""OutcomeHistory: what a strategy was told, in order, and what is still in flight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.pareto import crowding_of_fronts, non_dominated_ranks
from naslab.space import Genome
from naslab.study.finished import READ_AT_ONCE, FinishedReader


class Observation(msgspec.Struct, frozen=True):
    """A network's losses, all to be small; `None` where its estimate failed.

    `origin` is what the strategy said when it proposed the network, `trial` its number in the study. `effort` is how
    much was spent on the estimate, in any unit: more is a higher fidelity. `seconds` are those that it took, 0 where
    they are not known. `spreads` tell how uncertain each loss is beside those of other networks: its standard error, or
    its interquartile range; NaN where that is not known, empty where it is of none.
    """

    genome: Genome
    network_id: str
    losses: tuple[float, ...] | None
    origin: dict[str, Any] = {}
    trial: int = -1
    effort: float = 1.0
    seconds: float = 0.0
    spreads: tuple[float, ...] = ()


class ToldColumns(NamedTuple):
    """What was told, by columns: `losses` (told, objectives), NaN in rows of failures; `efforts` (told,); network ids.

    >>> ToldColumns.of([Observation(Genome(), "a", (3.0,)), Observation(Genome(), "b", None)]).losses.tolist()
    [[3.0], [nan]]
    """

    losses: NDArray[np.float64]
    efforts: NDArray[np.float64]
    network_ids: Sequence[str]

    @classmethod
    def of(cls, told: Sequence[Observation]) -> ToldColumns:
        """The columns of observations; of those of a history without reading them."""
        if isinstance(told, Told):
            return told.columns(len(told))
        width = max((len(each.losses) for each in told if each.losses is not None), default=0)
        failed = (math.nan,) * width
        losses = [failed if each.losses is None else each.losses for each in told]
        efforts = np.array([each.effort for each in told])
        return cls(np.array(losses, dtype=np.float64), efforts, [each.network_id for each in told])


class Unread(NamedTuple):
    """Observations of a study that goes on, by columns: `reader` tells their genomes and origins.

    `trials` has the shape (told,), `losses` (told, objectives), NaN in rows of failures, `efforts` (told,);
    `network_ids` are as many. `spreads` are the metrics that tell those of `Observation`, empty for a loss without.
    """

    reader: FinishedReader
    trials: NDArray[np.int64]
    losses: NDArray[np.float64]
    efforts: NDArray[np.float64]
    network_ids: Sequence[str]
    spreads: Sequence[str] = ()


class Told(Sequence[Observation]):
    """What was told, in order. Observations of a study that goes on are read when they are asked for, and kept."""

    def __init__(self, num_objectives: int) -> None:
        self._losses = np.empty((0, num_objectives))
        self._efforts = np.empty(0)
        self._network_ids: list[str] = []
        self._observations: list[Observation | None] = []
        self._unread: Unread | None = None

    def append(self, observation: Observation) -> None:
        """Add one more."""
        count = len(self)
        if count == len(self._losses):
            room = max(64, count)
            self._losses = np.concatenate((self._losses, np.full((room, self._losses.shape[1]), np.nan)))
            self._efforts = np.concatenate((self._efforts, np.zeros(room)))
        if observation.losses is not None:
            self._losses[count] = observation.losses
        self._efforts[count] = observation.effort
        self._network_ids.append(observation.network_id)
        self._observations.append(observation)

    def take_up(self, unread: Unread) -> None:
        """Begin with those of a study that goes on: nothing was told before."""
        assert not self._observations, "a study is taken up before anything else is told"
        self._unread = unread
        self._losses, self._efforts = unread.losses.copy(), unread.efforts.copy()
        self._network_ids = list(unread.network_ids)
        self._observations = [None] * len(self._network_ids)

    @property
    def is_taken_up(self) -> bool:
        """Whether those of a study that goes on came first, all at once."""
        return self._unread is not None

    def columns(self, count: int) -> ToldColumns:
        """The columns of the first `count`."""
        ids = self._network_ids if count == len(self) else self._network_ids[:count]
        return ToldColumns(self._losses[:count], self._efforts[:count], ids)

    def spreads(self, places: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float64]:
        """The spreads of the observations at those `places`, NaN where there are none: shape (places, objectives).

        Those of a study that goes on are read when they are asked for.
        """
        asked = np.asarray(places, dtype=np.intp)
        found = np.full((len(asked), self._losses.shape[1]), np.nan)
        is_unread = asked < (0 if self._unread is None else len(self._unread.trials))
        for row in np.flatnonzero(~is_unread):
            told = self._observations[asked[row]]
            if told is not None and told.spreads:
                found[row] = told.spreads
        if self._unread is not None and is_unread.any():
            trials = self._unread.trials[asked[is_unread]]
            for objective, name in enumerate(self._unread.spreads):
                if name:
                    found[is_unread, objective] = self._unread.reader.values(name, trials)
        return found

    def at(self, places: Iterable[int]) -> list[Observation]:
        """The observations at those `places`, read together."""
        asked = list(places)
        unread = self._unread
        missing = [place for place in dict.fromkeys(asked) if self._observations[place] is None]
        if missing and unread is not None:
            numbers = [int(unread.trials[place]) for place in missing]
            for place, number, made in zip(missing, numbers, unread.reader.made(numbers), strict=True):
                losses = None if np.isnan(self._losses[place, 0]) else tuple(self._losses[place].tolist())
                self._observations[place] = Observation(
                    made.genome, self._network_ids[place], losses, made.origin, number, float(self._efforts[place])
                )
        found = [self._observations[place] for place in asked]
        return [each for each in found if each is not None]

    def made_by(self, operator: str, first: int = 0) -> NDArray[np.intp]:
        """The places, from `first` on, of those whose origin names an `operator`, in order: shape (places,)."""
        asked: Sequence[int] = range(first, len(self))
        if self._unread is not None and first < len(self._unread.trials):
            named = np.array(sorted(self._unread.reader.made_by(operator)), dtype=np.int64)
            unread = np.flatnonzero(np.isin(self._unread.trials[first:], named)) + first
            asked = [*unread.tolist(), *range(len(self._unread.trials), len(self))]
        told = zip(asked, self.at(asked), strict=True)
        return np.array([place for place, each in told if each.origin.get("operator") == operator], dtype=np.intp)

    def __len__(self) -> int:
        return len(self._observations)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
        if isinstance(index, slice):
            return self.at(range(*index.indices(len(self))))
        return self.at([range(len(self))[index]])[0]

    def __iter__(self) -> Iterator[Observation]:
        for first in range(0, len(self), READ_AT_ONCE):
            yield from self[first : first + READ_AT_ONCE]


class OutcomeHistory:
    """What was `told`, in order; the genomes `pending` by the id of their network; the ids `seen`, proposed or told.

    `num_objectives` is how many losses an observation has. A network may be told more than once, at several fidelities.
    """

    def __init__(self, num_objectives: int) -> None:
        self.num_objectives = num_objectives
        self.told = Told(num_objectives)
        self.pending: dict[str, Genome] = {}
        self.seen: set[str] = set()
        self._known: set[str] = set()

    @property
    def num_proposed(self) -> int:
        """How many different networks were proposed, told or adopted."""
        return len(self.seen)

    @property
    def num_searched(self) -> int:
        """How many networks of the search itself are in flight or told; baselines and rescaled ones do not count."""
        return len(self._known) + len(self.pending)

    def start(self, network_id: str, genome: Genome) -> None:
        """Note that a network was proposed and is being estimated."""
        self.seen.add(network_id)
        self.pending[network_id] = genome

    def finish(self, observation: Observation) -> None:
        """Add a finished estimate; its network is no longer pending."""
        self.forbid(observation.network_id)
        self._known.add(observation.network_id)
        self.told.append(observation)

    def take_up(self, unread: Unread) -> None:
        """Add the finished estimates of a study that goes on, before any other."""
        self.told.take_up(unread)
        known = set(unread.network_ids)
        self.seen |= known
        self._known |= known

    def forbid(self, network_id: str) -> None:
        """Never propose this network; nothing is learned of it."""
        self.seen.add(network_id)
        self.pending.pop(network_id, None)


def best_first(observations: Iterable[Observation]) -> NDArray[np.intp]:
    """Positions of observations from best to worst, shape (observations,); failures last, ties by age.

    One loss decides by itself; several by non-dominated rank, then by crowding distance within the front (Deb et al.
    2002).

    >>> best_first(Observation(Genome(), "", losses) for losses in [(3.0,), None, (1.0,)])
    array([2, 0, 1])
    """
    return order_of(ToldColumns.of(list(observations)).losses)


def order_of(losses: NDArray[np.float64]) -> NDArray[np.intp]:
    """The order of `best_first` by `losses` of shape (observations, objectives), NaN in the rows of failures."""
    is_failed = np.isnan(losses[:, 0]) if losses.size else np.ones(len(losses), dtype=np.bool_)
    measured, failed = np.flatnonzero(~is_failed), np.flatnonzero(is_failed)
    return failed if len(measured) == 0 else np.concatenate((measured[_order(losses[measured])], failed))


def _order(losses: NDArray[np.float64]) -> NDArray[np.intp]:
    if losses.shape[1] == 1:
        return np.argsort(losses[:, 0], kind="stable")
    ranks = non_dominated_ranks(losses)
    return np.lexsort((-crowding_of_fronts(losses, ranks), ranks))
