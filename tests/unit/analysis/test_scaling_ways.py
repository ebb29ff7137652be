"""Ways of scaling compared: means and errors over seeds, and verdicts that follow from them."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from scaling_studies import SMALL, view_of

from naslab.analysis.scaling_ways import WaysTable, ways_table
from naslab.arch import cost
from naslab.execution.source import make_candidate
from naslab.figures.scaling_ways import ways_figure
from naslab.scaling import DEPTH, PLAIN, RESOLUTION, WIDTH, Compound, meet_budget
from naslab.study.outcome import Candidate

RULES = {"depth": DEPTH, "width": WIDTH, "resolution": RESOLUTION, "compound": Compound()}


def table_of(means: dict[str, float], seeds: int = 3) -> WaysTable:
    """Ways with these mean accuracies; the seeds are half a point apart."""
    jobs = []
    for seed in range(seeds):
        jobs.append(make_candidate(SMALL, 0, 2, seed, "search"))
        for way in means:
            arch = meet_budget(SMALL, "macs", 2 * cost(SMALL).macs, RULES[way], rounding=PLAIN).member.arch
            jobs.append(make_candidate(arch, 0, 2, seed, "family", origin={"way": way, "asked": 2.0}))

    def accuracy_of(candidate: Candidate) -> float | None:
        mean = means.get(candidate.origin.get("way", ""), 70.0)
        return None if math.isnan(mean) else mean + 0.5 * (candidate.seed - (seeds - 1) / 2)

    return ways_table(view_of(jobs, accuracy_of), "small")


def test_a_table_of_means_and_standard_errors() -> None:
    table = table_of({"depth": 80, "width": 82, "compound": 85})
    base, *ways = table.ways
    assert (base.way, base.asked, base.macs_ratio) == ("baseline", 1, 1)
    assert {each.way: each.mean for each in ways} == pytest.approx({"compound": 85, "depth": 80, "width": 82})
    assert all(each.sem == pytest.approx(0.5 / math.sqrt(3)) for each in table.ways)
    assert all(abs(each.macs_ratio / 2 - 1) < 0.1 for each in ways)
    rows = json.loads(msgspec.json.encode(table.rows()))
    assert rows[1]["accuracies"] == "84.50 85.00 85.50"
    assert {trace.name for trace in ways_figure(table).data} == {"compound", "depth", "width"}


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ({"depth": 80, "width": 82, "compound": 85}, "compound is better than every single dimension"),
        (
            {"depth": 80, "width": 88, "compound": 85},
            "width alone is better than compound, which contradicts the paper",
        ),
        ({"depth": 80, "width": 84.9, "compound": 85}, "width alone, the best single dimension, cannot be told apart"),
    ],
)
def test_verdicts_say_what_the_seeds_support(means: dict[str, float], words: str) -> None:
    (verdict,) = table_of(means).verdicts()
    assert words in verdict
    assert verdict.startswith("small at 2 x macs: ")


def test_one_seed_or_no_compound_has_no_verdict() -> None:
    assert table_of({"depth": 80, "compound": 85}, seeds=1).verdicts() == []
    assert table_of({"depth": 80, "width": 85}).verdicts() == []
    assert table_of({"compound": 85}).verdicts() == []


def test_failures_are_counted() -> None:
    (_, failed) = table_of({"depth": math.nan}).ways
    assert (failed.num_failed, failed.accuracies) == (3, {})
    assert math.isnan(failed.mean)
    assert ways_table(view_of([], lambda _: 1.0), "none").ways == ()
