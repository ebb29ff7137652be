"""Kills of drivers, workers and the database in small searches, and what is left of them, checked by plain SQL.

    .venv/bin/python scripts/chaos.py [--kills 40] [--seconds 240] [--trials 60] [--ledger sqlite|postgresql] [--trains]
        [--warm]

A driver and several workers that join by the ledger (`naslab worker`) are ended by SIGKILL at random, and begun again;
of a PostgreSQL server also the server itself, at once (SIGQUIT) and with a restart. With `--trains` candidates are
trained on the digits for an epoch, else a proxy is computed. The table says what was asked, done, lost, repeated and
left behind: none of the last three may be there. With `--warm` programs are forks of one that has the libraries loaded
(`tests/warm_start.py`), so that a thousand kills take no hours of imports.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
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


class Server:
    """A PostgreSQL server of this run in a folder, which may be killed and begun again."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not programs:
            raise SystemExit("PostgreSQL is not installed (no initdb under /usr/lib/postgresql)")
        self._programs = programs[-1].parent
        self._folder = folder
        self._as = {"user": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            subprocess.run(["chown", "postgres", str(folder)], check=True)
        made = [self._programs / "initdb", "-D", folder / "data", "-U", "naslab", "-A", "trust", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **self._as)  # type: ignore[call-overload]
        self.port = random.randint(20_000, 50_000)
        self.url = f"postgresql://naslab@127.0.0.1:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        """Begin the server and wait until it answers."""
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}"]
        self._process = subprocess.Popen(  # type: ignore[call-overload]
            [self._programs / "postgres", "-D", self._folder / "data", "-p", str(self.port), *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **self._as,
        )
        while not is_up(self.url):
            time.sleep(0.2)

    def kill(self) -> None:
        """End the server at once, without any goodbye to its clients."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()


def is_up(url: str) -> bool:
    """Whether a database answers."""
    try:
        with create_engine(locate(url).url, poolclass=NullPool).connect():
            return True
    except OperationalError:
        return False


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Server | None]]:
    """The address of an empty ledger of a `kind`, and its server if it has one."""
    if kind == "sqlite":
        yield str(folder / "chaos.db"), None
        return
    server = Server(folder)
    try:
        yield server.url, server
    finally:
        server.kill()


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


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Search under kills until everything is done; the counts and what the ledger holds then.

    Where everything is done before so many kills or so much time, the same study is asked for as many trials more.
    """
    rng = random.Random(given.seed)
    kills: Counter[str] = Counter()
    with database(given.ledger, folder) as (place, server):
        own = ["--epochs", "1"] if given.trains else ["--estimator", "params"]
        where = ["--study", STUDY, "--ledger", place]
        asked = given.trials

        def drive() -> subprocess.Popen[Any]:
            command = python(
                SILENT.format(seconds=given.silent), "search", "digits_demo", "--strategy", "evolution", *own, *where,
                "--trials", str(asked), "--executor", "ledger", "--workers", str(given.workers + 2),
            )  # fmt: skip
            return begin(command, folder / "driver.log", given.warm)

        worker_command = python(
            "import naslab.lab.joining as j; j.BEAT_SECONDS = 1.0; ",
            "worker",
            *where,
            "--idle",
            "3600",
            "--device",
            "cpu",
        )
        driver = drive()
        workers: list[subprocess.Popen[Any]] = []
        until = time.monotonic() + given.seconds
        due = math.inf  # until a worker was begun: nothing can be lost before
        rested = 0.0
        is_given_up = False
        try:
            while True:
                goes_on = sum(kills.values()) < given.kills and time.monotonic() < until
                if driver.poll() is not None:
                    if driver.returncode == 0 and not goes_on:
                        break
                    asked += given.trials if driver.returncode == 0 else 0
                    if not kills and not is_begun(place):
                        raise SystemExit((folder / "driver.log").read_text()[-3000:])
                    driver = drive()
                workers = [each for each in workers if each.poll() is None]
                if len(workers) < given.workers and time.monotonic() > rested and is_begun(place):
                    workers.append(begin(worker_command, folder / "workers.log", given.warm))
                    rested = time.monotonic() + (0.1 if given.warm else 1.0)
                    due = min(due, time.monotonic() + given.every)
                if goes_on and time.monotonic() > due:
                    due = time.monotonic() + rng.uniform(0.5, 2 * given.every)
                    what = rng.choices(("driver", "worker", "server"), (2, 5, 0 if server is None else 1))[0]
                    kills[what] += what != "worker" or bool(workers)
                    if what == "driver":
                        kill(driver)
                    elif what == "worker":
                        kill(workers.pop(rng.randrange(len(workers)))) if workers else None
                    elif server is not None:
                        server.kill()
                        time.sleep(rng.uniform(0.0, 3.0))
                        server.start()
                if time.monotonic() > until + given.seconds:
                    is_given_up = True
                    kill(driver)
                    break
                time.sleep(0.2)
        finally:
            for each in (driver, *workers):
                kill(each)
        engine = create_engine(locate(place).url, poolclass=NullPool)
        with engine.connect() as connection:
            if server is not None:
                connection.execute(text("SET search_path TO naslab"))
            count = int(connection.execute(text("SELECT count(*) FROM outcomes")).scalar_one())
            failed = int(
                connection.execute(text("SELECT count(*) FROM outcomes WHERE failure IS NOT NULL")).scalar_one()
            )
            broken = {rule.name: int(connection.execute(text(rule.query)).scalar_one()) for rule in RULES}
        engine.dispose()
    return {
        "kills": dict(kills), "asked": asked, "done": count, "failed": failed, "broken": broken,
        "is_given_up": is_given_up,
    }  # fmt: skip


def is_whole(found: dict[str, Any]) -> bool:
    """Whether everything asked for is there once, and nothing else."""
    return bool(found["done"] == found["asked"] and not any(found["broken"].values()) and not found["is_given_up"])


def markdown(value: dict[str, Any]) -> str:
    """The table as a page."""
    found, machine = value["found"], value["machine"]
    kills = ", ".join(f"{count} of a {name}" for name, count in sorted(found["kills"].items()))
    lines = [
        "# Kills",
        "",
        f"`{value['command']}`: {machine['processor']}, {machine['system']}, naslab {value['versions']['naslab']}.",
        "",
        f"{sum(found['kills'].values())} kills ({kills}) in {value['seconds']:.0f} s.",
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
