"""Faults around a search: a server that dies, a network that is cut, a disk that is full, clocks that jump."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from naslab.ledger.location import locate

DISK_MEGABYTES = 384
"""The disk that is filled: PostgreSQL's own files take a hundred of them."""
CLOCK = (
    "import time; from pathlib import Path; "
    "time.time = lambda now=time.time, told=Path({path!r}): now() + float(told.read_text() or 0); "
)
"""Code that a program begins with, so that its clock is off by as much as a file says."""
JUMPS = (-86_400.0, -3_600.0, -60.0, 60.0, 3_600.0, 86_400.0)
"""By how many seconds a clock is off after a jump."""


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
        self.port = random.randint(20_000, 30_000)
        self.url = f"postgresql://naslab@127.0.0.1:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        """Begin the server, again where it ends at once, and wait until it answers."""
        self._process = self._begun()
        while not is_up(self.url):
            if not self.is_alive:
                self._process = self._begun()
            time.sleep(0.2)

    @property
    def is_alive(self) -> bool:
        """Whether the process of the server lives; on a full disk it ends itself."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the server at once, without any goodbye to its clients."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def _begun(self) -> subprocess.Popen[Any]:
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}"]
        command = [self._programs / "postgres", "-D", self._folder / "data", "-p", str(self.port), *settings]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self._folder}
        return subprocess.Popen(command, **quiet, **self._as)  # type: ignore[call-overload, no-any-return]


def is_up(url: str) -> bool:
    """Whether a database answers."""
    try:
        with create_engine(locate(url).url, poolclass=NullPool).connect():
            return True
    except OperationalError:
        return False


class Wire:
    """The network to a server: a port of its own whose connections go to the port of the server, until it is cut."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._ends: set[socket.socket] = set()
        self._passes = threading.Event()
        self._passes.set()
        self._closed_until = 0.0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> None:
        """Reset every connection, and refuse new ones for some seconds."""
        self._closed_until = time.monotonic() + seconds
        for each in list(self._ends):
            _close(each)

    def hold(self, seconds: float) -> None:
        """Let nothing through for some seconds, and all of it afterwards: nobody is told."""
        self._passes.clear()
        threading.Timer(seconds, self._passes.set).start()

    def close(self) -> None:
        """Take the port and all connections away."""
        self._passes.set()
        _close(self._door)
        self.cut(0.0)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                try:
                    if time.monotonic() < self._closed_until:
                        raise ConnectionResetError
                    far = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    _close(near)
                    continue
                self._ends |= {near, far}
                for one, two in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, two), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._passes.wait()
                target.sendall(data)
        for each in (source, target):
            _close(each)
            self._ends.discard(each)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of a few hundred megabytes at `folder`, and whether one could be mounted: that takes root's rights."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, seconds: float) -> None:
    """Fill a `disk` to its last byte, and make room again after some seconds."""
    filler = disk / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            for size in (2**20, 4096):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
        time.sleep(seconds)
    finally:
        filler.unlink(missing_ok=True)


class Place(NamedTuple):
    """Where a ledger is: `address`, and that by the `way` that may be cut; its server and disk where it has such."""

    address: str
    way: str
    server: Server | None = None
    wire: Wire | None = None
    disk: Path | None = None


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Place]:
    """An empty ledger of a `kind` on a small disk, if that can be mounted."""
    disk = folder / "disk"
    with small_disk(disk) as is_small:
        full = disk if is_small else None
        if kind == "sqlite":
            yield Place(str(disk / "chaos.db"), str(disk / "chaos.db"), disk=full)
            return
        folder.chmod(0o711)  # the server's user goes through it
        server = Server(disk)
        wire = Wire(server.port)
        try:
            yield Place(server.url, server.url.replace(f":{server.port}/", f":{wire.port}/"), server, wire, full)
        finally:
            wire.close()
            server.kill()
