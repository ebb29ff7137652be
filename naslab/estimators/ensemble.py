"""RankEnsemble: proxies that vote by rank among networks of the same space."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from naslab.arch import arch_id, cost
from naslab.arch.block import require
from naslab.errors import DataError
from naslab.estimators.estimator import Workbench
from naslab.estimators.proxies.proxy import Probe, prepare_proxies, require_proxies
from naslab.metrics import MACS
from naslab.space import Genome, SearchSpace
from naslab.study.outcome import Candidate, Estimate, Fidelity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class EnsembleMember(NamedTuple):
    """The name of a proxy and the weight of its vote; a weight below 0 prefers networks of lower scores."""

    proxy: str
    weight: float = 1.0


MEMBERS = (EnsembleMember("naswot", 2.0), EnsembleMember("layers"), EnsembleMember(MACS.name, -0.5))
"""Chosen on networks of nas_bench_macro other than those that the ensemble is evaluated on, with a batch of 32 images
of CIFAR-10. Non-negative least squares, on 166 networks, of the accuracy's normal scores on those of layers,
activations, naswot, jacob_cov and grad_norm gave 0.65 to naswot, 0.32 to layers and 0.1 or less to the others, too
little for the time that they take. Of two networks that naswot and layers rank alike the smaller one is the better:
macs at -0.5 raised Kendall's tau on 100 other networks from 0.74 to 0.77. A better naswot is not worth its time: alone
it had 0.697 there, as the mean of three initialisations 0.698, with 64 images 0.701 and with 128, which take six times
as long, 0.708. The evaluation, 4 of whose 150 networks were among those 100: `results/estimators`."""


class RankEnsemble(msgspec.Struct, frozen=True, kw_only=True):
    """The weighted mean over proxies of a candidate's place among reference networks, as `ensemble` in `measured`.

    A vote by rank needs a population, and a score should not change with who else is asked. So `num_reference` networks
    of the space are drawn once, by `seed`, and measured when a worker prepares itself: a candidate's place in each
    proxy is its normal score among them (van der Waerden 1952), a function of the candidate alone. Beyond the best
    and the worst of them a place grows by at most one more, so that no proxy outvotes the others by its scale.
    `measured` holds every member's own score too. Raises `SpecError` for no members, one that is named twice, a weight
    that is 0 or not finite, and fewer than two reference networks; `UnknownNameError` for a member that is no proxy.

    >>> from naslab.space import load_space
    >>> from naslab.study.data_choice import DataChoice
    >>> RankEnsemble(space=load_space("nas_bench_macro"), probe=Probe(data=DataChoice(name="cifar10"))).proxies
    ('naswot', 'layers', 'macs')
    """

    space: SearchSpace
    probe: Probe
    members: tuple[EnsembleMember, ...] = MEMBERS
    num_reference: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        require(len(self.members) > 0, "members", "needs at least one proxy")
        require(len(set(self.proxies)) == len(self.members), "members", f"names a proxy twice: {self.proxies}")
        for member in self.members:
            is_vote = math.isfinite(member.weight) and member.weight != 0
            require(is_vote, "members", f"weights must be finite and not 0, got {member.weight:g} for {member.proxy}")
        require(self.num_reference >= 2, "num_reference", f"must be at least 2, got {self.num_reference}")
        require_proxies(self.proxies)

    @property
    def proxies(self) -> tuple[str, ...]:
        """The names of the members."""
        return tuple(member.proxy for member in self.members)

    def prepare(self, bench: Workbench) -> None:
        """Load the images and measure the reference networks. Raises `DataError` where the proxies fail on these."""
        prepare_proxies(self.proxies, self.probe, bench)
        self._reference(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """The vote on a candidate; its failures are values."""
        from naslab.estimators.proxies.measuring import estimate

        started = time.perf_counter()
        found = estimate(self.proxies, self.probe, candidate, bench)
        if found.failure is not None:
            return found
        vote = self.vote(found.measured, self._reference(bench))
        return msgspec.structs.replace(
            found,
            measured={**found.measured, "ensemble": vote},
            wall_seconds=time.perf_counter() - started,
        )

    def vote(self, scores: Mapping[str, float], reference: Mapping[str, Sequence[float]]) -> float:
        """The vote on a network of these `scores` by each proxy, among ascending scores of `reference` networks."""
        places = [normal_score(scores[name], reference[name]) for name in self.proxies]
        weights = np.array([member.weight for member in self.members])
        return float(weights @ places / np.abs(weights).sum())

    def _reference(self, bench: Workbench) -> dict[str, tuple[float, ...]]:
        """Each member's scores of the reference networks, ascending; measured once a worker."""
        if self not in bench.cache:
            bench.cache[self] = self._measured_reference(bench)
        reference: dict[str, tuple[float, ...]] = bench.cache[self]
        return reference

    def _measured_reference(self, bench: Workbench) -> dict[str, tuple[float, ...]]:
        from naslab.estimators.proxies.measuring import estimate

        networks = reference_networks(self.space, self.num_reference, self.seed)
        estimates = [estimate(self.proxies, self.probe, each, bench) for each in networks]
        complete = [each.measured for each in estimates if each.failure is None]
        if len(complete) < 2:
            failure = next(each.failure for each in estimates if each.failure is not None)
            raise DataError(
                f"the ensemble has no reference: its proxies fail on the space's networks: {failure.message}"
            )
        return {name: tuple(sorted(each[name] for each in complete)) for name in self.proxies}


def reference_networks(space: SearchSpace, count: int, seed: int) -> list[Candidate]:
    """`count` random networks of `space`, all to be initialised by `seed`, as the candidates of one study are.

    They follow from `seed`, by another stream of random numbers than the networks that a calibration of the same seed
    learns from and evaluates.
    """
    source = np.random.default_rng([seed, 2])
    return [candidate_of(space, space.sample(source), seed, trial) for trial in range(count)]


def candidate_of(space: SearchSpace, genome: Genome, seed: int, trial: int = 0) -> Candidate:
    """The network of a `genome` of `space` as a candidate for proxies, for which there is one fidelity.

    `seed` is that of its initialisation, `trial` its number. Raises `SpecError` where the genome is no network.
    """
    arch = space.decode(genome)
    return Candidate(
        trial=trial,
        arch=arch,
        arch_id=arch_id(arch),
        cost=cost(arch),
        fidelity=Fidelity(),
        seed=seed,
        genome=genome,
    )


def normal_score(value: float, reference: Sequence[float]) -> float:
    """The place of a value among ascending reference values, as a quantile of the standard normal distribution.

    (van der Waerden 1952.) With the rank r of `rank_among` and n reference values it is the quantile at
    (r + 1.5) / (n + 2). It increases strictly with the value, unless all reference values are equal.

    >>> round(normal_score(2.0, (1.0, 2.0, 3.0)), 6), normal_score(9.0, (1.0, 2.0)) > normal_score(3.0, (1.0, 2.0))
    (0.0, True)
    """
    place = rank_among(value, reference)
    return NormalDist().inv_cdf((place + 1.5) / (len(reference) + 2))


def rank_among(value: float, reference: Sequence[float]) -> float:
    """The rank of a value among ascending reference values, where the first of them has 0; from -1 to their number.

    Between two of them it is interpolated, at several equal ones it is their middle, and beyond the first or last it
    approaches one place more.

    >>> [rank_among(value, (1.0, 2.0, 2.0, 4.0)) for value in (1.0, 2.0, 3.0, 7.0)]
    [0.0, 1.5, 2.5, 3.5]
    """
    count, span = len(reference), reference[-1] - reference[0]
    if value < reference[0]:
        return -_share(reference[0] - value, span)
    if value > reference[-1]:
        return count - 1 + _share(value - reference[-1], span)
    first = bisect_left(reference, value)
    equal = [index for index in range(first, count) if reference[index] == value]
    if equal:
        return (equal[0] + equal[-1]) / 2
    below, above = reference[first - 1], reference[first]
    return first - 1 + (value - below) / (above - below)


def _share(excess: float, span: float) -> float:
    """From 0 to 1 as the distance to the nearest reference value grows; a half where it equals their span."""
    return excess / (excess + span) if span > 0 else 1.0
