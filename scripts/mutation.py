"""How many small faults the tests see: a mutation run over the arithmetic and the safety of naslab.

    .venv/bin/python scripts/mutation.py [--only PART ...] [--by-hand] [--all] [--per-file 6] [--seed 0]
        [--workers 2] [--at-least 0.9]

The faults of `mutation_targets.py` that are made by hand, then for each file of its list a seeded sample of mutants
(`mutants.py`): each is put into a copy of the tree in a temporary folder, and the file's tests and examples are run
there. A mutant is killed where one fails, or where they take much longer than they do without it. Survivors are places
that no test of the list looks at. Each worker has a copy of its own and imports torch and pytest once; the tests of a
mutant run in a fork of it. `--all` takes the further files of the list too.

Writes OUT/table.json and OUT/table.md, anew after each file. Files that were not asked for keep the results that are
there, where they are of the same seed and sample. Ends with 1 where the share of killed mutants is below `--at-least`.

Own code and not mutmut or Cosmic Ray: mutmut 3 changes functions only, from a map of the whole suite's coverage, and
draws no sample; Cosmic Ray changes the working tree and starts a process that imports torch for every mutant.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

sys.path.insert(0, str(Path(__file__).parent))
from mutants import Mutant, mutants_of, sampled
from mutation_targets import BY_HAND, EQUIVALENT, FURTHER, TARGETS, Planted, Target

ROOT = Path(__file__).parents[1]
COPIED = ("naslab", "tests", "scripts", "search_spaces", "pyproject.toml", "README.md")
WARM = (
    "torchvision.transforms.v2",
    "scipy.optimize",
    "scipy.stats",
    "sqlalchemy.dialects.postgresql",
    "optuna",
    "hypothesis",
    "pytest",
)
"""What a worker imports once, for all its tests."""
SLACK = 5.0
REST_SECONDS = 20.0
"""A mutant's tests are ended after `SLACK` times what they take without it, and these seconds more."""
EVERY = (*TARGETS, *FURTHER)
Sample: TypeAlias = tuple[Target, list[Mutant], int]
"""A file with its tests, mutants of it, and how many they were drawn from: 0 of those made by hand."""
End = Literal["killed", "timed out", "survived"]


class Job(msgspec.Struct, frozen=True):
    """One run of a file's tests: with a mutant, or with `None` as the file is; 0 seconds are without end."""

    target: Target
    mutant: Mutant | None
    most_seconds: float


class Run(msgspec.Struct, frozen=True):
    """How a run of tests ended: pytest's exit code (`None` for one that was ended), what it took and what it said."""

    code: int | None
    seconds: float
    said: str


class Verdict(msgspec.Struct, frozen=True):
    """A mutant and its end."""

    line: int
    kind: str
    before: str
    after: str
    end: End


class FileScore(msgspec.Struct, frozen=True):
    """A file's mutants; `possible` are all that could have been drawn, `seconds` is what its tests take unchanged."""

    path: str
    possible: int
    seconds: float
    verdicts: tuple[Verdict, ...]

    @property
    def survivors(self) -> tuple[Verdict, ...]:
        return tuple(each for each in self.verdicts if each.end == "survived")


class Report(msgspec.Struct, frozen=True):
    """What a mutation run found, the machine and the sample; `by_hand` are the faults made by hand, one each."""

    machine: str
    versions: str
    date: str
    seed: int
    per_file: int
    files: tuple[FileScore, ...]
    by_hand: tuple[FileScore, ...] = ()

    @property
    def score(self) -> float:
        """The share of mutants that were killed."""
        every = self.files + self.by_hand
        return 1 - sum(len(each.survivors) for each in every) / max(1, sum(len(each.verdicts) for each in every))


def main() -> None:
    asked = parsed()

    def is_asked(target: Target) -> bool:
        return not asked.only or any(part in target.path for part in asked.only)

    listed = () if asked.by_hand else EVERY if asked.all or asked.only else TARGETS
    targets = [each for each in listed if is_asked(each)]
    faults = [each for each in BY_HAND if is_asked(each.target)]
    out = ROOT / asked.out
    out.mkdir(parents=True, exist_ok=True)
    if not targets and not faults:
        sys.exit(f"no file of the list has {' or '.join(asked.only)} in its path")
    files, by_hand = kept(out / "table.json", asked.seed, asked.per_file)
    samples = [(each.target, [planted(each)], 0) for each in faults]
    samples += [(target, *drawn(target, asked.per_file, asked.seed)) for target in targets]
    for score in run(samples, asked.workers):
        if score.possible:
            files[score.path] = score
        else:
            by_hand[score.verdicts[0].before] = score
        report = reported(files, by_hand, asked.seed, asked.per_file)
        write(report, out)  # file by file: a run that is ended keeps what it found
    print(f"{report.score:.1%} killed; see {asked.out}/table.md")
    sys.exit(report.score < asked.at_least)


def reported(files: dict[str, FileScore], by_hand: dict[str, FileScore], seed: int, per_file: int) -> Report:
    """What is known of files by path and of faults made by hand by their text, with machine, versions and date."""
    return Report(
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions=f"Python {platform.python_version()}, " + ", ".join(version(name) for name in ("torch", "pytest")),
        date=datetime.now(UTC).date().isoformat(),
        seed=seed,
        per_file=per_file,
        files=tuple(files[each.path] for each in EVERY if each.path in files),
        by_hand=tuple(by_hand[each] for each in map(shown, BY_HAND) if each in by_hand),
    )


def write(report: Report, out: Path) -> None:
    """Put the table of a report into the folder `out`."""
    (out / "table.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    (out / "table.md").write_text("\n".join(table(report)) + "\n")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How many small faults the tests see.")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the paths of the files to change; else all")
    parser.add_argument("--by-hand", action="store_true", help="only the faults made by hand")
    parser.add_argument("--all", action="store_true", help="the further files of the list too")
    parser.add_argument("--per-file", type=int, default=6, help="mutants a file")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--workers", type=int, default=2, help="copies of the tree that are tested side by side")
    parser.add_argument("--at-least", type=float, default=0.0, help="the share of killed mutants to end with 0")
    parser.add_argument("--out", default="results/mutation", help="the folder of the table")
    return parser.parse_args()


def version(package: str) -> str:
    from importlib.metadata import version as installed

    return f"{package} {installed(package)}"


def kept(path: Path, seed: int, per_file: int) -> tuple[dict[str, FileScore], dict[str, FileScore]]:
    """What an earlier run of the same sample found: files by path, and faults made by hand by their text."""
    if not path.exists():
        return {}, {}
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    files = report.files if (report.seed, report.per_file) == (seed, per_file) else ()
    return {each.path: each for each in files}, {each.verdicts[0].before: each for each in report.by_hand}


def drawn(target: Target, count: int, seed: int) -> tuple[list[Mutant], int]:
    """A file's sample, and how many mutants it was drawn from; those known to be equivalent are left out."""
    every = [
        mutant
        for mutant in mutants_of((ROOT / target.path).read_text())
        if (target.path, mutant.before, mutant.after) not in EQUIVALENT
    ]
    return sampled(every, count, f"{seed} {target.path}"), len(every)


def planted(fault: Planted) -> Mutant:
    """The mutant of a fault made by hand; it ends the run where the file has changed there."""
    source = (ROOT / fault.target.path).read_text()
    if source.count(fault.before) != 1:
        sys.exit(f"{fault.target.path}: the text of a fault made by hand is not there once: {fault.before}")
    line = source[: source.index(fault.before)].count("\n") + 1
    after = " ".join(fault.after.split())
    return Mutant(line, "by hand", shown(fault), after, source.replace(fault.before, fault.after))


def shown(fault: Planted) -> str:
    """The text that a fault made by hand replaces, on one line."""
    return " ".join(fault.before.split())


def run(samples: Sequence[Sample], workers: int) -> Iterator[FileScore]:
    """Test every sample; a file whose tests fail without a mutant ends the run."""
    with ProcessPoolExecutor(workers, mp_context=get_context("fork"), initializer=prepare) as pool:
        plain: dict[tuple[str, ...], Run] = {}
        for target, mutants, possible in samples:
            if target.tests not in plain:
                plain[target.tests] = pool.submit(tested, Job(target, None, 0.0)).result()
            unchanged = plain[target.tests]
            if unchanged.code != 0:
                sys.exit(f"{target.path}: its tests fail without a mutant\n{unchanged.said}")
            most = SLACK * unchanged.seconds + REST_SECONDS
            futures = [pool.submit(tested, Job(target, mutant, most)) for mutant in mutants]
            verdicts = [verdict_of(mutant, each.result()) for mutant, each in zip(mutants, futures, strict=True)]
            yield announced(FileScore(target.path, possible, round(unchanged.seconds, 1), tuple(verdicts)))


def verdict_of(mutant: Mutant, made: Run) -> Verdict:
    end: End = "timed out" if made.code is None else "survived" if made.code == 0 else "killed"
    return Verdict(mutant.line, mutant.kind, mutant.before, mutant.after, end)


def announced(score: FileScore) -> FileScore:
    """The same, and its lines on the screen."""
    killed = len(score.verdicts) - len(score.survivors)
    print(f"{score.path}: {killed} of {len(score.verdicts)} killed", flush=True)
    for each in score.survivors:
        print(f"    line {each.line}, {each.kind}: {each.before} -> {each.after}", flush=True)
    return score


def prepare() -> None:
    """Copy the tree to a folder of this worker's own and import what all tests need."""
    tree = Path(tempfile.mkdtemp(prefix="mutation-"))
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        else:
            shutil.copy2(source, tree / name)
    watch_for_end(tree)
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    sys.path[:0] = [str(tree)]
    subprocess.run([sys.executable, "-m", "compileall", "-q", "naslab"], check=True)
    for name in WARM:
        importlib.import_module(name)


def watch_for_end(tree: Path) -> None:
    """Leave a process behind that deletes the folder once this worker has ended, however it ends."""
    ours, _ = os.pipe()
    subprocess.Popen(["sh", "-c", 'cat; rm -rf "$1"', "sh", str(tree)], stdin=ours, start_new_session=True)
    os.close(ours)


def tested(job: Job) -> Run:
    """Run a file's tests and examples in this worker's copy of the tree, with a mutant or as it is."""
    path = Path(job.target.path)
    original = path.read_bytes()
    if job.mutant is not None:
        for cached in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            cached.unlink()
        path.write_text(job.mutant.source)
    try:
        return forked(job)
    finally:
        path.write_bytes(original)
        shutil.rmtree(".hypothesis", ignore_errors=True)


def forked(job: Job) -> Run:
    """The tests in a process group of their own, which is ended with all that they started."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        os._exit(tests_code(job))
    code: int | None = None
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        if job.most_seconds and time.monotonic() - began > job.most_seconds:
            break
        time.sleep(0.02)
    seconds = time.monotonic() - began
    if code is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    else:
        end_group(child)
    return Run(code, seconds, Path("said").read_text(errors="replace")[-4000:])


def end_group(group: int) -> None:
    """Kill what a process left behind, if anything."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def tests_code(job: Job) -> int:
    """pytest's exit code, its words in the file `said`."""
    import pytest

    sys.modules["__main__"] = types.ModuleType("__main__")  # processes that tests spawn would import this script
    with open("said", "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if job.mutant is not None:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--doctest-modules"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning", "--tb=line"]
    return int(pytest.main([*arguments, job.target.path, *job.target.tests]))


def table(report: Report) -> Iterator[str]:
    """The report in Markdown: a row a file, and what survived."""
    every = report.by_hand + report.files
    total = sum(len(each.verdicts) for each in every)
    survived = sum(len(each.survivors) for each in every)
    yield "# Mutants that the tests kill"
    yield ""
    yield (
        f"`python scripts/mutation.py --seed {report.seed} --per-file {report.per_file}`, {report.date}: "
        f"**{total - survived} of {total} mutants killed ({report.score:.1%})**."
    )
    run = {each.path for each in report.files}
    yield (
        f"{len(run & {each.path for each in TARGETS})} of the {len(TARGETS)} files of the list, "
        f"{len(run & {each.path for each in FURTHER})} of the {len(FURTHER)} further ones (`--all`). "
        f"{report.machine}; {report.versions}."
    )
    yield ""
    yield "Possible: all mutants of the file, of which the sample was drawn. Seconds: what its tests take without one."
    yield ""
    yield "| file | possible | mutants | killed | of these timed out | survived | seconds |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for each in report.files:
        left, late = len(each.survivors), sum(one.end == "timed out" for one in each.verdicts)
        count = len(each.verdicts)
        yield f"| {each.path} | {each.possible} | {count} | {count - left} | {late} | {left} | {each.seconds} |"
    yield ""
    yield "## Faults made by hand"
    yield ""
    yield "They once survived the tests. Of each the few tests that are to see it were run."
    yield ""
    for each in report.by_hand:
        for one in each.verdicts:
            yield f"- {one.end}: `{each.path}:{one.line}`: `{one.before}` -> `{one.after}`"
    yield ""
    yield "## Survivors"
    yield ""
    for each in every:
        for one in each.survivors:
            yield f"- `{each.path}:{one.line}` ({one.kind}): `{one.before}` -> `{one.after}`"


if __name__ == "__main__":
    main()
