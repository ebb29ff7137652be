"""What `naslab` exports is listed once, and type checkers are told the same."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import naslab


def for_type_checkers() -> dict[str, str]:
    """The names that the block for type checkers imports, and from where."""
    tree = ast.parse(Path(naslab.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    found: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module is not None
        for alias in node.names:
            assert alias.name == alias.asname, f"{alias.name} is not exported for type checkers"
            found[alias.name] = node.module
    return found


def test_type_checkers_are_told_the_same_exports() -> None:
    assert for_type_checkers() == naslab._HOMES


def test_every_export_is_there_and_its_home_defines_it() -> None:
    assert dir(naslab) == naslab.__all__ == sorted(set(naslab.__all__))
    for name, home in naslab._HOMES.items():
        value = getattr(naslab, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__module__.startswith(home), f"{name} comes from {value.__module__}"


@pytest.mark.slow
def test_star_imports_take_every_export() -> None:
    code = "from naslab import *; import naslab; print(all(name in globals() for name in naslab.__all__))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "True"
