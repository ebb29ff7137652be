"""A ledger of many outcomes, and what reading it takes: CPU seconds, seconds of the clock, memory, sizes.

    .venv/bin/python scripts/bench_ledger.py [--outcomes 100000] [--ledger FILE_OR_URL] [--strategies NAME ...]

Networks are drawn from a shipped space and made-up accuracies put to them; nobody measured those. Every figure is of
a process of its own: CPU seconds of user and system with start and imports, and the largest memory.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sqlalchemy import func, insert, select

from naslab.errors import LedgerError
from naslab.execution.source import make_candidate
from naslab.ledger import Ledger, RunRecord, StudyRecord
from naslab.ledger.rows import candidate_row, measurement_rows, outcome_row
from naslab.ledger.tables import measurements, outcomes, trials
from naslab.provenance import installed_versions, machine_description
from naslab.space import load_space
from naslab.study.outcome import EpochRecord, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe

SPACE = "mixed_cifar"
STUDY = "many"
STRATEGIES = ("random", "quasi_random", "evolution", "nsga2", "nsga3", "local", "bayes")
AT_ONCE = 10_000
BEGUN = 1_760_000_000.0
PARENTS = re.compile(r'"parents":\[[^]]*\]')
SMALL = 2_000
"""Networks that are really drawn where more are asked for: of one network many trials differ by their numbers alone."""


class Figure(NamedTuple):
    """What one command took: CPU and wall seconds, the largest memory in MB, and the size of what it wrote in MB."""

    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    written_mb: float | None = None


def problem_of(space: str) -> Problem:
    """Accuracy and macs in `space`, for which no data are read."""
    goals = (Objective.named("accuracy"), Objective.named("macs"))
    return Problem(space=load_space(space), objectives=goals, data=DataChoice(name="cifar10"), recipe=Recipe())


def drawn(problem: Problem, count: int) -> Iterator[Outcome]:
    """`count` outcomes of random networks of the space."""
    rng = np.random.default_rng(0)
    for trial in range(count):
        genome = problem.space.sample(rng)
        made = make_candidate(problem.space.decode(genome), trial, 2, 0, "search", genome)
        parents = [trial // 2, trial // 3] if trial > 10 else []
        made = msgspec.structs.replace(made, origin={"operator": "cross", "parents": parents})
        yield finished(made, rng)


def finished(candidate: Any, rng: np.random.Generator) -> Outcome:
    """An outcome with a made-up accuracy that grows with the logarithm of macs; one in a hundred failed."""
    end = BEGUN + 1.0 + 0.5 * candidate.trial
    if candidate.trial % 100 == 99:
        failure = Failure("diverged", "the loss was NaN in epoch 1", "")
        return Outcome(candidate=candidate, estimate=Estimate(failure=failure, wall_seconds=0.5), finished=end)
    best = 40 + 6 * float(np.log10(candidate.cost.macs)) + float(rng.normal(0, 3))
    curve = tuple(EpochRecord(epoch, 2 / (epoch + 1), 2.1 / (epoch + 1), best - 2 + epoch, 0.2) for epoch in (1, 2))
    measured = {"accuracy": best, "accuracy_sem": 0.3}
    estimate = Estimate(measured=measured, curve=curve, wall_seconds=0.5, device="cpu", worker="worker-0")
    return Outcome(candidate=candidate, estimate=estimate, finished=end)


def make_ledger(location: str, count: int, is_distinct: bool) -> None:
    """A ledger of one study of `count` outcomes at `location`."""
    problem = problem_of(SPACE)
    record = StudyRecord(
        name=STUDY,
        problem=msgspec.json.decode(msgspec.json.encode(problem)),
        strategy="evolution",
        epochs=2,
        seed=0,
        trials=count + 100,
        created=BEGUN,
    )
    run = RunRecord(command="made by scripts/bench_ledger.py", started=BEGUN, versions=installed_versions())
    with Ledger.open(location) as ledger:
        ledger.create_study(record)
        ledger.add_run(STUDY, run)
        made = drawn(problem, count if is_distinct else min(count, SMALL))
        few = [rows_of(each) for each in made]
        rng = np.random.default_rng(1)
        rest = (repeated(few[trial % SMALL], trial, rng) for trial in range(len(few), count))
        with without_indexes(ledger):
            enter(ledger, iter(few))
            enter(ledger, rest)


def is_made(location: str) -> bool:
    """Whether the study is at `location`."""
    try:
        with Ledger.open(location, create=False) as ledger:
            return STUDY in ledger.study_names()
    except LedgerError:
        return False


class Rows(NamedTuple):
    """What a finished trial puts into the tables `trials`, `outcomes` and `measurements`."""

    trial: dict[str, Any]
    outcome: dict[str, Any]
    measured: list[dict[str, Any]]


def rows_of(outcome: Outcome) -> Rows:
    """The rows of an outcome."""
    return Rows(candidate_row(1, outcome.candidate), outcome_row(1, outcome), measurement_rows(1, outcome))


def repeated(known: Rows, trial: int, rng: np.random.Generator) -> Rows:
    """The rows of a `known` trial once more, as those of the number `trial` with another identity and accuracy."""
    was, number = known.trial["trial"], {"trial": trial}
    arch_id, end = f"{trial:016x}", BEGUN + 1.0 + 0.5 * trial
    candidate = known.trial["candidate"].replace(f'"trial":{was},', f'"trial":{trial},', 1)
    candidate = candidate.replace(known.trial["arch_id"], arch_id, 1)
    parents = [trial // 2, trial // 3]
    candidate = PARENTS.sub(f'"parents":[{parents[0]},{parents[1]}]', candidate, count=1)
    outcome = {**known.outcome, **number, "arch_id": arch_id, "finished": end}
    values = [dict(each, **number) for each in known.measured]
    for each in values:
        if each["metric"] == "accuracy":
            before, each["value"] = each["value"], each["value"] + float(rng.normal(0, 1))
            outcome["estimate"] = outcome["estimate"].replace(repr(before), repr(each["value"]), 1)
    return Rows({**known.trial, **number, "arch_id": arch_id, "candidate": candidate}, outcome, values)


def enter(ledger: Ledger, rows: Iterator[Rows]) -> None:
    """Put rows into a ledger, some thousand in a transaction."""
    while group := list(islice(rows, AT_ONCE)):
        with ledger._writing() as connection:
            connection.execute(insert(trials), [each.trial for each in group])
            connection.execute(insert(outcomes), [each.outcome for each in group])
            connection.execute(insert(measurements), [row for each in group for row in each.measured])


@contextmanager
def without_indexes(ledger: Ledger) -> Iterator[None]:
    """Within the block the indexes that are no keys are away: made at once at the end they take a tenth of the time."""
    indexes = [each for table in (trials, outcomes, measurements) for each in table.indexes]
    with ledger._writing() as connection:
        for each in indexes:
            each.drop(connection)
    yield
    with ledger._writing() as connection:
        for each in indexes:
            each.create(connection)


def measured(command: Sequence[str], written: Path | None = None) -> Figure:
    """What a Python program, `command` behind the interpreter, takes in a process of its own."""
    code = (
        "import resource, subprocess, sys, time\n"
        "began = time.perf_counter()\n"
        "done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL)\n"
        "wall = time.perf_counter() - began\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(done.returncode, used.ru_utime + used.ru_stime, wall, used.ru_maxrss)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    rc, seconds, wall, kilobytes = said.stdout.split()
    if rc != "0":
        raise SystemExit(f"{shlex.join(command)} failed:\n{said.stderr}")
    size = written.stat().st_size / 1e6 if written is not None else None
    figure = Figure(float(seconds), float(wall), float(kilobytes) / 1e3, size)
    print(shlex.join(command[-4:]), figure, file=sys.stderr, flush=True)
    return figure


def resume(location: str, strategy: str) -> None:
    """Go on with the study up to the first proposal of `strategy`, without workers."""
    from naslab.execution.search import taken_up_source
    from naslab.execution.search_source import search_source
    from naslab.lab.problems import resolve_strategy

    with Ledger.open(location, create=False) as ledger:
        record = ledger.study(STUDY)
        problem = problem_of(SPACE)
        source = search_source(resolve_strategy(strategy, problem, 0), problem, record, ledger)
        taken_up_source(ledger, STUDY, source)
        [_] = source.propose(1, record.trials)


def table(location: str, strategies: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """The figures of every command and of resuming by each of `strategies`, by name, as they come."""
    naslab = ["-c", "from naslab.cli.main import run; run()"]
    yield "imports alone (naslab --version)", measured([*naslab, "--version"])
    yield "studies", measured([*naslab, "studies", "--ledger", location])
    yield "pareto", measured([*naslab, "pareto", STUDY, "--ledger", location])
    for strategy in strategies:
        again = [__file__, "--resume", strategy, "--ledger", location]
        yield f"resume to a proposal, {strategy}", measured(again)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        yield "report", measured([*naslab, "report", STUDY, "--ledger", location, "--out", str(page)], page)


def markdown(value: dict[str, Any]) -> str:
    """The figures as a page."""
    machine = value["machine"]
    lines = [
        f"# A ledger of {value['outcomes']:,} outcomes",
        "",
        f"`{value['command']}`: {value['backend']}, {value['megabytes']:,.0f} MB. {machine['processor']}, "
        f"{machine['system']}. CPU seconds of processes of their own, start and imports counted in; "
        f"load average {value['load']:.0f}: beside much other work they are two to three times as long.",
        "",
        "| what | CPU seconds | seconds | memory (MB) | file (MB) |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, each in value["figures"].items():
        file = "" if each["written_mb"] is None else f"{each['written_mb']:.1f}"
        lines.append(
            f"| {name} | {each['cpu_seconds']:.1f} | {each['wall_seconds']:.1f} | {each['memory_mb']:,.0f} | {file} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the ledger if it is not there, measure, print the table and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--ledger", help="a file or URL, made where it is not there; by default one for this run")
    parser.add_argument("--distinct", action="store_true", help="every network is another one, which takes longer")
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES))
    parser.add_argument("--resume", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="both files, no ending")
    given = parser.parse_args()
    if given.resume:
        resume(given.ledger, given.resume)
        return
    with tempfile.TemporaryDirectory() as folder:
        location = given.ledger or str(Path(folder, "many.db"))
        is_server = "://" in location and not location.startswith("sqlite")
        if not is_made(location):
            began = time.process_time()
            make_ledger(location, given.outcomes, given.distinct)
            print(f"made in {time.process_time() - began:.0f} CPU seconds", file=sys.stderr)
        with Ledger.open(location, create=False) as ledger:
            count = ledger.num_outcomes(STUDY)
            sizes = ledger.rows(select(func.pg_database_size(func.current_database()))) if is_server else ()
        value: dict[str, Any] = {
            "command": shlex.join(["scripts/bench_ledger.py", *sys.argv[1:]]),
            "machine": machine_description(),
            "load": float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0]),
            "outcomes": count,
            "backend": "PostgreSQL" if is_server else "SQLite",
            "megabytes": (sizes[0][0] if is_server else Path(location).stat().st_size) / 1e6,
            "figures": {},
        }
        for name, each in table(location, given.strategies):
            value["figures"][name] = each._asdict()
            if given.out is not None:
                given.out.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
                given.out.with_suffix(".md").write_text(markdown(value), encoding="utf-8")
    print(markdown(value))


if __name__ == "__main__":
    main()
