"""The job that nine frameworks were given: how much a user writes, how long they wait, what a crash costs.

    .venv/bin/python scripts/yardstick.py [--repeats 3] [--out results/yardstick.json]

Three stages, each choosing a block among residual, inverted bottleneck and depthwise separable, a width in 16, 24, 32,
48 and a depth in 1 to 3, on the handwritten digits; accuracy up, macs down, at most 5 M macs; 16 trials of 2 epochs on
2 workers; the front as a picture; killed with -9 half-way and run again; a misspelt block. Once by naslab's training,
and once by a training function of the user's own (`yardstick_own.py`).
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from naslab.errors import LedgerError, UnknownNameError
from naslab.ledger import Ledger
from naslab.provenance import installed_versions, machine_description

SCRIPT = Path(__file__).with_name("yardstick_search.py")
OWN_SCRIPT = Path(__file__).with_name("yardstick_own.py")
"""The same job with a training function of the user's own."""
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
    """(trial, architecture identity) of every finished trial of a ledger that may still be written."""
    if not ledger.exists():
        return []
    try:
        with Ledger.open(ledger, create=False) as opened:
            candidates = [outcome.candidate for outcome in opened.outcomes(opened.study_names()[0])]
    except (LedgerError, UnknownNameError, IndexError):  # the driver is just making it
        return []
    return [(candidate.trial, candidate.arch_id) for candidate in candidates]


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


def crash_and_resume(folder: Path, command: list[str]) -> dict[str, int]:
    """Kill the driver with -9 half-way, run the same `command` again, and count what was lost or trained twice."""
    ledger = folder / "naslab.db"
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(finished(ledger)) < TRIALS // 2:
        if process.poll() is not None:
            sys.exit("the search ended before it could be killed")
        time.sleep(0.02)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(2)
    left = [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    before = finished(ledger)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = finished(ledger)
    return {
        "finished_when_killed": len(before),
        "lost": len(set(before) - set(after)),
        "trials_in_all": len(after),
        "networks_trained_twice": len(after) - len({arch_id for _, arch_id in after}),
        "workers_when_killed": len(workers),
        "workers_left": len(left),
    }


def children(process_id: int) -> list[str]:
    """The processes that a process has started."""
    shown = subprocess.run(["pgrep", "-P", str(process_id)], capture_output=True, text=True, check=False)
    return shown.stdout.split()


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
    load = round(os.getloadavg()[0], 1)  # of others, before anything here runs: seconds are longer beside them
    python_runs, own_runs, command_runs = [], [], []
    for _ in range(repeats):
        scripts = [(SCRIPT, python_runs), (OWN_SCRIPT, own_runs)]
        for command, runs in (
            *(([sys.executable, str(each)], runs) for each, runs in scripts),
            (COMMAND, command_runs),
        ):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(timed_run(command, Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        crash = crash_and_resume(Path(folder), COMMAND)
    with tempfile.TemporaryDirectory() as folder:
        own_crash = crash_and_resume(Path(folder), [sys.executable, str(OWN_SCRIPT)])
        wrong = misspelling(Path(folder))
    return {
        "python_lines": lines_written(SCRIPT),
        "python_seconds_to_first_result": spread([first for first, _ in python_runs]),
        "python_seconds_in_all": spread([whole for _, whole in python_runs]),
        "own_training_lines": lines_written(OWN_SCRIPT),
        "own_training_seconds_to_first_result": spread([first for first, _ in own_runs]),
        "own_training_seconds_in_all": spread([whole for _, whole in own_runs]),
        "command_seconds_to_first_result": spread([first for first, _ in command_runs]),
        "command_seconds_in_all": spread([whole for _, whole in command_runs]),
        "killed_half_way": crash,
        "own_training_killed_half_way": own_crash,
        "misspelt_block": wrong,
        "repeats": repeats,
        "processes_waiting_for_a_core": load,
        "machine": machine_description(),
        "versions": installed_versions(),
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
