"""What holds for every test: one thread, time enough on a busy machine, and fixtures that several folders share."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from functools import cache

import pytest
import typer.main
import warm_start
from hypothesis import HealthCheck, settings
from postgres import postgres_database, postgres_url

__all__ = ["postgres_database", "postgres_url"]

# Where the variable CI is set, properties are tried on the same inputs at every run; elsewhere on others each time.
settings.register_profile(
    "naslab",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("naslab")

# Hundreds of tests run a command in their own process: typer makes it from the functions once.
typer.main.get_command = cache(typer.main.get_command)

# A shell starts what it runs in the background with Ctrl-C ignored, and so would be all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Ray reads these when it is loaded; by themselves they are a minute or less.
os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", "600")
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "600")
os.environ.setdefault("RAY_health_check_timeout_ms", "600000")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes lives to the end: nobody looks through it for garbage, and for the rest seldom."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


WHOLE_PROGRAMS = {"browser", "cold_workers", "postgres_database"}
"""Fixtures of tests that are slow by what they start: a browser, an interpreter for each worker, a database server."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of whole programs are slow, and files that hold slow tests come first.

    So the last ones of several workers are short, and they end together.
    """
    for item in items:
        if isinstance(item, pytest.Function) and WHOLE_PROGRAMS.intersection(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Small networks run faster on one thread than on several that wait for each other."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _warm_workers() -> Iterator[None]:
    """Local workers are forks of a process that has torch loaded (`warm_start`)."""
    warm_start.workers_start_warm()
    yield
    warm_start.workers_start_cold()


@pytest.fixture(scope="module")
def cold_workers() -> Iterator[None]:
    """The local workers of a file are interpreters of their own, as they are outside of tests."""
    warm_start.workers_start_cold()
    yield
    warm_start.workers_start_warm()
