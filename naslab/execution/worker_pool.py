"""WorkerPool: the slots of an executor, whatever its workers are: their queue, deaths, time-outs and replacements."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from naslab.errors import NaslabError, WorkerError
from naslab.execution.admission import Admission, MemoryModel
from naslab.execution.executor import EpochDone, Finished, Happened, Printed, Taken
from naslab.execution.worker import Done, Message, Ready, Refused, Said
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure

POLL_SECONDS = 0.25
"""How often time-outs are looked for, and deaths that no message tells of."""
MAX_FAILED_STARTS = 3
"""Workers that die or refuse in a row while none is ready, until the run is given up."""
REST_SECONDS = 20.0
"""How long a slot has no worker where one could not start beside those that work."""


class WorkerHost(Protocol):
    """Where one worker at a time runs: a process, an actor. It starts the worker, talks to it and ends it.

    The pool calls it from one thread and catches nothing: a worker that cannot be reached is one that died, which
    `death` tells.

    >>> from naslab.execution.source import make_candidate
    >>> from naslab.zoo import model
    >>> class HereHost:  # a worker in this process, that is done at once
    ...     name = "here"
    ...     def start(self):
    ...         self._said = [Ready("cpu")]
    ...     def send(self, candidate):
    ...         estimate = Estimate(measured={"smallness": 1e6 / candidate.cost.params}, worker=self.name)
    ...         self._said.append(Done(estimate, is_usable=True))
    ...     def messages(self):
    ...         said, self._said = self._said, []
    ...         return iter(said)
    ...     def death(self):
    ...         return None
    ...     def end(self):
    ...         self._said = []
    >>> pool = WorkerPool([HereHost()], watch=lambda seconds: None, timeout_seconds=None)
    >>> pool.start()
    >>> pool.submit(make_candidate(model("lenet5"), trial=0, epochs=1, seed=0, role="search"))
    >>> taken, done = pool.wait(timeout=1.0)
    >>> done.estimate.worker
    'here'
    >>> pool.end()
    """

    @property
    def name(self) -> str:
        """The worker's name in estimates and messages."""
        ...

    def start(self) -> None:
        """Launch a worker without waiting for it; it answers `Ready` or `Refused` in time.

        Called first, and again after each `end`.
        """
        ...

    def send(self, candidate: Candidate) -> None:
        """Give the ready worker `candidate`, without waiting; one at a time.

        It answers an `EpochRecord` for each epoch and a `Said` for each line that it prints, then `Done`.
        """
        ...

    def messages(self) -> Iterator[Message]:
        """What the worker has answered since the last call, in order, without waiting; none where it is dead.

        The iterator may be left before its end, where a worker refused.
        """
        ...

    def death(self) -> Failure | None:
        """How the worker died; `None` while it lives. Asked after `messages`, which may hold its last words."""
        ...

    def end(self) -> None:
        """Kill the worker, if there is one, with all that it started; may be called twice."""
        ...


class WorkerPool:
    """The workers of `hosts`, and the candidates that wait for one.

    `watch` blocks until a worker has something to say, or for the given seconds. A candidate that takes longer than
    `timeout_seconds` fails and its worker is replaced. With a `memory` model a candidate is started where the training
    that it asks for fits beside those that run, and in the order of the queue. Where a worker refused, `has_elsewhere`
    is asked whether its host starts the next one on another machine.
    """

    def __init__(
        self,
        hosts: Sequence[WorkerHost],
        watch: Callable[[float], None],
        timeout_seconds: float | None,
        memory: MemoryModel | None = None,
        has_elsewhere: Callable[[Refused], bool] = lambda _: False,
    ) -> None:
        self._admission = Admission(memory)
        self._slots = [Slot(host) for host in hosts]
        self._watch = watch
        self._timeout_seconds = timeout_seconds
        self._has_elsewhere = has_elsewhere
        self._waiting: deque[Candidate] = deque()
        self._taken: list[Taken] = []
        self._failed_starts = 0
        self._given_up: NaslabError | None = None

    def start(self) -> None:
        """Launch every worker, side by side."""
        for slot in self._slots:
            slot.host.start()

    def end(self) -> None:
        """Kill every worker."""
        for slot in self._slots:
            slot.host.end()

    @property
    def hosts(self) -> list[WorkerHost]:
        """Where the workers run."""
        return [slot.host for slot in self._slots]

    def resize(self, num_workers: int, make_host: Callable[[], WorkerHost]) -> None:
        """Have `num_workers` workers: new ones start in hosts that `make_host` makes, superfluous ones end.

        No worker ends that is ready: those of a machine that left die by themselves, and end when they start anew.
        """
        while len(self._slots) < num_workers:
            slot = Slot(make_host())
            self._slots.append(slot)
            slot.host.start()
        absent = [slot for slot in self._slots if slot.ready is None]
        for slot in absent[: len(self._slots) - num_workers]:
            slot.host.end()
            self._slots.remove(slot)

    def submit(self, candidate: Candidate) -> None:
        """Queue a candidate for the first worker that is ready and has room for it."""
        self._waiting.append(candidate)
        self._feed()

    def wait(self, timeout: float) -> list[Happened]:
        """What happened since the last call; blocks until something does or `timeout` seconds pass."""
        until = time.monotonic() + timeout
        while True:
            if self._given_up is not None:
                raise self._given_up
            self._watch(max(0.0, min(until - time.monotonic(), POLL_SECONDS)))
            taken, self._taken = self._taken, []
            happened = [*taken, *self._look()]
            self._feed()
            if happened or time.monotonic() >= until:
                return happened

    def _look(self) -> list[Happened]:
        """What happened in all slots; an error that ends the run comes after what happened before it."""
        happened: list[Happened] = []
        try:
            for slot in self._slots:
                for event in self._look_at(slot):
                    happened.append(event)
        except NaslabError as error:
            if not happened:
                raise
            self._given_up = error
        return happened

    def _feed(self) -> None:
        """Start what is first in the queue while there is room; what is behind it waits, and never passes it by."""
        while self._waiting and (slot := self._slot_for(self._waiting[0])) is not None:
            candidate = self._waiting.popleft()
            slot.take(candidate)
            self._taken.append(Taken(candidate, slot.host.name, "" if slot.home is None else slot.home.node))

    def _slot_for(self, candidate: Candidate) -> Slot | None:
        """The free worker with the most room for a candidate; `None` where it must wait."""
        taken = [(slot.home, slot.candidate) for slot in self._slots if slot.home is not None]
        rooms = [
            (self._admission.room_for(candidate, slot.ready, taken), -number)
            for number, slot in enumerate(self._slots)
            if slot.ready is not None and slot.candidate is None
        ]
        room, place = max(rooms, default=(-1, 0))
        return self._slots[-place] if room >= 0 else None

    def _look_at(self, slot: Slot) -> Iterator[Happened]:
        """What happened in a slot; a worker that refused, died, broke its device or overran its time is replaced."""
        if slot.is_resting:
            slot.resume()
            return
        is_usable = True
        for message in slot.host.messages():
            if isinstance(message, Refused):
                if self._has_elsewhere(message):
                    slot.restart()
                else:
                    self._start_failed(slot, message.error, is_refused=True)
                return
            if isinstance(message, Ready):
                self._failed_starts = 0
                slot.become_ready(message)
            elif isinstance(message, Done):
                is_usable = message.is_usable
                yield Finished(slot.release(), message.estimate)
            elif isinstance(message, Said):
                yield Printed(slot.working_on, message.text)
            else:
                slot.note(message)
                yield EpochDone(slot.working_on, message)
        failure = slot.host.death()
        if failure is not None:
            yield from self._replace(slot, failure)
        elif not is_usable:
            slot.restart()
        elif self._timeout_seconds is not None and slot.seconds_busy() > self._timeout_seconds:
            failure = Failure("timed_out", f"took longer than {self._timeout_seconds:g} seconds")
            yield from self._replace(slot, failure)

    def _replace(self, slot: Slot, failure: Failure) -> Iterator[Finished]:
        """A new worker; what the old one was working on is handed back."""
        if slot.candidate is not None:
            estimate = slot.failed(failure)
            yield Finished(slot.release(), estimate)
        elif slot.ready is None:
            error = WorkerError(f"the workers cannot start: {failure.message}")
            error.add_note(failure.traceback)
            self._start_failed(slot, error, is_refused=False)
            return
        slot.restart()

    def _start_failed(self, slot: Slot, error: NaslabError, *, is_refused: bool) -> None:
        """Try again, or raise the error where that is hopeless.

        Where another worker is ready, this one may lack what that one's candidate holds, memory say: it starts again in
        a while, as often as it takes. Where none is, it starts again at once, a few times. A first start that was
        refused is not repeated where nobody is ready, and nowhere for what the user can mend: data, a device.
        """
        is_alone = all(other.ready is None for other in self._slots)
        is_users = not isinstance(error, WorkerError)
        if is_refused and slot.home is None and (is_alone or is_users):
            raise error
        if not is_alone:
            slot.rest()
            return
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise error
        slot.restart()


class Slot:
    """A `host` of one worker at a time, and how far that worker is: starting, ready, or training a candidate."""

    def __init__(self, host: WorkerHost) -> None:
        self.host = host
        self.ready: Ready | None = None
        self.home: Ready | None = None
        """Where the slot's workers run, also while one is replaced."""
        self.candidate: Candidate | None = None
        self._curve: list[EpochRecord] = []
        self._device = ""
        self._sent = 0.0
        self._resume_at = 0.0

    @property
    def working_on(self) -> Candidate:
        assert self.candidate is not None, "a worker spoke of a candidate that it was not given"
        return self.candidate

    def become_ready(self, ready: Ready) -> None:
        """Note that the worker has answered that it is prepared."""
        self.ready = self.home = ready
        self._device = ready.device

    def take(self, candidate: Candidate) -> None:
        """Give the worker a candidate; its time-out counts from now."""
        self.candidate, self._curve, self._sent = candidate, [], time.monotonic()
        self.host.send(candidate)

    def note(self, epoch: EpochRecord) -> None:
        """An epoch of the candidate; one that was reported before is of a training that began again."""
        self._curve = [each for each in self._curve if each.epoch < epoch.epoch]
        self._curve.append(epoch)

    def release(self) -> Candidate:
        """The candidate that the worker had; the slot is free again."""
        candidate, self.candidate = self.working_on, None
        return candidate

    def restart(self) -> None:
        """Replace the worker."""
        self.ready = None
        self.host.end()
        self.host.start()

    def rest(self) -> None:
        """Have no worker for a while."""
        self.ready = None
        self.host.end()
        self._resume_at = time.monotonic() + REST_SECONDS

    @property
    def is_resting(self) -> bool:
        """Whether there is no worker, on purpose."""
        return self._resume_at > 0

    def resume(self) -> None:
        """End a rest that is over."""
        if time.monotonic() >= self._resume_at:
            self._resume_at = 0.0
            self.host.start()

    def seconds_busy(self) -> float:
        """How long the worker has been at its candidate."""
        return time.monotonic() - self._sent if self.candidate is not None else 0.0

    def failed(self, failure: Failure) -> Estimate:
        """What there is of a candidate whose worker is no more: its epochs too, those of an earlier rung left out."""
        return Estimate(
            curve=tuple(self._curve),
            failure=failure,
            wall_seconds=self.seconds_busy(),
            device=self._device,
            worker=self.host.name,
        )
