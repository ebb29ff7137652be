"""A ledger under real faults: killed drivers, full disks, damaged, foreign and newer files, two drivers."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import warm_start
from ledger_examples import example_candidate, example_outcome, example_study
from postgres import BACKENDS
from processes import wait_until
from sqlalchemy import create_engine, text

from naslab.errors import LedgerError, StudyError
from naslab.ledger import Ledger
from naslab.ledger.migrations import SCHEMA_VERSION

TESTS = Path(__file__).parents[1]

WRITER = """
import sys
from ledger_examples import example_candidate, example_outcome, example_study
from naslab.ledger import Ledger

with Ledger.open(sys.argv[1]) as ledger:
    ledger.create_study(example_study())
    with ledger.claim("digits"):
        ledger.start("digits", [example_candidate(trial) for trial in range(1000)])
        for trial in range(1000):
            ledger.finish("digits", example_outcome(example_candidate(trial)))
            print(f"{trial:0500}", flush=True)  # a pipe takes a hundred of these: the writer waits for its reader
"""

HOLDER = """
import os, sys, time
from naslab.ledger import Ledger

with Ledger.open(sys.argv[1]) as ledger, ledger.claim("digits"):
    if "fork" in sys.argv and (child := os.fork()) == 0:
        time.sleep(3600)
    print(child if "fork" in sys.argv else 0, flush=True)
    time.sleep(3600)
"""


def program(source: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python program of its own, its standard output read from here."""
    return warm_start.Popen(
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))},
    )


@pytest.fixture(params=BACKENDS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "studies.db")
    return request.getfixturevalue("postgres_database")


def filled(path: Path, num_outcomes: int) -> Path:
    """A SQLite ledger with outcomes, closed."""
    with Ledger.open(path) as ledger:
        ledger.create_study(example_study())
        candidates = [example_candidate(trial) for trial in range(num_outcomes)]
        ledger.start("digits", candidates)
        for candidate in candidates:
            ledger.finish("digits", example_outcome(candidate))
    return path


@pytest.mark.parametrize("after", [3, 137])
def test_a_driver_killed_in_the_middle_loses_nothing_it_reported(location: str, after: int) -> None:
    writer = program(WRITER, location)
    assert writer.stdout is not None
    reported = [int(writer.stdout.readline()) for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    reported += [int(line) for line in writer.stdout.read().split()]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    assert len(reported) < 1000, "the writer had ended before it was killed"
    with Ledger.open(location, create=False) as ledger:
        outcomes = ledger.outcomes("digits")
        finished = [outcome.candidate.trial for outcome in outcomes]
        # The one being reported when the driver died may be in the ledger already.
        assert finished in (reported, [*reported, len(reported)])
        assert outcomes == [example_outcome(example_candidate(trial)) for trial in finished]
        assert [candidate.trial for candidate in ledger.in_flight("digits")] == list(range(len(finished), 1000))
        with ledger.claim("digits"):
            ledger.finish("digits", example_outcome(example_candidate(999)))


@pytest.mark.parametrize("fork", ["alone", "fork"])
def test_a_claim_ends_with_a_killed_driver_even_if_a_forked_worker_lives_on(location: str, fork: str) -> None:
    with Ledger.open(location) as ledger:
        ledger.create_study(example_study())
        holder = program(HOLDER, location, *(["fork"] if fork == "fork" and "://" not in location else []))
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(StudyError, match=rf"driven by .*process {holder.pid} on "), ledger.claim("digits"):
                pass
            holder.kill()
            holder.wait()
            if child:
                os.kill(child, 0)  # it lives
            assert wait_until(lambda: can_claim(ledger))
        finally:
            holder.kill()
            holder.wait()
            if child:
                os.kill(child, signal.SIGKILL)
            holder.stdout.close()


def can_claim(ledger: Ledger) -> bool:
    """Whether the claim is free; a server learns of a killed driver when it next looks at the connection."""
    try:
        with ledger.claim("digits"):
            return True
    except StudyError:
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def run_one(ledger: Ledger, trial: int) -> None:
    ledger.start("digits", [example_candidate(trial)])
    ledger.finish("digits", example_outcome(example_candidate(trial)))


def test_a_full_disk_is_named_and_loses_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 400_000)
    with Ledger.open(small_disk / "studies.db") as ledger:
        ledger.create_study(example_study())
        with pytest.raises(LedgerError, match=f"the disk of {small_disk} is full .* make room"):  # noqa: PT012
            for finished in range(10_000):
                run_one(ledger, finished)
        assert finished > 5
        assert len(ledger.outcomes("digits")) == finished
        with pytest.raises(LedgerError, match="is full"):
            ledger.start("digits", [example_candidate(trial) for trial in range(20_000, 20_500)])
        ballast.unlink()
        run_one(ledger, 30_000)
        assert len(ledger.outcomes("digits")) == finished + 1
    with Ledger.open(small_disk / "studies.db", create=False) as ledger:
        trials = [outcome.candidate.trial for outcome in ledger.outcomes("digits")]
        assert trials == [*range(finished), 30_000]


def test_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (1024 * 1024))
    with pytest.raises(LedgerError, match=f"the disk of {small_disk} is full"):
        Ledger.open(small_disk / "studies.db")
    ballast.unlink()
    with Ledger.open(small_disk / "studies.db") as ledger:
        ledger.create_study(example_study())


def test_a_full_disk_for_a_claim(small_disk: Path) -> None:
    with Ledger.open(small_disk / "studies.db") as ledger:
        ledger.create_study(example_study())
        ballast = small_disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)) == 4096:
                pass
        told = r"the claim .*studies\.db\.claim1 cannot be written \(No space left on device\): make room"
        with pytest.raises(LedgerError, match=told), ledger.claim("digits"):
            pass
        assert not list(small_disk.glob("*.claim*"))
        ballast.unlink()
        with ledger.claim("digits"):
            run_one(ledger, 0)


def test_a_full_disk_for_a_blob(small_disk: Path) -> None:
    with Ledger.open(small_disk / "studies.db") as ledger:
        with pytest.raises(LedgerError, match=r"2,000,000 bytes cannot be kept in .* No space left on device"):
            ledger.blobs.put(os.urandom(2_000_000))
        assert [path for path in ledger.blobs.folder.rglob("*") if path.is_file()] == []
        assert ledger.blobs.get(ledger.blobs.put(b"small")) == b"small"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"trial,accuracy\n1,90.0\n", "is not a ledger"),
        (b"SQLite format 3", "is not a ledger"),
        (b"SQLite format 3\0" + b"\xff" * 4096, "is damaged|is not a ledger"),
        (bytes(range(256)) * 100, "is not a ledger"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    for create in (True, False):
        with pytest.raises(LedgerError, match=rule):
            Ledger.open(path, create=create)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["results.csv"]


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"is not a ledger \(it holds photos\)"):
        Ledger.open(path)
    assert path.read_bytes() == before


def test_somebody_elses_log_is_not_written_back(tmp_path: Path) -> None:
    """A database that another program left with unfinished business is not tidied up on the way."""
    path = tmp_path / "photos.db"
    owner = "import sqlite3, sys, os\nc = sqlite3.connect(sys.argv[1])\nc.execute('PRAGMA journal_mode=WAL')\n"
    owner += "c.execute('CREATE TABLE photos (name TEXT)')\nc.commit()\nos._exit(0)"
    subprocess.run([sys.executable, "-c", owner, path], check=True)
    before = path.read_bytes(), path.with_name("photos.db-wal").read_bytes()
    with pytest.raises(LedgerError, match="is not a ledger"):
        Ledger.open(path)
    assert (path.read_bytes(), path.with_name("photos.db-wal").read_bytes()) == before


def test_an_empty_file_becomes_a_ledger_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    path.touch()
    with pytest.raises(LedgerError, match="there is no ledger"):
        Ledger.open(path, create=False)
    assert path.read_bytes() == b""
    with Ledger.open(path) as ledger:
        assert ledger.study_names() == []


def test_a_newer_ledger_is_refused(location: str) -> None:
    with Ledger.open(location) as ledger:
        ledger.create_study(example_study())
        engine = create_engine(ledger.location.url)
        prefix = "" if ledger.location.path else "naslab."
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {prefix}naslab_schema SET version = {SCHEMA_VERSION + 1}"))
    engine.dispose()
    with pytest.raises(LedgerError, match=rf"newer naslab \(its version is {SCHEMA_VERSION + 1}, .* update naslab"):
        Ledger.open(location)


def cut_in_half(data: bytearray) -> bytearray:
    return data[: len(data) // 2]


def cut_inside_a_page(data: bytearray) -> bytearray:
    return data[: len(data) - 1000]


def overwrite_pages(data: bytearray) -> bytearray:
    data[8192:40960] = random.Random(0).randbytes(40960 - 8192)
    return data


def overwrite_header(data: bytearray) -> bytearray:
    data[:100] = b"\0" * 100
    return data


def change_a_letter(data: bytearray) -> bytearray:
    place = data.index(b'"measured"', 20_000)
    data[place : place + 10] = b'"measured,'
    return data


@pytest.mark.parametrize("damage", [cut_in_half, cut_inside_a_page, overwrite_pages, overwrite_header, change_a_letter])
def test_a_damaged_ledger_is_said_to_be(tmp_path: Path, damage: Callable[[bytearray], bytearray]) -> None:
    path = filled(tmp_path / "studies.db", 40)
    path.write_bytes(bytes(damage(bytearray(path.read_bytes()))))
    with pytest.raises(LedgerError, match=r"damaged|not a ledger"), Ledger.open(path) as ledger:
        ledger.outcomes("digits")


def test_any_damage_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    """Sixty random overwrites: the ledger reads what was written or says `LedgerError`, nothing else comes out."""
    path = filled(tmp_path / "studies.db", 12)
    whole = path.read_bytes()
    source = random.Random(1)
    num_refused = 0
    for _ in range(60):
        data = bytearray(whole)
        place, length = source.randrange(len(data)), source.choice([1, 40, 3000])
        data[place : place + length] = source.randbytes(length)
        path.write_bytes(bytes(data))
        for side in ("-wal", "-shm"):
            path.with_name(path.name + side).unlink(missing_ok=True)
        try:
            with Ledger.open(path) as ledger:
                for name in ledger.study_names():
                    ledger.study(name), ledger.outcomes(name), ledger.in_flight(name)
        except LedgerError:
            num_refused += 1
    assert num_refused > 10


def test_a_folder_is_not_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="is a folder: a ledger is a file"):
        Ledger.open(tmp_path)


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted folder that holds a ledger and that nobody, root included, can write to."""
    folder = tmp_path / "fixed"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        filled(folder / "studies.db", 3)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder_is_named(read_only_disk: Path) -> None:
    with pytest.raises(LedgerError, match=r"new\.db cannot be opened for writing .* make the file and its folder"):
        Ledger.open(read_only_disk / "new.db")
    with pytest.raises(LedgerError, match=r"there is no folder .* for the ledger"):
        Ledger.open(read_only_disk / "sub" / "new.db")
    with pytest.raises(LedgerError, match=r"studies\.db cannot be opened for writing"):
        Ledger.open(read_only_disk / "studies.db")


def test_a_server_that_is_not_there_and_a_wrong_password_are_named_without_the_password(postgres_database: str) -> None:
    wrong = postgres_database.replace("correct-horse-battery", "s3cret-words")
    with pytest.raises(LedgerError, match=r"cannot be reached .*password authentication failed") as refused:
        Ledger.open(wrong)
    absent = "postgresql://ada:s3cret-words@127.0.0.1:1/lab"
    with pytest.raises(LedgerError, match=r"cannot be reached .*[Cc]onnection refused") as unreachable:
        Ledger.open(absent)
    with pytest.raises(LedgerError, match=r"ledger postgresql://naslab:\*\*\*@.*no_such_one") as missing:
        Ledger.open(postgres_database.rpartition("/")[0] + "/no_such_one")
    for error in (refused, unreachable, missing):
        assert "s3cret" not in str(error.value)
        assert "correct-horse" not in str(error.value)


def test_a_server_that_stops_a_connection_is_an_error_of_ours(postgres_database: str) -> None:
    with Ledger.open(postgres_database) as ledger:
        ledger.create_study(example_study())
        engine = create_engine(ledger.location.url)
        with engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        engine.dispose()
        with pytest.raises(LedgerError, match="cannot be reached"):
            ledger.study_names()
        assert ledger.study_names() == ["digits"]
