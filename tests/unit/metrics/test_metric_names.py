"""A metric is named where it is declared and nowhere else: what may name one is listed here, with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import naslab
from naslab.metrics import OWN_METRICS

PACKAGE = Path(naslab.__file__).parent
NAMES = {key for row in OWN_METRICS for key in row.keys}
TITLES = {row.title for row in OWN_METRICS}
COMPOUND = {name for name in NAMES if "_" in name}
"""Names that are no words of prose: they are looked for in the middle of a text, and as names in code."""

ALLOWED = {
    "arch/cost.py": "Cost declares what the cost model counts",
    "training/evaluation.py": "the binomial standard error of an accuracy is computed here, by that name",
    "training/optimizer.py": "`params` is a key of torch's parameter groups",
    "training/rmsprop.py": "`params` is a key of torch's parameter groups",
    "training/checkpoint.py": "`params` is a key of torch's parameter groups",
    "training/memory.py": "reads Cost.peak_activation_bytes as memory in training",
    "estimators/training_run.py": "calls the function of the standard error",
    "estimators/supernet_run.py": "calls the function of the standard error",
    "estimators/named.py": "`by=accuracy` is an option of an estimator, against `by=loss`",
    "analysis/scaling_runtime.py": "a study of latency: TimedNetwork has a field of it, as the files of results do",
    "figures/scaling_runtime.py": "draws TimedNetwork",
    "bench/known_tables.py": "`params` is a key of NAS-Bench-Macro's file",
    "cli/show.py": "prints Cost.peak_activation_bytes in a sentence",
    "cli/supernet.py": "`params` is a key of its own JSON: the parameters that all networks share",
    "training/fit.py": "a field of the result of a training",
}


def naming(path: Path) -> Iterator[str]:
    """Where a file names a metric: as a text, within one, or as a name in code; docstrings are not looked at."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        if is_text and (node.value in NAMES | TITLES or any(name in node.value for name in COMPOUND)):
            yield f"line {node.lineno}: {node.value!r}"
        code = {
            ast.Name: lambda each: each.id,
            ast.Attribute: lambda each: each.attr,
            ast.keyword: lambda each: each.arg,
        }.get(type(node))
        if code is not None and code(node) in COMPOUND:
            yield f"line {getattr(node, 'lineno', 0)}: {code(node)}"


def files() -> list[str]:
    found = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    return sorted(path for path in found if not path.startswith("metrics/"))


@pytest.mark.parametrize("path", files())
def test_no_file_names_a_metric(path: str) -> None:
    found = list(naming(PACKAGE / path))
    if path in ALLOWED:
        assert found, f"{path} names no metric any more: take it off the list"
    else:
        assert not found, f"read it from naslab.metrics: {'; '.join(found)}"


def test_the_list_holds_files_that_exist() -> None:
    assert set(ALLOWED) <= set(files())
