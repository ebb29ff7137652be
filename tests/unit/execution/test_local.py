"""Local workers: what a death tells, and what one is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_estimators import Scripted, numbered_candidate

from naslab.errors import DeviceError, SpecError, UnknownNameError, WorkerError
from naslab.estimators.failures import failure_of
from naslab.execution import local, workers
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor, count_cores, ending, environment, threads_each
from naslab.execution.ray_cluster import RayExecutor
from naslab.execution.worker import leaves_device_broken
from naslab.execution.workers import Workers, default_count
from naslab.training import device
from naslab.training.device import choose_device

pytestmark = pytest.mark.usefixtures("cold_workers")


def test_a_death_tells_how_and_the_last_words(tmp_path: Path) -> None:
    with LocalExecutor(Scripted(str(tmp_path)), 2) as executor:
        executor.submit(numbered_candidate(0, "dies"))
        executor.submit(numbered_candidate(1, "exits"))
        deaths: dict[int, Finished] = {}
        while len(deaths) < 2:
            deaths |= {each.candidate.trial: each for each in executor.wait(5) if isinstance(each, Finished)}
    killed, left = deaths[0].estimate.failure, deaths[1].estimate.failure
    assert killed is not None
    assert left is not None
    assert "SIGKILL" in killed.message
    assert killed.traceback == "last words\n"
    assert left.message == "the worker died: exit code 3"


def test_every_worker_has_its_share_of_the_cores(tmp_path: Path) -> None:
    with LocalExecutor(Scripted(str(tmp_path)), 2) as executor:
        executor.submit(numbered_candidate(0))
        done: list[Finished] = []
        while not done:
            done = [each for each in executor.wait(5) if isinstance(each, Finished)]
    assert done[0].estimate.notes["threads"] == threads_each(2)


def test_the_environment_bounds_threads_unless_the_user_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    made = environment(3)
    assert (made["OMP_NUM_THREADS"], made["MKL_NUM_THREADS"]) == ("5", "3")
    assert made["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(("said", "threads"), [("", 2), ("1", 1), ("9", 2), ("0", 2), ("4,2", 2)])
def test_a_worker_takes_its_share_of_the_cores_or_fewer(
    monkeypatch: pytest.MonkeyPatch, said: str, threads: int
) -> None:
    monkeypatch.setattr(local, "count_cores", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_each(2) == threads


def test_workers_keep_what_they_free_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_MMAP_MAX_", raising=False)
    assert environment(1)["MALLOC_MMAP_MAX_"] == "0"
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "9")
    assert environment(1)["MALLOC_MMAP_MAX_"] == "9"


def test_threads_that_wait_for_others_do_not_keep_their_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert "GOMP_SPINCOUNT" not in environment(1)
    assert int(environment(2)["GOMP_SPINCOUNT"]) < 300_000
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert environment(2)["GOMP_SPINCOUNT"] == "7"


def test_endings_are_named() -> None:
    assert ending(-6) == "killed by SIGABRT"
    assert "memory" in ending(-9)
    assert ending(0) == "exit code 0"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (SpecError("stages[0].width", "must be at least 1, got 0"), "invalid"),
        (RuntimeError("shapes"), "error"),
        (ValueError("out of memory"), "error"),
    ],
)
def test_errors_become_failures_by_reason(error: Exception, reason: str) -> None:
    assert failure_of(error).reason == reason


def test_a_broken_device_is_told_from_a_full_one() -> None:
    assert leaves_device_broken(failure_of(RuntimeError("CUDA error: an illegal memory access was encountered")))
    assert not leaves_device_broken(failure_of(RuntimeError("CUDA error: out of memory")))
    assert not leaves_device_broken(failure_of(ValueError("shapes")))


def test_workers_are_one_a_gpu_or_share_of_one_else_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3")
    assert default_count("auto", None) == 3
    assert default_count("auto", 0.25) == 12
    assert default_count("cpu", None) == default_count("auto", 0) == count_cores()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Workers().num_workers == count_cores()


def test_workers_make_the_executor_that_they_name() -> None:
    assert isinstance(Workers(count=3).start(Scripted("")), LocalExecutor)
    assert isinstance(Workers(kind="ray", count=3).start(Scripted("")), RayExecutor)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "workers: must be at least 1, got 0"),
        ({"gpus_per_worker": 2.0}, "must be 0 to 1, for a worker trains on one GPU, got 2"),
        ({"timeout_seconds": 0.0}, "timeout_seconds: must be above 0, got 0"),
        ({"address": "auto"}, "a Ray address needs the executor 'ray'"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        workers.Workers(**settings)  # type: ignore[arg-type]


def test_workers_take_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "count_gpus", lambda: 2)
    assert [choose_device("auto", worker) for worker in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [choose_device("cuda", worker, 0.5) for worker in range(4)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert choose_device("auto", 0, 0) == choose_device("cpu", 1) == "cpu"
    assert choose_device("cuda:1", 0) == "cuda:1"
    with pytest.raises(DeviceError, match=r"5 workers at 0\.5 of a GPU each do not fit 2 GPU"):
        choose_device("cuda", 4, 0.5)
    with pytest.raises(DeviceError, match="'cuda:2' was asked for and this machine shows 2"):
        choose_device("cuda:2", 0)


def test_a_gpu_that_is_not_there_is_an_error_unless_any_device_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    assert choose_device("auto", 0) == "cpu"
    for asked, share in (("cuda", None), ("auto", 0.5), ("cuda:0", None)):
        with pytest.raises(DeviceError, match="shows none"):
            choose_device(asked, 0, share)
    with pytest.raises(UnknownNameError, match=r"unknown device 'cude'.*cuda"):
        choose_device("cude", 0)
