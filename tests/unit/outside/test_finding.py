"""Names from outside lead to objects, or to one line that says what is wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naslab.outside import OutsideError, find_outside, is_outside, load_outside, name_of, published, require_takes

BROKEN = "VALUE = 1\n\n\ndef f(x)\n    return x\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder of the user's; what is imported there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def publish(folder: Path, distribution: str, group: str, entry: str) -> None:
    """An installed distribution, as far as entry points go."""
    write(
        folder, f"{distribution}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    )
    write(folder, f"{distribution}-1.0.dist-info/entry_points.txt", f"[{group}]\n{entry}\n")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a:b", True), ("a.b.c:d.e", True), ("a:1", False), ("a:b=1", False), ("a", False), ("a:", False), (":b", False),
     ("image_folder:/data", False), ("a b:c", False), ("short:epochs=1,images=2", False), ("a:b\n", False)],
)  # fmt: skip
def test_the_form_of_names(text: str, is_one: bool) -> None:
    assert is_outside(text) == is_one


def test_objects_are_found_in_the_working_folder_and_in_packages_there(folder: Path) -> None:
    write(folder, "own_code.py", "class Box:\n    value = 3\n")
    write(folder, "own_package/part.py", "import own_code\nvalue = own_code.Box.value + 1\n")
    assert load_outside("own_code:Box.value", "estimator") == 3
    assert load_outside("own_package.part:value", "estimator") == 4


@pytest.mark.parametrize(
    ("files", "name", "told"),
    [
        ({}, "nowhere_at_all:f", "there is no module 'nowhere_at_all' in the working folder"),
        ({"mine_a.py": ""}, "mine_b:f", "did you mean 'mine_a'"),
        ({"mine_a.py": "def evaluate(): ..."}, "mine_a:evalute", "has no 'evalute' (did you mean 'evaluate'?)"),
        ({"mine_a.py": "import not_installed_x"}, "mine_a:f", "importing it fails: ModuleNotFoundError: No mod"),
        ({"mine_a.py": BROKEN}, "mine_a:f", "mine_a.py, line 4"),
        ({"mine_a.py": "x = 1\ny = 1 / 0"}, "mine_a:f", "importing it fails: ZeroDivisionError: division by zero"),
        ({"mine_a.py": "x = 1\ny = 1 / 0"}, "mine_a:f", "mine_a.py, line 2"),
        ({"mine_a.py": "raise SystemExit(3)"}, "mine_a:f", "importing it fails: SystemExit: 3"),
        ({"math.py": "f = 1"}, "math:f", "math.py is hidden by it: give yours another name"),
        ({}, "one:two:three", "must look like package.module:name"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_line(folder: Path, files: dict[str, str], name: str, told: str) -> None:
    for file, text in files.items():
        write(folder, file, text)
    with pytest.raises(OutsideError) as raised:
        load_outside(name, "estimator")
    message = str(raised.value)
    assert message.startswith(f"estimator {name}: ")
    assert told in message
    assert "\n" not in message
    assert str(pickle.loads(pickle.dumps(raised.value))) == message  # noqa: S301


def test_entry_points_of_installed_distributions_are_found_by_name(folder: Path) -> None:
    write(folder, "theirs.py", "def evaluate(network, trial): ...\n")
    publish(folder, "theirs", "naslab.estimators", "best = theirs:evaluate [extra]")
    sys.path.append(str(folder))
    found = find_outside("best", "estimator", "naslab.estimators")
    assert name_of(found) == "theirs:evaluate"
    assert "best" in published("naslab.estimators")
    assert find_outside("best", "strategy", "naslab.strategies") is None


def test_two_distributions_with_one_name_are_refused(folder: Path) -> None:
    publish(folder, "one_x", "naslab.metrics", "best = one_x:row")
    publish(folder, "two_x", "naslab.metrics", "best = two_x:row")
    sys.path.append(str(folder))
    with pytest.raises(OutsideError, match="published for one_x:row and for two_x:row: write one"):
        find_outside("best", "metric", "naslab.metrics")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda network: 1, r"must take \(network, trial\), but takes \(network\)"),
        (3, r"must be a function of \(network, trial\), got int 3"),
    ],
)
def test_functions_that_cannot_be_called_so_are_refused(function: object, told: str) -> None:
    with pytest.raises(OutsideError, match=told):
        require_takes(function, "estimator", "network", "trial")


@pytest.mark.parametrize("function", [lambda network, trial, lr=0.1: 1, lambda *both: 1, dict.get, print])
def test_functions_that_can_be_called_so_are_taken(function: Callable[..., object]) -> None:
    assert is_taken(function, "network", "trial")


def test_what_is_taken_depends_on_the_number_of_arguments() -> None:
    def function(network: object, trial: object, rate: float = 0.1, *, seed: int = 0) -> None: ...

    assert [is_taken(function, *names) for names in ("a", "ab", "abc", "abcd")] == [False, True, True, False]


def is_taken(function: Callable[..., object], *arguments: str) -> bool:
    try:
        require_takes(function, "estimator", *arguments)
    except OutsideError:
        return False
    return True


def test_a_script_names_its_functions_as_others_import_them(folder: Path) -> None:
    write(folder, "own_script.py", "import naslab.outside as o\ndef f(): ...\nprint(o.name_of(f), *o.source_of(f))\n")
    said = subprocess.run([sys.executable, "own_script.py"], capture_output=True, text=True, check=True, cwd=folder)
    assert said.stdout.split() == ["own_script:f", "own_script.f"]
