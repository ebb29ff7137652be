"""The table of all candidates, which pages sort and filter: columns, with phrases that are written once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from naslab.arch.summary import describe_arch
from naslab.figures.markup import element, join
from naslab.figures.page import script_data
from naslab.figures.section import Section
from naslab.metrics import MACS, PARAMS, shown_as
from naslab.study.outcome import Outcome
from naslab.study.problem import Problem

MOST_LETTERS = 160
"""Letters of a failure's message that the table shows."""


def candidate_table(outcomes: Iterable[Outcome], problem: Problem) -> dict[str, Any]:
    """The `outcomes` of a search on `problem` as JSON values, refused and failed ones among them.

    `columns` are the heads and `values` a list for each; a network is a list of indices into `phrases`, one a stage.
    `axes` are the columns that hold metrics.
    """
    names = list(dict.fromkeys([*(goal.metric for goal in problem.objectives), MACS.name, PARAMS.name]))
    phrases: dict[str, int] = {}
    rows = []
    for each in outcomes:
        values = [each.value(name) for name in names]
        failure = each.estimate.failure
        state = "complete" if failure is None else f"{failure.reason.replace('_', ' ')}: {failure.message}"
        own = [_plain(value) for value in values]
        stages = [phrases.setdefault(words, len(phrases)) for words in describe_arch(each.candidate.arch)]
        made_by = str(each.candidate.origin.get("operator", ""))
        rows.append([each.candidate.trial, state[:MOST_LETTERS], *own, each.candidate.fidelity.epochs, made_by, stages])
    columns = ["trial", "state", *(shown_as(name).column for name in names), "epochs", "made by", "network"]
    values_by_column = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns]
    axes = [2 + index for index in range(len(names))]
    return {"columns": columns, "values": values_by_column, "phrases": list(phrases), "axes": axes}


def candidates_section(outcomes: Iterable[Outcome], problem: Problem) -> Section:
    """The table of `outcomes` of a search on `problem`, drawn by the page's script."""
    data = json.dumps(candidate_table(outcomes, problem), ensure_ascii=False, separators=(",", ":"))
    place = element("div", attributes={"id": "candidate-table"})
    told = {"type": "application/json", "data-candidates": "candidate-table"}
    return Section("candidates", "Candidates", join([place, element("script", script_data(data), attributes=told)]))


def _plain(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.6g}")
