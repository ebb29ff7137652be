"""The job that nine frameworks were given: how much a user writes, how long they wait, what a crash costs.

    .venv/bin/python scripts/yardstick.py [--repeats 3] [--out results/yardstick.json]

Three stages, each choosing a block among residual, inverted bottleneck and depthwise separable, a width in 16, 24, 32,
48 and a depth in 1 to 3, on the handwritten digits; accuracy up, macs down, at most 5 M macs; 16 trials of 2 epochs on
2 workers; the front as a picture; killed with -9 half-way and run again; a misspelt block.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("yardstick_search.py")
NASLAB = str(Path(sys.executable).with_name("naslab"))
TRIALS = 16
COMMAND = [
    *(NASLAB, "search", "yardstick", "--trials", str(TRIALS), "--epochs", "2", "--workers", "2"),
    *("--limit", "macs<=5e6", "--study", "yardstick", "--ledger", "naslab.db"),
]


def lines_written(script: Path) -> int:
    """The lines of code that the user wrote: no blanks, no comments, no docstring."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    code: set[int] = set()
    for node in tree.body[1:]:
        code |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def finished(ledger: Path) -> list[tuple[int, str]]:
    """(trial, architecture identity) of every finished trial in a ledger that may still be written."""
    if not ledger.exists():
        return []
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute("SELECT trial, arch_id FROM trials WHERE finished IS NOT NULL ORDER BY trial")
            return [(int(trial), str(arch_id)) for trial, arch_id in rows]
        except sqlite3.OperationalError:
            return []


def timed_run(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds to the first finished trial and to the end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = None
    while process.poll() is None:
        if first is None and finished(folder / "naslab.db"):
            first = time.perf_counter() - start
        time.sleep(0.05)
    if process.returncode != 0:
        sys.exit(f"{command} ended with {process.returncode}")
    whole = time.perf_counter() - start
    return first if first is not None else whole, whole


def crash_and_resume(folder: Path) -> dict[str, int]:
    """Kill the driver with -9 half-way, run the same command again, and count what was lost or trained twice."""
    ledger = folder / "naslab.db"
    process = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(finished(ledger)) < TRIALS // 2:
        if process.poll() is not None:
            sys.exit("the search ended before it could be killed")
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = finished(ledger)
    subprocess.run(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = finished(ledger)
    orphans = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False).stdout.split()
    return {
        "finished_when_killed": len(before),
        "lost": len(set(before) - set(after)),
        "trials_in_all": len(after),
        "networks_trained_twice": len(after) - len({arch_id for _, arch_id in after}),
        "processes_left": len(orphans),
    }


def misspelling(folder: Path) -> dict[str, object]:
    """What a misspelt block says, and when."""
    text = (Path(__file__).parents[1] / "search_spaces" / "yardstick.yaml").read_text(encoding="utf-8")
    (folder / "misspelt.yaml").write_text(text.replace("inverted_bottleneck", "inverted_botleneck"), encoding="utf-8")
    start = time.perf_counter()
    run = subprocess.run(
        [NASLAB, "search", "misspelt.yaml", "--trials", "4"], cwd=folder, capture_output=True, text=True, check=False
    )
    return {
        "exit_code": run.returncode,
        "lines": len(run.stderr.strip().splitlines()),
        "message": run.stderr.strip(),
        "seconds": round(time.perf_counter() - start, 2),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median and range of some seconds."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return {"median": round(middle, 2), "min": round(low, 2), "max": round(high, 2)}


def measure(repeats: int) -> dict[str, object]:
    """All figures, the Python and the command-line job interleaved."""
    python_runs, command_runs = [], []
    for _ in range(repeats):
        for command, runs in (([sys.executable, str(SCRIPT)], python_runs), (COMMAND, command_runs)):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(timed_run(command, Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        crash = crash_and_resume(Path(folder))
        wrong = misspelling(Path(folder))
    from naslab.facts import machine_facts, version_facts

    return {
        "python_lines": lines_written(SCRIPT),
        "python_seconds_to_first_result": spread([first for first, _ in python_runs]),
        "python_seconds_in_all": spread([whole for _, whole in python_runs]),
        "command_seconds_to_first_result": spread([first for first, _ in command_runs]),
        "command_seconds_in_all": spread([whole for _, whole in command_runs]),
        "killed_half_way": crash,
        "misspelt_block": wrong,
        "repeats": repeats,
        "machine": machine_facts(),
        "versions": version_facts(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = json.dumps(measure(arguments.repeats), indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
