"""Which candidates train at once, with made-up memory sizes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from fake_estimators import epoch_record, numbered_candidate

from naslab.execution import workers as workers_module
from naslab.execution.admission import Admission, workers_per_gpu
from naslab.execution.executor import Finished
from naslab.execution.worker import Done, Message, Ready
from naslab.execution.worker_pool import WorkerPool
from naslab.execution.workers import Workers
from naslab.study.outcome import Candidate, Estimate, Failure

GPU = Ready("cuda:0", "host/first", 1000)
OTHER = Ready("cuda:0", "host/second", 1000)


class Sizes(msgspec.Struct, frozen=True):
    """Each worker takes 50 bytes, each candidate what its origin says."""

    def idle_bytes(self, device: str) -> int:
        return 50

    def candidate_bytes(self, candidate: Candidate, device: str) -> int:
        return int(candidate.origin["bytes"])


SIZES = Sizes()


def sized(trial: int, num_bytes: int) -> Candidate:
    return numbered_candidate(trial, bytes=num_bytes)


class DeskHost:
    """A host without a worker: what it trains ends when the test says so."""

    def __init__(self, number: int, ready: Ready) -> None:
        self.name = f"host-{number}"
        self.trial: int | None = None
        self._said: list[Message] = [ready]
        self._failure: Failure | None = None
        self._ready = ready

    def start(self) -> None:
        self._failure = None

    def send(self, candidate: Candidate) -> None:
        self.trial = candidate.trial

    def messages(self) -> Iterator[Message]:
        said, self._said = self._said, []
        yield from said

    def death(self) -> Failure | None:
        return self._failure

    def end(self) -> None:
        self._said.append(self._ready)

    def finish(self) -> None:
        self.trial = None
        self._said += [epoch_record(0), Done(Estimate(measured={"accuracy": 1.0}), True)]

    def die(self) -> None:
        self.trial = None
        self._failure = Failure("worker_died", "killed")


def pool_of(*readies: Ready, memory: Sizes | None = SIZES) -> tuple[WorkerPool, list[DeskHost]]:
    hosts = [DeskHost(number, ready) for number, ready in enumerate(readies)]
    pool = WorkerPool(hosts, lambda seconds: None, None, memory)
    pool.start()
    pool.wait(0)
    return pool, hosts


def running(hosts: list[DeskHost]) -> list[int | None]:
    return [host.trial for host in hosts]


def test_candidates_that_fit_together_start_together_and_a_large_one_waits():
    pool, hosts = pool_of(GPU, GPU, GPU)  # 900 usable, 150 of them taken by the workers
    for trial, size in enumerate((300, 400, 200)):
        pool.submit(sized(trial, size))
    assert running(hosts) == [0, 1, None]
    hosts[0].finish()
    pool.wait(0)
    assert running(hosts) == [2, 1, None]


def test_what_waits_first_starts_first_though_something_smaller_would_fit():
    pool, hosts = pool_of(GPU, GPU, GPU)
    for trial, size in enumerate((500, 600, 10)):
        pool.submit(sized(trial, size))
    assert running(hosts) == [0, None, None]
    hosts[0].finish()
    pool.wait(0)
    assert sorted(map(str, running(hosts))) == ["1", "2", "None"]


def test_a_candidate_larger_than_its_device_trains_there_alone():
    pool, hosts = pool_of(GPU, GPU)
    pool.submit(sized(0, 5000))
    pool.submit(sized(1, 10))
    assert running(hosts) == [0, None]
    hosts[0].finish()
    pool.wait(0)
    assert 1 in running(hosts)


def test_each_device_has_room_of_its_own_and_the_emptier_one_is_taken():
    pool, hosts = pool_of(GPU, GPU, OTHER, OTHER)
    for trial, size in enumerate((500, 500, 200)):
        pool.submit(sized(trial, size))
    assert {running(hosts)[0], running(hosts)[2]} == {0, 1}
    assert 2 in running(hosts)


def test_a_worker_that_dies_leaves_the_others_alone_and_its_room_free():
    pool, hosts = pool_of(GPU, GPU, GPU)
    for trial, size in enumerate((300, 400, 400)):
        pool.submit(sized(trial, size))
    assert running(hosts) == [0, 1, None]
    hosts[0].die()
    (lost,) = (event for event in pool.wait(0) if isinstance(event, Finished))
    assert lost.candidate.trial == 0
    assert lost.estimate.failure is not None
    pool.wait(0)
    assert 1 in running(hosts)
    assert 2 not in running(hosts), "two times 400 and the workers are more than is usable"
    hosts[1].finish()
    pool.wait(0)
    assert 2 in running(hosts)


def test_without_sizes_every_worker_is_used():
    for pool, hosts in (pool_of(GPU, GPU, memory=None), pool_of(Ready("cpu"), Ready("cpu"))):
        pool.submit(sized(0, 5000))
        pool.submit(sized(1, 5000))
        assert running(hosts) == [0, 1]


def test_room_is_what_is_left_after_everything_that_runs():
    taken = [(GPU, sized(0, 100)), (GPU, None), (OTHER, sized(1, 700))]
    assert Admission(Sizes()).room_for(sized(2, 200), GPU, taken) == 900 - 2 * 50 - 300
    assert Admission(Sizes()).room_for(sized(2, 200), OTHER, taken) == 900 - 50 - 900


@pytest.mark.parametrize(
    ("gpu_bytes", "worker_bytes", "cores", "expected"),
    [
        (1000, 100, 64, 9),
        (1000, 100, 4, 4),
        (1000, 5000, 8, 1),
        (0, 100, 8, 1),
        (10**6, 1, 64, 16),
    ],
)
def test_workers_share_a_gpu_by_memory_and_by_cores(gpu_bytes, worker_bytes, cores, expected):
    assert workers_per_gpu(gpu_bytes, worker_bytes, cores) == expected


def test_workers_are_packed_where_nothing_else_was_asked_for(monkeypatch):
    monkeypatch.setattr(workers_module, "visible_gpus", lambda: 2)
    monkeypatch.setattr(workers_module, "gpu_memory", lambda: 1000)
    monkeypatch.setattr(workers_module, "count_cores", lambda: 16)
    typical = [sized(0, 100), sized(1, 130)]
    assert Workers().packed(Sizes(), typical).num_workers == 2 * 5
    for asked in (Workers(count=3), Workers(gpus_per_worker=0.5), Workers(device="cpu")):
        assert asked.packed(Sizes(), typical) == asked
    monkeypatch.setattr(workers_module, "visible_gpus", lambda: 0)
    assert Workers().packed(Sizes(), typical) == Workers()


def test_the_memory_of_a_gpu_is_not_known_without_its_tool(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert workers_module.gpu_memory() == 0
