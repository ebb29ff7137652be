"""A process that starts warm is what a new interpreter would be to whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import warm_start
from processes import HANG_SECONDS, wait_until_dead

TOLD = """
import os, sys
print(sys.argv, os.getcwd(), os.environ["GIVEN"], __name__, os.getpid() == os.getpgid(0), len(sys.stdin.read()))
print(os.sched_getaffinity(0))
print("on stderr", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def one_core() -> Iterator[None]:
    """This process, but not the one with the libraries, is bound to one of its cores."""
    warm_start.server()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.usefixtures("one_core")
def test_program_arguments_folder_cores_environment_streams_and_exit_code(tmp_path: Path, code: int) -> None:
    asked = [sys.executable, "-c", TOLD, str(code), "more"]
    given = {**os.environ, "GIVEN": "a b"}
    warm = warm_start.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=tmp_path, env=given)
    cold = subprocess.run(
        asked, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=tmp_path, env=given, process_group=0
    )
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def test_errors_are_told_and_a_kill_is_seen() -> None:
    wrong = warm_start.run([sys.executable, "-c", "import naslab; 1 / 0"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.endswith("ZeroDivisionError: division by zero\n")
    waits = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(1000)"]
    with warm_start.Popen(waits, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(HANG_SECONDS) == -signal.SIGKILL
    assert wait_until_dead(process.pid)


def test_random_numbers_differ_between_processes() -> None:
    asked = [sys.executable, "-c", "import random, numpy; print(random.random(), numpy.random.rand())"]
    assert len({warm_start.run(asked, capture_output=True, text=True).stdout for _ in range(2)}) == 2
