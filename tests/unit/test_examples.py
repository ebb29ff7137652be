"""The examples run as they say, and each is under 40 lines."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import warm_start

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))
COMMAND = re.compile(r"^ *naslab (search .*)$", re.MULTILINE)
SEARCHED = [path for path in FILES if COMMAND.search(path.read_text(encoding="utf-8"))]
"""Those that say a command; the others are run by `test_data_examples.py`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("examples") / "copied"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_has_a_page_of_the_gallery_with_a_title_and_the_same_code(path: Path, tmp_path: Path) -> None:
    name = "example_sources"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES.parent / "docs" / "_extensions" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (Path(module.write_sources(tmp_path / "pages")) / path.name).read_text(encoding="utf-8")
    _, title, underline, *_ = written.splitlines()
    assert title
    assert underline == "=" * len(title)
    pages = [ast.parse(each).body for each in (written, path.read_text(encoding="utf-8"))]
    assert ast.dump(ast.Module(pages[0][1:], [])) == ast.dump(ast.Module(pages[1][1:], []))


def test_the_table_names_each() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in table for path in FILES)


def test_the_readme_links_each() -> None:
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"(examples/{path.name})" not in text] == []


@pytest.mark.slow
def test_the_yardstick_job_by_ones_own_training_runs_and_has_at_most_25_lines(tmp_path: Path) -> None:
    script = EXAMPLES.parent / "scripts" / "yardstick_own.py"
    lines = [line for line in script.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
    assert len(lines) <= 25
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(EXAMPLES.parent), *sys.path))}
    warm_start.run(
        [sys.executable, "-c", warm_start.SCRIPT, str(script), "2"],
        check=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert (tmp_path / "front.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("path", SEARCHED, ids=lambda path: path.stem)
def test_an_example_runs_as_it_says(path: Path, folder: Path) -> None:
    if path.stem == "own_lightning":
        pytest.importorskip("lightning", reason="Lightning is not installed: pip install lightning")
    command = COMMAND.search(path.read_text(encoding="utf-8"))
    assert command is not None
    words = [*shlex.split(command[1]), "--ledger", f"{path.stem}.db", "--workers", "1", "--json"]
    for option, value in (("--trials", "2"), ("--epochs", "1")):
        words[words.index(option) + 1] = value
    program = [sys.executable, "-c", warm_start.COMMAND, *words]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(EXAMPLES.parent), *sys.path))}
    said = warm_start.run(program, capture_output=True, text=True, cwd=folder, env=environment)
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert (found["trials"], found["failed"]) == (2, 0)
