"""What is no regular file is refused at once, wherever naslab opens one by name; nothing is written through a link."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_examples import example_study

from naslab.atomic_write import atomic_write, require_writable
from naslab.blobs import BlobStore
from naslab.errors import NaslabError
from naslab.estimators.rows import MadeEstimator
from naslab.ledger import Ledger
from naslab.package.predict import image_files
from naslab.reading import read_values
from naslab.regular_files import files_below, open_regular, read_regular
from naslab.training.datasets.foreign import own_files
from naslab.training.supernet.files import load_supernet
from naslab.training.weights import load_weights

LONG_SECONDS = 60
BLOB = "ab" * 32


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    """A wait is a failure."""

    def give_up(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONG_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def claim(path: Path) -> None:
    """Claim a study whose claim lies at `path`, which must be named `studies.db.claim1`."""
    with Ledger.open(path.with_name("studies.db")) as ledger:
        if "digits" not in ledger.study_names():
            ledger.create_study(example_study())
        with ledger.claim("digits"):
            pass


def open_ledger(path: Path) -> None:
    Ledger.open(path.with_name("studies.db")).close()


def estimator_file(path: Path) -> None:
    from fake_estimators import NoData

    _ = MadeEstimator(NoData(), file=str(path)).sha256


OPENINGS: dict[str, tuple[str, Callable[[Path], object], bool]] = {
    "description": ("space.yaml", read_values, True),
    "weights": ("w.safetensors", lambda path: load_weights(None, path), True),  # type: ignore[arg-type]
    "file of an estimator": ("table.csv", estimator_file, True),
    "ledger": ("studies.db", open_ledger, True),
    "log of a ledger": ("studies.db-wal", open_ledger, False),
    "index of a log": ("studies.db-shm", open_ledger, False),
    "journal": ("studies.db-journal", open_ledger, False),
    "claim": ("studies.db.claim1", claim, False),
    "blob read": (f"ab/{BLOB}", lambda path: BlobStore(path.parents[1]).get(BLOB), False),
    "supernet": ("digits.safetensors", load_supernet, False),
    "report": ("report.html", lambda path: atomic_write(path, b""), False),
    "place of a result": ("out.csv", require_writable, False),
}
"""Each way to open a file: its name, what opens it, and whether a link to a file is followed."""


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize(("name", "opening", "_"), OPENINGS.values(), ids=OPENINGS)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, kind: str, name: str, opening: Callable[[Path], object], _: bool
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as made:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            folder = os.open(path.parent, os.O_RDONLY)
            made.bind(f"/proc/self/fd/{folder}/{path.name}")  # its own path may be too long
            os.close(folder)
        else:
            path.symlink_to("/dev/zero")
        with pytest.raises(NaslabError, match=r"it is (a device or a pipe|a link)"):
            opening(path)


@pytest.mark.parametrize(
    ("name", "opening"), [(name, opening) for name, opening, follows in OPENINGS.values() if not follows]
)
def test_a_link_is_refused_and_what_it_leads_to_is_left_alone(
    tmp_path: Path, name: str, opening: Callable[[Path], object]
) -> None:
    kept = tmp_path / "kept"
    for points_to, content in ((kept, b"somebody's"), (tmp_path / "nowhere", None)):
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            kept.write_bytes(content)
        path.symlink_to(points_to)
        with pytest.raises(NaslabError, match="it is a link"):
            opening(path)
        assert not content or kept.read_bytes() == content
        assert points_to.exists() == (content is not None)
        path.unlink()


def test_a_claim_that_has_another_name_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"somebody's")
    os.link(kept, tmp_path / "studies.db.claim1")
    with pytest.raises(NaslabError, match="it is a link"):
        claim(tmp_path / "studies.db.claim1")
    assert kept.read_bytes() == b"somebody's"


def test_a_file_put_in_the_place_of_the_one_looked_at_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"read")
    look = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: look(tmp_path / "file"))
    with pytest.raises(OSError, match="it is a device or a pipe"):
        open_regular(tmp_path / "pipe")
    assert read_regular(tmp_path / "file") == b"read"


def test_the_blobs_of_a_linked_ledger_lie_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    Ledger.open(tmp_path / "disk" / "studies.db").close()
    (tmp_path / "link.db").symlink_to(tmp_path / "disk" / "studies.db")
    with Ledger.open(tmp_path / "link.db") as ledger:
        assert ledger.blobs.folder == tmp_path / "disk" / "studies.db.blobs"
        (tmp_path / "link.db.blobs").mkdir()  # where an older program put them
        assert ledger.blobs.folder == tmp_path / "link.db.blobs"
        sha256 = ledger.blobs.put(b"weights")
        (tmp_path / "disk" / "studies.db.blobs").mkdir()
        assert ledger.blobs.folder == tmp_path / "disk" / "studies.db.blobs"
    assert len(sha256) == 64


def test_a_folder_that_vanishes_meanwhile_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here", "gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    scan = os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path).endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for found in (files_below(tmp_path), own_files(tmp_path, frozenset({".png"})), image_files([tmp_path])):
        assert list(found) == [tmp_path / "here" / "1.png"]
