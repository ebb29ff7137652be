"""Ledgers that may only be read: finished studies on a read-only disk, in another's folder, of an older version."""

from __future__ import annotations

import io
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from kept_ledgers import place_kept
from ledger_examples import example_candidate, example_outcome, example_study
from tiny_search import Instant

from naslab.cli.main import run
from naslab.errors import LedgerError
from naslab.execution.workers import Workers
from naslab.lab.search import search
from naslab.ledger import Ledger

COMMANDS = (
    "studies",
    "pareto s",
    "report s --out {out}/report.html",
    "show s:best",
    "export s:best --out {out}/network.py",
    "rescale s:best --phi 1 --out {out}/family",
    "doctor",
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fix(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def finished(path: Path) -> None:
    """A ledger with one outcome and one candidate in flight, closed."""
    with Ledger.open(path) as ledger:
        ledger.create_study(example_study())
        ledger.start("digits", [example_candidate(0), example_candidate(1)])
        ledger.finish("digits", example_outcome(example_candidate(0)))


def left_open(path: Path) -> None:
    """The same ledger as a killed driver leaves it: the last rows are in its log alone."""
    source = path.with_name("source.db")
    finished(source)
    with Ledger.open(source) as ledger:
        ledger.finish("digits", example_outcome(example_candidate(1)))
        assert Path(f"{source}-wal").stat().st_size
        for ending in ("", "-wal"):
            shutil.copy(f"{source}{ending}", f"{path}{ending}")


def said_by(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    said = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "argv", ["naslab", *words])
        patched.setattr(sys, "stdout", said)
        patched.setattr(sys, "stderr", said)
        with suppress(SystemExit):
            run()
    return said.getvalue()


def test_every_command_that_reads_works_on_a_read_only_disk(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "start", lambda *_, **__: Instant(1))
    path = disk / "studies.db"
    search("digits_demo", dataset="digits", strategy="random", trials=3, ledger=path, study="s")
    fix(disk)
    before = path.read_bytes()
    for command in COMMANDS:
        words = [*command.format(out=tmp_path).split(), "--ledger", str(path)]
        assert "naslab: " not in said_by(words, monkeypatch), command
    assert {each.name for each in tmp_path.iterdir()} >= {"report.html", "network.py", "family"}
    with pytest.raises(LedgerError, match=r"cannot be opened for writing|cannot be claimed"):
        search("digits_demo", dataset="digits", strategy="random", trials=4, ledger=path, study="s")
    assert (path.read_bytes(), [each.name for each in disk.iterdir()]) == (before, ["studies.db"])


@pytest.mark.parametrize(("make", "outcomes", "in_flight"), [(finished, 1, 1), (left_open, 2, 0)])
def test_a_read_only_disk_with_or_without_a_log_is_read_whole(
    disk: Path, make: Callable[[Path], None], outcomes: int, in_flight: int
) -> None:
    make(disk / "studies.db")
    fix(disk)
    with Ledger.open(disk / "studies.db", create=False) as ledger:
        assert (len(ledger.outcomes("digits")), len(ledger.in_flight("digits"))) == (outcomes, in_flight)
        with pytest.raises(LedgerError, match="cannot be opened for writing"):
            ledger.set_trials("digits", 99)
        assert ledger.study("digits").trials == 16


def test_an_older_version_on_a_read_only_disk_is_read_as_if_migrated(disk: Path, tmp_path: Path) -> None:
    for folder in (disk, tmp_path):
        place_kept(1, str(folder / "studies.db"))
    fix(disk)
    before = (disk / "studies.db").read_bytes()
    with (
        Ledger.open(disk / "studies.db", create=False) as read,
        Ledger.open(tmp_path / "studies.db", create=False) as migrated,
    ):
        assert read.study_names() == migrated.study_names()
        for name in read.study_names():
            assert read.study(name) == migrated.study(name)
            # NaN is not itself
            assert repr(read.outcomes(name)) == repr(migrated.outcomes(name))
        with pytest.raises(LedgerError, match="cannot be opened for writing"):
            read.set_trials(read.study_names()[0], 99)
    assert (disk / "studies.db").read_bytes() == before
    assert [each.name for each in disk.iterdir()] == ["studies.db"]


def read_and_written(path: Path) -> str:
    """What an attempt to read and then to write a ledger comes to."""
    try:
        with Ledger.open(path, create=False) as ledger:
            told = f"{len(ledger.outcomes('digits'))} read"
            ledger.set_trials("digits", ledger.study("digits").trials)
            return f"{told}, written"
    except LedgerError as error:
        return f"{told}, {error}"


def as_nobody(call: Callable[[], str]) -> str:
    """What a call returns in a copy of this process that belongs to the user `nobody`."""
    user = pwd.getpwnam("nobody")
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.write(writer, call().encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.wait()
    with open(reader, "rb") as told:
        return told.read().decode()


@pytest.mark.parametrize("is_driven", [False, True])
@pytest.mark.parametrize("make", [finished, left_open])
def test_another_user_reads_what_everyone_may_read(
    tmp_path: Path, make: Callable[[Path], None], is_driven: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # everybody may pass through the folders above it
    try:
        folder.chmod(0o755)
        path = folder / "studies.db"
        make(path)
        for each in folder.iterdir():
            each.chmod(0o644)
        with Ledger.open(path) if is_driven else nullcontext() as ledger:
            if ledger is not None:
                assert read_and_written(path).endswith("read, written")  # its log and index are there
            told = as_nobody(lambda: read_and_written(path))
    finally:
        shutil.rmtree(folder)
    outcomes = 1 if make is finished else 2
    assert told.startswith(f"{outcomes} read, ledger {path} cannot be opened for writing"), told
