"""A latency that was measured beside other load says so; on a machine of its own it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import torch
from synthetic_study import study
from torch import nn

from naslab.analysis.latency_load import disturbed_words, load_words
from naslab.estimators.latency import MeasuredLatency, measure_latency, noted_load
from naslab.metrics import LATENCY

QUIET = MeasuredLatency(0.5, 0.1, 11, 1, core_share=0.99, others_cores=0.4, num_cores=2)
BUSY = MeasuredLatency(21.9, 9.0, 11, 1, core_share=0.4, others_cores=1.9, num_cores=2)


@pytest.fixture
def busy_loops() -> Iterator[None]:
    """Two loops that share the first core that this process may use, and this process on that core, too."""
    cores = os.sched_getaffinity(0)
    core = min(cores)
    command = [
        sys.executable,
        "-c",
        f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint(1, flush=True)\nwhile 1: pass",
    ]
    loops = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    os.sched_setaffinity(0, {core})
    try:
        for loop in loops:
            assert loop.stdout is not None
            assert loop.stdout.readline() == "1\n"
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for loop in loops:
            loop.kill()
            loop.wait()
            assert loop.stdout is not None
            loop.stdout.close()


def test_a_latency_beside_busy_loops_says_so(busy_loops: None) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seen = measure_latency(nn.Conv2d(16, 64, 3), (16, 64, 64))
    finally:
        torch.set_num_threads(threads)
    assert seen.is_disturbed
    assert seen.core_share < 0.9
    assert seen.load["is_disturbed"] is True
    assert noted_load(seen) == {"latency_load": seen.load}


def test_load_is_judged_by_the_cores_that_were_left() -> None:
    assert (QUIET.is_disturbed, BUSY.is_disturbed) == (False, True)
    helpers = QUIET._replace(threads=2, others_cores=1.0)
    assert helpers.is_disturbed, "two threads and a core of others do not fit two cores"
    unknown = MeasuredLatency(0.5, 0.1, 11, 1)
    assert (unknown.is_disturbed, unknown.load, noted_load(unknown)) == (False, {}, {})


def with_loads(*loads: MeasuredLatency) -> list[Any]:
    outcomes = [each for each in study().outcomes if each.is_complete][: len(loads)]
    replace = msgspec.structs.replace
    return [
        replace(
            each,
            estimate=replace(
                each.estimate,
                measured={**each.estimate.measured, **LATENCY.measured(load.median_ms, load.iqr_ms)},
                notes=noted_load(load),
            ),
        )
        for each, load in zip(outcomes, loads, strict=True)
    ]


def test_tables_say_how_many_latencies_were_disturbed() -> None:
    assert disturbed_words(with_loads(QUIET, QUIET)) == ""
    told = disturbed_words(with_loads(QUIET, BUSY, QUIET))
    assert told.startswith("1 of 3 latencies were measured beside other load")
    assert load_words(BUSY.load) in told
    assert load_words(BUSY.load) == "it had a core for 40 % of the time, others kept 1.9 of 2 cores busy"
