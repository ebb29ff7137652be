"""A real PostgreSQL server for a test session, on loopback, from the system's own package."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from processes import HANG_SECONDS

PASSWORD = "correct-horse-battery"
BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
"""What a fixture is parametrised with that gives a ledger in a file or a `postgres_database`."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a running server's own database; skips where PostgreSQL is not installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not programs:
        pytest.skip("PostgreSQL is not installed (no initdb under /usr/lib/postgresql)")
    owner = server_owner()
    folder = Path(tempfile.mkdtemp(prefix="naslab-pg-"))
    if owner is not None:
        shutil.chown(folder, owner)
    try:
        yield from serve(programs[-1].parent, folder, owner)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_database(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of a database of the test's own; a test that starts a server is slow."""
    assert request.node.get_closest_marker("slow"), "mark it slow: parametrise by BACKENDS"
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def server_owner() -> str | None:
    """The user to run the server as: PostgreSQL refuses to run as root. `None` is this user."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def serve(programs: Path, folder: Path, owner: str | None) -> Iterator[str]:
    """Run a server in `folder` for as long as its URL is needed."""
    password, data = folder / "password", folder / "data"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    as_owner: dict[str, Any] = {"user": owner, "extra_groups": []} if owner else {}
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "naslab", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_owner,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql://naslab:{PASSWORD}@127.0.0.1:{port}/postgres"
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), *settings],
            stdout=log,
            stderr=log,
            cwd=folder,
            **as_owner,
        )
    try:
        wait_until_up(server, url, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing in it is needed again
        server.wait(HANG_SECONDS)


def wait_until_up(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return once the server takes connections."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the test's PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
