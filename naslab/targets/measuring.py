"""Measuring a network in a target: exported, then timed in a process of its own on cores of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from naslab.errors import NaslabError, SpecError, counted, shown
from naslab.targets.exporting import file_bytes
from naslab.targets.pace import BestPace, PacedPasses
from naslab.targets.process import Answer, Job
from naslab.targets.target import Deployed, Target, loaded, require_target

MOST_SPREAD = 0.25
"""The interquartile range of the passes as a share of their median, above which a measurement is refused."""
NOTED_LOAD = 0.1
"""Cores that others keep busy, from which it is said."""
MOST_SECONDS = 900.0
LEAST_PROCESSES, MOST_PROCESSES = 4, 8
"""Processes that latencies on a quiet machine are measured in: each places its memory anew, and a slow minute of the
machine meets few of them."""


Alone: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Makes a block in which nothing else runs."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a network takes in a target: milliseconds of a batch, bytes of its file, and memory at its highest.

    `latency_ms_iqr` is the interquartile range of the `num_passes` counted passes, `spread` that as a share of the
    median. `size_bytes` is the size of the file that the target runs, `peak_memory_bytes` by how much the network
    raised the memory of its process. `other_load` is how many cores other processes kept busy meanwhile, `waited` the
    share of the time in which this one's cores did not work for it. `None` stands for what a target does not tell.
    `accuracy`, in per cent with its standard error `accuracy_sem`, is that of a trained network as it runs there, over
    `num_images` images, which `accuracy_on` names; `num_calibration` training images have chosen its 8 bits.
    """

    target: str
    threads: int
    batch: int
    latency_ms: float
    latency_ms_iqr: float | None = None
    spread: float | None = None
    num_passes: int = 0
    size_bytes: int | None = None
    peak_memory_bytes: int | None = None
    other_load: float | None = None
    waited: float | None = None
    accuracy: float | None = None
    accuracy_sem: float | None = None
    accuracy_on: str | None = None
    num_images: int | None = None
    num_calibration: int | None = None


class SpreadError(NaslabError):
    """Passes of a network that spread too much to say how long one takes."""


def measure_deployed(
    deployed: Deployed,
    target: Target,
    most_spread: float = MOST_SPREAD,
    alone: Alone = nullcontext,
    folder: Path | None = None,
) -> Measured:
    """Measure the network `deployed` in `target`; what is timed runs in a block of `alone`, when nothing else does.

    Its files are made in `folder`, by default one that is deleted; those of another target that are there are used.
    A measurement whose `spread` is above `most_spread` is refused: `SpreadError`. Raises `NaslabError` for a target
    that is not installed, or that cannot run the network.
    """
    require_target(target)
    home = import_module(f"naslab.targets.{target.row.home}")
    if not target.row.is_timed:
        with alone():
            told = home.latency(deployed, target)
        return Measured(
            target=target.written,
            threads=target.threads,
            batch=target.batch,
            latency_ms=told.median_ms,
            latency_ms_iqr=told.iqr_ms,
            num_passes=told.num_passes,
            size_bytes=told.size_bytes,
        )
    cores = own_cores(target.threads)
    with _folder(folder) as place:
        with loaded(target):
            path: Path = home.prepare(deployed, target, place)
        size = file_bytes(path)
        with alone():
            (answer,) = _answers([Job(target, str(path), cores)])
    _require_run(answer, deployed, target)
    return measured_of(answer, target, size, most_spread)


def deployed_bytes(deployed: Deployed, target: Target, folder: Path | None = None) -> int:
    """The bytes of the file of a network that a target runs; nothing is timed.

    `folder` is that of `measure_deployed`, and so is what is raised.
    """
    require_target(target)
    home = import_module(f"naslab.targets.{target.row.home}")
    with _folder(folder) as place, loaded(target):
        return file_bytes(home.prepare(deployed, target, place))


def quiet_latencies(networks: Sequence[Deployed], target: Target, best: BestPace) -> list[float]:
    """The milliseconds that a pass of one image takes of its core where nothing slows it down, of each of `networks`.

    Each is timed in several processes, with the others between, so that a slow minute meets all of them. A pass counts
    the time alone in which it had the core, and counts where the core was near the `best` pace that was seen
    (`naslab.targets.pace`); where that was too seldom, all count. For targets of one thread. Raises `NaslabError` as
    `measure_deployed`.
    """
    require_target(target)
    home = import_module(f"naslab.targets.{target.row.home}")
    passes = [PacedPasses() for _ in networks]
    with tempfile.TemporaryDirectory() as folder:
        files = []
        with loaded(target):
            for number, deployed in enumerate(networks):
                own = Path(folder) / str(number)
                own.mkdir()
                files.append(home.prepare(deployed, target, own))
        for number in range(MOST_PROCESSES):
            wanted = [place for place, each in enumerate(passes) if number < LEAST_PROCESSES or each.lacks(best)]
            if not wanted:
                break
            jobs = [_paced_job(target, files[place]) for place in wanted]
            for place, answer in zip(wanted, _answers(jobs), strict=True):
                _require_run(answer, networks[place], target)
                passes[place].add(answer.core_times_ms, answer.paces_ms)
                best.see(answer.paces_ms)
    return [each.latency_ms(best) for each in passes]


def _paced_job(target: Target, file: Path) -> Job:
    """A short job: a network is timed in several."""
    return Job(
        target,
        str(file),
        own_cores(1),
        warm_up=2,
        warm_up_seconds=0.05,
        passes=5,
        most_passes=400,
        seconds=0.4,
        is_paced=True,
    )


def _require_run(answer: Answer, deployed: Deployed, target: Target) -> None:
    if answer.error:
        raise NaslabError(f"the target {target.name} cannot run {deployed.name}: {answer.error}")


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """The folder that was given, or one for the block."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def measured_of(answer: Answer, target: Target, size_bytes: int, most_spread: float = MOST_SPREAD) -> Measured:
    """The measurement in the `answer` of a process that ran a file of `size_bytes` in `target`.

    Raises `SpreadError` where its passes spread by more than `most_spread`.
    """
    low, median, high = (float(each) for each in np.percentile(answer.times_ms, (25, 50, 75)))
    spread = (high - low) / median
    wall = answer.wall_seconds
    others = None if answer.busy_seconds is None else max(0.0, (answer.busy_seconds - answer.cpu_seconds) / wall)
    if spread > most_spread:
        load = "" if others is None else f", while others kept {others:.1f} cores busy"
        raise SpreadError(
            f"the passes spread too much: their interquartile range is {100 * spread:.0f} % of the median of "
            f"{median:.3g} ms{load}; at most {100 * most_spread:g} % may be: measure on a quiet machine, or raise "
            "--most-spread"
        )
    return Measured(
        target=target.written,
        threads=target.threads,
        batch=target.batch,
        latency_ms=median,
        latency_ms_iqr=high - low,
        spread=spread,
        num_passes=len(answer.times_ms),
        size_bytes=size_bytes,
        peak_memory_bytes=answer.peak_memory_bytes,
        other_load=others,
        waited=max(0.0, 1 - answer.cpu_seconds / wall / target.threads),
    )


def own_cores(threads: int) -> tuple[int, ...]:
    """The cores that a measurement on `threads` threads runs on: the last ones that this process may use.

    Raises `SpecError` where there are fewer.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise SpecError("threads", f"must be at most the {counted(len(cores), 'core')} of this process, got {threads}")
    return tuple(cores[-threads:])


def _answers(jobs: Sequence[Job]) -> list[Answer]:
    """The answers of one process to `jobs`, all of one target."""
    target = jobs[0].target
    threads = str(target.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    folders = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(folders)
    most_seconds = MOST_SECONDS * len(jobs)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "naslab.targets.process"],
            input=msgspec.json.encode(jobs),
            capture_output=True,
            env=environment,
            timeout=most_seconds,
        )
    except subprocess.TimeoutExpired as late:
        why = _last_line(late.stderr)
        raise NaslabError(f"the target {target.name} is not done after {most_seconds:g} s: {why}") from None
    try:
        return msgspec.json.decode(done.stdout, type=list[Answer])
    except msgspec.MsgspecError:
        why = _last_line(done.stderr)
        raise NaslabError(f"the target {target.name} ended with code {done.returncode}: {why}") from None


def _last_line(said: bytes | None) -> str:
    lines = (said or b"").decode(errors="replace").strip().splitlines()
    return shown(lines[-1], 300) if lines else "it said nothing"
