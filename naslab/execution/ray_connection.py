"""Joining a Ray cluster, or starting one for the run that listens on this machine alone and keeps to stderr."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray._private import node as ray_node
from ray._private import ray_constants
from ray._private import worker as ray_worker

from naslab.errors import WorkerError, shown
from naslab.execution import ray_cleanup
from naslab.passwords import without_passwords
from naslab.reading import whole_number
from naslab.regular_files import open_regular

START_SECONDS = 600
"""Longer than a node takes to start on a machine that does much else; Ray gives up after 30 seconds."""
STARTS = 4
"""How often a node is started in that time: one whose agent is slow to start ends itself, and is waited for in vain."""
PATIENT_SETTINGS = {
    "RAY_gcs_server_port_wait_time_s": str(START_SECONDS),
    "RAY_raylet_start_wait_time_s": str(START_SECONDS // STARTS),
    "RAY_agent_register_timeout_ms": str(1000 * START_SECONDS),
    "RAY_worker_register_timeout_seconds": str(START_SECONDS),
}
OBJECT_STORE_BYTES = 128 * 2**20
"""Shared memory of a cluster started for the run: candidates and estimates are small."""
STDERR = 2
JOIN = """
import logging, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
ray.shutdown()
"""
"""A program that joins a cluster and leaves it."""
logger = logging.getLogger(__name__)


@contextmanager
def connected(address: str | None, num_cpus: int, log: Path | None = None) -> Iterator[None]:
    """Be connected to the cluster at `address`, or to one of `num_cpus` that begins and ends with the block.

    A connection that the program has already is used and left as it is. What Ray says meanwhile is added to the file
    `log`. Raises `WorkerError` where nothing answers, before anything is written.
    """
    if ray.is_initialized():
        yield
        return
    if address is not None:
        require_reachable(address)
    noise = mishaps_on_stderr() if log is None else noise_in(log)
    with noise, started(num_cpus) if address is None else joined(address):
        yield


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Be connected to the existing cluster at `address`; raises `WorkerError` where nothing answers."""
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise unreachable(address, str(error)) from None
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
                _start(num_cpus)
            tell_session(ray.get_runtime_context().get_session_name())
            yield
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = has_clusters
            ray.shutdown()


def _start(num_cpus: int) -> None:
    """Start a cluster, and where its node does not come up start another one."""
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray's own has no class
            if not left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
        else:
            return


class SlowClock:
    """The module `time` with a clock on which the time of one start is half a minute."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic(self) -> float:
        return time.monotonic() * 30 * STARTS / START_SECONDS


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
            logger.log(
                logging.DEBUG if line.startswith("A worker died") else logging.WARNING,
                "Ray: %s",
                without_passwords(line),
            )

    ray_worker.print_to_stdstream = log
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = plain


@contextmanager
def noise_in(path: Path) -> Iterator[None]:
    """What Ray says goes to the end of the file `path`, also what its C++ writes to the process's stderr itself.

    Python's own stderr stays where it was. Where that is no longer the process's, as in a notebook, it is let be.
    """
    with open(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as log, mishaps_on_stderr():
        handler = logging.StreamHandler(io.TextIOWrapper(log, encoding="utf-8", write_through=True))
        logger.addHandler(handler)
        plain, logger.propagate = logger.propagate, False
        try:
            with stderr_of_c_in(log.fileno()):
                yield
        finally:
            logger.propagate = plain
            logger.removeHandler(handler)


@contextmanager
def stderr_of_c_in(descriptor: int) -> Iterator[None]:
    """The process's stderr is an open file for all but Python's `sys.stderr`, which goes on where it was."""
    plain = sys.__stderr__
    if plain is None or sys.stderr is not plain or plain.fileno() != STDERR:
        yield
        return
    plain.flush()
    kept = os.dup(STDERR)
    handlers = [each for each in logging.getLogger().handlers if getattr(each, "stream", None) is plain]
    with open(kept, "w", encoding=plain.encoding, errors=plain.errors, buffering=1) as own:
        os.dup2(descriptor, STDERR)
        sys.stderr = own
        for each in handlers:
            each.setStream(own)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            for each in handlers:
                each.setStream(plain)  # type: ignore[attr-defined]
            own.flush()
            sys.stderr = plain
            os.dup2(kept, STDERR)


def require_reachable(address: str) -> None:
    """Raise `WorkerError` unless a Ray cluster answers at `address` within the time of `NASLAB_RAY_SECONDS`.

    Also for an address of Ray Client (`ray://`). Ray itself may wait for ever, so another process tries it first.
    """
    if address.startswith("ray://"):
        raise WorkerError(f"'{address}' is a Ray Client address: run on a node of the cluster with its host:port")
    seconds = reach_seconds()
    host, colon, port = address.rpartition(":")
    if colon and (number := whole_number(port)) is not None:
        try:
            socket.create_connection((host.strip("[]"), number), timeout=seconds).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise unreachable(address, getattr(error, "strerror", None) or str(error)) from None
    trial = subprocess.Popen(
        [sys.executable, "-c", JOIN, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = trial.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise unreachable(address, f"nothing came of it in {seconds:g} seconds") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(trial.pid, signal.SIGKILL)
        trial.wait()
    if trial.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise unreachable(address, lines[-1] if lines else f"exit code {trial.returncode}")


def reach_seconds() -> float:
    """How long a cluster may take to answer: `NASLAB_RAY_SECONDS`, by default a minute.

    Raises `WorkerError` where that is no number of seconds.
    """
    given = os.environ.get("NASLAB_RAY_SECONDS", "60")
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise WorkerError(f"NASLAB_RAY_SECONDS: must be a number of seconds above 0, got '{shown(given)}'")
    return seconds


def unreachable(address: str, reason: str) -> WorkerError:
    """The error of a cluster that does not answer, on one line."""
    return WorkerError(
        f"no Ray cluster answers at '{shown(address)}' ({shown(reason, 300)}): check the address, or that the cluster "
        "runs; NASLAB_RAY_SECONDS is how long it may take"
    )


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
