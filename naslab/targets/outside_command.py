"""The target `command:'bench.sh {onnx}'`: any command that takes an ONNX file and prints milliseconds."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from naslab.errors import NaslabError, shown
from naslab.targets.exporting import exported
from naslab.targets.target import Deployed, Target, Told

PLACE = "{onnx}"
REPEATS = 3
MOST_SECONDS = 600.0
MOST_LINES = 3
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]*\w)")


def latency(deployed: Deployed, target: Target) -> Told:
    """The median of what the command prints of the network's ONNX file, run three times.

    Milliseconds are the last number on its standard output. Raises `NaslabError` where the command does not start, ends
    with another code than 0, prints no number, or takes longer than ten minutes.
    """
    if PLACE not in target.argument:
        raise NaslabError(
            f"the command must have {PLACE} where the file's path belongs, got '{shown(target.argument)}'"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = prepare(deployed, target, Path(folder))
        values = [run_command(target.argument, path) for _ in range(REPEATS)]
        low, median, high = np.percentile(values, (25, 50, 75))
        return Told(float(median), float(high - low), REPEATS, path.stat().st_size)


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file that the command is given. Raises `NaslabError` where the network cannot be exported."""
    return exported(deployed, folder)


def run_command(command: str, path: Path, most_seconds: float = MOST_SECONDS) -> float:
    """The last number that `command` prints when it is run on the file `path`, within `most_seconds`.

    Raises `NaslabError` as `latency` does.
    """
    try:
        words = [word.replace(PLACE, str(path)) for word in shlex.split(command)]
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=most_seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise NaslabError(f"the command '{shown(command)}' is not done after {most_seconds:g} s") from None
    except (OSError, ValueError) as error:
        raise NaslabError(f"the command '{shown(command)}' does not start: {error}") from None
    if done.returncode != 0:
        last = _last_lines(done.stderr or done.stdout)
        raise NaslabError(f"the command '{shown(command)}' ended with code {done.returncode}: {last}")
    numbers = _NUMBER.findall(done.stdout)
    if not numbers or not 0 < float(numbers[-1]) < math.inf:
        said = _last_lines(done.stdout + done.stderr)
        raise NaslabError(f"the command '{shown(command)}' printed no milliseconds above 0: {said}")
    return float(numbers[-1])


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return shown(" | ".join(lines[-MOST_LINES:]), 400) if lines else "it said nothing"
