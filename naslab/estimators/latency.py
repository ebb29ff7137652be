"""How long a network takes for one image on a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.arch.plan import Shape
from naslab.training.device import choose_device

WARM_UP_SECONDS = 0.05
WARM_UP_PASSES = 5
MIN_PASSES = 11
MAX_PASSES = 101
MOST_SECONDS = 1.0


class MeasuredLatency(NamedTuple):
    """Median and interquartile range, in milliseconds, of one image's forward pass.

    Over `num_passes` passes, with `threads` CPU threads.
    """

    median_ms: float
    iqr_ms: float
    num_passes: int
    threads: int


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
            times = _times(lambda: module(image), place)
    finally:
        module.train(was_training)
    low, median, high = np.percentile(times, (25, 50, 75))
    return MeasuredLatency(float(median), float(high - low), len(times), torch.get_num_threads())


def measure_arch(arch: ArchSpec, device: str = "cpu") -> MeasuredLatency:
    """Build a network with random weights and time it on a device. Raises `DeviceError` where that is not there.

    >>> from naslab.zoo import model
    >>> measure_arch(model("lenet5")).median_ms > 0
    True
    """
    return measure_latency(build(arch), arch.input, choose_device(device))


def _times(run: Callable[[], object], device: torch.device) -> list[float]:
    """Milliseconds of each counted pass: at least 11, then up to 101 within a second."""
    time_once = _gpu_milliseconds if device.type == "cuda" else _host_milliseconds
    started = time.perf_counter()
    passes = 0
    while passes < WARM_UP_PASSES or time.perf_counter() - started < WARM_UP_SECONDS:
        time_once(run)
        passes += 1
    started = time.perf_counter()
    times: list[float] = []
    while len(times) < MIN_PASSES or (len(times) < MAX_PASSES and time.perf_counter() - started < MOST_SECONDS):
        times.append(time_once(run))
    return times


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
