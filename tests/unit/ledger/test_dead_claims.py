"""Whom a claim names: a driver that was killed drives nothing, also while its parent has not heard of it."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from processes import wait_until_dead

from naslab.ledger.claim import _is_alive


def holder(number: int) -> str:
    return f"process {number} on {socket.gethostname()} since now"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_killed_process_that_nobody_waited_for_is_gone() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        assert _is_alive(holder(process.pid))
        process.kill()
        assert wait_until_dead(process.pid)
        assert not _is_alive(holder(process.pid))
    assert _is_alive(holder(os.getpid()))
