"""Domain: what a strategy searches, as it sees it. A space of genomes, and what is known of each before training.

Strategies speak to a domain and to observations alone, so that the same strategy runs on architectures and on tables of
known results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch import ArchSpec, arch_id, cost
from naslab.arch.cost import Cost
from naslab.errors import SpecError
from naslab.metrics import COST_METRICS, find_metric, is_described, shown_as
from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.foreseen_limits import ForeseenLimit
from naslab.strategies.outcome_history import Observation, Unread
from naslab.strategies.preferred_part import preferred_losses
from naslab.strategies.priors import Prior
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Outcome
from naslab.study.problem import Limit, Problem

EXAMINED_GENOMES = 100_000
COSTS = Cost.__struct_fields__
MAX_REPAIR_STEPS = 64


class Network(msgspec.Struct, frozen=True):
    """What is known of a network before any training.

    `network_id` is equal for genomes that make the same network. `features` are numbers that a model may learn from
    (natural logarithms of cost), `losses` the objectives that are known, to be small, `None` for those to be measured.
    `excess` is the sum of the shares by which it breaks the limits: 0 where it meets them, infinite where the genome
    makes no network at all.
    """

    network_id: str
    features: tuple[float, ...]
    losses: tuple[float | None, ...]
    excess: float

    @property
    def is_feasible(self) -> bool:
        """Whether it is a network and meets the limits."""
        return self.excess <= 0


class Space(Protocol):
    """Genomes and the operators on them. A value: equal arguments, and `rng` in an equal state, give equal genomes.

    >>> from naslab.space.genome import Gene, other_option
    >>> class OneChoice:
    ...     def __init__(self, *options):
    ...         self._hole = Hole(path="kernel", options=options)
    ...     def _taking(self, option):
    ...         return Genome((Gene("kernel", int(option)),))
    ...     def size(self):
    ...         return len(self._hole.options)
    ...     def sample(self, rng):
    ...         return self._taking(rng.integers(self.size()))
    ...     def mutate(self, genome, rng, near=False):
    ...         return self._taking(other_option(self._hole, genome.get("kernel"), rng, near))
    ...     def cross(self, one, two, rng):
    ...         return one if rng.random() < 0.5 else two
    ...     def neighbours(self, genome):
    ...         return (each for each in self.enumerate() if each != genome)
    ...     def enumerate(self):
    ...         return map(self._taking, range(self.size()))
    ...     def holes(self):
    ...         return [self._hole]
    ...     def fill(self, choose):
    ...         return self._taking(choose(self._hole))
    ...     def encode(self, genome):
    ...         return np.array([genome.get("kernel") / (self.size() - 1)])
    >>> space = OneChoice(3, 5, 7)
    >>> largest = space.fill(lambda hole: len(hole.options) - 1)
    >>> space.encode(largest), [space.encode(each) for each in space.neighbours(largest)]
    (array([1.]), [array([0.]), array([0.5])])
    """

    def size(self) -> int:
        """How many genomes there are."""
        ...

    def sample(self, rng: np.random.Generator) -> Genome:
        """A random genome, drawn from `rng`."""
        ...

    def mutate(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        """`genome` with one choice changed; what becomes active by it is filled at random.

        With `near` an ordered choice prefers near options. Draws come from `rng`; `genome` itself stays.
        """
        ...

    def cross(self, one: Genome, two: Genome, rng: np.random.Generator) -> Genome:
        """A genome whose choices come from `one` and `two` at random, by `rng`."""
        ...

    def neighbours(self, genome: Genome) -> Iterator[Genome]:
        """All genomes that differ from `genome` in one choice, lazily and in a fixed order."""
        ...

    def enumerate(self) -> Iterator[Genome]:
        """Every genome that makes a network once, lazily and in a fixed order."""
        ...

    def holes(self) -> Sequence[Hole]:
        """Every choice of the space, active or not, in the order of genomes."""
        ...

    def fill(self, choose: Callable[[Hole], int]) -> Genome:
        """The genome that `choose` makes: it is asked for the index of the option of every active hole."""
        ...

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        """`genome` as a vector of shape (columns,), the same for all genomes of the space."""
        ...


class Domain(Protocol):
    """A space of genomes, and what is known of each before training. A value, but for caches.

    >>> from naslab.bench.table import TableSpace
    >>> from naslab.strategies.composed import Search
    >>> from naslab.strategies.random_search import RandomSearch
    >>> class OddKernels:  # one loss, to be measured, and a limit: kernels are odd
    ...     num_objectives, reference, preferred, prior = 1, None, None, None
    ...     def __init__(self, space):
    ...         self.space = space
    ...     def examine(self, genome):
    ...         side = self.space.knobs[0].options[genome.get("kernel")]
    ...         return Network(f"kernel-{side}", features=(), losses=(None,), excess=float(side % 2 == 0))
    ...     def repair(self, genome, rng):
    ...         return next((each for each in self.space.neighbours(genome) if self.examine(each).is_feasible), None)
    ...     def unmet_limits(self):
    ...         return "every kernel of the space is even"
    >>> domain = OddKernels(TableSpace([Hole(path="kernel", options=(3, 4, 5))], np.array([[0], [1], [2]])))
    >>> found = Search(domain, RandomSearch(domain.space), seed=0).ask(3)  # of which there are two
    >>> sorted(domain.examine(each.genome).network_id for each in found)
    ['kernel-3', 'kernel-5']
    """

    @property
    def space(self) -> Space:
        """The genomes and the operators on them."""
        ...

    @property
    def num_objectives(self) -> int:
        """How many losses an observation has."""
        ...

    @property
    def reference(self) -> NDArray[np.float64] | None:
        """The losses from which on a network is worthless, shape (objectives,): a reference point of hypervolume.

        NaN where that is not known, `None` where it is known of no objective.
        """
        ...

    @property
    def preferred(self) -> NDArray[np.float64] | None:
        """The losses that are preferred at most, shape (objectives,), NaN where none is; `None` without a preference.

        See `naslab.strategies.preferred_part`.
        """
        ...

    @property
    def prior(self) -> Prior | None:
        """Scores of many networks by cheap estimators, `None` without any; another object where there are others."""
        ...

    def examine(self, genome: Genome) -> Network:
        """What is known of the network of `genome` before training: its identity, costs, known losses and limits.

        Raises nothing: a genome that makes no network has an infinite `excess`. Asked often and of the same genomes
        again, so it is quick, or remembers.
        """
        ...

    def repair(self, genome: Genome, rng: np.random.Generator) -> Genome | None:
        """A genome near `genome` that meets the limits, `None` where a bounded number of steps finds none.

        Draws come from `rng`. The caller examines what it gets, so it may still break a limit.
        """
        ...

    def unmet_limits(self) -> str:
        """Each limit with the nearest cost that the space reaches: the text of a `LimitError`."""
        ...


class ArchDomain:
    """The architectures of `problem`: identity, cost and limits come from the description, without training.

    Where it `reads_seconds`, outcomes are observed one by one. `prior`, at first `None`, are scores of some of its
    networks by cheap estimators; another takes its place as more are scored.
    """

    def __init__(self, problem: Problem, reads_seconds: bool = False) -> None:
        self._problem = problem
        self._reads_seconds = reads_seconds
        self.prior: Prior | None = None
        self._goals = [
            (each, find_metric(each.metric).read if is_described(each.metric) else None) for each in problem.objectives
        ]
        shown = [shown_as(each.metric, each.maximise) for each in problem.objectives]
        self._spreads = [each.standard_error or each.interquartile_range for each in shown]
        self._examined = lru_cache(maxsize=EXAMINED_GENOMES)(self._examine)
        self.foreseen = tuple(map(ForeseenLimit, problem.measured_limits))

    @property
    def space(self) -> Space:
        """The problem's search space."""
        return self._problem.space

    @property
    def num_objectives(self) -> int:
        """How many objectives the problem has."""
        return len(self._problem.objectives)

    @property
    def reference(self) -> NDArray[np.float64] | None:
        """The upper limits of the objectives to be small that have one: shape (objectives,), NaN for the others."""
        most = {limit.metric: limit.most for limit in self._problem.limits if limit.most < math.inf}
        known = [math.nan if each.maximise else most.get(each.metric, math.nan) for each in self._problem.objectives]
        return None if all(map(math.isnan, known)) else np.array(known)

    @property
    def preferred(self) -> NDArray[np.float64] | None:
        """The problem's preferences as losses: shape (objectives,), NaN for objectives without one."""
        return preferred_losses(self._problem.objectives, self._problem.preferences)

    def examine(self, genome: Genome) -> Network:
        """What the description of the network of `genome` tells; infinite `excess` where it is no network.

        A limit on what is measured counts as broken where that is foreseen.
        """
        network = self._examined(genome)
        if not (network.is_feasible and any(each.is_used for each in self.foreseen)):
            return network
        return msgspec.structs.replace(network, excess=self._excess(self._problem.space.decode(genome)))

    def repair(self, genome: Genome, rng: np.random.Generator) -> Genome | None:
        """A genome near `genome` that meets the limits, at most 64 single changes away, or `None`."""
        return self._problem.space.repair(genome, self._excess, rng, MAX_REPAIR_STEPS)

    def observe(self, outcome: Outcome) -> Observation:
        """An outcome as an observation: its losses where every objective has a finite value, else a failure."""
        losses = tuple(each.loss(outcome.value(each.metric)) for each in self._problem.objectives)
        is_measured = outcome.is_complete and all(math.isfinite(loss) for loss in losses)
        candidate = outcome.candidate
        for each in self.foreseen:
            each.learn(candidate.arch, candidate.cost, outcome.value(each.limit.metric))
        return Observation(
            candidate.genome,
            candidate.arch_id,
            losses if is_measured else None,
            candidate.origin,
            candidate.trial,
            float(candidate.fidelity.epochs),
            outcome.estimate.wall_seconds,
            tuple(outcome.estimate.measured.get(name, math.nan) for name in self._spreads),
        )

    def observe_all(self, finished: FinishedTrials) -> Unread | None:
        """What `observe` makes of all of `finished`, by columns; `None` where their networks must be read for that."""
        goals = self._problem.objectives
        if (
            self.foreseen
            or self._reads_seconds
            or not all(each.metric in COSTS or not is_described(each.metric) for each in goals)
        ):
            return None
        losses = np.stack([goal.loss(1.0) * finished.values(goal.metric) for goal in goals], axis=1)
        losses[~(finished.is_complete & np.isfinite(losses).all(axis=1))] = np.nan
        columns = finished.columns
        ids = columns.network_id.tolist()
        return Unread(finished.reader, columns.trial, losses, finished.efforts, ids, self._spreads)

    def unmet_limits(self) -> str:
        """Each limit with the nearest cost that a descent finds."""
        parts = []
        for limit in self._problem.limits:
            end, mend = ("smallest", "raise") if limit.most < math.inf else ("largest", "lower")
            nearest = self._problem.space.cheapest(partial(_excess_of, limit), np.random.default_rng(0))
            arch = self._problem.space.decode(nearest)
            row = find_metric(limit.metric)
            found = f"limit {limit}: the {end} cost found in the space is {limit.metric}={row.of(arch, cost(arch))}"
            why = row.found_in(arch) if row.found_in is not None and limit.excess(arch, cost(arch)) > 0 else ""
            parts.append(f"{found}: {why}; leave that out of the space" if why else f"{found}; {mend} the limit")
        parts += [f"limit {each.limit}: it is foreseen to be broken by every network left" for each in self.foreseen]
        return "; ".join(parts) or "the space holds no network: every choice of it is an error"

    def _examine(self, genome: Genome) -> Network:
        try:
            arch = self._problem.space.decode(genome)
            spent = cost(arch)
        except SpecError:
            return Network("", (), (None,) * self.num_objectives, math.inf)
        features = cost_features(spent)
        losses = tuple(None if read is None else each.loss(float(read(arch, spent))) for each, read in self._goals)
        return Network(arch_id(arch), features, losses, self._problem.excess(arch, spent))

    def _excess(self, arch: ArchSpec) -> float:
        try:
            spent = cost(arch)
        except SpecError:
            return math.inf
        return self._problem.excess(arch, spent) + sum(each.excess(arch, spent) for each in self.foreseen)


def cost_features(cost: Cost) -> tuple[float, ...]:
    """What a model sees of a `cost`: natural logarithms of it, one a metric of `COST_METRICS`."""
    return tuple(math.log1p(getattr(cost, metric)) for metric in COST_METRICS)


def _excess_of(limit: Limit, arch: ArchSpec) -> float:
    return limit.excess(arch, cost(arch))
