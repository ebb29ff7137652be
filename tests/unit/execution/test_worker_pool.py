"""The pool's rules, with hosts that say what they are told: who starts again when, and what is never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from fake_estimators import epoch_record, numbered_candidate

from naslab.errors import DataError, NaslabError, WorkerError
from naslab.execution import worker_pool
from naslab.execution.executor import Finished, Happened, Taken
from naslab.execution.worker import Done, Message, Ready, Refused
from naslab.execution.worker_pool import MAX_FAILED_STARTS, WorkerPool
from naslab.study.outcome import Candidate, Estimate, Failure

READY = Ready("cpu", "here", 2**30, "node-1")
FULL = WorkerError("the workers cannot start: MemoryError")
DONE = Done(Estimate(measured={"accuracy": 50.0}), is_usable=True)


class FakeHost:
    """Says what lies in `says` by the next look; `starts` counts workers, `dies` ends one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.says: list[Message] = []
        self.starts = 0
        self.failure: Failure | None = None

    def start(self) -> None:
        self.starts += 1
        self.failure = None

    def send(self, candidate: Candidate) -> None:
        pass

    def messages(self) -> Iterator[Message]:
        said, self.says = self.says, []
        yield from said

    def death(self) -> Failure | None:
        return self.failure

    def end(self) -> None:
        self.says = []

    def die(self) -> None:
        self.failure = Failure("worker_died", "killed")


class Quiet(WorkerPool):
    """A pool that keeps to itself who took what, in `taken`."""

    def __init__(self, hosts: Sequence[FakeHost], watch: Callable[[float], None], timeout: float | None) -> None:
        super().__init__(hosts, watch, timeout)
        self.taken: list[Taken] = []

    def wait(self, timeout: float) -> list[Happened]:
        happened = super().wait(timeout)
        self.taken += [each for each in happened if isinstance(each, Taken)]
        return [each for each in happened if not isinstance(each, Taken)]


class Team:
    """Two hosts, and the pool on them."""

    def __init__(self, timeout_seconds: float | None = None) -> None:
        self.hosts = FakeHost("a"), FakeHost("b")
        self.pool = Quiet(self.hosts, lambda seconds: None, timeout_seconds)
        self.pool.start()

    def hears(self, first: Message | None, second: Message | None = None) -> list[Happened]:
        for host, message in zip(self.hosts, (first, second), strict=True):
            host.says += [] if message is None else [message]
        return self.pool.wait(0.0)


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "REST_SECONDS", 1e-6)


@pytest.fixture
def team() -> Team:
    """Both are ready, and the second works."""
    team = Team()
    team.hears(READY, READY)
    team.pool.submit(numbered_candidate(0))
    team.hosts[0].die()
    [died] = team.pool.wait(0.0)
    assert isinstance(died, Finished)
    team.pool.submit(numbered_candidate(1))
    return team


def test_a_slot_that_cannot_start_beside_others_rests_and_tries_again_as_often_as_it_takes(team: Team) -> None:
    first = team.hosts[0].starts
    for number in range(5 * MAX_FAILED_STARTS):
        team.hears(Refused(FULL))
        assert team.hosts[0].starts == first + number  # it rests
        team.hears(None)
        assert team.hosts[0].starts == first + number + 1
    assert team.hears(READY, DONE) == [Finished(numbered_candidate(1), DONE.estimate)]


def test_a_result_that_comes_with_a_refusal_is_handed_over(team: Team) -> None:
    assert team.hears(Refused(FULL), DONE) == [Finished(numbered_candidate(1), DONE.estimate)]


def test_who_takes_a_candidate_is_told_once_and_again_where_it_runs_again(team: Team) -> None:
    team.hears(None, DONE)
    team.pool.submit(numbered_candidate(1))
    team.pool.wait(0.0)
    told = [(each.candidate.trial, each.worker, each.node) for each in team.pool.taken]
    assert told == [(0, "a", "node-1"), (1, "b", "node-1"), (1, "b", "node-1")]


def test_the_run_ends_where_nobody_can_start(team: Team) -> None:
    team.hosts[1].die()
    [died] = team.pool.wait(0.0)
    assert isinstance(died, Finished)
    assert team.hears(Refused(FULL)) == []
    assert team.hears(Refused(FULL)) == []
    with pytest.raises(WorkerError, match="MemoryError"):
        team.hears(None, Refused(FULL))


def test_what_happened_before_an_error_that_ends_the_run_is_handed_over() -> None:
    team = Team()
    team.hears(READY)
    team.pool.submit(numbered_candidate(0))
    assert team.hears(DONE, Refused(DataError("gone"))) == [Finished(numbered_candidate(0), DONE.estimate)]
    with pytest.raises(DataError, match="gone"):
        team.pool.wait(0.0)


@pytest.mark.parametrize("error", [FULL, DataError("no folder")])
def test_a_first_start_that_is_refused_where_nobody_is_ready_ends_the_run(error: NaslabError) -> None:
    team = Team()
    with pytest.raises(type(error)):
        team.hears(Refused(error))


def test_a_first_start_without_room_beside_one_that_works_waits_for_its_turn() -> None:
    team = Team()
    team.hears(None, READY)
    team.hears(Refused(FULL))
    team.hears(None)
    assert team.hosts[0].starts == 2


def test_what_the_user_can_mend_is_told_at_the_first_start() -> None:
    team = Team()
    team.hears(None, READY)
    with pytest.raises(DataError):
        team.hears(Refused(DataError("no folder")))


def test_workers_that_die_at_their_start_end_the_run_after_a_few() -> None:
    team = Team()
    for number in range(MAX_FAILED_STARTS - 1):
        team.hosts[0].die()
        team.pool.wait(0.0)
        assert team.hosts[0].starts == number + 2
    team.hosts[0].die()
    with pytest.raises(WorkerError, match="cannot start: killed"):
        team.pool.wait(0.0)


def test_every_candidate_gets_a_worker_of_its_own_and_comes_back_once() -> None:
    hosts = [FakeHost(name) for name in "abcd"]
    pool = WorkerPool(hosts, lambda seconds: None, None)
    pool.start()
    for host in hosts:
        host.says.append(READY)
    pool.wait(0.0)
    for number in range(4):
        pool.submit(numbered_candidate(number))
    for host in hosts:
        host.says.append(Done(Estimate(measured={"accuracy": 50.0}, worker=host.name), is_usable=True))
    finished = [each for each in pool.wait(0.0) if isinstance(each, Finished)]
    assert [(each.candidate.trial, each.estimate.worker) for each in finished] == list(enumerate("abcd"))
    pool.end()


def test_failed_starts_are_counted_anew_once_a_worker_was_ready() -> None:
    """A run may meet any number of workers that cannot start, as long as not too many come in a row."""
    team = Team()
    for number in range(4):
        for _ in range(MAX_FAILED_STARTS - 1):
            team.hosts[0].die()
            assert team.pool.wait(0.0) == []
        team.hears(READY)
        team.pool.submit(numbered_candidate(number))
        team.hosts[0].die()
        [died] = team.pool.wait(0.0)
        assert isinstance(died, Finished)
    for _ in range(MAX_FAILED_STARTS - 1):
        team.hosts[0].die()
        team.pool.wait(0.0)
    team.hosts[0].die()
    with pytest.raises(WorkerError, match="cannot start: killed"):
        team.pool.wait(0.0)


def test_the_curve_of_one_that_dies_is_that_of_its_last_beginning() -> None:
    team = Team()
    team.hears(READY, READY)
    team.pool.submit(numbered_candidate(0))
    for epoch in (1, 2, 1, 2, 3):  # out of memory in the third epoch, then again with half of the batch
        team.hears(epoch_record(epoch))
    team.hosts[0].die()
    [died] = team.pool.wait(0.0)
    assert isinstance(died, Finished)
    assert [each.epoch for each in died.estimate.curve] == [1, 2, 3]
    team.hears(READY)
    team.pool.submit(numbered_candidate(1))
    team.hosts[0].die()
    [next_one] = team.pool.wait(0.0)
    assert isinstance(next_one, Finished)
    assert next_one.estimate.curve == ()


class Clock:
    """The time that the pool sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_a_candidate_that_overruns_its_time_is_ended_and_an_idle_worker_never_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(worker_pool, "time", clock)
    team = Team(timeout_seconds=30)
    team.hears(READY, READY)
    clock.now += 500  # nobody has anything to do
    assert team.pool.wait(0.0) == []
    team.pool.submit(numbered_candidate(0))
    clock.now += 10
    team.pool.submit(numbered_candidate(1))
    team.hears(epoch_record(1))
    clock.now += 20  # to the second: not too long yet
    assert team.pool.wait(0.0) == []
    clock.now += 5
    [late] = team.pool.wait(0.0)
    assert isinstance(late, Finished)
    assert late.candidate == numbered_candidate(0)
    assert late.estimate.failure == Failure("timed_out", "took longer than 30 seconds")
    assert late.estimate.wall_seconds == 35
    assert late.estimate.curve == (epoch_record(1),)
    assert (late.estimate.device, late.estimate.worker) == ("cpu", "a")
    assert [host.starts for host in team.hosts] == [2, 1]
    assert team.hears(None, DONE) == [Finished(numbered_candidate(1), DONE.estimate)]
    clock.now += 500
    assert team.pool.wait(0.0) == []
    assert [host.starts for host in team.hosts] == [2, 1]


def test_a_rest_is_as_long_as_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(worker_pool, "time", clock)
    monkeypatch.setattr(worker_pool, "REST_SECONDS", 20.0)
    team = Team()
    team.hears(None, READY)
    team.hears(Refused(FULL))
    clock.now += 19
    team.hears(None)
    assert team.hosts[0].starts == 1
    clock.now += 1
    team.hears(None)
    assert team.hosts[0].starts == 2
    team.hears(READY)
    team.pool.submit(numbered_candidate(0))
    team.pool.submit(numbered_candidate(1))
    assert team.hears(DONE, DONE) == [Finished(numbered_candidate(number), DONE.estimate) for number in (0, 1)]


def test_a_worker_that_broke_its_device_is_replaced_after_its_result() -> None:
    team = Team()
    team.hears(READY, READY)
    team.pool.submit(numbered_candidate(0))
    broken = Done(DONE.estimate, is_usable=False)
    assert team.hears(broken) == [Finished(numbered_candidate(0), DONE.estimate)]
    assert [host.starts for host in team.hosts] == [2, 1]
    assert team.pool.wait(0.0) == []
    assert [host.starts for host in team.hosts] == [2, 1]


def test_a_pool_follows_how_many_workers_there_are_to_be() -> None:
    made: list[FakeHost] = []

    def make() -> FakeHost:
        made.append(FakeHost(str(len(made))))
        return made[-1]

    pool = Quiet([], lambda seconds: None, None)
    pool.resize(2, make)
    assert [host.starts for host in made] == [1, 1]
    pool.submit(numbered_candidate(0))
    made[0].says = [READY]
    assert pool.wait(0.0) == []
    pool.resize(3, make)
    assert [host.starts for host in made] == [1, 1, 1]
    made[1].says = [READY]
    assert pool.wait(0.0) == []
    pool.resize(1, make)  # the one that is not ready goes, the others stay
    assert pool.hosts == made[:2]
    made[0].die()
    [lost] = pool.wait(0.0)
    assert isinstance(lost, Finished)
    assert lost.estimate.failure is not None
    pool.submit(lost.candidate)
    pool.resize(1, make)  # its worker starts anew, and has no place any more
    assert pool.hosts == [made[1]]
    made[1].says = [DONE]
    [done] = pool.wait(0.0)
    assert isinstance(done, Finished)
    assert done.candidate == numbered_candidate(0)


def test_what_is_lost_with_its_place_waits_for_the_next_one() -> None:
    host = FakeHost("a")
    pool = Quiet([host], lambda seconds: None, None)
    pool.start()
    pool.submit(numbered_candidate(0))
    host.says = [READY]
    assert pool.wait(0.0) == []
    host.die()
    [lost] = pool.wait(0.0)
    assert isinstance(lost, Finished)
    pool.resize(0, lambda: host)
    assert pool.hosts == []
    pool.submit(lost.candidate)
    assert pool.wait(0.0) == []
    late = FakeHost("late")
    pool.resize(1, lambda: late)
    late.says = [READY]
    assert pool.wait(0.0) == []
    assert pool.wait(0.0) == []
    assert [each.worker for each in pool.taken] == ["a", "late"]


def test_a_worker_that_refused_starts_elsewhere_where_there_is_another_place() -> None:
    hosts = FakeHost("a"), FakeHost("b")
    asked: list[Refused] = []

    def has_elsewhere(refused: Refused) -> bool:
        asked.append(refused)
        return len(asked) == 1

    pool = WorkerPool(hosts, lambda seconds: None, None, has_elsewhere=has_elsewhere)
    pool.start()
    first, second = (Refused(DataError("no folder"), node) for node in ("one", "two"))
    hosts[0].says = [first]
    assert pool.wait(0.0) == []
    assert (hosts[0].starts, asked) == (2, [first])
    hosts[0].says = [second]
    with pytest.raises(DataError, match="no folder"):
        pool.wait(0.0)
    assert asked == [first, second]
