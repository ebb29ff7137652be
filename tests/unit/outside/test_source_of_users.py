"""A study knows its user's code by the definitions that it is made of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naslab.outside import changed, load_outside, source_of

MAIN = '''
import math
import src_helper
from src_package.losses import loss as own_loss

RATE = 0.1
UNUSED = 3


def evaluate(network, trial):
    """Train."""
    from src_late import late
    return own_loss(RATE) + src_helper.help() + late


def unused():
    return UNUSED
'''
FILES = {
    "src_main.py": MAIN,
    "src_helper.py": "def help():\n    return inner()\n\n\ndef inner():\n    return 1\n",
    "src_late.py": "late = 2\n",
    "src_package/__init__.py": "",
    "src_package/losses.py": "from .scale import SCALE\n\n\ndef loss(rate):\n    return rate * SCALE\n",
    "src_package/scale.py": "SCALE = 4\nOTHER = 5\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def source() -> dict[str, str]:
    return source_of(load_outside("src_main:evaluate", "estimator"))


def test_it_is_all_that_is_used_by_name_and_nothing_else(folder: Path) -> None:
    assert list(source()) == [
        *("src_helper.help", "src_helper.inner", "src_late.late"),
        *("src_main.RATE", "src_main.evaluate", "src_main.own_loss", "src_main.src_helper"),
        *("src_package.losses.SCALE", "src_package.losses.loss", "src_package.scale.SCALE"),
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("src_main.py", "0.1", "0.2", ["src_main.RATE changed"]),
        ("src_main.py", "own_loss(RATE)", "own_loss(1)", ["src_main.RATE is gone", "src_main.evaluate changed"]),
        ("src_helper.py", "return 1", "return 2", ["src_helper.inner changed"]),
        ("src_late.py", "2", "3", ["src_late.late changed"]),
        ("src_package/scale.py", "SCALE = 4", "SCALE = 5", ["src_package.scale.SCALE changed"]),
        ("src_package/scale.py", "OTHER = 5", "OTHER = 6", []),
        ("src_main.py", "UNUSED = 3", "UNUSED = 4", []),
        ("src_main.py", "\n    return own_loss", "\n    # said\n    return   own_loss", []),
    ],
)
def test_what_changed_is_told_by_its_name(folder: Path, file: str, old: str, new: str, told: list[str]) -> None:
    before = source()
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert changed(before, source()) == told


def test_installed_packages_count_where_the_object_is_theirs_alone(folder: Path) -> None:
    place = folder / "lib" / "site-packages"
    for name, text in {
        "inst_a/__init__.py": "from inst_b import g\ndef f(): return g()\n",
        "inst_b.py": "def g(): ...\n",
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    sys.path.append(str(place))
    assert list(source_of(load_outside("inst_a:f", "estimator"))) == ["inst_a.f", "inst_a.g"]


def test_functions_without_a_file_are_known_by_their_code() -> None:
    space: dict[str, object] = {"__name__": "console"}
    exec("def f(): return 1", space)
    before = source_of(space["f"])
    exec("def f(): return 2", space)
    assert changed(before, source_of(space["f"])) == ["console.f changed"]
