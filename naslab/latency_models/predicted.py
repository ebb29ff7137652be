"""A latency that was learned from measured networks of a space: a file, and how it tells the latency of another one.

    t(network) = b + sum over features f of c_f x_f(network),   all c_f >= 0

fitted by non-negative least squares of t / t_measured - 1 (Lawson and Hanson 1974), so that errors count as shares.
Features are sums over layers (`naslab.latency_models.features`), and so is the latency: that of a stage is kept, and a
network whose stages were seen before takes microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from naslab.arch import ArchSpec
from naslab.arch.files import decode
from naslab.arch.lower import lower
from naslab.arch.plan import Layer, Shape
from naslab.arch.stage_sums import StageSums
from naslab.errors import DataError, SpecError
from naslab.latency_models.features import Features, features_of
from naslab.reading import read_values

BASE = "base"
"""The feature that every network has once."""
FORMAT = 2
"""Files of format 1 have coefficients of other features."""
LEAST_NETWORKS = 20
"""Measured networks that a model is fitted to, at least."""


class Judged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How right a model is on `num_networks` networks that it did not see.

    `median_error` and `ninth_error` are the median and the ninth decile of the errors, as shares of what was measured;
    `tau` is Kendall's rank correlation with its 90 % interval from `tau_low` to `tau_high`.
    """

    num_networks: int
    median_error: float
    ninth_error: float
    tau: float
    tau_low: float
    tau_high: float


class LatencyModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of predicted latencies holds.

    `target` is the runtime that networks of `space` were measured in, on one image with `threads` threads;
    `coefficients` are milliseconds by feature. `known` and `unseen` are the milliseconds that were measured, by network
    (`arch_id`), of those that the model was fitted to and of those that it is `judged` by. `seed` drew them. `load` is
    how many cores others kept busy meanwhile, `best_pace_ms` the best pace of a core (`naslab.targets.pace`) that was
    seen, `machine` and `versions` say where it was.
    """

    target: str
    space: str
    seed: int
    coefficients: dict[str, float] = {}
    known: dict[str, float] = {}
    unseen: dict[str, float] = {}
    judged: Judged | None = None
    threads: int = 1
    load: float | None = None
    best_pace_ms: float | None = None
    machine: dict[str, str | int | float | None] = {}
    versions: dict[str, str] = {}
    format: int = FORMAT


def read_model(path: Path) -> LatencyModel:
    """The model in the file `path`. Raises `ReadError` where it cannot be read, `DataError` where it holds none."""
    try:
        found = decode(read_values(path), LatencyModel)
    except SpecError as error:
        raise DataError(f"{path} holds no predictor of latencies: {error}") from None
    require_readable(found, path)
    if found.format < FORMAT:
        raise DataError(
            f"{path} was fitted by an earlier version of naslab: run its naslab calibrate --target {found.target} "
            "again, which keeps what was measured"
        )
    if not found.coefficients:
        raise DataError(f"{path} is not finished: run its naslab calibrate --target {found.target} again")
    return found


def require_readable(model: LatencyModel, path: Path) -> None:
    """Raise `DataError` where the `model` in the file `path` is of a later version of naslab."""
    if model.format > FORMAT:
        raise DataError(f"{path} has the format {model.format}, this version of naslab reads {FORMAT}: update it")


def predicted_latency(path: Path, arch: ArchSpec, name: str = "the network") -> float:
    """Milliseconds of the network `arch` by the model in a file; `name` is for messages.

    Raises `ReadError` and `DataError` as `read_model`, and `DataError` for a network with layers that it has not seen.
    """
    try:
        return _kept(path)(arch)
    except KeyError as error:
        raise DataError(
            f"{path} knows no '{error.args[0]}', which {name} has: it learned from networks of another space"
        ) from None


class FittedLatency:
    """Tells latencies by `coefficients`, milliseconds by feature; what stages take is kept.

    Raises `KeyError` with the feature that it has no coefficient for.
    """

    def __init__(self, coefficients: dict[str, float]) -> None:
        self.coefficients = coefficients
        self._base = coefficients.get(BASE, 0.0)
        self._layers = StageSums(self._of_part)

    def __call__(self, arch: ArchSpec) -> float:
        """Milliseconds of the network `arch`."""
        return self._base + self._layers(arch)

    def _of_part(self, part: Layer, shape: Shape) -> float:
        return math.fsum(self.coefficients[name] * value for name, value in features_of(part, shape).items())


def fitted(archs: Sequence[ArchSpec], milliseconds: Sequence[float]) -> dict[str, float]:
    """The coefficients, milliseconds by feature, that fit what was measured of networks.

    Raises `SpecError` below 20 networks.
    """
    if len(archs) < LEAST_NETWORKS:
        raise SpecError("known", f"must be at least {LEAST_NETWORKS} networks, got {len(archs)}")
    import numpy as np
    from scipy.optimize import nnls

    seen = [network_features(arch) for arch in archs]
    names = sorted({name for each in seen for name in each})
    measured = np.array(milliseconds)
    rows = np.array([[each.get(name, 0.0) for name in names] for each in seen])
    scale = rows.mean(axis=0)
    found, _ = nnls(rows / scale / measured[:, None], np.ones(len(measured)), maxiter=100 * len(names))
    return {name: float(value) for name, value in zip(names, found / scale, strict=True)}


def network_features(arch: ArchSpec) -> Features:
    """The features of a whole network, with the one that every network has."""
    return features_of(lower(arch), arch.input) | {BASE: 1.0}


@lru_cache(maxsize=8)
def _kept(path: Path) -> FittedLatency:
    return FittedLatency(read_model(path).coefficients)
