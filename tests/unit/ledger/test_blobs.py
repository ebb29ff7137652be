"""Blobs: kept once by content, whole or not at all, never outside their folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from naslab.errors import LedgerError
from naslab.ledger import BlobStore, Ledger


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
