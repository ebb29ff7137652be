"""Evaluating slices of a supernet, inside a worker."""

from __future__ import annotations

import hashlib
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import torch

from naslab.arch import ArchSpec
from naslab.errors import DataError, SpecError, counted
from naslab.estimators.estimator import Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.latency import measure_latency, noted_load
from naslab.metrics import ACCURACY, LATENCY
from naslab.regular_files import read_regular
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit, load_dataset
from naslab.training.evaluation import accuracy_sem, evaluate
from naslab.training.fit import device_name, require_fit
from naslab.training.images import ImageSet
from naslab.training.supernet.bank import missing_tensors
from naslab.training.supernet.files import Supernet, load_supernet
from naslab.training.supernet.network import recalibrate, sliced_network
from naslab.training.supernet.sharing import shared_tensors
from naslab.training.turns import Turns

if TYPE_CHECKING:
    from naslab.estimators.supernet import SupernetEstimator


MOST_LACKING = 0.25
"""The share of a network's tensors that a supernet may lack: in huge spaces rare shapes are not in it."""


class LoadedSupernet(NamedTuple):
    """A supernet with the data on the worker's device and the recipe that it is evaluated with.

    `sha256` is that of its file, in hexadecimal digits.
    """

    supernet: Supernet
    split: DataSplit
    recipe: Recipe
    sha256: str


def finished_supernet(path: str) -> Supernet:
    """The supernet of a file. Raises `DataError` where it is missing, damaged or half trained."""
    supernet = load_supernet(path)
    if not supernet.is_finished:
        done = f"{supernet.epochs_done} of {counted(supernet.settings.epochs, 'epoch')}"
        raise DataError(f"{path} is trained for {done}: run `naslab supernet` again to finish it")
    return supernet


def require_space(how: SupernetEstimator, arch: ArchSpec) -> None:
    """Raise `DataError` where a network is of another space than the supernet, or there is no such supernet."""
    supernet = finished_supernet(how.path)
    placed = msgspec.structs.replace(arch, input=(arch.input[0], *supernet.settings.size))
    num_tensors, num_lacking = len(shared_tensors(placed)), len(missing_tensors(supernet.tensors, placed))
    if num_lacking > MOST_LACKING * num_tensors:
        raise DataError(
            f"{how.path} is a supernet of another space: {num_lacking} of a network's {num_tensors} tensors are not in "
            f"it; make one of this space with `naslab supernet SPACE --out FILE`"
        )


def prepare(how: SupernetEstimator, bench: Workbench) -> LoadedSupernet:
    """Load the supernet and the data, once a worker, and set its threads.

    Raises `DataError` where either is missing or damaged, or the supernet is half trained.
    """
    torch.set_num_threads(bench.threads)
    key = (how, bench.device)
    if key not in bench.cache:
        supernet = finished_supernet(how.path)
        choice = how.data or supernet.settings.data
        split = load_dataset(choice, how.data_dir, bench.device)
        if how.validation_images is not None and isinstance(split.validation, ImageSet):
            step = math.ceil(len(split.validation) / how.validation_images)  # of all of it, whatever its order
            split = split._replace(validation=ImageSet(*(part[::step] for part in split.validation)))
        digest = hashlib.sha256(read_regular(how.path)).hexdigest()
        bench.cache[key] = LoadedSupernet(supernet, split, how.recipe or supernet.settings.recipe, digest)
    ready: LoadedSupernet = bench.cache[key]
    return ready


def estimate(how: SupernetEstimator, candidate: Candidate, bench: Workbench) -> Estimate:
    """Evaluate a candidate's slice of the supernet of `how`; its failures are values."""
    ready = prepare(how, bench)
    started = time.perf_counter()
    device = ready.split.train.labels.device
    failure: Failure | None = None
    measured: dict[str, float] = {}
    num_lacking = 0
    load: dict[str, Any] = {}
    try:
        measured, num_lacking, load = measure(how, candidate, ready, bench.turns)
    except Exception as error:  # noqa: BLE001  (whatever a candidate does wrong is a value)
        failure = failure_of(error)
    notes: dict[str, Any] = {"threads": bench.threads, "supernet": ready.sha256, **load}
    if num_lacking:
        notes["unshared"] = num_lacking
    return Estimate(
        measured=measured,
        failure=failure,
        wall_seconds=time.perf_counter() - started,
        device=device_name(device),
        worker=bench.worker,
        notes=notes,
    )


def measure(
    how: SupernetEstimator, candidate: Candidate, ready: LoadedSupernet, turns: Turns
) -> tuple[dict[str, float], int, dict[str, Any]]:
    """The metrics of a `candidate`'s slice by name, how many of its tensors the supernet lacks, and notes of the load.

    `ready` is the supernet that was read. Its latency, where `how` asks for it, is measured when it is its turn by
    `turns`. Raises `SpecError` where it lacks more than a quarter of them, `DataError` where the data do not fit the
    network.
    """
    split = ready.split
    size = ready.supernet.settings.size
    arch = msgspec.structs.replace(candidate.arch, input=(candidate.arch.input[0], *size))
    require_fit(arch, split)
    seed = ready.supernet.settings.seed
    module, num_lacking = sliced_network(arch, ready.supernet.tensors, candidate.seed)
    num_tensors = sum(1 for _ in module.parameters())
    if num_lacking > MOST_LACKING * num_tensors:
        raise SpecError(
            "", f"{num_lacking} of the network's {num_tensors} tensors are not in {how.path}: another space"
        )
    module.to(split.train.labels.device).to(memory_format=torch.channels_last)
    recalibrate(module, split, size, ready.recipe, how.calibration_images, seed)
    seen = evaluate(module, split.validation, Normaliser(split, size), ready.recipe)
    measured = ACCURACY.measured(seen.accuracy, accuracy_sem(seen.accuracy, seen.num_images))
    load: dict[str, Any] = {}
    if how.latency:
        with turns.alone():
            timed = measure_latency(module, candidate.arch.input, split.train.labels.device)
        measured |= LATENCY.measured(timed.median_ms, timed.iqr_ms)
        load = noted_load(timed)
    return measured, num_lacking, load
