"""Serving the live page: on this machine alone by default, behind a token where others can reach it."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from typing import Any

from naslab.errors import NaslabError
from naslab.ledger.ledger import Ledger
from naslab.live.guard import LOOPBACK

CLOSING_SECONDS = 2


def serve(location: str, host: str, port: int, opens: bool, tell: Callable[[str], None]) -> None:
    """Serve the ledger at `location` on `host` and `port` until Ctrl-C; `tell` is given the address to open.

    A browser `opens` where asked for. Raises `NaslabError` where Starlette or uvicorn are missing or the port is taken,
    `LedgerError` for a ledger that cannot be read.
    """
    try:
        import uvicorn

        from naslab.live.app import make_app
    except ImportError as error:
        raise NaslabError(f"the live page needs {error.name}: pip install 'naslab[dashboard]'") from None
    is_local = _is_loopback(host)
    token = "" if is_local else secrets.token_urlsafe(24)
    with Ledger.watch(location) as ledger, _bound(host, port) as listening:
        everywhere = host in ("0.0.0.0", "::")
        own = f"[{host}]" if ":" in host else host
        name = socket.gethostname() if everywhere else own
        names = {*LOOPBACK, own, *(() if is_local else (name.lower(), socket.getfqdn().lower(), *_addresses()))}
        servers: list[uvicorn.Server] = []
        app: Any = make_app(ledger, names, token, lambda: any(each.should_exit for each in servers), everywhere)
        address = f"http://{name}:{listening.getsockname()[1]}/"
        tell(f"the live page of {ledger.location}: {address}; Ctrl-C ends it")
        if token:
            tell(f"it can be reached from other machines; open it as {address}?token={token}")  # in no log: see below
        config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=CLOSING_SECONDS)
        if opens:
            asked = f"{address}?token={token}" if token else address
            threading.Timer(0.5, webbrowser.open, [asked]).start()
        with contextlib.suppress(KeyboardInterrupt), _quiet_once(lambda: servers[0].should_exit):
            servers.append(uvicorn.Server(config))
            servers[0].run(sockets=[listening])


@contextlib.contextmanager
def _quiet_once(ends: Callable[[], bool]) -> Iterator[None]:
    """Within the block uvicorn logs nothing more once it `ends`: it tells of every answer that Ctrl-C cut off."""

    def says(_: logging.LogRecord) -> bool:
        return not ends()

    log = logging.getLogger("uvicorn.error")
    log.addFilter(says)
    try:
        yield
    finally:
        log.removeFilter(says)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _addresses() -> list[str]:
    """The addresses of this machine's name."""
    with contextlib.suppress(OSError):
        return [str(each[4][0]) for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return []


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise NaslabError(f"cannot listen on {host}:{port} ({error.strerror}): give another --port or --host") from None
    return made
