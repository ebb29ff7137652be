"""Files are there whole or not at all, with the permissions of a plain open, and never through a link."""

from __future__ import annotations

import os
import re
import signal
import stat
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

import naslab
from naslab import atomic_write as module
from naslab.atomic_write import atomic_write, draft_folder, put_in_place, require_writable
from naslab.errors import WriteError

PACKAGE = Path(naslab.__file__).parent


@pytest.mark.parametrize("content", [b"whole\n", "whole\n", lambda file: file.write(b"whole\n")])
def test_bytes_texts_and_functions_are_written(tmp_path: Path, content: module.Writer | bytes | str) -> None:
    for name in ("new.txt", "deep/er/new.txt", "n" * 255):
        atomic_write(tmp_path / name, content)
        atomic_write(str(tmp_path / name), content)
        assert (tmp_path / name).read_bytes() == b"whole\n"
    assert not list(tmp_path.rglob(".partial-*"))


def test_a_text_is_utf_8_whatever_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    atomic_write(tmp_path / "größe", "größe 𝄞\r\n")
    assert (tmp_path / "größe").read_bytes() == "größe 𝄞\r\n".encode()


def test_arrays_are_written_by_numpy(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a.npy", lambda file: np.save(file, np.arange(5)))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    flush, replace = os.fsync, os.replace

    def noted_flush(descriptor: int) -> None:
        status = os.fstat(descriptor)
        done.append("folder" if stat.S_ISDIR(status.st_mode) else f"file of {status.st_size}")
        flush(descriptor)

    def noted_replace(draft: str | Path, target: str | Path, **more: int) -> None:
        done.append("name")
        replace(draft, target, **more)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(os, "replace", noted_replace)
    atomic_write(tmp_path / "file", b"12345")
    assert done == ["file of 5", "name", "folder"]
    done.clear()
    with draft_folder(tmp_path) as draft:
        (draft / "images").write_bytes(b"123")
        put_in_place(draft, tmp_path / "arrays")
    assert done == ["file of 3", "folder", "name", "folder"]
    assert (tmp_path / "arrays" / "images").read_bytes() == b"123"


def test_permissions_are_those_of_a_plain_open(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "new", b"")
        (tmp_path / "plain").write_bytes(b"")
        with draft_folder(tmp_path) as draft:
            put_in_place(draft, tmp_path / "folder")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == mode(tmp_path / "plain") == 0o640
    assert mode(tmp_path / "folder") == 0o750


def test_a_private_file_stays_private_also_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_bytes(b"old")
    path.chmod(0o600)

    def write(file: BinaryIO) -> None:
        assert mode(next(tmp_path.glob(".partial-*"))) == 0o600
        file.write(b"new")

    atomic_write(path, write)
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_whatever_ends_a_writer_the_old_file_stays_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(file: BinaryIO) -> None:
        file.write(b"new" * 100_000)
        signal.raise_signal(signal.SIGINT)

    def broken(file: BinaryIO) -> None:
        file.write(b"new")
        raise RuntimeError

    def refused(file: BinaryIO) -> None:
        raise OSError("3 requested and 1 written")

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, interrupted)
    with pytest.raises(RuntimeError):
        atomic_write(path, broken)
    with pytest.raises(WriteError, match=r"cannot write .*file: 3 requested and 1 written$"):
        atomic_write(path, refused)
    with pytest.raises(RuntimeError), draft_folder(tmp_path) as draft:
        atomic_write(draft / "part", broken)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_link_is_refused_whatever_it_points_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    for name, points_to in (("link", kept), ("dangling", tmp_path / "nothing"), ("to_folder", tmp_path)):
        (tmp_path / name).symlink_to(points_to)
        for write in (lambda path: atomic_write(path, b"new"), require_writable):
            with pytest.raises(WriteError, match=rf"cannot write .*{name}: it is a link \(to {points_to}\); name the"):
                write(tmp_path / name)
        assert (tmp_path / name).is_symlink()
    assert kept.read_bytes() == b"kept"
    assert not (tmp_path / "nothing").exists()


def test_a_link_that_lies_where_the_draft_will_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    monkeypatch.setattr(module, "_draft_name", lambda: ".partial-guessed")
    (tmp_path / ".partial-guessed").symlink_to(kept)
    with pytest.raises(WriteError, match=r"it is a link \(to "):
        atomic_write(tmp_path / "report.html", b"new")
    assert kept.read_bytes() == b"kept"


def test_a_pipe_a_device_and_a_folder_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path, what in ((tmp_path / "pipe", "a device or a pipe"), (tmp_path / "folder", "a folder")):
        with pytest.raises(WriteError, match=f"it is {what}; name a file"):
            atomic_write(path, b"new")
    for device in ("/dev/null", "/dev/stdout"):
        with pytest.raises(WriteError, match="it is a "):
            atomic_write(device, b"new")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for write in (lambda path: atomic_write(path, b""), require_writable):
        with pytest.raises(WriteError, match=r"cannot write .*file/deep/report: Not a directory"):
            write(tmp_path / "file" / "deep" / "report")


def test_of_writers_at_once_one_wins_and_readers_see_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 200_000 for letter in b"abc"]
    atomic_write(path, contents[0])
    writers = [
        threading.Thread(target=lambda each=each: [atomic_write(path, each) for _ in range(15)]) for each in contents
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert path.read_bytes() in contents
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


WRITES = re.compile(r"\.write_text\(|\.write_bytes\(|mkstemp|NamedTemporaryFile|os\.replace|\.open\(\"[wxa]")


DOCTEST = re.compile(r"\s*(>>>|\.\.\.) ")


def test_nothing_else_in_the_package_writes_files() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(
            WRITES.search(line)
            for line in path.read_text(encoding="utf-8").splitlines()
            if not DOCTEST.match(line) and "/proc/" not in line  # the kernel's switches are no files
        )
    }
    assert found == set()
