"""What every executor promises, held by each of them against the same suite."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fake_estimators import (
    PREPARATION,
    BrokenPreparation,
    DiesPreparing,
    NoData,
    RefusesLater,
    Scripted,
    epoch_record,
    meeting_candidates,
    numbered_candidate,
    run_file,
    runs_of,
)
from processes import wait_until_dead
from stopped_clock import StoppedClock

from naslab.errors import DataError, DeviceError, WorkerError
from naslab.execution import worker_pool
from naslab.execution.executor import EpochDone, Executor, Finished, Happened, Printed, Taken
from naslab.execution.local import WORKER_SETTINGS, LocalExecutor
from naslab.study.outcome import Candidate

Make = Callable[..., Executor]
pytestmark = pytest.mark.usefixtures("cold_workers")


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A small Ray cluster that lives as long as this file's tests; joining anew for each would take their time."""
    from ray_clusters import joined_cluster

    with joined_cluster(num_cpus=[2]):
        yield


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest) -> Make:
    """What makes an executor of an estimator, a number of workers and further settings."""
    if request.param == "local":
        return LocalExecutor
    from naslab.execution.ray_cluster import RayExecutor

    request.getfixturevalue("ray_cluster")
    return RayExecutor


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """The clock of the pool of workers: no time passes in the driver unless the test says so."""
    clock = StoppedClock()
    monkeypatch.setattr(worker_pool, "time", clock)
    return clock


def run_all(executor: Executor, candidates: list[Candidate]) -> list[Happened]:
    """Everything that happens until all candidates are finished, in order."""
    waiting, happened, busy = list(candidates), [], 0
    while waiting or busy:
        while waiting and busy < executor.num_slots:
            executor.submit(waiting.pop(0))
            busy += 1
        events = executor.wait(1.0)
        happened += events
        busy -= sum(isinstance(event, Finished) for event in events)
    return happened


def run_until(executor: Executor, path: Path) -> None:
    """Look after the workers, which finish nothing, until a file is there."""
    while not path.exists():
        assert besides_taken(executor.wait(0.0)) == []
        time.sleep(0.01)


def besides_taken(happened: Sequence[Happened]) -> list[Happened]:
    """What happened but that workers took candidates."""
    return [event for event in happened if not isinstance(event, Taken)]


def next_besides_taken(executor: Executor) -> list[Happened]:
    """What happens next but that workers take candidates, which may be told alone."""
    while not (happened := besides_taken(executor.wait(1.0))):
        pass
    return happened


def finished(happened: list[Happened]) -> list[Finished]:
    return [event for event in happened if isinstance(event, Finished)]


def next_finished(executor: Executor) -> Finished:
    """The next candidate that is done, whatever else happens."""
    while not (done := finished(executor.wait(1.0))):
        pass
    [result] = done
    return result


def test_every_candidate_comes_back_once_with_its_estimate(make: Make, tmp_path: Path) -> None:
    candidates = [numbered_candidate(trial) for trial in range(7)]
    with make(Scripted(str(tmp_path)), 2) as executor:
        assert executor.num_slots == 2
        results = finished(run_all(executor, candidates))
    assert sorted(result.candidate.trial for result in results) == list(range(7))
    assert all(result.estimate.measured == {"accuracy": 50.0 + result.candidate.trial} for result in results)
    assert all(result.candidate == candidates[result.candidate.trial] for result in results)
    assert runs_of(tmp_path) == dict.fromkeys(range(7), 1)
    assert all(result.estimate.wall_seconds > 0 and result.estimate.device == "cpu" for result in results)


def test_workers_live_on_between_candidates_and_prepare_once(make: Make, tmp_path: Path) -> None:
    candidates = [*meeting_candidates(tmp_path), *(numbered_candidate(trial) for trial in range(2, 6))]
    with make(Scripted(str(tmp_path)), 2) as executor:
        results = finished(run_all(executor, candidates))
    pids = {result.estimate.notes["pid"] for result in results}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert {result.estimate.notes["prepared"] for result in results} == {1}
    assert {result.estimate.worker for result in results} == {"worker-0", "worker-1"}


def test_results_come_in_the_order_in_which_they_finish(make: Make, tmp_path: Path) -> None:
    with make(Scripted(str(tmp_path)), 2) as executor:
        run_all(executor, meeting_candidates(tmp_path))  # both workers are ready
        go = tmp_path / "go"
        executor.submit(numbered_candidate(2, "waits", until=str(go)))
        [quick] = finished(run_all(executor, [numbered_candidate(3)]))
        go.touch()
        slow = next_finished(executor)
    assert [quick.candidate.trial, slow.candidate.trial] == [3, 2]


def test_epochs_are_reported_before_the_estimate(make: Make, tmp_path: Path) -> None:
    with make(Scripted(str(tmp_path)), 1) as executor:
        happened = run_all(executor, [numbered_candidate(0)])
    assert [type(event) for event in happened] == [Taken, EpochDone, EpochDone, Finished]
    assert [event.epoch.epoch for event in happened if isinstance(event, EpochDone)] == [0, 1]


def test_who_takes_a_candidate_and_where_is_told_before_anything_else_of_it(make: Make, tmp_path: Path) -> None:
    with make(Scripted(str(tmp_path)), 2) as executor:
        happened = run_all(executor, meeting_candidates(tmp_path))
    told = {event.candidate.trial: event for event in happened if isinstance(event, Taken)}
    for each in finished(happened):
        taken = told[each.candidate.trial]
        assert (taken.worker, taken.node) == (each.estimate.worker, socket.gethostname())
        assert [event for event in happened if event.candidate == each.candidate].index(taken) == 0


def test_what_a_candidate_prints_is_passed_on_before_the_estimate(make: Make, tmp_path: Path) -> None:
    candidate = numbered_candidate(0, "speaks")
    with make(Scripted(str(tmp_path)), 1) as executor:
        happened = run_all(executor, [candidate])
    assert [event for event in happened if isinstance(event, Printed)] == [
        Printed(candidate, "one line"),
        Printed(candidate, "begun"),
    ]
    assert isinstance(happened[-1], Finished)


def test_what_a_candidate_does_wrong_is_a_failure_with_its_traceback(make: Make, tmp_path: Path) -> None:
    expected = {
        "raises": ("error", "ValueError: a bad network"),
        "memory": ("out_of_memory", "MemoryError"),
        "unstorable": ("error", "Encoding objects of type object"),
    }
    candidates = [numbered_candidate(trial, kind) for trial, kind in enumerate([*expected, "good"])]
    with make(Scripted(str(tmp_path)), 1) as executor:
        *failed, good = finished(run_all(executor, candidates))
    for result, (reason, message) in zip(failed, expected.values(), strict=True):
        failure = result.estimate.failure
        assert failure is not None
        assert failure.reason == reason
        assert message in failure.message
        assert "Traceback" in failure.traceback
    assert good.estimate.failure is None
    assert len({result.estimate.worker for result in (*failed, good)}) == 1


def test_a_worker_whose_device_is_broken_is_replaced(make: Make, tmp_path: Path) -> None:
    candidates = [numbered_candidate(0), numbered_candidate(1, "device"), numbered_candidate(2)]
    with make(Scripted(str(tmp_path)), 1) as executor:
        before, broken, after = finished(run_all(executor, candidates))
    assert broken.estimate.failure is not None
    assert "device-side assert" in broken.estimate.failure.message
    assert before.estimate.notes["pid"] != after.estimate.notes["pid"]


def test_a_dead_worker_is_replaced_and_its_candidate_handed_back(make: Make, tmp_path: Path) -> None:
    candidates = [numbered_candidate(0, "dies"), *(numbered_candidate(trial) for trial in range(1, 4))]
    with make(Scripted(str(tmp_path)), 1) as executor:
        results = finished(run_all(executor, candidates))
    failure = results[0].estimate.failure
    assert failure is not None
    assert failure.reason == "worker_died"
    assert [result.estimate.failure for result in results[1:]] == [None] * 3
    assert runs_of(tmp_path) == dict.fromkeys(range(4), 1)


def test_an_idle_worker_that_is_killed_is_replaced(make: Make, tmp_path: Path) -> None:
    with make(Scripted(str(tmp_path)), 1) as executor:
        [first] = finished(run_all(executor, [numbered_candidate(0)]))
        os.kill(first.estimate.notes["pid"], signal.SIGKILL)
        assert wait_until_dead(first.estimate.notes["pid"])
        run_until(executor, run_file(tmp_path, PREPARATION, 2))  # there is another one
        [second] = finished(run_all(executor, [numbered_candidate(1)]))
    assert second.estimate.failure is None


def test_a_hanging_candidate_times_out_and_the_next_one_runs(make: Make, tmp_path: Path, clock: StoppedClock) -> None:
    with make(Scripted(str(tmp_path)), 1, timeout_seconds=0.7) as executor:
        executor.submit(numbered_candidate(0, "hangs"))
        run_until(executor, run_file(tmp_path, 0))
        clock.now += 0.7
        assert besides_taken(executor.wait(0.0)) == []
        clock.now += 0.1
        hung = next_finished(executor)
        [good] = finished(run_all(executor, [numbered_candidate(1)]))
    failure = hung.estimate.failure
    assert failure is not None
    assert failure.reason == "timed_out"
    assert "0.7 seconds" in failure.message
    assert hung.estimate.wall_seconds == pytest.approx(0.8)
    assert good.estimate.failure is None


def test_epochs_of_a_candidate_that_times_out_are_kept(make: Make, tmp_path: Path, clock: StoppedClock) -> None:
    with make(Scripted(str(tmp_path)), 1, timeout_seconds=3.0) as executor:
        executor.submit(numbered_candidate(0, "hangs_late"))
        assert [type(event) for event in next_besides_taken(executor)] == [EpochDone]
        clock.now += 3.1
        hung = next_finished(executor)
        [died] = finished(run_all(executor, [numbered_candidate(1, "dies")]))
    assert hung.estimate.curve == (epoch_record(0),)
    assert died.estimate.curve == ()


def test_a_worker_that_replaces_another_may_be_refused_for_a_while(make: Make, tmp_path: Path) -> None:
    """The memory that it lacks may be that of another's candidate."""
    candidates = [numbered_candidate(0, "dies"), numbered_candidate(1)]
    with make(RefusesLater(str(tmp_path)), 1) as executor:
        died, good = finished(run_all(executor, candidates))
    assert died.estimate.failure is not None
    assert good.estimate.failure is None


def test_a_worker_that_is_always_refused_ends_the_run_where_nobody_else_works(make: Make, tmp_path: Path) -> None:
    candidates = [numbered_candidate(0, "dies"), numbered_candidate(1)]
    with (
        make(RefusesLater(str(tmp_path), num_refusals=99), 1) as executor,
        pytest.raises(WorkerError, match="cannot start: MemoryError"),
    ):
        run_all(executor, candidates)
    assert runs_of(tmp_path) == {0: 1}


def test_refusals_count_for_nothing_while_others_work(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "REST_SECONDS", 0.1)
    with make(RefusesLater(str(tmp_path), num_first=2, num_refusals=4), 2) as executor:
        run_all(executor, meeting_candidates(tmp_path))  # both workers are ready
        fourth = run_file(tmp_path, PREPARATION, 2 + 4)
        long, died = numbered_candidate(2, "waits", until=str(fourth)), numbered_candidate(3, "dies")
        results = finished(run_all(executor, [long, died]))
    assert {each.candidate.trial: each.estimate.failure is None for each in results} == {2: True, 3: False}
    assert fourth.exists()


def test_the_time_that_a_worker_takes_to_start_is_not_its_candidates(
    make: Make, tmp_path: Path, clock: StoppedClock
) -> None:
    go = tmp_path / "go"
    with make(Scripted(str(tmp_path), prepare_until=str(go)), 1, timeout_seconds=0.8) as executor:
        executor.submit(numbered_candidate(0))
        run_until(executor, run_file(tmp_path, PREPARATION))  # it has begun
        clock.now += 1.0
        assert besides_taken(executor.wait(0.0)) == []
        go.touch()
        result = next_finished(executor)
    assert result.estimate.failure is None


def test_missing_data_end_the_run_with_that_error(make: Make) -> None:
    with make(NoData(), 2) as executor, pytest.raises(DataError, match="no folder /nowhere; set --data-dir"):
        run_all(executor, [numbered_candidate(0)])


def test_a_bug_in_the_preparation_ends_the_run_with_its_traceback_as_a_note(make: Make) -> None:
    with make(BrokenPreparation(), 1) as executor, pytest.raises(WorkerError, match="KeyError: 'bug'") as caught:
        run_all(executor, [numbered_candidate(0)])
    assert "Traceback" in caught.value.__notes__[0]


def test_workers_that_die_while_they_start_end_the_run(make: Make) -> None:
    with make(DiesPreparing(), 1) as executor, pytest.raises(WorkerError, match="cannot start"):
        run_all(executor, [numbered_candidate(0)])


def test_a_gpu_that_is_not_there_ends_the_run(make: Make, tmp_path: Path) -> None:
    from naslab.training.device import count_gpus

    if count_gpus():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceError, match="GPU"), make(Scripted(str(tmp_path)), 1, device="cuda") as executor:
        run_all(executor, [numbered_candidate(0)])


def test_leaving_ends_workers_that_are_busy(make: Make, tmp_path: Path) -> None:
    class LeavingError(Exception):
        pass

    pids = []

    def leave_busy() -> None:
        with make(Scripted(str(tmp_path)), 1) as executor:
            [first] = finished(run_all(executor, [numbered_candidate(0)]))
            pids.append(first.estimate.notes["pid"])
            executor.submit(numbered_candidate(1, "hangs"))
            run_until(executor, run_file(tmp_path, 1))
            raise LeavingError

    with pytest.raises(LeavingError):
        leave_busy()
    assert wait_until_dead(pids[0])


def test_workers_keep_freed_memory_unless_the_user_says_otherwise(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from naslab.estimators.estimator import Workbench
    from naslab.study.outcome import Estimate

    class Telling:
        """What the C library saw when the process began."""

        def prepare(self, bench: Workbench) -> None:
            pass

        def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
            begun = Path("/proc/self/environ").read_text(encoding="utf-8").split("\0")
            return Estimate(notes=dict(each.split("=", 1) for each in begun if each.startswith(("MALLOC", "CUBLAS"))))

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with make(Telling(), 1) as executor:
        [result] = finished(run_all(executor, [numbered_candidate(0)]))
    assert result.estimate.notes == WORKER_SETTINGS | {"CUBLAS_WORKSPACE_CONFIG": ":16:8"}


def test_an_estimator_of_a_script_reaches_the_workers(make: Make) -> None:
    from naslab.estimators.estimator import Workbench
    from naslab.study.outcome import Estimate

    class Local:
        """Cannot be imported, as what a script or a notebook defines."""

        def prepare(self, bench: Workbench) -> None:
            pass

        def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
            return Estimate(measured={"accuracy": 1.0})

    with make(Local(), 1) as executor:
        [result] = finished(run_all(executor, [numbered_candidate(0)]))
    assert result.estimate.measured == {"accuracy": 1.0}
