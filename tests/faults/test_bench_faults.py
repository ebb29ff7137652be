"""A comparison that is interrupted or killed leaves nothing running."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import HANG_SECONDS, is_alive, wait_until, wait_until_dead

CODE = """
import sys
from naslab.bench.compare import compare
from naslab.bench.made_table import make_table

if __name__ == "__main__":
    compare(make_table((8, 8), (5, 5)), ["evolution"], 1000, 10_000, processes=2)
"""


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    shown = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in shown.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_comparison(tmp_path: Path, end: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(CODE, encoding="utf-8")
    driver = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert wait_until(lambda: len(children(driver.pid)) >= 3)  # two searchers and Python's own tracker
        searchers = children(driver.pid)
        driver.send_signal(end)
        driver.wait(HANG_SECONDS)
        assert all(wait_until_dead(pid) for pid in searchers)
    finally:
        driver.kill()
        driver.wait()
    assert not any(is_alive(pid) for pid in searchers)
