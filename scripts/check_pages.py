"""Run every Python and shell example of the README and of the documentation as it stands.

    .venv/bin/python scripts/check_pages.py [PAGE...]

Each page runs in a temporary folder of its own, its examples one after the other. A block of YAML or Python that begins
with a comment that is a file's name is written there and not run; `<!-- copy: PATH -->` copies a file of the project.
Blocks without a language, and `make`, `git clone` and `pip` commands, are left to the reader. Pages run side by side,
each on a core of its own, where a search starts one worker. The README's programs start as its reader's do; those of
the other pages, and their workers, are forks of one process that has torch loaded (`tests/warm_start.py`): loading it
takes longer than most examples.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))
import warm_start  # noqa: E402

README = ROOT / "README.md"
PARTS = re.compile(r"^```(\w+)\n(.*?)^```|^<!-- copy: (\S+) -->", flags=re.MULTILINE | re.DOTALL)
MOST_SECONDS = 900
"""An example that takes longer waits for something that does not come."""
FILE_NAME = re.compile(r"# (\w+\.(?:py|yaml))\n")
WARM_COMMAND = f"""#!{sys.executable}
import sys
import warm_start
sys.exit(warm_start.run([sys.executable, "-c", warm_start.COMMAND, *sys.argv[1:]]).returncode)
"""
"""The program `naslab` of the pages whose programs start warm."""


def pages() -> list[Path]:
    """The README, and every page of the documentation that is written by hand."""
    written = [each for each in sorted((ROOT / "docs").rglob("*.md")) if not {"generated", "_build"} & set(each.parts)]
    return [README, *written]


def run_page(page: Path, programs: Path) -> tuple[Path, int, str]:
    """The number of examples of a page that ran, and what the one that failed said; empty where all went well.

    `programs` is the folder of a `naslab` that starts warm.
    """
    python, environment = starts(page, programs)
    ran = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for language, code, copied in PARTS.findall(page.read_text(encoding="utf-8")):
            if copied:
                shutil.copy(ROOT / copied, folder)
                continue
            file = FILE_NAME.match(code)
            if file and language in ("python", "yaml"):
                (folder / file[1]).write_text(code, encoding="utf-8")
                continue
            run: Callable[..., subprocess.CompletedProcess[Any]] = subprocess.run
            if language == "python":
                (folder / "example.py").write_text(code, encoding="utf-8")
                run, command = python
            elif language == "bash" and not code.lstrip().startswith(("make", "git clone", "pip")):
                command = ["bash", "-euo", "pipefail", "-c", code]
            else:
                continue
            try:
                done = run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS)
            except subprocess.TimeoutExpired:
                return page, ran, f"{code}\nhas not ended after {MOST_SECONDS} s"
            if done.returncode != 0:
                return page, ran, f"{code}\nended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
            ran += 1
    return page, ran, ""


def starts(page: Path, programs: Path) -> tuple[tuple[Callable[..., Any], list[str]], dict[str, str]]:
    """How `example.py` of a page is run, and the environment in which its commands find `naslab`."""
    found = [str(Path(sys.executable).parent), os.environ["PATH"]]
    if page == README:
        return (subprocess.run, [sys.executable, "example.py"]), os.environ | {"PATH": os.pathsep.join(found)}
    warm = {
        "PATH": os.pathsep.join((str(programs), *found)),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")]))),
        warm_start.ADDRESS: warm_start.server(),
    }
    return (warm_start.run, [sys.executable, "-c", warm_start.SCRIPT, "example.py"]), os.environ | warm


def take_a_core(cores: SimpleQueue[int]) -> None:
    """Bind this thread, and what it starts, to the next of `cores`."""
    os.sched_setaffinity(0, {cores.get()})


def main(given: Sequence[str]) -> None:
    """Run the pages, as many at once as there are cores; the exit code says whether all went well."""
    started = time.perf_counter()
    failed = total = 0
    cores: SimpleQueue[int] = SimpleQueue()
    for each in os.sched_getaffinity(0):
        cores.put(each)
    pool = ThreadPoolExecutor(cores.qsize(), initializer=take_a_core, initargs=(cores,))
    with tempfile.TemporaryDirectory() as name, pool:
        program = Path(name) / "naslab"
        program.write_text(WARM_COMMAND, encoding="utf-8")
        program.chmod(0o755)
        warm_start.server()  # once, before several ask for it
        asked = [Path(each).resolve() for each in given] or pages()
        for page, ran, told in pool.map(partial(run_page, programs=program.parent), asked):
            print(f"{page.relative_to(ROOT)}: {ran} examples ran", flush=True)
            total += ran
            if told:
                failed += 1
                print(f"-- {page.relative_to(ROOT)}\n{told}", flush=True)
    if failed or total < 2:
        sys.exit(f"{failed} pages failed; {total} examples ran")
    print(f"{total} examples ran in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
