"""Writers that are killed, and disks that are full or read-only: the old file stays, and one line says why."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import plotly.graph_objects as go
import pytest

from naslab.arch import ArchSpec, ConvBlock, Stage, save_arch
from naslab.arch.build import build
from naslab.atomic_write import atomic_write
from naslab.blobs import BlobStore
from naslab.errors import NaslabError, WriteError
from naslab.figures.write import write_figure
from naslab.lab.training import export_network
from naslab.scaling.coefficients import Coefficients, save_coefficients
from naslab.targets.exporting import keep_onnx
from naslab.training.onnx_file import write_onnx, write_onnx_quickly
from naslab.training.weights import save_weights

ARCH = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=64),) * 3, num_classes=10)

KILLED = """
import os, signal, sys
from naslab.atomic_write import atomic_write

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def write(file):
    file.write(b"new" * 100_000)
    if sys.argv[2] == "write":
        file.flush()
        die()

if sys.argv[2] == "flush":
    os.fsync = die
if sys.argv[2] == "name":
    os.replace = os.rename = die
atomic_write(sys.argv[1], write)
"""


@pytest.mark.parametrize("where", ["write", "flush", "name"])
def test_a_killed_writer_leaves_the_old_file(tmp_path: Path, where: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), where], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    [draft] = [each for each in tmp_path.iterdir() if each != path]
    assert draft.name.startswith(".partial-")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


ONNX: list[Path] = []
"""An ONNX file elsewhere, made once."""


@pytest.fixture(autouse=True, scope="module")
def onnx_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("onnxscript")
    ONNX.append(tmp_path_factory.mktemp("onnx") / "a.onnx")
    write_onnx_quickly(build(ARCH, seed=0), ARCH.input, ONNX[0])


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: atomic_write(path, "new" * 1000),
    "network.yaml": lambda path: save_arch(ARCH, path),
    "coefficients.json": lambda path: save_coefficients(Coefficients(1.2, 1.1, 1.15), path),
    "figure.json": lambda path: write_figure(go.Figure(), path),
    "figure.html": lambda path: write_figure(go.Figure(), path),
    "network.py": lambda path: export_network(ARCH, path, "a network"),
    "weights": lambda path: save_weights(build(ARCH, seed=0), path),
    "network.onnx": lambda path: write_onnx(build(ARCH, seed=0), ARCH.input, path),
    "int8.onnx": lambda path: keep_onnx(ONNX[0], path, {"task": "classification"}),
    "blob": lambda path: BlobStore(path.parent).put(b"weights" * 1000),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_the_old_file(disk: Path, name: str) -> None:
    path = disk / name
    path.write_bytes(b"old")
    fill(disk)
    with pytest.raises(NaslabError, match="No space left on device") as refused:
        WRITERS[name](path)
    assert "\n" not in str(refused.value)
    assert str(disk) in str(refused.value)
    assert path.read_bytes() == b"old"
    assert not list(disk.rglob(".partial-*"))


def test_a_read_only_folder_is_one_line(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for path in (disk / "report.html", disk / "deep" / "report.html"):
        with pytest.raises(WriteError, match=rf"cannot write {path}: Read-only file system"):
            atomic_write(path, b"new")
