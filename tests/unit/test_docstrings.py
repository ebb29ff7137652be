"""Docstrings of the public surface inform: parameters, shapes, errors, examples (see `docstring_rules`)."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent, indent

import pytest
from docstring_rules import (
    PACKAGE,
    breaches,
    is_shown,
    of_source,
    protocols,
    public_functions,
    undescribed_fields,
    unnamed_parameters,
)

import naslab
from naslab.arch.files import BLOCKS

REGISTRIES = (
    "naslab.arch.declaration",
    "naslab.arch.torch_layers",
    "naslab.bench.peers",
    "naslab.dense_prediction.choosing",
    "naslab.dense_prediction.tasks",
    "naslab.estimators.named",
    "naslab.latency_models.reading",
    "naslab.loggers.registry",
    "naslab.metrics.registry",
    "naslab.notations.registry",
    "naslab.scaling.compound",
    "naslab.space.files",
    "naslab.strategies.registry",
    "naslab.study.recipe",
    "naslab.targets.target",
    "naslab.training.datasets.choosing",
    "naslab.training.datasets.dataset_readers",
    "naslab.training.datasets.info",
    "naslab.training.recipe_files",
    "naslab.zoo.registry",
)
"""The files that lead from names to what they stand for."""
ROOMS = sorted({path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()})


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_inform(room: str) -> None:
    found = [line for said in public_functions() if said.room == room for line in breaches(said)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", naslab.__all__)
def test_exports_name_everything_and_have_an_example(name: str) -> None:
    exported = getattr(naslab, name)
    if inspect.isclass(exported):
        found = undescribed_fields(exported)
    else:
        own = [
            said for said in public_functions() if said.name == exported.__name__ and said.module == exported.__module__
        ]
        found = [each for said in own for each in unnamed_parameters(said, at_least=1)]
    found += [] if ">>> " in (inspect.getdoc(exported) or "") else ["an example"]
    assert not found, f"{name} lacks {', '.join(found)}"


@pytest.mark.parametrize("name", protocols())
def test_protocols_are_implemented_and_used_by_their_own_example(name: str) -> None:
    assert is_shown(protocols()[name])


ONES = ">>> class Ones:\n...     size = 1\n...     def ask(self, count): return [1] * count\n"


@pytest.mark.parametrize(
    ("example", "is_enough"),
    [
        (f"{ONES}>>> Ones().ask(2)", True),
        (ONES.replace("size = 1", "pass") + ">>> Ones().ask(2)", False),
        (ONES, False),
        (f"{ONES}>>> Ones().ask(2)  # doctest: +SKIP", False),
        (">>> strategy.ask(2)", False),
        ("", False),
    ],
)
def test_an_example_of_a_protocol_is_whole_and_runs(example: str, is_enough: bool) -> None:
    text = indent(f'"""Words.\n\n{example}\n"""', "    ")
    protocol = ast.parse(f"class P(Protocol):\n{text}\n    size: int\n    def ask(self, count): ...").body[0]
    assert isinstance(protocol, ast.ClassDef)
    assert is_shown(protocol) == is_enough


@pytest.mark.parametrize("module", REGISTRIES)
def test_registries_name_every_argument_and_have_examples(module: str) -> None:
    functions = [said for said in public_functions() if said.module == module and "." not in said.name]
    assert functions
    owed = {said.name: unnamed_parameters(said, at_least=1) for said in functions}
    owed |= {said.name: [*owed[said.name], "an example"] for said in functions if ">>> " not in said.text}
    assert not any(owed.values()), {name: each for name, each in owed.items() if each}


@pytest.mark.parametrize("tag", BLOCKS)
def test_blocks_describe_their_fields(tag: str) -> None:
    assert undescribed_fields(BLOCKS[tag]) == []


@pytest.mark.parametrize(
    ("source", "owed"),
    [
        ('def f(a, b, c, d):\n    """`a`, `b + c`."""', ["does not name d"]),
        ('def f(a, b, c):\n    """Few."""', []),
        ('def f(a, b, c, seed):\n    """`a`, `b`, `c`."""', []),
        ('def f(a: Sequence[NDArray[np.int64]]) -> int:\n    """Arrays."""', ["says no shape"]),
        ('def f(a: np.ndarray | None) -> int:\n    """Of shape (n,)."""', []),
        ('def f(weights: Mapping[str, Tensor]) -> None:\n    """By name."""', []),
        ('def f(a):\n    """Fit."""\n    raise StudyError("none")', ["does not say that it raises StudyError"]),
        ('def f(a):\n    """Raises `SpecError`."""\n    require(a > 0, "a", "must be above 0")', []),
        ('def f(a):\n    """Fit."""\n    def g():\n        raise StudyError("none")', []),
        ('def f(a):\n    """Fit."""\n    raise ValueError("a bug")', []),
        ('class P(Protocol):\n    def ask(self, count): ...', ["does not name count", "says nothing"]),
        ('class C:\n    """`a`, `b`, `c`."""\n    def __init__(self, a, b, c, d): ...', ["does not name d"]),
        ('class C(Spec):\n    def __post_init__(self):\n        require(self.a, "a", "must hold")', []),
        ('class _C:\n    def ask(self, a, b, c, d): ...', []),
    ],
)  # fmt: skip
def test_rules_find_what_is_owed(source: str, owed: list[str]) -> None:
    found = [line for said in of_source("naslab.made", dedent(source)) for line in breaches(said)]
    assert [line.split(" ", 2)[2] for line in found] == owed


def test_options_of_commands_are_said_by_their_help() -> None:
    given = "a: Annotated[int, search_option('a')], b: Annotated[int, typer.Option(help='B.')], c: int, d: int"
    [said] = of_source("naslab.cli.made", f'def f({given}):\n    """Make."""')
    assert unnamed_parameters(said) == ["c", "d"]
