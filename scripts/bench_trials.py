"""How many trials a second are kept that take no time: naslab's ledger beside Optuna's storages and Ray Tune, in turn.

    .venv/bin/python scripts/bench_trials.py [--trials 400] [--repeats 3] [--contenders NAME ...]

Every contender keeps each trial on the disk before the next of its worker begins. naslab draws networks at random and
its workers read their number of parameters; the others draw as many numbers. The rate is by wall time from where every
worker has finished a trial to the last trial, so that no start is in it; milliseconds are of CPU time, of the driving
process and of its workers where those are processes. PostgreSQL is a server that the run starts in a folder of its own,
whose own CPU time is not counted, and ends; `--contenders "naslab, SQLite" "naslab, PostgreSQL"` compares the two.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from naslab.provenance import installed_versions, machine_description

SPACE = "digits_demo"
NUM_HOLES = 8


class Clock:
    """Wall and CPU time from where each of `num_workers` has finished a trial to the last trial."""

    def __init__(self, num_workers: int = 1) -> None:
        self._num_workers = num_workers
        self._seen: set[str] = set()
        self._first: tuple[float, float, float] | None = None
        self._last = (0.0, 0.0, 0.0)
        self._count = 0

    def tick(self, worker: str = "") -> None:
        """A trial of a `worker` is finished."""
        self._seen.add(worker)
        if self._first is None and len(self._seen) == self._num_workers:
            self._first = (time.perf_counter(), time.process_time(), workers_seconds())
        elif self._first is not None:
            self._count += 1
            self._last = (time.perf_counter(), time.process_time(), 0.0)

    def end(self) -> None:
        """The last trial is finished, and the workers still live."""
        self._last = (*self._last[:2], workers_seconds())

    def figures(self) -> tuple[float, float, float]:
        """Trials a second, and milliseconds of CPU time a trial: of this process, and of those that it started."""
        assert self._first is not None, "some worker finished no trial: ask for more"
        wall, own, others = (end - begin for begin, end in zip(self._first, self._last, strict=True))
        return self._count / wall, 1e3 * own / self._count, 1e3 * others / self._count


def workers_seconds() -> float:
    """CPU seconds that living processes which this one started have used so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            ticks += (int(fields[11]) + int(fields[12])) * (int(fields[1]) == os.getpid())
    return ticks / os.sysconf("SC_CLK_TCK")


def by_naslab(folder: str, trials: int, workers: int, ledger: str = "") -> Clock:
    """A random search with local workers that read parameters off a description."""
    import naslab
    from naslab.execution.events import Ended, Event, TrialFinished

    clock = Clock(workers)

    def note(event: Event) -> None:
        if isinstance(event, TrialFinished):
            clock.tick(event.outcome.estimate.worker)
        elif isinstance(event, Ended):
            clock.end()

    naslab.search(
        SPACE,
        strategy="random",
        estimator="params",
        trials=trials,
        workers=workers,
        ledger=ledger or f"{folder}/studies.db",
        on_event=note,
    )
    return clock


def by_naslab_on_a_server(folder: str, trials: int, workers: int) -> Clock:
    """The same with the ledger in a PostgreSQL server of its own, as it is set by itself, on the disk of `folder`."""
    from chaos_faults import Server

    server = Server(Path(folder))
    try:
        return by_naslab(folder, trials, workers, server.url)
    finally:
        server.kill()


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
    "naslab, PostgreSQL": by_naslab_on_a_server,
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
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in given.contenders}
    for _ in range(given.repeats):
        for name in given.contenders:
            command = [sys.executable, __file__, "--trials", str(given.trials), "--workers", str(given.workers)]
            said = subprocess.run([*command, "--one", name], capture_output=True, text=True, check=False)
            if said.returncode:
                print(f"{name}: {said.stderr[-400:]}", file=sys.stderr)
                continue
            rate, own, others = json.loads(said.stdout.strip().splitlines()[-1])
            found[name].append((rate, own, max(0.0, others)))
            print(name, found[name][-1], file=sys.stderr, flush=True)
    machine = machine_description()
    lines = [
        "# Trials that take no time",
        "",
        f"`{shlex.join(['scripts/bench_trials.py', *sys.argv[1:]])}`: {given.trials} trials, {given.workers} workers, "
        f"medians of {given.repeats} runs in turn. {machine['processor']}, {machine['system']}; on "
        f"{len(os.sched_getaffinity(0))} of its cores, beside other load (load average {os.getloadavg()[0]:.0f}).",
        "",
        "| contender | trials a second (wall) | CPU ms a trial in the driver | and in its workers' processes |",
        "|---|---:|---:|---:|",
    ]
    for name, each in found.items():
        if each:
            rate, own, others = (statistics.median(values) for values in zip(*each, strict=True))
            lines.append(f"| {name} | {rate:.0f} | {own:.2f} | {others:.2f} |")
    page = "\n".join(lines) + "\n"
    if given.out is not None:
        value = {"found": found, "machine": machine, "versions": installed_versions("optuna", "ray")}
        given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
