"""RayExecutor: long-lived actors on a Ray cluster, one that exists or one started for the run."""

from __future__ import annotations

import math
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

import cloudpickle
import ray
from ray.exceptions import RayActorError, RayError, TaskUnschedulableError

from naslab.errors import DeviceError, VersionError, WorkerError
from naslab.estimators.estimator import Estimator
from naslab.execution.admission import MemoryModel
from naslab.execution.executor import Happened, NodeNoted
from naslab.execution.local import WORKER_SETTINGS, count_cores
from naslab.execution.ray_connection import connected
from naslab.execution.ray_nodes import ClusterNode, NodeWatch, Share, other_version_words
from naslab.execution.worker import Done, Message, Placement, Ready, Refused, Said, Worker, load_worker
from naslab.execution.worker_pool import WorkerPool
from naslab.provenance import installed_versions
from naslab.study.outcome import Candidate, Failure


class RayExecutor:
    """`num_workers` Ray actors that estimate one candidate each with `estimator`, on every node of a cluster.

    With `None` there are as many as the cluster has room for, while nodes join and leave. A node of another version of
    naslab or torch than this one is left out, as is one on which a worker cannot be prepared, of data that are not
    there say; what is told of nodes comes from `wait`.

    `address` is an existing cluster's (`host:port`, `auto`); without it one is started on this machine and ends with
    the run. A candidate that takes longer than `timeout_seconds` fails as `timed_out`, one that takes more than
    `memory_bytes` beside the idle worker as `out_of_memory`. With a `memory` model candidates train at once on one
    device only where they are predicted to fit it together. `gpus_per_worker` may be a fraction, 0 keeps to the CPU,
    `None` shares out the GPUs that there are. `cpus_per_worker` is what each actor reserves and the threads that it
    computes with, by default its share of the cluster's, or one where `num_workers` is `None`. An actor that is lost,
    with its node or alone, is replaced where there is room, at once or when there is. Raises `WorkerError` for less
    than one worker, and on entering where no cluster answers or none of its nodes can work.

    >>> RayExecutor(estimator, num_workers=8, gpus_per_worker=0.5, address="auto").num_slots  # doctest: +SKIP
    8
    """

    def __init__(
        self,
        estimator: Estimator,
        num_workers: int | None = 1,
        device: str = "auto",
        gpus_per_worker: float | None = None,
        cpus_per_worker: int | None = None,
        address: str | None = None,
        timeout_seconds: float | None = None,
        memory: MemoryModel | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        if num_workers is not None and num_workers < 1:
            raise WorkerError(f"num_workers: must be at least 1, got {num_workers}")
        self._num_workers = num_workers
        self._payload = cloudpickle.dumps(estimator)
        self._device = device
        self._gpus_per_worker = gpus_per_worker
        self._cpus_per_worker = cpus_per_worker
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._memory = memory
        self._memory_bytes = memory_bytes
        self._nodes = NodeWatch()
        self._noted: list[str] = []
        self._num_made = 0
        self._share = Share(1, 0.0)
        self._pool: WorkerPool | None = None
        self._to_leave = ExitStack()

    @property
    def num_slots(self) -> int:
        if self._num_workers is not None:
            return self._num_workers
        return 1 if self._pool is None else max(1, len(self._pool.hosts))

    def submit(self, candidate: Candidate) -> None:
        self._entered().submit(candidate)

    def wait(self, timeout: float) -> Sequence[Happened]:
        self._follow_nodes()
        noted, self._noted = self._noted, []
        return [*map(NodeNoted, noted), *self._entered().wait(0.0 if noted else timeout)]

    def __enter__(self) -> Self:
        cpus_wanted = (self._num_workers or 1) * (self._cpus_per_worker or 1)
        with ExitStack() as entered:
            entered.enter_context(connected(self._address, max(count_cores(), cpus_wanted)))
            self._noted += self._nodes.begin()
            self._share = self._share_of_nodes(list(self._nodes.usable.values()))
            self._pool = WorkerPool([], self._watch, self._timeout_seconds, self._memory, self._leaves_node)
            entered.callback(self._pool.end)
            self._pool.resize(self._num_wanted(), self._make_host)
            self._to_leave = entered.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._pool = None
        self._to_leave.close()

    def _share_of_nodes(self, nodes: Sequence[ClusterNode]) -> Share:
        """What each worker reserves of `nodes`: the same everywhere and throughout the run."""
        num_gpus = sum(node.gpus for node in nodes)
        num_workers = self._num_workers or max(1, int(num_gpus))
        gpus = share_of_gpus(self._device, self._gpus_per_worker, num_workers, num_gpus)
        if self._num_workers is not None:
            cpus = int(sum(node.cpus for node in nodes)) // num_workers
        else:
            cpus = min((int(node.cpus * gpus / node.gpus) for node in nodes if node.gpus), default=1) if gpus else 1
        return Share(self._cpus_per_worker or max(1, cpus), gpus)

    def _num_wanted(self) -> int:
        """How many workers there are to be now."""
        if self._num_workers is not None:
            return self._num_workers
        return sum(self._share.workers_on(node) for node in self._nodes.usable.values())

    def _make_host(self) -> ActorHost:
        device = self._device if self._share.gpus else "cpu"
        name, self._num_made = f"worker-{self._num_made}", self._num_made + 1
        placement = Placement(name, 0, device, None, self._share.cpus, self._memory_bytes)
        return ActorHost(placement, self._payload, self._share.gpus, self._nodes.placement)

    def _follow_nodes(self) -> None:
        """Take up nodes that joined and left."""
        self._noted += self._nodes.look()
        self._entered().resize(self._num_wanted(), self._make_host)

    def _leaves_node(self, refused: Refused) -> bool:
        """Whether the node of a worker that refused is left out, so that the next one starts elsewhere.

        It is not where what is missing may be there later, as memory, nor where no other node can work.
        """
        if type(refused.error) is WorkerError:
            return False
        self._noted += self._nodes.leave_out(refused.node_id, refused.error)
        return refused.node_id in self._nodes.left_out

    def _entered(self) -> WorkerPool:
        assert self._pool is not None, "the executor is not entered"
        return self._pool

    def _watch(self, seconds: float) -> None:
        hosts = [host for host in self._entered().hosts if isinstance(host, ActorHost)]
        awaited = [each for host in hosts for each in host.awaited]
        if awaited:
            ray.wait(awaited, num_returns=1, timeout=seconds)
        else:  # no node is left, or all rest
            time.sleep(seconds)


class ActorHost:
    """One actor of a cluster. What it says is awaited: a reference to its readiness, a stream for each candidate.

    Its `placement` says what its worker is, which loads the pickled `estimator` and takes so many `gpus`; `where` is
    asked at each start where Ray may put it.
    """

    def __init__(self, placement: Placement, estimator: bytes, gpus: float, where: Callable[[], Any]) -> None:
        self.name = placement.name
        self._placement = placement
        self._estimator = estimator
        self._where = where
        settings = {name: os.environ.get(name, value) for name, value in WORKER_SETTINGS.items()}
        self._options = {
            "num_cpus": placement.threads,
            "num_gpus": gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "runtime_env": {"env_vars": settings},
        }
        self._actor: Any = None
        self._life: Any = None
        self._answer: Any = None

    @property
    def awaited(self) -> list[Any]:
        """What is ready when the actor has something to say, or is lost."""
        return [each for each in (self._life, self._answer) if each is not None]

    def start(self) -> None:
        kind = ray.remote(concurrency_groups={"life": 1})(RayWorker)  # type: ignore[call-overload]
        options = kind.options(**self._options, scheduling_strategy=self._where())
        self._actor = options.remote(self._placement, self._estimator, sys.path, installed_versions())
        self._life = self._actor.live.remote()
        self._answer = self._actor.prepare.remote()

    def send(self, candidate: Candidate) -> None:
        self._answer = self._actor.estimate.options(num_returns="streaming").remote(candidate)

    def messages(self) -> Iterator[Message]:
        try:
            while self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
                yield self._next()
        except RayError:  # the actor is lost, and its life ends with the reason
            self._answer = None

    def death(self) -> Failure | None:
        if not ray.wait([self._life], timeout=0)[0]:
            return None
        try:
            ray.get(self._life)
        except RayError as error:
            return death_of(error)
        raise AssertionError("an actor's life ends with an error")

    def end(self) -> None:
        actor, self._actor = self._actor, None
        self._life = self._answer = None
        if actor is not None:
            ray.kill(actor, no_restart=True)

    def _next(self) -> Message:
        answer = self._answer
        message: Message = ray.get(answer if isinstance(answer, ray.ObjectRef) else next(answer))
        if isinstance(message, Ready | Refused | Done):
            self._answer = None
        return message


class RayWorker:
    """The actor: a worker on a thread of its own, so that its epochs can be streamed while it trains.

    The worker is as its `placement` says and loads the pickled `estimator`, whose modules may lie in a folder of the
    driver's `search_path`. It refuses where the node has other `versions` than these, the driver's.
    """

    def __init__(
        self, placement: Placement, estimator: bytes, search_path: list[str], versions: dict[str, str]
    ) -> None:
        # Ray knows the driver's folder only; an estimator may come from elsewhere on the path.
        sys.path.extend(folder for folder in search_path if folder not in sys.path)
        self._placement = placement
        self._estimator = estimator
        self._versions = versions
        self._worker: Worker | None = None
        # One thread for all: CPU thread settings and the like belong to the thread that made them.
        self._thread = ThreadPoolExecutor(1)

    @ray.method(concurrency_group="life")
    def live(self) -> None:
        """Never return: who awaits this learns of the actor's end, whatever it is doing."""
        threading.Event().wait()

    def prepare(self) -> Ready | Refused:
        """Load the estimator and what it needs."""
        return self._thread.submit(self._prepare).result()

    def estimate(self, candidate: Candidate) -> Iterator[Message]:
        """Estimate `candidate`: every epoch as it ends, then the estimate."""
        assert self._worker is not None, "not prepared"
        said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        done = self._thread.submit(self._worker.estimate, candidate, said.put, lambda text: said.put(Said(text)))
        done.add_done_callback(lambda future: said.put(future.result()))
        while not isinstance(message := said.get(), Done):
            yield message
        yield message

    def _prepare(self) -> Ready | Refused:
        try:
            if words := other_version_words(f"node {socket.gethostname()}", installed_versions(), self._versions):
                raise VersionError(words)
            self._worker = load_worker(self._estimator, self._placement)
            answer = self._worker.prepare()
        except WorkerError as error:
            answer = Refused(error)
        if isinstance(answer, Refused):
            return Refused(answer.error, ray.get_runtime_context().get_node_id())
        return answer


def share_of_gpus(device: str, gpus_per_worker: float | None, num_workers: int, num_gpus: float) -> float:
    """The share of a GPU that each of `num_workers` actors takes, on a cluster of `num_gpus`.

    `device` and `gpus_per_worker` are what was asked for. Raises `DeviceError` where a GPU was and the cluster has
    none.

    >>> share_of_gpus("auto", None, num_workers=6, num_gpus=2.0), share_of_gpus("auto", None, 4, num_gpus=0.0)
    (0.333, 0.0)
    """
    if device == "cpu" or gpus_per_worker == 0:
        return 0.0
    if num_gpus == 0:
        if device == "auto" and gpus_per_worker is None:
            return 0.0
        raise DeviceError(f"a GPU was asked for (device '{device}') and the Ray cluster has none; use device 'cpu'")
    if gpus_per_worker is not None:
        return gpus_per_worker
    # Ray counts in ten-thousandths; rounded down, so that the last worker still fits.
    return math.floor(1000 / math.ceil(num_workers / num_gpus)) / 1000


def death_of(error: RayError) -> Failure:
    """The failure of a candidate whose actor was lost with `error`."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    why = next((line for line in lines if line.startswith(("The actor died", "The node", "Worker"))), lines[0])
    kind = "cannot be placed" if isinstance(error, TaskUnschedulableError) else "died"
    if not isinstance(error, RayActorError | TaskUnschedulableError):
        kind = f"was lost ({type(error).__name__})"
    return Failure("worker_died", f"the worker {kind}: {why}", str(error))
