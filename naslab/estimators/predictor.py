"""AccuracyPredictor: what a study's own outcomes say of networks that it has not trained."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.errors import SpecError
from naslab.estimators.ensemble import candidate_of
from naslab.estimators.estimator import Workbench
from naslab.estimators.proxies.proxy import Probe, prepare_proxies, require_proxies
from naslab.metrics import ACCURACY
from naslab.space import Genome
from naslab.strategies.candidates import Catalogue
from naslab.strategies.domain import ArchDomain
from naslab.strategies.gaussian_process import Belief, Posterior, fit_kernel
from naslab.strategies.surrogate import MAX_FITTED
from naslab.strategies.warping import Scale
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.problem import Problem

Matrix = NDArray[np.float64]

LEAST_KNOWN = 10
"""Fewer known results teach nothing that the space's costs do not tell."""
NEAR = 6.0
"""Where 0 and 100 % are more standard deviations away than this, cutting the prediction off there changes nothing."""


class KnownResult(msgspec.Struct, frozen=True):
    """A network of a space, its accuracy in per cent, and the seed of its training."""

    genome: Genome
    accuracy: float
    seed: int = 0


class AccuracyPredictor(msgspec.Struct, frozen=True, kw_only=True):
    """Predicts accuracy by a Gaussian process of known results, in the inputs that strategies learn from.

    The inputs are the choices of the genome, their totals, and the logarithms of the network's costs; with `proxies`
    their scores are a part of their own. `measured` holds the predicted accuracy in per cent and, as `accuracy_sem`,
    its standard deviation, the belief cut off at 0 and at 100 %. A candidate that is not of the problem's space is an
    `invalid` failure. At most 160 of the results, spread over all, fit the kernel; all of them are conditioned on.
    Raises `SpecError` for fewer than ten known results, for results that are all equal, and for proxies without a
    `probe`; `UnknownNameError` for a name that no proxy has.
    """

    problem: Problem
    known: tuple[KnownResult, ...]
    proxies: tuple[str, ...] = ()
    probe: Probe | None = None

    def __post_init__(self) -> None:
        require(len(self.known) >= LEAST_KNOWN, "known", f"needs at least {LEAST_KNOWN} results, got {len(self.known)}")
        accuracies = {each.accuracy for each in self.known}
        require(len(accuracies) > 1, "known", f"results that are all equal teach nothing: {self.known[0].accuracy:g} %")
        require_proxies(self.proxies)
        require(not self.proxies or self.probe is not None, "probe", "proxies need images to look at")

    def prepare(self, bench: Workbench) -> None:
        """Learn from the known results. Raises `SpecError` where one is not of the space."""
        if self.probe is not None:
            prepare_proxies(self.proxies, self.probe, bench)
        self._learned(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """The accuracy that is expected of a candidate, or why there is none."""
        started = time.perf_counter()
        failure, measured = None, {}
        try:
            measured = self._predict(candidate.genome, candidate.seed, bench)
        except SpecError as error:
            failure = Failure("invalid", str(error))
        return Estimate(
            measured=measured,
            failure=failure,
            wall_seconds=time.perf_counter() - started,
            device=bench.device if self.proxies else "cpu",
            worker=bench.worker,
            notes={"known": len(self.known)},
        )

    def _predict(self, genome: Genome, seed: int, bench: Workbench) -> dict[str, float]:
        learned = self._learned(bench)
        inputs = self._inputs([(genome, seed)], learned.catalogue, bench)
        mean, variance = learned.belief.predict(learned.scaled(inputs))
        accuracy = float(mean[0]) * learned.scale.spread + learned.scale.centre
        return within_bounds(accuracy, float(np.sqrt(variance[0])) * learned.scale.spread)

    def _learned(self, bench: Workbench) -> Learned:
        """The process conditioned on the known results; once a worker."""
        if self not in bench.cache:
            bench.cache[self] = self._learn(bench)
        learned: Learned = bench.cache[self]
        return learned

    def _learn(self, bench: Workbench) -> Learned:
        catalogue = Catalogue(ArchDomain(self.problem))
        raw = self._inputs([(each.genome, each.seed) for each in self.known], catalogue, bench)
        low, span = raw.min(axis=0), np.ptp(raw, axis=0)
        num_own = raw.shape[1] - len(self.proxies)
        low[:num_own], span[:num_own] = 0.0, 1.0  # the catalogue has scaled its own columns already
        span[span == 0] = 1.0
        inputs = (raw - low) / span
        parts = catalogue.parts()
        if self.proxies:
            parts = (*parts, np.arange(num_own, raw.shape[1]))
        accuracies = np.array([each.accuracy for each in self.known])
        scale = Scale.of(accuracies)
        fitted = np.unique(np.linspace(0, len(inputs) - 1, min(len(inputs), MAX_FITTED)).astype(np.intp))
        kernel = fit_kernel(parts, inputs[fitted], scale.to(accuracies)[fitted])
        posterior = Posterior(kernel, inputs, np.zeros((0, inputs.shape[1])))
        belief = Belief(posterior, scale.to(accuracies), np.zeros((0, inputs.shape[1])))
        return Learned(catalogue, belief, scale, low, span)

    def _inputs(self, networks: list[tuple[Genome, int]], catalogue: Catalogue, bench: Workbench) -> Matrix:
        """What the process sees of genomes with their seeds, shape (networks, columns)."""
        for genome, _ in networks:
            require(self.problem.space.has(genome), "genome", "is not of the space that the predictor has learned")
        inputs = catalogue.inputs_of([genome for genome, _ in networks])
        if not self.proxies:
            return inputs
        from naslab.estimators.proxies.measuring import measure

        assert self.probe is not None
        scores = [
            measure(self.proxies, self.probe, candidate_of(self.problem.space, genome, seed), bench)
            for genome, seed in networks
        ]
        return np.hstack((inputs, [[each[name] for name in self.proxies] for each in scores]))


def within_bounds(accuracy: float, deviation: float) -> dict[str, float]:
    """The mean and deviation, in per cent, of a Gaussian that is cut off at 0 and at 100 %, as `measured` holds them.

    >>> within_bounds(80.0, 1.0), round(within_bounds(100.0, 1.0)["accuracy"], 3)
    ({'accuracy': 80.0, 'accuracy_sem': 1.0}, 99.202)
    """
    nearest = min(accuracy, 100.0 - accuracy)
    if deviation <= 0 or nearest > NEAR * deviation:
        return ACCURACY.measured(min(max(accuracy, ACCURACY.least), ACCURACY.most), deviation)
    from scipy.stats import truncnorm

    low, high = -accuracy / deviation, (100.0 - accuracy) / deviation
    with np.errstate(all="ignore"):  # far beyond a bound the variance is less than can be told
        mean, variance = truncnorm.stats(low, high, loc=accuracy, scale=deviation, moments="mv")
    return ACCURACY.measured(float(mean), math.sqrt(max(0.0, float(variance))))


class Learned(NamedTuple):
    """A Gaussian process that has learned, with how its inputs and accuracies are scaled.

    `catalogue` makes inputs of genomes, `low` and `span`, of shape (columns,), scale them; `scale` is of accuracies.
    """

    catalogue: Catalogue
    belief: Belief
    scale: Scale
    low: NDArray[np.float64]
    span: NDArray[np.float64]

    def scaled(self, inputs: Matrix) -> Matrix:
        """Inputs of shape (networks, columns) as the process has learned them."""
        return np.asarray((inputs - self.low) / self.span)
