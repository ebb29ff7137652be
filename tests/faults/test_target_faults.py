"""A search with objectives in targets under a kill -9: nothing is lost, nothing measured twice."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import warm_start

from naslab.lab.reading import open_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs ONNX Runtime"),
]

TESTS = Path(__file__).parent.parent
SPACE = """
input: [1, 8, 8]
num_classes: 10
stages: [{block: {type: conv}, width: {choice: [4, 6, 8, 10, 12, 16]}, repeats: {choice: [1, 2]}}]
"""
GOALS = ("accuracy@onnxruntime-int8", "latency_ms@onnxruntime")


def search(folder: Path, trials: int) -> subprocess.Popen[str]:
    """A search in a process of its own, which says what happens."""
    words = ["search", "space.yaml", "--dataset", "digits", "--max-images", "200", "--epochs", "1", "--workers", "1"]
    words += ["--strategy", "random", "--trials", str(trials), "--objectives", ",".join(GOALS), "--study", "there"]
    return warm_start.Popen(
        [sys.executable, "-c", warm_start.COMMAND, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path)), "NASLAB_LEDGER": "l.db"},
    )


def test_a_search_in_targets_that_is_killed_goes_on(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    with search(tmp_path, 3) as first:
        assert first.stdout is not None
        lines = []
        for line in first.stdout:
            lines.append(line)
            if "trial 1:" in line:
                break
        first.kill()
    before = open_study("there", tmp_path / "l.db").outcomes
    assert len(before) >= 2, lines
    with search(tmp_path, 3) as second:
        said, _ = second.communicate()
    assert second.returncode == 0, said
    after = open_study("there", tmp_path / "l.db").outcomes
    assert after[: len(before)] == before
    assert [each.candidate.trial for each in after] == list(range(len(after)))
    assert len({each.candidate.arch_id for each in after}) == len(after) == 3
    for each in after:  # a machine that is busy with others spreads: an outcome with that reason
        measured = each.estimate.measured
        spread = each.estimate.failure is not None and "spread too much" in each.estimate.failure.message
        assert spread or all(measured[name] > 0 for name in GOALS), each.estimate.failure
