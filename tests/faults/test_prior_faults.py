"""A driver killed while its workers score the pool of a prior: what was scored is kept and never scored again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from naslab.ledger import Ledger
from naslab.ledger.scores import scores_of

TESTS = Path(__file__).parents[1]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(TESTS / "prior_driver.py"), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))},
    )


@pytest.mark.slow
def test_a_killed_driver_loses_no_score_that_was_told(tmp_path: Path) -> None:
    lines = []
    with start(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("scored 7 "):
                process.send_signal(signal.SIGKILL)
                break
    with Ledger.open(tmp_path / "studies.db") as ledger:
        kept = scores_of(ledger, "searched")
    assert 14 <= len(kept) < 30
    with start(tmp_path) as process:
        assert process.stdout is not None
        lines = [line.strip() for line in process.stdout]
    assert process.returncode == 0
    assert next(line for line in lines if line.startswith("scored")) == f"scored {len(kept) // 2 + 1} of 15"
    assert lines[-1] == "finished 6 of 6"
    with Ledger.open(tmp_path / "studies.db") as ledger:
        scores = scores_of(ledger, "searched")
        assert len(ledger.outcomes("searched")) == 6
    assert scores[: len(kept)] == kept
    assert set(Counter((each.prior, each.arch_id) for each in scores).values()) == {1}
    assert len(scores) == 30
