"""The process that times networks: `python -m naslab.targets.process`, jobs on stdin, their answers on stdout."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import msgspec

from naslab.errors import NaslabError, shown
from naslab.targets.pace import pace_ms
from naslab.targets.target import Target

BURST_SECONDS = 0.004
"""For which passes run between two looks at the pace of the core."""


class Passes(NamedTuple):
    """Milliseconds of passes: by the clock, on the core, and the pace of the core beside each."""

    times: list[float]
    core_times: list[float]
    paces: list[float]


class Job(msgspec.Struct, frozen=True):
    """What is timed: the `file` of a network in a `target`, on the CPU `cores`, for how long.

    `warm_up` and `passes` are the least counts of passes, which go on for `warm_up_seconds` and `seconds`, in which at
    most `most_passes` are counted. With `is_paced` each counted pass has its pace beside it (`naslab.targets.pace`).
    """

    target: Target
    file: str
    cores: tuple[int, ...] = ()
    warm_up: int = 5
    warm_up_seconds: float = 0.2
    passes: int = 21
    most_passes: int = 501
    seconds: float = 2.0
    is_paced: bool = False


class Answer(msgspec.Struct, frozen=True):
    """The milliseconds of every counted pass, or why there are none.

    `core_times_ms` are those in which the thread that runs them had a core: all the work of a pass on one thread.
    `paces_ms` are the paces of the core beside every pass, where they were asked for.
    `peak_memory_bytes` is by how much the network raised the process's memory at its highest, where Linux tells it.
    `cpu_seconds` and `wall_seconds` are those of the counted passes, `busy_seconds` those that all cores of the machine
    worked meanwhile.
    """

    times_ms: tuple[float, ...] = ()
    core_times_ms: tuple[float, ...] = ()
    paces_ms: tuple[float, ...] = ()
    peak_memory_bytes: int | None = None
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    busy_seconds: float | None = None
    error: str = ""


def answer(job: Job) -> Answer:
    """Time a job in this process; a `NaslabError` is told in the answer."""
    if job.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job.cores)
    try:
        home = import_module(f"naslab.targets.{job.target.row.home}")
        for package in job.target.row.packages[-1:]:
            import_module(package)
        before = reset_peak_memory()
        run: Callable[[], object] = home.start(Path(job.file), job.target)
        _passes(run, job.warm_up, job.warm_up_seconds, job.most_passes)
    except NaslabError as error:
        return Answer(error=str(error))
    began, cpu, busy = time.perf_counter(), time.process_time(), busy_seconds()
    counted = _paced_passes if job.is_paced else _passes
    times, core_times, paces = counted(run, job.passes, job.seconds, job.most_passes)
    ended = busy_seconds()
    return Answer(
        times_ms=tuple(times),
        core_times_ms=tuple(core_times),
        paces_ms=tuple(paces),
        peak_memory_bytes=None if before is None else max(0, _memory("VmHWM") - before),
        cpu_seconds=time.process_time() - cpu,
        wall_seconds=time.perf_counter() - began,
        busy_seconds=None if busy is None or ended is None else ended - busy,
    )


def _passes(run: Callable[[], object], least: int, seconds: float, most: int) -> Passes:
    """At `least` so many passes, which go on for `seconds`, at most `most`."""
    times: list[float] = []
    core_times: list[float] = []
    began = time.perf_counter()
    while len(times) < least or (len(times) < most and time.perf_counter() - began < seconds):
        started, core_started = time.perf_counter(), time.thread_time()
        run()
        core_times.append((time.thread_time() - core_started) * 1e3)
        times.append((time.perf_counter() - started) * 1e3)
    return Passes(times, core_times, [])


def _paced_passes(run: Callable[[], object], least: int, seconds: float, most: int) -> Passes:
    """The same in bursts, with the pace of the core around each; the first pass of a burst fills caches anew."""
    found = Passes([], [], [])
    began = time.perf_counter()
    while len(found.times) < least or (len(found.times) < most and time.perf_counter() - began < seconds):
        before = pace_ms()
        run()
        times, core_times, _ = _passes(run, 1, BURST_SECONDS, most)
        pace = max(before, pace_ms())
        found.times.extend(times)
        found.core_times.extend(core_times)
        found.paces.extend(pace for _ in times)
    return found


def reset_peak_memory() -> int | None:
    """Let the peak of this process's memory begin anew; the bytes that it holds now, `None` where it is no Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _memory("VmRSS")
    except OSError:
        return None


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def busy_seconds() -> float | None:
    """The seconds that all cores of this machine have worked since it started; `None` where Linux does not tell."""
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _waiting, interrupts, soft = map(int, words[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Read jobs, write their answers."""
    jobs = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Job, ...])
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    os.write(out, msgspec.json.encode([_answer(job) for job in jobs]))


def _answer(job: Job) -> Answer:
    try:
        return answer(job)
    except Exception as error:  # noqa: BLE001 - the border of the process
        return Answer(error=f"{type(error).__name__}: {shown(str(error), 400)}")


if __name__ == "__main__":
    main()
