"""How long strategies take to replay many outcomes that they are told at once, up to their next proposal.

    .venv/bin/python scripts/bench_replay.py [--outcomes 10000] [--repeats 2] [--strategies NAME ...]

The outcomes are those of `bench_ledger.py`: networks drawn from a shipped space, every one another, with made-up
accuracies. Seconds are CPU time of telling and asking; the first replay of a strategy is the slower one, for a process
counts each network once.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from bench_ledger import SPACE, drawn, problem_of

from naslab.lab.problems import resolve_strategy
from naslab.provenance import machine_description
from naslab.study.finished import FinishedTrials


def main() -> None:
    """Replay and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--strategies", nargs="+", default=["nsga2", "nsga3", "bayes"])
    given = parser.parse_args()
    problem = problem_of(SPACE)
    told = FinishedTrials.of(list(drawn(problem, given.outcomes)))
    machine, load = machine_description(), Path("/proc/loadavg").read_text(encoding="ascii").split()[0]
    print(f"{given.outcomes:,} outcomes in {SPACE}; {machine['processor']}, {machine['system']}, load average {load}\n")
    print("| strategy | CPU seconds of each replay |\n|---|---|")
    for name in given.strategies:
        seconds = []
        for _ in range(given.repeats):
            strategy = resolve_strategy(name, problem, 0)
            began = time.process_time()
            strategy.tell(told)
            strategy.ask(1)
            seconds.append(time.process_time() - began)
        print(f"| {name} | {', '.join(f'{each:.2f}' for each in seconds)} |", flush=True)


if __name__ == "__main__":
    main()
