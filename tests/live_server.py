"""The live page served by a thread of the test's own, on a free port of this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from processes import HANG_SECONDS

from naslab.ledger import Ledger
from naslab.live.app import make_app


@contextmanager
def live_server(location: str | Path, token: str = "") -> Iterator[str]:
    """The address of the page of a ledger, while the block runs."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    with Ledger.watch(location) as ledger:
        servers: list[uvicorn.Server] = []
        app: Any = make_app(ledger, ["127.0.0.1"], token, lambda: servers[0].should_exit)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=10))
        servers.append(server)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            deadline = time.monotonic() + HANG_SECONDS
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(HANG_SECONDS)
            listening.close()
