"""Proxy: a score of a network that nobody has trained, as an estimator."""

from __future__ import annotations

import time
from typing import Literal, get_args

import msgspec

from naslab.arch.block import require
from naslab.errors import UnknownNameError
from naslab.estimators.estimator import Workbench
from naslab.estimators.proxies.description import DESCRIPTIONS, described
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate

ScoredProxy = Literal["synflow", "naswot", "jacob_cov", "grad_norm", "snip", "zico"]
"""Proxies of a network at initialisation."""

DESCRIBED: tuple[str, ...] = tuple(DESCRIPTIONS)
"""Proxies of the description alone: costs, weighted layers on the longest path, blocks that are no identity."""
PROXIES: tuple[str, ...] = (*DESCRIBED, *get_args(ScoredProxy))
"""All proxies; a larger score is to mean a better network."""
NEEDS_IMAGES: tuple[str, ...] = ("naswot", "jacob_cov", "grad_norm", "snip", "zico")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The images that proxies look at: batches of training images of a data set, drawn by the candidate's seed.

    `data` and `data_dir` name the data set and its folder; a batch has `batch_size` images, or fewer where there are
    not as many. Raises `SpecError` for batches of fewer than two images.
    """

    data: DataChoice
    data_dir: str | None = None
    batch_size: int = 32

    def __post_init__(self) -> None:
        require(self.batch_size >= 2, "batch_size", f"must be at least 2, got {self.batch_size}")


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """Scores a candidate at initialisation; `measured` holds the score under the proxy's name, larger for better.

    A function of the candidate's network and seed, of the data and of the kind of device. A score that is not finite
    is a failure. Scores of different spaces or data sets do not compare. Raises `UnknownNameError` for a name that no
    proxy has.

    >>> Proxy(name="naswot", probe=Probe(data=DataChoice(name="cifar10"))).name
    'naswot'
    """

    name: str
    probe: Probe

    def __post_init__(self) -> None:
        require_proxies((self.name,))

    def prepare(self, bench: Workbench) -> None:
        """Load the images, if it looks at any. Raises `DataError` and `DeviceError`."""
        prepare_proxies((self.name,), self.probe, bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """The score of a candidate; its failures are values."""
        if self.name in DESCRIBED:
            return described_estimate(self.name, candidate, bench)
        from naslab.estimators.proxies.measuring import estimate  # loads torch, which a driver does without

        return estimate((self.name,), self.probe, candidate, bench)


def described_estimate(name: str, candidate: Candidate, bench: Workbench) -> Estimate:
    """The estimate of a candidate by a proxy of the description alone, without torch and on no device."""
    started = time.perf_counter()
    measured = {name: described(name, candidate.arch, candidate.cost)}
    seconds = time.perf_counter() - started
    return Estimate(measured=measured, wall_seconds=seconds, device="description", worker=bench.worker)


def require_proxies(names: tuple[str, ...]) -> None:
    """Raise `UnknownNameError` for a name that no proxy has."""
    for name in names:
        if name not in PROXIES:
            raise UnknownNameError("proxy", name, PROXIES)


def prepare_proxies(names: tuple[str, ...], probe: Probe, bench: Workbench) -> None:
    """Load what proxies look at, and set the worker's threads; nothing where descriptions are enough."""
    if set(names) <= set(DESCRIBED):
        return
    from naslab.estimators.proxies.measuring import prepare

    prepare(names, probe, bench)
