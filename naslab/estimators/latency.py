"""How long a network takes for one image on a device."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.arch.plan import Shape
from naslab.study.outcome import LOAD_NOTE
from naslab.training.device import choose_device

WARM_UP_SECONDS = 0.05
WARM_UP_PASSES = 5
MIN_PASSES = 11
MAX_PASSES = 101
MOST_SECONDS = 1.0


QUIET_SHARE = 0.9
"""A pass that has a core for less than this share of its time waits for others."""


class MeasuredLatency(NamedTuple):
    """Median and interquartile range, in milliseconds, of one image's forward pass.

    Over `num_passes` passes, with `threads` CPU threads. `core_share` is the share of the time in which the thread that
    runs them had a core, `others_cores` how many of the machine's `num_cores` cores others kept busy meanwhile; NaN
    where the system does not tell, and on a GPU.
    """

    median_ms: float
    iqr_ms: float
    num_passes: int
    threads: int
    core_share: float = math.nan
    others_cores: float = math.nan
    num_cores: int = 0

    @property
    def is_disturbed(self) -> bool:
        """Whether other load took time away: the thread waited for a core, or its helpers had to share theirs.

        >>> MeasuredLatency(0.5, 0.1, 11, 1, 0.99, 0.4, 2).is_disturbed
        False
        >>> MeasuredLatency(21.9, 9.0, 11, 1, 0.4, 2.0, 2).is_disturbed
        True
        """
        return self.core_share < QUIET_SHARE or self.others_cores + self.threads > self.num_cores + 0.5

    @property
    def load(self) -> dict[str, float | int | bool]:
        """The load that it was measured under, as `Estimate.notes` keep it; empty where nothing is known of it."""
        if math.isnan(self.core_share):
            return {}
        others = {} if math.isnan(self.others_cores) else {"others_cores": round(self.others_cores, 2)}
        cores = {"num_cores": self.num_cores, "is_disturbed": self.is_disturbed}
        return {"core_share": round(self.core_share, 3), **others, **cores}


def measure_latency(module: nn.Module, input_shape: Shape, device: torch.device | str = "cpu") -> MeasuredLatency:
    """Time the forward pass of one image of `input_shape` (channels, height, width) in evaluation mode.

    float32, with torch's present number of CPU threads (stated in the result); on a GPU by CUDA events (not yet
    measured on one). The first passes warm up and are not counted; the module's mode is left as it was.

    >>> measure_latency(nn.Conv2d(3, 4, 3), (3, 8, 8)).median_ms > 0
    True
    """
    place = torch.device(device)
    was_training = module.training
    module.to(place).eval()
    image = torch.zeros((1, *input_shape), device=place)
    if any(each.is_contiguous(memory_format=torch.channels_last) for each in module.parameters() if each.ndim == 4):
        image = image.contiguous(memory_format=torch.channels_last)
    try:
        with torch.inference_mode():
            times, load = _times(lambda: module(image), place)
    finally:
        module.train(was_training)
    low, median, high = np.percentile(times, (25, 50, 75))
    return MeasuredLatency(float(median), float(high - low), len(times), torch.get_num_threads(), *load)


def noted_load(seen: MeasuredLatency) -> dict[str, Any]:
    """The load of a measurement as a note of an estimate, under `latency_load`; nothing where it is not known."""
    return {LOAD_NOTE: seen.load} if seen.load else {}


def measure_arch(arch: ArchSpec, device: str = "cpu") -> MeasuredLatency:
    """Build a network with random weights and time it on a device. Raises `DeviceError` where that is not there.

    >>> from naslab.zoo import model
    >>> measure_arch(model("lenet5")).median_ms > 0
    True
    """
    return measure_latency(build(arch), arch.input, choose_device(device))


class _Load(NamedTuple):
    """Of a span of time: the share in which this thread had a core, the cores that others kept busy, all cores."""

    core_share: float
    others_cores: float
    num_cores: int


def _times(run: Callable[[], object], device: torch.device) -> tuple[list[float], _Load]:
    """Milliseconds of each counted pass: at least 11, then up to 101 within a second; and the load meanwhile."""
    time_once = _gpu_milliseconds if device.type == "cuda" else _host_milliseconds
    before = _Clocks.now()  # the warm-up is under the same load, and ticks of the system's clock are coarse
    started = time.perf_counter()
    passes = 0
    while passes < WARM_UP_PASSES or time.perf_counter() - started < WARM_UP_SECONDS:
        time_once(run)
        passes += 1
    started = time.perf_counter()
    times: list[float] = []
    while len(times) < MIN_PASSES or (len(times) < MAX_PASSES and time.perf_counter() - started < MOST_SECONDS):
        times.append(time_once(run))
    return times, _Load(math.nan, math.nan, 0) if device.type == "cuda" else _Clocks.now().since(before)


class _Clocks(NamedTuple):
    """Seconds so far: by the clock, of this thread and of this process on a core, of all cores that were busy."""

    wall: float
    thread: float
    process: float
    busy: float

    @classmethod
    def now(cls) -> _Clocks:
        return cls(time.perf_counter(), time.thread_time(), time.process_time(), _busy_seconds())

    def since(self, before: _Clocks) -> _Load:
        wall = max(self.wall - before.wall, 1e-9)
        others = (self.busy - before.busy - (self.process - before.process)) / wall
        return _Load((self.thread - before.thread) / wall, max(0.0, others), os.cpu_count() or 1)


def _busy_seconds() -> float:
    """Seconds that all cores of the machine have been busy, NaN where /proc does not tell."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = fields
    except (OSError, ValueError):
        return math.nan
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def _host_milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1e3


def _gpu_milliseconds(run: Callable[[], object]) -> float:
    start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    run()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end))
