"""Migrations under real faults: programs killed in the middle, full and read-only disks leave the old ledger whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import warm_start
from kept_ledgers import place_kept, rows_of
from postgres import BACKENDS

from naslab.errors import LedgerError
from naslab.ledger import Ledger
from naslab.ledger.migrations import SCHEMA_VERSION

TESTS = Path(__file__).parents[1]

KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
from naslab.ledger import Ledger, engine, migrations

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def changed_then_killed(connection):
    steps[0].apply(connection)
    die()

steps = migrations.STEPS
if sys.argv[2] == "step":
    migrations.STEPS = (steps[0]._replace(apply=changed_then_killed), *steps[1:])
if sys.argv[2] == "copy":
    engine.put_in_place = die
if sys.argv[2] == "commit":
    event.listen(Engine, "commit", die)
Ledger.open(sys.argv[1])
"""


@pytest.fixture(params=BACKENDS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "studies.db")
    return request.getfixturevalue("postgres_database")


@pytest.mark.parametrize("where", ["copy", "step", "commit"])
def test_a_program_killed_in_a_migration_leaves_the_old_version_whole(location: str, where: str) -> None:
    if where == "copy" and "://" in location:
        pytest.skip("a server's ledger is not copied")
    place_kept(1, location)
    before = rows_of(location)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
    for _ in range(2):
        killed = warm_start.run([sys.executable, "-c", KILLED, location, where], env=environment)
        assert killed.returncode == -signal.SIGKILL
        assert rows_of(location) == before
    folder = Path(location).parent
    if "://" not in location:
        (folder / ".partial-report").mkdir()  # somebody else's
        for extra in ("studies.db.version1.2", "studies.db.version1.3") if where != "copy" else ():
            shutil.copy(folder / "studies.db.version1", folder / extra)  # as older programs left them
    with Ledger.open(location) as ledger:
        assert ledger.outcomes("plain")
    assert rows_of(location)["naslab_schema"] == [{"version": SCHEMA_VERSION}]
    if "://" not in location:
        assert {each.name for each in folder.iterdir()} == {"studies.db", "studies.db.version1", ".partial-report"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds a ledger of version 1 and has too little room for a second one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    place_kept(1, str(tmp_path / "studies.db"))
    size = (tmp_path / "studies.db").stat().st_size * 3 // 2
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copy(tmp_path / "studies.db", folder)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_without_room_for_the_copy_leaves_the_old_version(disk: Path) -> None:
    before = (disk / "studies.db").read_bytes()
    with pytest.raises(
        LedgerError, match=r"cannot be brought from version 1 .*left as it is: .*(full|No space)"
    ) as told:
        Ledger.open(disk / "studies.db")
    assert "\n" not in str(told.value)
    assert (disk / "studies.db").read_bytes() == before
    assert {each.name for each in disk.iterdir()} <= {"studies.db", "studies.db-wal", "studies.db-shm"}


def test_a_read_only_disk_leaves_the_old_version(disk: Path) -> None:
    before = (disk / "studies.db").read_bytes()
    subprocess.run(["mount", "-o", "remount,ro,size=8m", disk], check=True)
    with pytest.raises(LedgerError, match=r"studies\.db .*make the file and its folder writable"):
        Ledger.open(disk / "studies.db")
    with Ledger.open(disk / "studies.db", create=False) as ledger:
        assert "plain" in ledger.study_names()
    assert (disk / "studies.db").read_bytes() == before
