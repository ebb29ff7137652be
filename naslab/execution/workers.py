"""Workers: how many there are, where they run, and the executor that they make."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from naslab.arguments import refuse_wrong_fields
from naslab.errors import WorkerError, shown
from naslab.estimators.estimator import Estimator
from naslab.execution.admission import MemoryModel, workers_per_gpu
from naslab.execution.executor import Executor
from naslab.execution.local import LocalExecutor, count_cores
from naslab.study.outcome import Candidate

MOST_PROCESSES = 1_000
MOST_WORKERS = 100_000
"""Workers at once on one machine, and of a cluster or a ledger."""
LEAST_MEMORY = 2**20
"""Bytes below which no candidate trains: a number without its letter, most likely."""


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """Worker processes on this machine (`kind` is `local`) or actors on a Ray cluster (`ray`).

    Of a search also candidates offered in its ledger (`ledger`), `count` at a time, to workers that join from any
    machine (`naslab worker`).

    `count` defaults to one a GPU (or share of one; `packed` makes it several), else one a core. With `auto` actors
    of Ray are as many as the cluster has room for, one a GPU or share of one, else one a CPU, and follow the nodes that
    join and leave; local workers are as many as by default.

    `device` is a torch device name or `auto`. `gpus_per_worker` is a share of a GPU, 0 keeps to the CPU, `None` takes a
    GPU where there is one. `address` is an existing Ray cluster's; without it one is started for the run. A candidate
    that takes longer than `timeout_seconds` fails. One that takes more than `memory_bytes` beside its idle worker fails
    as out of memory: of the GPU's memory where it trains on one, else of the process's own on Linux. Raises
    `WorkerError` for values out of range.

    >>> Workers(count=2, device="cpu").num_workers
    2
    """

    kind: Literal["local", "ray", "ledger"] = "local"
    count: int | Literal["auto"] | None = None
    device: str = "auto"
    gpus_per_worker: float | None = None
    address: str | None = None
    timeout_seconds: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        if isinstance(self.count, int) and self.count < 1:
            raise WorkerError(f"workers: must be at least 1, got {self.count}")
        if self.count == "auto" and self.kind == "ledger":
            raise WorkerError("workers: must be how many candidates are offered at once, got 'auto'; say a number")
        most = MOST_PROCESSES if self.kind == "local" else MOST_WORKERS
        if isinstance(self.count, int) and self.count > most:
            raise WorkerError(f"workers: must be at most {most:,}, got {self.count}")
        if self.gpus_per_worker is not None and not 0 <= self.gpus_per_worker <= 1:
            raise WorkerError(
                f"gpus_per_worker: must be 0 to 1, for a worker trains on one GPU, got {self.gpus_per_worker:g}"
            )
        if self.timeout_seconds is not None and self.timeout_seconds <= 0:
            raise WorkerError(f"timeout_seconds: must be above 0, got {self.timeout_seconds:g}")
        if self.memory_bytes is not None and self.memory_bytes < LEAST_MEMORY:
            raise WorkerError(
                f"memory_bytes: must be at least {LEAST_MEMORY:,} for a training, got {self.memory_bytes:,}; "
                "on the command line 4G is 4,000,000,000"
            )
        asked = (self.gpus_per_worker, self.timeout_seconds, self.memory_bytes)
        if self.kind == "ledger" and any(each is not None for each in asked):
            raise WorkerError("workers that join by the ledger choose their device, time and memory themselves")
        if self.address is not None and "@" in self.address:
            raise WorkerError(f"a Ray address is host:port or 'auto', got '{shown(self.address)}'")
        if self.address is not None and self.kind != "ray":
            raise WorkerError("a Ray address needs the executor 'ray'")

    @property
    def num_workers(self) -> int:
        """How many there will be; of actors that follow the nodes of a cluster, how many this machine would have."""
        if isinstance(self.count, int):
            return self.count
        return default_count(self.device, self.gpus_per_worker)

    def packed(self, memory: MemoryModel, typical: Sequence[Candidate]) -> Workers:
        """These workers, several a GPU where nothing else was asked for: as many as memory and cores allow.

        `memory` predicts what a candidate takes; `typical` are candidates such as will be trained, of which the largest
        counts; where nothing is known of one the workers stay as they are. The processes take turns on the GPU, or
        share it where its multi-process service runs; what that gains is not yet measured on one.
        """
        num_gpus = 0 if self.device in ("cpu", "mps") else visible_gpus()
        if self.kind != "local" or isinstance(self.count, int) or self.gpus_per_worker is not None or num_gpus == 0:
            return self
        predicted = [memory.candidate_bytes(each, "cuda") for each in typical]
        needs = [each for each in predicted if each is not None]
        if len(needs) < len(predicted):
            return self
        worker_bytes = memory.idle_bytes("cuda") + max(needs, default=0)
        each = workers_per_gpu(gpu_memory(), worker_bytes, count_cores() // num_gpus)
        return msgspec.structs.replace(self, gpus_per_worker=1 / each)

    @contextmanager
    def connection(self, log: Path | None = None) -> Iterator[None]:
        """Be connected to the Ray cluster, or have one started, for the block; nothing happens for local workers.

        To enter before a ledger is written to: a cluster that does not answer in time, or none of whose nodes can work,
        is a `WorkerError` here. What Ray says goes to the end of the file `log`.
        """
        if self.kind != "ray":
            yield
            return
        from naslab.execution.ray_connection import connected
        from naslab.execution.ray_nodes import NodeWatch

        with connected(self.address, max(count_cores(), self.num_workers), log):
            if self.address is not None:
                NodeWatch().begin()
            yield

    def start(self, estimator: Estimator, memory: MemoryModel | None = None, threads: int | None = None) -> Executor:
        """An executor to enter: `with workers.start(estimator) as executor`.

        With a `memory` model candidates wait where they would not fit a device together. Each worker computes with so
        many `threads`, by default its share of the cores; sums of floats depend on it. Raises `WorkerError` for workers
        that join by the ledger, which a search alone has.
        """
        if self.kind == "ledger":
            raise WorkerError("only searches offer their candidates to workers that join by the ledger")
        if self.kind == "ray":
            from naslab.execution.ray_cluster import RayExecutor

            return RayExecutor(
                estimator,
                None if self.count == "auto" else self.num_workers,
                device=self.device,
                gpus_per_worker=self.gpus_per_worker,
                cpus_per_worker=threads,
                address=self.address,
                timeout_seconds=self.timeout_seconds,
                memory=memory,
                memory_bytes=self.memory_bytes,
            )
        return LocalExecutor(
            estimator,
            self.num_workers,
            self.device,
            self.gpus_per_worker,
            self.timeout_seconds,
            memory,
            threads,
            self.memory_bytes,
        )


def default_count(device: str, gpus_per_worker: float | None) -> int:
    """One worker a GPU or share of one, where GPUs are visible and may be used; else one a core."""
    num_gpus = 0 if device in ("cpu", "mps") or gpus_per_worker == 0 else visible_gpus()
    return math.floor(num_gpus / (gpus_per_worker or 1) + 1e-9) or count_cores()


def visible_gpus() -> int:
    """How many GPUs the driver process may use, without loading torch; each worker asks torch for itself."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([number for number in chosen.split(",") if number.strip() not in ("", "-1")])
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def gpu_memory() -> int:
    """Bytes of the smallest visible GPU's memory, without loading torch; 0 where the driver does not tell."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return 2**20 * min((int(line) for line in said.split() if line.isdecimal()), default=0)
