"""Joining a Ray cluster, or starting one for the run that listens on this machine alone and keeps to stderr."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import ray
from ray._private import node as ray_node
from ray._private import ray_constants
from ray._private import worker as ray_worker

from naslab.errors import WorkerError
from naslab.execution import ray_cleanup

START_SECONDS = 600
"""Longer than a node takes to start on a machine that does much else; Ray gives up after 30 seconds."""
PATIENT_SETTINGS = {
    "RAY_gcs_server_port_wait_time_s": str(START_SECONDS),
    "RAY_raylet_start_wait_time_s": str(START_SECONDS),
    "RAY_agent_register_timeout_ms": str(1000 * START_SECONDS),
    "RAY_worker_register_timeout_seconds": str(START_SECONDS),
}
OBJECT_STORE_BYTES = 128 * 2**20
"""Shared memory of a cluster started for the run: candidates and estimates are small."""
logger = logging.getLogger(__name__)


@contextmanager
def connected(address: str | None, num_cpus: int) -> Iterator[None]:
    """Be connected to the cluster at `address`, or to one of `num_cpus` that begins and ends with the block.

    A connection that the program has already is used and left as it is. Raises `WorkerError` where nothing answers.
    """
    if ray.is_initialized():
        yield
        return
    with mishaps_on_stderr(), started(num_cpus) if address is None else joined(address):
        yield


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Be connected to the existing cluster at `address`.

    Raises `WorkerError` where nothing answers, and for an address of Ray Client (`ray://`).
    """
    if address.startswith("ray://"):
        raise WorkerError(f"'{address}' is a Ray Client address: run on a node of the cluster with its host:port")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise WorkerError(f"no Ray cluster answers at '{address}': {error}") from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def started(num_cpus: int) -> Iterator[None]:
    """Be connected to a cluster that listens on this machine alone and ends with the block, or with this process."""
    settings = {
        # Ray binds to every interface without a password, unless it takes the machine for one that has no clusters.
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    has_clusters = ray_constants.ENABLE_RAY_CLUSTER
    with kept() as tell_session:
        try:
            ray_constants.ENABLE_RAY_CLUSTER = False
            with environment_of(settings), unhurried():
                ray.init(
                    address="local",
                    num_cpus=num_cpus,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            tell_session(ray.get_runtime_context().get_session_name())
            yield
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = has_clusters
            ray.shutdown()


class SlowClock:
    """The module `time` with a clock on which `START_SECONDS` are half a minute."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic(self) -> float:
        return time.monotonic() * 30 / START_SECONDS


@contextmanager
def unhurried() -> Iterator[None]:
    """Let the nodes that are started inside the block take `START_SECONDS`, as on a machine that does much else.

    Ray takes most of its limits from the environment; that of a node's registration is a number in its code.
    """
    with (
        environment_of({name: os.environ.get(name, value) for name, value in PATIENT_SETTINGS.items()}),
        replaced(ray_node, "time", SlowClock()),
    ):
        yield


@contextmanager
def kept() -> Iterator[Callable[[str], None]]:
    """A process beside the block, which ends what is left of the session that it is told of when the block ends."""
    command = [sys.executable, "-I", "-S", ray_cleanup.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as cleaner:
        assert cleaner.stdin is not None
        told = cleaner.stdin
        yield lambda session: print(session, file=told, flush=True)


@contextmanager
def mishaps_on_stderr() -> Iterator[None]:
    """Ray prints the mishaps of its nodes to stdout, where a program's results go; here they are log messages."""
    plain = ray_worker.print_to_stdstream

    def log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        for line in data["lines"]:
            # A worker's death is an outcome and told as one.
            logger.log(logging.DEBUG if line.startswith("A worker died") else logging.WARNING, "Ray: %s", line)

    ray_worker.print_to_stdstream = log
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = plain


@contextmanager
def replaced(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Another value for what a module calls `name`, inside the block."""
    plain = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, plain)


@contextmanager
def environment_of(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started inside the block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
