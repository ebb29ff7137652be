"""The real search loop, ledger and strategies with thousands of workers that only a virtual clock knows.

    .venv/bin/python scripts/simulate_cluster.py [--workers 10000] [--trials 30000] [--seconds 60 600] [--out PREFIX]

Nothing is trained: a candidate is finished when its training would be, by `naslab.bench.cluster`, with a made-up
accuracy. What the driver takes (CPU seconds of this process: proposing, deciding, writing) passes on the clock too, so
that workers wait for a driver that is too slow. Utilisation is the share of worker seconds that were trainings, from
the moment when every worker had its first one. Every run is a process of its own with a SQLite ledger of its own.
"""

from __future__ import annotations

import argparse
import heapq
import json
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from sqlalchemy import Connection

from naslab.bench.cluster import Cluster
from naslab.execution.executor import Finished, Happened
from naslab.execution.search import run_candidates
from naslab.execution.source import StrategySource, WrappedSource
from naslab.ledger import Ledger, StudyRecord
from naslab.provenance import machine_description
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate, Failure, Fidelity
from naslab.study.problem import Objective, Problem
from naslab.study.recipe import Recipe

SPACE = "mixed_cifar"
STRATEGIES = ("random", "evolution", "nsga2", "nsga3")


class Simulated(NamedTuple):
    """What a run took.

    `utilisation` is a share of 1, `ask_ms`, `learn_ms` and `driver_ms` are CPU milliseconds a trial, `commits` how many
    transactions a CPU second of the driver, `trials` how many trials, `memory_mb` the largest memory, `left` how many
    trials the ledger has that are not finished.
    """

    utilisation: float
    ask_ms: float
    learn_ms: float
    driver_ms: float
    commits: float
    trials: float
    memory_mb: float
    left: int


class VirtualWorkers:
    """An executor of `cluster`'s workers, whose trainings take time on a clock that the driver's CPU time moves on."""

    def __init__(self, cluster: Cluster, seed: int = 0) -> None:
        self.num_slots = cluster.workers
        self._cluster = cluster
        self._rng = np.random.default_rng(seed)
        self._running: list[tuple[float, int, Candidate, bool]] = []
        self._began = time.process_time()
        self._waited = 0.0
        self.starts: list[float] = []
        self.ends: list[float] = []

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning: what the driver took, and what it waited."""
        return time.process_time() - self._began + self._waited

    def submit(self, candidate: Candidate) -> None:
        fate = self._cluster.fate(1.0, self._rng)
        self.starts.append(self.now)
        self.ends.append(self.starts[-1] + fate.seconds)
        heapq.heappush(self._running, (self.ends[-1], candidate.trial, candidate, fate.has_failed))

    def wait(self, timeout: float) -> Sequence[Happened]:
        if not self._running:
            return []
        self._waited += max(0.0, self._running[0][0] - self.now)
        done: list[Finished] = []
        now = self.now
        while self._running and self._running[0][0] <= now:
            _, _, candidate, has_failed = heapq.heappop(self._running)
            done.append(Finished(candidate, self._estimate(candidate, has_failed)))
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was started."""

    def utilisation(self) -> float:
        """The share of worker seconds that were trainings, from the last first training to the last start."""
        first, last = self.starts[min(self.num_slots, len(self.starts)) - 1], self.starts[-1]
        starts, ends = np.clip(self.starts, first, last), np.clip(self.ends, first, last)
        return float((ends - starts).sum() / (self.num_slots * (last - first))) if last > first else 1.0

    def _estimate(self, candidate: Candidate, has_failed: bool) -> Estimate:
        if has_failed:
            return Estimate(failure=Failure("diverged", "the loss was NaN in epoch 1"), worker="virtual")
        accuracy = 40 + 6 * float(np.log10(candidate.cost.macs)) + float(self._rng.normal(0, 3))
        return Estimate(measured={"accuracy": accuracy}, wall_seconds=1.0, worker="virtual", device="cpu")


class TimedAsks(WrappedSource):
    """The candidates of a source, and the CPU seconds that proposing and learning took."""

    asked = learned = 0.0

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        began = time.process_time()
        proposed = super().propose(count, first_trial)
        self.asked += time.process_time() - began
        return proposed

    def learn(self, outcome: Any) -> None:
        began = time.process_time()
        super().learn(outcome)
        self.learned += time.process_time() - began


class CountedLedger(Ledger):
    """A ledger that counts its transactions."""

    commits = 0

    @contextmanager
    def _writing(self, is_brief: bool = False) -> Iterator[Connection]:
        with super()._writing(is_brief) as connection:
            yield connection
        self.commits += 1


def simulate(strategy: str, cluster: Cluster, trials: int, folder: str) -> Simulated:
    """Search by `strategy` on `cluster` for `trials` trials, the ledger in `folder`."""
    goals = (Objective.named("accuracy"), Objective.named("macs"))
    problem = Problem(space=load_space(SPACE), objectives=goals, data=DataChoice(name="cifar10"), recipe=Recipe())
    with CountedLedger.open(f"{folder}/studies.db") as ledger:
        ledger.create_study(StudyRecord(name="many", problem={}, strategy=strategy, epochs=1, seed=0, trials=trials))
        networks = StrategySource(make_strategy(strategy, problem), problem, Fidelity(epochs=1), 0, trials)
        source, workers, began = TimedAsks(networks), VirtualWorkers(cluster), time.process_time()
        run_candidates("many", ledger, workers, source)
        seconds = time.process_time() - began
        return Simulated(
            workers.utilisation(),
            1e3 * source.asked / trials,
            1e3 * source.learned / trials,
            1e3 * seconds / trials,
            ledger.commits / seconds,
            trials / seconds,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            len(ledger.in_flight("many")) + trials - ledger.num_outcomes("many"),
        )


def markdown(value: dict[str, Any]) -> str:
    """The figures as a page, and where the driver is too slow."""
    machine = value["machine"]
    lines = [
        "# A simulated cluster",
        "",
        f"`{value['command']}`: {value['workers']:,} workers, {value['trials']:,} trials, SQLite. "
        f"{machine['processor']}, {machine['system']}; beside other load (1-minute load average {value['load']:.0f}).",
        "",
        "| strategy | seconds a training | utilisation | ask, ms | learn, ms | driver, ms a trial "
        "| trials a CPU second | commits a CPU second | memory (MB) | not finished |",
        "|---|" + "---:|" * 9,
    ]
    for each in value["runs"]:
        found = Simulated(**each["found"])
        lines.append(
            f"| {each['strategy']} | {each['seconds']:g} | {found.utilisation:.1%} | {found.ask_ms:.2f} | "
            f"{found.learn_ms:.3f} | {found.driver_ms:.2f} | {found.trials:.0f} | {found.commits:.1f} | "
            f"{found.memory_mb:,.0f} | {found.left} |"
        )
    lines += [
        "",
        "Where it breaks: the driver keeps so many workers busy as its trials a second times the seconds of a",
    ]
    lines += ["training; with more, or shorter trainings, workers wait for it."]
    for strategy in dict.fromkeys(each["strategy"] for each in value["runs"]):
        rates = [each["found"]["trials"] for each in value["runs"] if each["strategy"] == strategy]
        least = value["workers"] / min(rates)
        lines.append(f"- {strategy}: {value['workers']:,} workers from trainings of {least:.0f} s on")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every strategy at every length of trainings, print the table and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--trials", type=int, default=30_000)
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0, 600.0], help="mean seconds of a training")
    parser.add_argument("--failures", type=float, default=0.02)
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="both files, no ending")
    given = parser.parse_args()
    if given.one:
        cluster = Cluster(workers=given.workers, mean_seconds=given.seconds[0], failure_rate=given.failures)
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(simulate(given.one, cluster, given.trials, folder)._asdict()))
        return
    runs: list[dict[str, Any]] = []
    for strategy in given.strategies:
        for seconds in given.seconds:
            asked = ["--workers", str(given.workers), "--trials", str(given.trials), "--seconds", str(seconds)]
            command = [sys.executable, __file__, *asked, "--failures", str(given.failures), "--one", strategy]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            if said.returncode:
                raise SystemExit(f"{shlex.join(command)} failed:\n{said.stderr[-2000:]}")
            runs.append({"strategy": strategy, "seconds": seconds, "found": json.loads(said.stdout.splitlines()[-1])})
            print(runs[-1], file=sys.stderr)
    value = {
        "command": shlex.join(["scripts/simulate_cluster.py", *sys.argv[1:]]),
        "machine": machine_description(),
        "load": float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0]),
        "workers": given.workers,
        "trials": given.trials,
        "runs": runs,
    }
    if given.out is not None:
        given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(markdown(value), encoding="utf-8")
    print(markdown(value))


if __name__ == "__main__":
    main()
