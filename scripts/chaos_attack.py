"""A search under faults: who drives it and works for it, and the faults that meet them, a row each; for `chaos.py`."""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chaos_faults import CLOCK, JUMPS, Place, fill

from naslab.errors import LedgerError
from naslab.ledger import Ledger

STUDY = "chaos"
SILENT = "import naslab.execution.lease_executor as e; e.SILENT_SECONDS = {seconds}; "
"""A worker counts as dead sooner here than by itself, so that many deaths fit into minutes."""


def is_begun(place: str) -> bool:
    """Whether the study is in the ledger, which workers join."""
    try:
        with Ledger.open(place, create=False) as ledger:
            return STUDY in ledger.study_names()
    except LedgerError:
        return False


def python(code: str, *arguments: str) -> list[str]:
    """A `naslab` command in which `code` runs first."""
    return [sys.executable, "-c", f"{code}from naslab.cli.main import run; run()", *arguments]


def begin(command: list[str], log: Path, is_warm: bool = False) -> subprocess.Popen[Any]:
    """A program in a process group of its own, what it says in a log."""
    start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen
    if is_warm:
        sys.path.append(str(Path(__file__).parents[1] / "tests"))
        import warm_start

        start = warm_start.Popen
    with log.open("ab") as file:
        return start(command, stdout=file, stderr=file, start_new_session=True)


def kill(process: subprocess.Popen[Any]) -> None:
    """End a program with all that it started, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Attack:
    """A search under faults in a `folder`: driver and workers of a `team`, and the ledger's server, if any, at `place`.

    Where everything is done before so many kills or so much time, the same study is asked for as many trials more.
    """

    def __init__(self, given: argparse.Namespace, folder: Path, place: Place, team: Team) -> None:
        self.given = given
        self.folder = folder
        self.place = place
        self._team = team
        self._faults = [each for each in team.faults if each.may(place) and each.name in (given.faults or [each.name])]
        if not self._faults:
            raise SystemExit(f"of the faults {', '.join(given.faults)} none is possible here")
        self.rng = random.Random(given.seed)
        self._until = time.monotonic() + given.seconds
        self.due = math.inf  # until a worker was begun: nothing can be lost before
        self.rested = 0.0
        self.workers: list[subprocess.Popen[Any]] = []
        self.kills: Counter[str] = Counter()
        self.asked = given.trials
        self.is_given_up = False
        self.clocks = {who: folder / f"clock-of-{who}" for who in ("driver", "worker")}
        for each in self.clocks.values():
            each.write_text("0")
        self.driver = self._drive()

    def run(self) -> None:
        """Kill and begin again until everything is done, or twice the time is over."""
        try:
            while not self.is_given_up and self._is_driven():
                self._team.join(self)
                if self.place.server is not None and not self.place.server.is_alive:
                    self.place.server.start()
                if self._goes_on() and time.monotonic() > self.due:
                    self.due = time.monotonic() + self.rng.uniform(0.5, 2 * self.given.every)
                    fault = self.rng.choices(self._faults, [each.weight for each in self._faults])[0]
                    if fault.strike(self):
                        self.kills[fault.name] += 1
                self.is_given_up = time.monotonic() > self._until + self.given.seconds
                time.sleep(0.2)
        finally:
            for each in (self.driver, *self.workers):
                kill(each)

    def _goes_on(self) -> bool:
        return bool(sum(self.kills.values()) < self.given.kills and time.monotonic() < self._until)

    def _drive(self) -> subprocess.Popen[Any]:
        own = ["--epochs", "1"] if self.given.trains else ["--estimator", "params"]
        first = CLOCK.format(path=str(self.clocks["driver"])) + SILENT.format(seconds=self.given.silent)
        command = python(
            first, "search", "digits_demo", "--strategy", "evolution", *own, "--study", STUDY,
            "--ledger", self.place.way, "--trials", str(self.asked), *self._team.executor(self),
        )  # fmt: skip
        return begin(command, self.folder / "driver.log", self.given.warm)

    def _is_driven(self) -> bool:
        """Begin a driver that ended again; false where it was done and no kills are left."""
        code = self.driver.poll()
        if code is None:
            return True
        if code == 0 and not self._goes_on():
            return False
        self.asked += self.given.trials if code == 0 else 0
        if not self.kills and not is_begun(self.place.address):
            raise SystemExit((self.folder / "driver.log").read_text()[-3000:])
        self.driver = self._drive()
        return True


def join_workers(attack: Attack) -> None:
    """Begin a worker that joins by the ledger where one is missing."""
    attack.workers = [each for each in attack.workers if each.poll() is None]
    is_full = len(attack.workers) >= attack.given.workers
    if is_full or time.monotonic() <= attack.rested or not is_begun(attack.place.address):
        return
    beats = f"{CLOCK.format(path=str(attack.clocks['worker']))}import naslab.lab.joining as j; j.BEAT_SECONDS = 1.0; "
    where = ("--study", STUDY, "--ledger", attack.place.way, "--idle", "3600", "--device", "cpu")
    attack.workers.append(begin(python(beats, "worker", *where), attack.folder / "workers.log", attack.given.warm))
    attack.rested = time.monotonic() + (0.1 if attack.given.warm else 1.0)
    attack.due = min(attack.due, time.monotonic() + attack.given.every)


def kill_driver(attack: Attack) -> bool:
    """End the driver with its process group."""
    kill(attack.driver)
    return True


def kill_worker(attack: Attack) -> bool:
    """End one of the workers, if there is one."""
    if attack.workers:
        kill(attack.workers.pop(attack.rng.randrange(len(attack.workers))))
        return True
    return False


def kill_server(attack: Attack) -> bool:
    """End the server, and begin it again after a while."""
    assert attack.place.server is not None
    attack.place.server.kill()
    time.sleep(attack.rng.uniform(0.0, 3.0))
    attack.place.server.start()
    return True


def cut_network(attack: Attack) -> bool:
    """Reset the connections to the server, or let nothing through for so long that workers count as dead."""
    assert attack.place.wire is not None
    attack.rng.choice((attack.place.wire.cut, attack.place.wire.hold))(attack.rng.uniform(0.5, 8.0))
    return True


def fill_disk(attack: Attack) -> bool:
    """Fill the ledger's disk for a while."""
    assert attack.place.disk is not None
    fill(attack.place.disk, attack.rng.uniform(0.5, 3.0))
    return True


def jump_clock(attack: Attack) -> bool:
    """Put the clock of the driver or of the workers on or back; programs that begin later have it, too."""
    attack.clocks[attack.rng.choice(("driver", "worker"))].write_text(str(attack.rng.choice(JUMPS)))
    return True


class Fault(NamedTuple):
    """A fault: how often it is drawn, where it may be, and what it does to an attack; false where it hit nothing."""

    name: str
    weight: float
    strike: Callable[[Attack], bool]
    may: Callable[[Place], bool] = lambda _: True


KILL_OF_DRIVER = Fault("kill of a driver", 2, kill_driver)
FAULTS = (
    KILL_OF_DRIVER,
    Fault("kill of a worker", 5, kill_worker),
    Fault("kill of a server", 1, kill_server, lambda place: place.server is not None),
    Fault("cut of the network", 1, cut_network, lambda place: place.wire is not None),
    Fault("full disk", 0.5, fill_disk, lambda place: place.disk is not None),
    Fault("jump of a clock", 1, jump_clock),
)


class Team(NamedTuple):
    """Who works in an attack: options of the driver's `executor`, what begins missing workers, and their faults."""

    executor: Callable[[Attack], list[str]]
    join: Callable[[Attack], None]
    faults: Sequence[Fault]


BY_LEDGER = Team(
    lambda attack: ["--executor", "ledger", "--workers", str(attack.given.workers + 2)], join_workers, FAULTS
)
