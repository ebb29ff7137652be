"""Run every Python and shell example of the README and of the documentation as it stands.

    .venv/bin/python scripts/check_pages.py [PAGE...]

Each page runs in a temporary folder of its own, its examples one after the other. A block of YAML or Python that begins
with a comment that is a file's name is written there and not run; `<!-- copy: PATH -->` copies a file of the project.
Blocks without a language, and `make`, `git clone` and `pip` commands, are left to the reader.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = re.compile(r"^```(\w+)\n(.*?)^```|^<!-- copy: (\S+) -->", flags=re.MULTILINE | re.DOTALL)
MOST_SECONDS = 900
"""An example that takes longer waits for something that does not come."""
FILE_NAME = re.compile(r"# (\w+\.(?:py|yaml))\n")


def pages() -> list[Path]:
    """The README, and every page of the documentation that is written by hand."""
    written = [each for each in sorted((ROOT / "docs").rglob("*.md")) if not {"generated", "_build"} & set(each.parts)]
    return [ROOT / "README.md", *written]


def run_page(page: Path) -> tuple[Path, int, str]:
    """The number of examples of a page that ran, and what the one that failed said; empty where all went well."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
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
            if language == "python":
                (folder / "example.py").write_text(code, encoding="utf-8")
                command = [sys.executable, "example.py"]
            elif language == "bash" and not code.lstrip().startswith(("make", "git clone", "pip")):
                command = ["bash", "-euo", "pipefail", "-c", code]
            else:
                continue
            try:
                done = subprocess.run(
                    command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS
                )
            except subprocess.TimeoutExpired:
                return page, ran, f"{code}\nhas not ended after {MOST_SECONDS} s"
            if done.returncode != 0:
                return page, ran, f"{code}\nended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
            ran += 1
    return page, ran, ""


def main(given: Sequence[str]) -> None:
    """Run the pages, two at once; the exit code says whether all went well."""
    started = time.perf_counter()
    failed = total = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for page, ran, told in pool.map(run_page, [Path(each).resolve() for each in given] or pages()):
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
