"""Kills and other faults in small searches, and what is left of them, checked by plain SQL.

    .venv/bin/python scripts/chaos.py [--kills 40] [--seconds 240] [--trials 60] [--ledger sqlite|postgresql] [--trains]
        [--warm] [--ray] [--faults NAME ...]

A driver and several workers that join by the ledger (`naslab worker`) are ended by SIGKILL at random, and begun again;
of a PostgreSQL server also the server itself, at once (SIGQUIT) and with a restart. `FAULTS` has a row for each of
these, and for networks that are cut, disks that are full and clocks that jump. With `--ray` workers are actors on a
cluster, which are killed, and so are its nodes and its head. With `--trains` candidates are trained on the digits for
an epoch, else a proxy is computed. The table says what was asked, done, lost, repeated and left behind: none of the
last three may be there. With `--warm` programs are forks of one that has the libraries loaded (`tests/warm_start.py`),
so that a thousand kills take no hours of imports.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chaos_faults import CLOCK, JUMPS, Place, database, fill
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from naslab.errors import LedgerError
from naslab.ledger import Ledger
from naslab.ledger.location import locate
from naslab.provenance import installed_versions, machine_description

NASLAB = [sys.executable, "-c", "from naslab.cli.main import run; run()"]
STUDY = "chaos"
SILENT = "import naslab.execution.lease_executor as e; e.SILENT_SECONDS = {seconds}; "
"""A worker counts as dead sooner here than by itself, so that many deaths fit into minutes."""


class Rule(NamedTuple):
    """What must hold of the rows of a ledger: a name, the query of what breaks it, and how many may."""

    name: str
    query: str
    most: int = 0


RULES = (
    Rule("lost: started and not finished", "SELECT count(*) FROM trials LEFT JOIN outcomes "
         "USING (study_id, trial) WHERE outcomes.trial IS NULL"),
    Rule("repeated: finished twice", "SELECT count(*) FROM (SELECT trial FROM outcomes GROUP BY study_id, trial "
         "HAVING count(*) > 1) AS twice"),
    Rule("repeated: one network in two trials", "SELECT count(*) FROM (SELECT arch_id FROM trials GROUP BY study_id, "
         "arch_id HAVING count(*) > 1) AS twice"),
    Rule("left behind: leases", "SELECT count(*) FROM leases"),
    Rule("left behind: progress", "SELECT count(*) FROM progress"),
    Rule("measurements without an outcome", "SELECT count(*) FROM measurements LEFT JOIN outcomes "
         "USING (study_id, trial) WHERE outcomes.trial IS NULL"),
)  # fmt: skip


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
        self._faults = [each for each in team.faults if each.name in (given.faults or NAMES) and each.may(place)]
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
RAY_NAMES = ("kill of an actor", "loss of a node", "loss of the head")
NAMES = (*(each.name for each in FAULTS), *RAY_NAMES)


class Team(NamedTuple):
    """Who works in an attack: options of the driver's `executor`, what begins missing workers, and their faults."""

    executor: Callable[[Attack], list[str]]
    join: Callable[[Attack], None]
    faults: Sequence[Fault]


BY_LEDGER = Team(
    lambda attack: ["--executor", "ledger", "--workers", str(attack.given.workers + 2)], join_workers, FAULTS
)


@contextmanager
def gathered(given: argparse.Namespace) -> Iterator[Team]:
    """The team that is asked for; with Ray also its cluster."""
    if not given.ray:
        yield BY_LEDGER
        return
    from chaos_ray import by_ray

    with by_ray(given.workers) as team:
        yield team


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Search under kills until everything is done; the counts and what the ledger holds then."""
    with database(given.ledger, folder) as place, gathered(given) as team:
        attack = Attack(given, folder, place, team)
        attack.run()
        held = rows_of(place.address, is_postgresql=place.server is not None)
    return {"kills": dict(attack.kills), "asked": attack.asked, **held, "is_given_up": attack.is_given_up}


def rows_of(place: str, is_postgresql: bool) -> dict[str, Any]:
    """What plain SQL finds in a ledger: outcomes, those that failed, and how often each rule is broken."""
    engine = create_engine(locate(place).url, poolclass=NullPool)
    with engine.connect() as connection:
        if is_postgresql:
            connection.execute(text("SET search_path TO naslab"))

        def count(query: str) -> int:
            return int(connection.execute(text(query)).scalar_one())

        found = {
            "done": count("SELECT count(*) FROM outcomes"),
            "failed": count("SELECT count(*) FROM outcomes WHERE failure IS NOT NULL"),
            "broken": {rule.name: count(rule.query) for rule in RULES},
        }
    engine.dispose()
    return found


def is_whole(found: dict[str, Any]) -> bool:
    """Whether everything asked for is there once, and nothing else."""
    return bool(found["done"] == found["asked"] and not any(found["broken"].values()) and not found["is_given_up"])


def markdown(value: dict[str, Any]) -> str:
    """The table as a page."""
    found, machine = value["found"], value["machine"]
    kills = ", ".join(f"{name}: {count}" for name, count in sorted(found["kills"].items()))
    lines = [
        "# Kills and other faults",
        "",
        f"`{value['command']}`: {machine['processor']}, {machine['system']}, naslab {value['versions']['naslab']}.",
        "",
        f"{sum(found['kills'].values())} faults ({kills}) in {value['seconds']:.0f} s.",
        "",
        "| what | count |",
        "|---|---:|",
        f"| asked | {found['asked']} |",
        f"| done | {found['done']} |",
        f"| of these failed (a worker died twice on one) | {found['failed']} |",
        f"| given up before all was done: what was in flight counts as lost | {int(found['is_given_up'])} |",
        *(f"| {name} | {count} |" for name, count in found["broken"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Kill, check, print the table; exit code 1 where anything was lost, repeated or left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--kills", type=int, default=40, help="at most so many")
    parser.add_argument(
        "--seconds", type=float, default=240, help="kill for so long; twice that is the whole run's end"
    )
    parser.add_argument("--every", type=float, default=5, help="seconds between two kills, on average")
    parser.add_argument("--trials", type=int, default=60, help="and as many more while kills are left")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--silent", type=float, default=8, help="seconds until a silent worker counts as dead")
    parser.add_argument("--faults", nargs="*", choices=NAMES, help="by default all that are possible here")
    parser.add_argument("--ray", action="store_true", help="workers are actors on a Ray cluster of three nodes")
    parser.add_argument("--trains", action="store_true")
    parser.add_argument("--warm", action="store_true", help="programs start as forks, without imports")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="both files, no ending")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(given, Path(folder))
        if not is_whole(found):
            print(Path(folder, "driver.log").read_text()[-3000:], file=sys.stderr)
            print(Path(folder, "workers.log").read_text()[-3000:], file=sys.stderr)
    value = {
        "command": shlex.join(["scripts/chaos.py", *sys.argv[1:]]),
        "machine": machine_description(),
        "versions": installed_versions(),
        "seconds": time.monotonic() - began,
        "found": found,
    }
    if given.out is not None:
        given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(markdown(value), encoding="utf-8")
    print(markdown(value))
    sys.exit(not is_whole(found))


if __name__ == "__main__":
    main()
