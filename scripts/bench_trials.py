"""How many trials a second are kept that take no time: naslab's ledger beside Optuna's storages and Ray Tune, in turn.

    .venv/bin/python scripts/bench_trials.py [--trials 400] [--repeats 3] [--contenders NAME ...]

Every contender keeps each trial on the disk before the next of its worker begins. naslab draws networks at random and
its workers read their number of parameters; the others draw as many numbers. The rate is by wall time from where every
worker has finished a trial to the last trial, so that no start is in it; milliseconds are of CPU time, of the driving
process and of its workers where those are processes.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from naslab.provenance import installed_versions, machine_description

SPACE = "digits_demo"
NUM_HOLES = 8


class Clock:
    """Wall and CPU time from the first tick to the last."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []

    def tick(self) -> None:
        """A trial is finished."""
        self.ticks.append((time.perf_counter(), time.process_time()))

    def figures(self) -> tuple[float, float]:
        """Trials a second, and milliseconds of CPU time a trial."""
        (wall, cpu), (wall_end, cpu_end) = self.ticks[0], self.ticks[-1]
        count = len(self.ticks) - 1
        return count / (wall_end - wall), 1e3 * (cpu_end - cpu) / count


def by_naslab(folder: str, trials: int, workers: int, ledger: str = "") -> Clock:
    """A random search with local workers that read parameters off a description."""
    import naslab
    from naslab.execution.events import TrialFinished

    clock = Clock()
    naslab.search(
        SPACE,
        strategy="random",
        estimator="params",
        trials=trials,
        workers=workers,
        ledger=ledger or f"{folder}/studies.db",
        on_event=lambda event: clock.tick() if isinstance(event, TrialFinished) else None,
    )
    return clock


def by_optuna(storage: Callable[[str], Any]) -> Callable[[str, int, int], Clock]:
    """A random search of Optuna in threads, on a storage."""

    def run(folder: str, trials: int, workers: int) -> Clock:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        clock = Clock()
        study = optuna.create_study(storage=storage(folder), sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(
            lambda trial: float(sum(trial.suggest_int(f"hole{hole}", 0, 4) for hole in range(NUM_HOLES))),
            n_trials=trials,
            n_jobs=workers,
            callbacks=[lambda *_: clock.tick()],
        )
        return clock

    return run


def _journal(folder: str) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(f"{folder}/journal.log"))


def by_tune(folder: str, trials: int, workers: int) -> Clock:
    """A random search of Ray Tune, whose results are in a folder each."""
    import ray
    from ray import tune

    clock = Clock()

    class Ticks(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, *_: Any, **__: Any) -> None:
            clock.tick()

    ray.init(num_cpus=workers, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    try:
        tuner = tune.Tuner(
            lambda config: {"value": sum(config.values())},
            param_space={f"hole{hole}": tune.randint(0, 4) for hole in range(NUM_HOLES)},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=workers),
            run_config=tune.RunConfig(storage_path=folder, callbacks=[Ticks()], verbose=0),
        )
        tuner.fit()
    finally:
        ray.shutdown()
    return clock


CONTENDERS: dict[str, Callable[[str, int, int], Clock]] = {
    "naslab, SQLite": by_naslab,
    "Optuna, JournalStorage": by_optuna(_journal),
    "Optuna, RDB (SQLite)": by_optuna(lambda folder: f"sqlite:///{folder}/optuna.db"),
    "Ray Tune": by_tune,
}


def main() -> None:
    """Run the contenders in turn, each in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="both files, no ending")
    given = parser.parse_args()
    if given.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(CONTENDERS[given.one](folder, given.trials, given.workers).figures()))
        return
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in given.contenders}
    for _ in range(given.repeats):
        for name in given.contenders:
            command = [sys.executable, __file__, "--trials", str(given.trials), "--workers", str(given.workers)]
            said = subprocess.run([*command, "--one", name], capture_output=True, text=True, check=False)
            if said.returncode:
                print(f"{name}: {said.stderr[-400:]}", file=sys.stderr)
                continue
            rate, cpu = json.loads(said.stdout.strip().splitlines()[-1])
            found[name].append((rate, cpu))
    machine = machine_description()
    lines = [
        "# Trials that take no time",
        "",
        f"`{shlex.join(['scripts/bench_trials.py', *sys.argv[1:]])}`: {given.trials} trials, {given.workers} workers, "
        f"medians of {given.repeats} runs in turn. {machine['processor']}, {machine['system']}; beside other load.",
        "",
        "| contender | trials a second (wall) | CPU ms a trial in the driver |",
        "|---|---:|---:|",
    ]
    for name, each in found.items():
        if each:
            rate, cpu = (statistics.median(values) for values in zip(*each, strict=True))
            lines.append(f"| {name} | {rate:.0f} | {cpu:.2f} |")
    page = "\n".join(lines) + "\n"
    if given.out is not None:
        value = {"found": found, "machine": machine, "versions": installed_versions("optuna", "ray")}
        given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
