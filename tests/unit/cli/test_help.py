"""Helps: grouped by what options are about, with the names of registries, which load when they are printed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from naslab.cli import commands
from naslab.cli.commands import FILES
from naslab.cli.help_text import REGISTRIES, filled
from naslab.cli.main import app
from naslab.cli.options import AnyTask, Kind
from naslab.estimators.named import estimator_names
from naslab.scaling import ROUNDINGS, RULES, TABLES
from naslab.strategies.registry import strategy_names
from naslab.study.recipe import RECIPES
from naslab.training.datasets.info import DATASETS

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
WIDE = 10
"""From as many options on a help is grouped."""


def help_of(name: str) -> str:
    """A command's help, each run of spaces and frames made one space."""
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert shown.exit_code == 0
    return re.sub(r"[\s│]+", " ", shown.output)


@pytest.mark.parametrize("name", [name for name, each in COMMANDS.items() if len(each.params) >= WIDE])
def test_wide_helps_are_grouped(name: str) -> None:
    panels = {each.name: getattr(each, "rich_help_panel", None) for each in COMMANDS[name].params}
    options = [each.name for each in COMMANDS[name].params if each.param_type_name == "option" and each.name != "help"]
    assert [option for option in options if panels[option] is None] == []
    assert len(set(panels.values()) - {None}) >= 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("search", [*strategy_names(), *RECIPES, *DATASETS, "image_folder:PATH", "latency_ms"]),
        ("calibrate", [*estimator_names(), *DATASETS]),
        ("compare", strategy_names()),
        ("rescale", [*RULES, *TABLES, *ROUNDINGS]),
        ("fit-scaling", [*ROUNDINGS, *DATASETS]),
        ("train", [*RECIPES, *DATASETS]),
        ("supernet", [*RECIPES, *DATASETS]),
    ],
)
def test_names_of_registries_are_listed(name: str, expected: list[str]) -> None:
    shown = help_of(name)
    assert [each for each in expected if not re.search(rf"(?<![\w]){re.escape(each)}(?![\w])", shown)] == []
    assert "{" not in shown.split("Options", 1)[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_word_in_braces_is_a_registry(name: str) -> None:
    texts = [getattr(each, "help", None) or "" for each in COMMANDS[name].params]
    words = {word for text in texts for word in re.findall(r"\{(\w+)\}", text)}
    assert words <= REGISTRIES.keys()
    assert all(", ".join(REGISTRIES[word]()) in filled(f"{{{word}}}") for word in words)


def test_a_command_loads_no_other_command() -> None:
    code = (
        "import sys, naslab.cli.main as main\nsys.argv = ['naslab', 'doctor', '--help']\n"
        "try:\n    main.run()\nexcept SystemExit:\n    pass\n"
        "from naslab.cli.commands import FILES\n"
        "print([each for each in FILES.values() if f'naslab.cli.{each}' in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().splitlines()[-1] == "['doctor']"


def test_every_file_of_a_command_is_named() -> None:
    folder = Path(commands.__file__).parent
    with_command = {path.stem for path in folder.glob("*.py") if "\ndef register(" in path.read_text(encoding="utf-8")}
    assert with_command == set(FILES.values())
    assert [COMMANDS[name].name for name in FILES] == list(FILES)
    for file in with_command:
        part = typer.Typer()
        importlib.import_module(f"naslab.cli.{file}").register(part)
        assert set(typer.main.get_group(part).commands) == {name for name, own in FILES.items() if own == file}


def test_the_help_of_a_search_loads_no_heavy_package() -> None:
    heavy = ("torch", "ray", "optuna", "plotly", "sqlalchemy", "sklearn")
    code = (
        "import sys, naslab.cli.main as main\nsys.argv = ['naslab', 'search', '--help']\n"
        "try:\n    main.run()\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("naslab sca", ["scaling-law"]),
        ("naslab search --strat", ["--strategy"]),
        ("naslab search --strategy evo", ["evolution"]),
        ("naslab search digits_d", ["digits_demo"]),
        ("naslab search digits_demo --dataset ", DATASETS),
        ("naslab search digits_demo --recipe ", RECIPES),
        ("naslab search digits_demo --estimator naswo", ["naswot"]),
        ("naslab compare --strategies random,evo", ["random,evolution"]),
        ("naslab show efficientnet_b", [f"efficientnet_b{size}" for size in range(8)]),
        ("naslab train lenet5 --dataset cifar", ["cifar10", "cifar100"]),
        ("naslab show ./mine", []),  # which bash completes by files
    ],
)
def test_the_shell_completes_commands_options_and_names(line: str, names: Iterable[str]) -> None:
    """As the script of `naslab --install-completion` asks, where the word before the cursor may be empty."""
    words = line.split(" ")
    asked = {"_NASLAB_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    shown = CliRunner().invoke(app, prog_name="naslab", env=asked)
    assert shown.output.split() == list(names)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_is_for_a_command_line(name: str) -> None:
    """What is raised is for callers of the function, and what a bracket holds is no markup."""
    shown = help_of(name)
    assert "Raises" not in shown
    told = " ".join(str(getattr(each, "help", "") or "") for each in (COMMANDS[name], *COMMANDS[name].params))
    assert all(extra in shown for extra in re.findall(r"naslab\[\w+\]", told))


@pytest.mark.parametrize("name", ["search", "train"])
@pytest.mark.parametrize("option", ["task", "kind"])
def test_many_names_to_choose_from_have_room_between_them_where_lines_are_folded(name: str, option: str) -> None:
    [found] = (each for each in COMMANDS[name].params if each.name == option)
    assert set(found.metavar.split(" | ")) == set({"task": get_args(AnyTask), "kind": get_args(Kind)}[option])
