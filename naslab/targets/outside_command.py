"""The target `command:'bench.sh {onnx}'`: any command that takes an ONNX file and prints milliseconds."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from naslab.errors import NaslabError, shown
from naslab.targets.exporting import exported
from naslab.targets.programs import PLACE
from naslab.targets.target import Deployed, Target, TargetLatency

REPEATS = 3
MOST_SECONDS = 600.0
MOST_LINES = 3
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]*\w)")


def latency(deployed: Deployed, target: Target) -> TargetLatency:
    """The median of what the command prints of the network's ONNX file, run three times.

    Milliseconds are the last number on its standard output. Raises `NaslabError` where the command does not start, ends
    with another code than 0, prints no number, or takes longer than ten minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = prepare(deployed, target, Path(folder))
        values = [run_command(target.argument, path) for _ in range(REPEATS)]
        low, median, high = np.percentile(values, (25, 50, 75))
        return TargetLatency(float(median), float(high - low), REPEATS, path.stat().st_size)


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file that the command is given. Raises `NaslabError` where the network cannot be exported."""
    return exported(deployed, folder)


def run_command(command: str, path: Path, most_seconds: float = MOST_SECONDS) -> float:
    """The last number that `command` prints when it is run on the file `path`, within `most_seconds`.

    Raises `NaslabError` as `latency` does.
    """
    try:
        words = [word.replace(PLACE, str(path)) for word in shlex.split(command)]
        out, err, code = _output(words, most_seconds)
    except subprocess.TimeoutExpired as late:
        said = _last_lines(_text(late.stderr), _text(late.stdout))
        raise NaslabError(f"the command '{shown(command)}' is not done after {most_seconds:g} s: {said}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise NaslabError(f"the command '{shown(command)}' does not start: {why}") from None
    if code != 0:
        last = _last_lines(err, out)
        ended = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
        raise NaslabError(f"the command '{shown(command)}' {ended}: {last}")
    numbers = _NUMBER.findall(out)
    if not numbers or not 0 < float(numbers[-1]) < math.inf:
        said = _last_lines(f"{out}\n{err}")
        raise NaslabError(f"the command '{shown(command)}' printed no milliseconds above 0: {said}")
    return float(numbers[-1])


def _output(words: list[str], most_seconds: float) -> tuple[str, str, int]:
    """What a command prints, what it says of errors, and its code; whatever it started ends with it at a time-out."""
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=most_seconds)
        except BaseException:  # those that it started hold its output open
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        return out, err, process.returncode


def _text(said: bytes | str | None) -> str:
    """What was `said` up to a time-out, which is told as it was read: in bytes, or nothing."""
    return said.decode(errors="replace") if isinstance(said, bytes) else said or ""


def _last_lines(*texts: str) -> str:
    """The last lines of the first of `texts` that has any."""
    for text in texts:
        if lines := [line.strip() for line in text.splitlines() if line.strip()]:
            return shown(" | ".join(lines[-MOST_LINES:]), 400)
    return "it said nothing"
