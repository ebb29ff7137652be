"""Blobs: kept once by content, whole or not at all, never outside their folder."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from naslab.errors import LedgerError, UnknownNameError
from naslab.ledger import BlobStore, Ledger, StudyRecord


def test_bytes_come_back_under_their_hash(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    data = bytes(range(256)) * 1000
    sha256 = store.put(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.get(sha256) == data
    assert store.get(store.put(b"")) == b""


def test_equal_bytes_are_kept_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    first = store.path(store.put(b"weights"))
    written = first.stat().st_mtime_ns
    store.put(b"weights")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [first]
    assert first.stat().st_mtime_ns == written


@pytest.mark.parametrize("sha256", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "/" + "a" * 63])
def test_only_a_hash_is_a_name(tmp_path: Path, sha256: str) -> None:
    with pytest.raises(LedgerError, match="a content hash is 64 hexadecimal digits"):
        BlobStore(tmp_path).get(sha256)


def test_a_missing_and_a_changed_blob_are_named(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(LedgerError, match=r"cannot be read .No such file"):
        store.get("0" * 64)
    sha256 = store.put(b"weights")
    store.path(sha256).write_bytes(b"weightz")
    with pytest.raises(LedgerError, match="is damaged"):
        store.get(sha256)


def test_a_ledger_keeps_its_blobs_beside_itself(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        sha256 = ledger.blobs.put(b"weights")
    assert (tmp_path / "studies.db.blobs" / sha256[:2] / sha256).read_bytes() == b"weights"


def test_a_sweep_leaves_what_is_needed_and_what_is_not_the_stores(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.sweep(()) == 0
    kept, left = store.put(b"kept"), store.put(b"left over")
    partial = store.path(left).parent / ".partial-abc"
    strangers = [
        tmp_path / "README",
        store.path(kept).parent / "mine.txt",
        tmp_path / "checkpoints" / "1" / "ab" / kept,
    ]
    for path in (partial, *strangers):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert store.sweep({kept}) == 2
    assert store.get(kept) == b"kept"
    assert not store.path(left).exists()
    assert not partial.exists()
    assert all(path.exists() for path in strangers)
    assert store.sweep({kept}) == 0


WRITER = """
import os, signal, sys
from pathlib import Path
from naslab.blobs import BlobStore
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
BlobStore(Path(sys.argv[1])).put(b"weights")
"""


def test_what_a_killed_writer_leaves_is_swept(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    [partial] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert partial.name.startswith(".partial-")
    assert BlobStore(tmp_path).sweep(()) == 1
    assert not partial.exists()


def test_each_study_has_its_own_checkpoints(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        for name in ("one", "two"):
            ledger.create_study(StudyRecord(name=name, problem={}, strategy="random", epochs=2, seed=0, trials=4))
        sha256 = ledger.blobs.put(b"weights")
        assert ledger.checkpoints("one").put(b"weights") == ledger.checkpoints("two").put(b"weights") == sha256
        assert ledger.checkpoints("one").sweep(()) == 1
        assert ledger.checkpoints("two").get(sha256) == ledger.blobs.get(sha256) == b"weights"
        with pytest.raises(UnknownNameError, match="three"):
            ledger.checkpoints("three")
