"""How many small faults the tests see: a mutation run over the arithmetic and the safety of naslab.

    .venv/bin/python scripts/mutation.py [--only PART ...] [--all] [--per-file 5] [--seed 0] [--workers 2]
        [--at-least 0.9]

For each file of `mutation_targets.py` its faults made by hand and a seeded sample of mutants (`mutants.py`) are taken,
each is put into a copy of the tree in a temporary folder, and the file's tests and examples are run there: a mutant is
killed where one fails, or where they take much longer than they do without it. Survivors are places that no test of the
list looks at. Each worker has a copy of its own and imports torch and pytest once; the tests of a mutant run in a fork
of it. `--all` takes the further files of the list too, which is an hour's work.

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
from typing import Literal

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
BY_NAME = {each.target.path: each.target for each in BY_HAND}
PLANTED_ONLY = tuple(BY_NAME[path] for path in BY_NAME if path not in {each.path for each in (*TARGETS, *FURTHER)})
"""Files with faults made by hand and no sample: their tests start processes, which takes seconds a mutant."""
EVERY = (*PLANTED_ONLY, *TARGETS, *FURTHER)
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
    """What a mutation run found, the machine and the sample."""

    machine: str
    versions: str
    date: str
    seed: int
    per_file: int
    files: tuple[FileScore, ...]

    @property
    def score(self) -> float:
        """The share of mutants that were killed."""
        total = sum(len(each.verdicts) for each in self.files)
        return 1 - sum(len(each.survivors) for each in self.files) / max(1, total)


def main() -> None:
    asked = parsed()
    listed = EVERY if asked.all or asked.only else (*PLANTED_ONLY, *TARGETS)
    targets = [each for each in listed if not asked.only or any(part in each.path for part in asked.only)]
    out = ROOT / asked.out
    out.mkdir(parents=True, exist_ok=True)
    if not targets:
        sys.exit(f"no file of the list has {' or '.join(asked.only)} in its path")
    scores = {each.path: each for each in kept(out / "table.json", asked.seed, asked.per_file)}
    for score in run(targets, asked.per_file, asked.seed, asked.workers):
        scores[score.path] = score
        report = reported(scores, asked.seed, asked.per_file)
        write(report, out)  # file by file: a run that is ended keeps what it found
    print(f"{report.score:.1%} killed; see {asked.out}/table.md")
    sys.exit(report.score < asked.at_least)


def reported(scores: dict[str, FileScore], seed: int, per_file: int) -> Report:
    """What is known of the files by path, with the machine, the versions and the date."""
    return Report(
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions=f"Python {platform.python_version()}, " + ", ".join(version(name) for name in ("torch", "pytest")),
        date=datetime.now(UTC).date().isoformat(),
        seed=seed,
        per_file=per_file,
        files=tuple(scores[each.path] for each in EVERY if each.path in scores),
    )


def write(report: Report, out: Path) -> None:
    """Put the table of a report into the folder `out`."""
    (out / "table.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    (out / "table.md").write_text("\n".join(table(report)) + "\n")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How many small faults the tests see.")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the paths of the files to change; else all")
    parser.add_argument("--all", action="store_true", help="the further files of the list too")
    parser.add_argument("--per-file", type=int, default=5, help="mutants a file, beside those made by hand")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--workers", type=int, default=2, help="copies of the tree that are tested side by side")
    parser.add_argument("--at-least", type=float, default=0.0, help="the share of killed mutants to end with 0")
    parser.add_argument("--out", default="results/mutation", help="the folder of the table")
    return parser.parse_args()


def version(package: str) -> str:
    from importlib.metadata import version as installed

    return f"{package} {installed(package)}"


def kept(path: Path, seed: int, per_file: int) -> tuple[FileScore, ...]:
    """What an earlier run of the same sample found."""
    if not path.exists():
        return ()
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    return report.files if (report.seed, report.per_file) == (seed, per_file) else ()


def drawn(target: Target, count: int, seed: int) -> tuple[list[Mutant], int]:
    """A file's faults made by hand and its sample, and how many mutants that was drawn from.

    Mutants known to be equivalent are left out.
    """
    source = (ROOT / target.path).read_text()
    by_hand = [planted(each, source) for each in BY_HAND if each.target.path == target.path]
    if target in PLANTED_ONLY:
        return by_hand, 0
    every = [mutant for mutant in mutants_of(source) if (target.path, mutant.before, mutant.after) not in EQUIVALENT]
    return by_hand + sampled(every, count, f"{seed} {target.path}"), len(every)


def planted(fault: Planted, source: str) -> Mutant:
    """The mutant of the file `source` with a fault made by hand; it ends the run where the file has changed there."""
    if source.count(fault.before) != 1:
        sys.exit(f"{fault.target.path}: the text of a fault made by hand is not there once: {fault.before}")
    line = source[: source.index(fault.before)].count("\n") + 1
    before, after = (" ".join(each.split()) for each in (fault.before, fault.after))
    return Mutant(line, "by hand", before, after, source.replace(fault.before, fault.after))


def run(targets: Sequence[Target], count: int, seed: int, workers: int) -> Iterator[FileScore]:
    """Test every file's sample; a file whose tests fail without a mutant ends the run."""
    with ProcessPoolExecutor(workers, mp_context=get_context("fork"), initializer=prepare) as pool:
        samples = [drawn(target, count, seed) for target in targets]
        plain = {target.tests: pool.submit(tested, Job(target, None, 0.0)) for target in targets}
        for target in targets:
            unchanged = plain[target.tests].result()
            if unchanged.code != 0:
                sys.exit(f"{target.path}: its tests fail without a mutant\n{unchanged.said}")
        runs = []
        for target, (mutants, _) in zip(targets, samples, strict=True):
            most = SLACK * plain[target.tests].result().seconds + REST_SECONDS
            runs.append([pool.submit(tested, Job(target, mutant, most)) for mutant in mutants])
        for target, (mutants, possible), futures in zip(targets, samples, runs, strict=True):
            verdicts = [verdict_of(mutant, each.result()) for mutant, each in zip(mutants, futures, strict=True)]
            seconds = round(plain[target.tests].result().seconds, 1)
            yield announced(FileScore(target.path, possible, seconds, tuple(verdicts)))


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
    total = sum(len(each.verdicts) for each in report.files)
    survived = sum(len(each.survivors) for each in report.files)
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
    for each in report.files:
        for one in (one for one in each.verdicts if one.kind == "by hand"):
            yield f"- {one.end}: `{each.path}:{one.line}`: `{one.before}` -> `{one.after}`"
    yield ""
    yield "## Survivors"
    yield ""
    for each in report.files:
        for one in each.survivors:
            yield f"- `{each.path}:{one.line}` ({one.kind}): `{one.before}` -> `{one.after}`"


if __name__ == "__main__":
    main()
