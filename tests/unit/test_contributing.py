"""CONTRIBUTING.md is true: its code, applied to a copy of the package, is searched with two workers."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import warm_start

import naslab

ROOT = Path(__file__).parents[2]
SNIPPET = re.compile(r"```(?:python|yaml)\n# (\S+): ([^\n`]+?)(?: `([^`]+)`)?\n(.*?)```", re.DOTALL)
"""A file, where in it (`a new file`, `at the end`, `above`, `below` or `in place of` a line), and the code."""
LAYER_TEST = "tests/unit/arch/test_layer_declarations.py"


def snippets() -> Iterator[tuple[str, str, str, str]]:
    for match in SNIPPET.finditer((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        yield match[1], match[2], match[3] or "", match[4]


def apply(root: Path, name: str, place: str, line: str, code: str) -> None:
    """Do to a copy of the package what a snippet says."""
    path = root / name
    if place == "a new file":
        assert not path.exists(), f"{name} is there already"
        path.write_text(code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if place == "at the end":
        path.write_text(f"{text}\n\n{code}", encoding="utf-8")
        return
    assert text.count(f"\n{line}\n") == 1, f"{name} has not once the line {line}"
    code = code.removesuffix("\n")
    new = {"below": f"{line}\n{code}", "above": f"{code}\n{line}", "in place of": code}[place]
    path.write_text(text.replace(f"\n{line}\n", f"\n{new}\n"), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all that the page adds."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(Path(naslab.__file__).parent, root / "naslab")
    shutil.copytree(ROOT / "search_spaces", root / "search_spaces")
    (root / LAYER_TEST).parent.mkdir(parents=True)
    shutil.copy(ROOT / LAYER_TEST, root / LAYER_TEST)
    for snippet in snippets():
        apply(root, *snippet)
    return root


def run(root: Path, *words: str) -> str:
    """A command of the extended package."""
    environment = os.environ | {"PYTHONPATH": str(root), "XDG_CACHE_HOME": str(root / "cache"), "COLUMNS": "200"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # its modules are compiled once, and not for every process
    environment["PYTHONPATH"] += f"{os.pathsep}{ROOT / 'tests'}"
    command = [sys.executable, "-c", warm_start.COMMAND, *words]
    said = warm_start.run(command, capture_output=True, text=True, cwd=root, env=environment)
    assert said.returncode == 0, said.stderr
    return said.stdout + said.stderr


def test_the_page_adds_one_of_each_kind() -> None:
    names = [name for name, *_ in snippets()]
    rooms = {name.split("/")[-2] for name in names}
    assert rooms >= {"arch", "layers", "blocks", "search_spaces", "metrics", "estimators", "strategies"}


def test_its_space_is_found_by_name(extended: Path) -> None:
    assert "unshuffled" in run(extended, "spaces")


@pytest.mark.slow
def test_its_layer_is_what_it_declares(extended: Path) -> None:
    asked = ("-q", "-p", "no:cacheprovider", LAYER_TEST, "-k", "SpaceToDepth or has_an_example")
    environment = os.environ | {"PYTHONPATH": str(extended)}
    program = [sys.executable, "-c", "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))", *asked]
    said = warm_start.run(program, capture_output=True, text=True, cwd=extended, env=environment)
    assert said.returncode == 0, said.stdout
    assert int(re.findall(r"(\d+) passed", said.stdout)[0]) > 10


@pytest.mark.slow
def test_its_estimator_and_strategy_search_its_space_with_two_workers(extended: Path) -> None:
    asked = ("search", "unshuffled", "--strategy", "around_the_best", "--estimator", "smoothness", "--trials", "6")
    said = run(extended, *asked, "--dataset", "digits", "--max-images", "100", "--workers", "2", "--study", "toy")
    assert "smoothness" in said
    assert ", 0 failed" in said
    assert "smoothness" in run(extended, "pareto", "toy", "--json")
    run(extended, "report", "toy", "--out", "toy.html")
    assert "ranked by the proxy smoothness" in (extended / "toy.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_its_layer_is_trained_and_inherited_with_two_workers(extended: Path) -> None:
    asked = ("search", "unshuffled", "--strategy", "evolution", "--inherit", "--trials", "4", "--epochs", "1")
    said = run(extended, *asked, "--dataset", "digits", "--max-images", "100", "--workers", "2", "--study", "layer")
    assert ", 0 failed" in said
    exported = run(extended, "export", "layer:best", "--out", "best.py")
    assert "best.py" in exported
    code = "import torch, best; print(best.network().eval()(torch.zeros(1, 1, 8, 8)).shape)"
    alone = warm_start.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=extended)
    assert alone.stdout.strip() == "torch.Size([1, 10])", alone.stderr
