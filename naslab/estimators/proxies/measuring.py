"""Proxies measured in a worker: from a candidate to its scores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from naslab.errors import DivergedError
from naslab.estimators.estimator import Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.proxies.codes import naswot
from naslab.estimators.proxies.description import described
from naslab.estimators.proxies.flow import synflow
from naslab.estimators.proxies.gradients import grad_norm, snip, zico
from naslab.estimators.proxies.jacobian import jacob_cov
from naslab.estimators.proxies.proxy import DESCRIBED, NEEDS_IMAGES, Probe
from naslab.estimators.proxies.readiness import draw_batches, ready_network
from naslab.study.outcome import Candidate, Estimate
from naslab.training.augment import Batch
from naslab.training.data import DataSplit, load_dataset
from naslab.training.fit import device_name, require_fit

SCORES: dict[str, Callable[[nn.Module, Sequence[Batch]], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "jacob_cov": jacob_cov,
    "grad_norm": grad_norm,
    "snip": snip,
    "zico": zico,
}
"""Functions of a network at initialisation and of batches of images; they may leave the network changed."""
ZICO_BATCHES = 2


def prepare(names: tuple[str, ...], probe: Probe, bench: Workbench) -> None:
    """Set the worker's threads and load the images of `probe`, if any of the proxies `names` looks at some."""
    torch.set_num_threads(bench.threads)
    if not set(names).isdisjoint(NEEDS_IMAGES):
        images_on(bench, probe)


def estimate(names: tuple[str, ...], probe: Probe, candidate: Candidate, bench: Workbench) -> Estimate:
    """The scores of `candidate` by the proxies `names`, or the failure of one of them.

    `probe` says which images they look at, `bench` is the worker's.
    """
    started = time.perf_counter()
    device = torch.device(bench.device)
    failure, measured = None, {}
    try:
        measured = measure(names, probe, candidate, bench)
    except Exception as error:  # noqa: BLE001  (whatever a candidate does wrong is a value)
        failure = failure_of(error)
    return Estimate(
        measured=measured,
        failure=failure,
        wall_seconds=time.perf_counter() - started,
        device=device_name(device),
        worker=bench.worker,
        notes={"threads": bench.threads},
    )


def measure(names: tuple[str, ...], probe: Probe, candidate: Candidate, bench: Workbench) -> dict[str, float]:
    """The scores of `candidate` by the proxies `names`.

    `probe` says which images they look at, `bench` is the worker's. Raises `DivergedError` for a score that is not
    finite, `DataError` for images that do not fit the network.
    """
    batches = None
    found = {}
    for name in names:
        if name in DESCRIBED:
            found[name] = described(name, candidate.arch, candidate.cost)
            continue
        if batches is None:
            batches = batches_for(names, probe, candidate, bench)
        found[name] = score(name, candidate, batches)
        if not math.isfinite(found[name]):
            raise DivergedError(f"{name} of the network is {found[name]}")
    return found


def score(name: str, candidate: Candidate, batches: Sequence[Batch]) -> float:
    """The score of a network at initialisation by a proxy of `SCORES`, whatever ran before in the process."""
    device = batches[0].images.device
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        return SCORES[name](ready_network(candidate.arch, candidate.seed, device), batches)


def batches_for(names: tuple[str, ...], probe: Probe, candidate: Candidate, bench: Workbench) -> list[Batch]:
    """Two batches of the images of `probe`, of the size that `candidate` takes, on the device of `bench`.

    A single image of ones where none of the proxies `names` looks at images. Raises `DataError` for images that do not
    fit the network.
    """
    size = candidate.arch.input[1:]
    if set(names).isdisjoint(NEEDS_IMAGES):
        device = torch.device(bench.device)
        return [Batch(torch.ones((1, *candidate.arch.input), device=device), torch.zeros(1, dtype=torch.int64))]
    split = images_on(bench, probe)
    require_fit(candidate.arch, split)
    return draw_batches(split, size, candidate.seed, probe.batch_size, ZICO_BATCHES)


def images_on(bench: Workbench, probe: Probe) -> DataSplit:
    """The data of `probe` on the worker's device, loaded once a worker, trainings on the same data included."""
    key = (DataSplit, probe.data, probe.data_dir, bench.device)
    if key not in bench.cache:
        bench.cache[key] = load_dataset(probe.data, probe.data_dir, bench.device)
    split: DataSplit = bench.cache[key]
    return split
