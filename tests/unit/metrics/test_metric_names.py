"""A metric is named where it is declared and nowhere else: what may name one is listed here, with the reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import naslab
from naslab.metrics import OWN_METRICS

PACKAGE = Path(naslab.__file__).parent
NAMES = {key for row in OWN_METRICS for key in row.keys}
TITLES = {row.title: row.name for row in OWN_METRICS}
COMPOUND = {name for name in NAMES if "_" in name}
"""Names that are no words of prose: they are looked for in the middle of a text, and as names in code."""

ERROR = {"accuracy_sem"}
LATENCIES = {"latency_ms", "latency_ms_iqr"}
ALLOWED: dict[str, tuple[set[str], str]] = {
    "arch/cost.py": ({"peak_activation_bytes", "params"}, "Cost declares and bounds what the cost model counts"),
    "training/evaluation.py": (ERROR, "the binomial standard error of an accuracy is computed here, by that name"),
    "training/fit.py": (ERROR, "a field of the result of a training"),
    "training/optimizer.py": ({"params"}, "a key of torch's parameter groups"),
    "training/rmsprop.py": ({"params"}, "a key of torch's parameter groups"),
    "training/checkpoint.py": ({"params"}, "a key of torch's parameter groups"),
    "training/memory.py": ({"peak_activation_bytes"}, "reads the field of Cost as memory in training"),
    "estimators/training_run.py": (ERROR, "calls the function of the standard error"),
    "estimators/supernet_run.py": (ERROR, "calls the function of the standard error"),
    "estimators/options.py": ({"accuracy"}, "`by=accuracy` is an option of an estimator, against `by=loss`"),
    "estimators/rows.py": ({"accuracy"}, "the kind of an estimator that gives an accuracy without training"),
    "analysis/scaling_runtime.py": (LATENCIES, "TimedNetwork has fields of them, as the files of results do"),
    "figures/scaling_runtime.py": (LATENCIES, "draws TimedNetwork"),
    "bench/known_tables.py": ({"params"}, "a key of NAS-Bench-Macro's file"),
    "bench/nas_bench_201.py": ({"latency_ms", "macs", "params"}, "columns of its files"),
    "cli/needs.py": ({"accuracy", "latency_ms"}, "holds options by their names: --target-latency-ms, --no-accuracy"),
    "ledger/migrations.py": ({"peak_activation_bytes"}, "a column of the tables of version 4"),
    "lab/packages.py": (ERROR, "calls the function of the standard error"),
    "lab/measuring.py": (ERROR, "fills a field of Measured"),
    "targets/measuring.py": (LATENCIES | ERROR, "Measured has fields of them, as the JSON of naslab measure does"),
    "arch/int8_memory.py": ({"peak_activation_bytes"}, "reads the field of Cost as values of 8 bits"),
    "targets/metrics.py": (LATENCIES, "reads the fields of Measured"),
    "targets/accuracy.py": (ERROR, "calls the function of the standard error"),
    "dense_prediction/fit.py": ({"params"}, "a key of torch's parameter groups"),
    "lab/quantising.py": (ERROR, "Int8 has a field of it, as the result file does"),
    "cli/show.py": ({"peak_activation_bytes"}, "prints the field of Cost in a sentence"),
    "cli/supernet.py": ({"params"}, "a key of its own JSON: the parameters that all networks share"),
}
"""The names that a file may hold, and why."""


def named_in(source: str) -> set[str]:
    """The metrics that a file names: as a text, within one, or in code; docstrings are not looked at."""
    docstrings: set[int] = set()  # a statement comes before what it holds
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr):
            docstrings.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found |= {TITLES.get(node.value, node.value)} & NAMES
            found |= {name for name in COMPOUND if name in node.value}
        elif isinstance(node, ast.Name):
            found |= {node.id} & COMPOUND
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & COMPOUND
        elif isinstance(node, ast.keyword) and node.arg is not None:
            found |= {node.arg} & COMPOUND
    return found


def files() -> list[str]:
    found = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    return sorted(path for path in found if not path.startswith("metrics/"))


def test_no_file_names_a_metric() -> None:
    wrong = []
    for path in files():
        allowed, _ = ALLOWED.get(path, (set(), ""))
        found = named_in((PACKAGE / path).read_text(encoding="utf-8"))
        if found - allowed:
            wrong.append(f"{path}: read {', '.join(sorted(found - allowed))} from naslab.metrics")
        elif allowed and not found:
            wrong.append(f"{path} names no metric any more: take it off the list")
    assert not wrong, "\n".join(wrong)


def test_the_list_holds_files_that_exist() -> None:
    assert set(ALLOWED) <= set(files())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('best = outcome.value("accuracy")', {"accuracy"}),
        ('title = "validation accuracy (%)"', {"accuracy"}),
        ('query = f"SELECT latency_ms FROM {view}"', {"latency_ms"}),
        ("measured.update(latency_ms_iqr=1.0)", {"latency_ms_iqr"}),
        ("bars = point.accuracy_sem", {"accuracy_sem"}),
        ('"""Reads `latency_ms` and accuracy."""\nprint("macs of a network", cost.macs)', set()),
    ],
)
def test_names_are_found_where_they_stand(source: str, found: set[str]) -> None:
    assert found <= named_in(source)
    assert bool(named_in(source)) == bool(found)
