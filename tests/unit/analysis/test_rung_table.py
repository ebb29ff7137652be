"""What each rung held, and how rungs rank the networks that are on both."""

from __future__ import annotations

import math

import msgspec
import pytest
import synthetic_study as synthetic
from scipy.stats import kendalltau, spearmanr

from naslab.analysis.front import comparable, front, widest
from naslab.analysis.progress import progress
from naslab.analysis.reference import reference_of_outcomes
from naslab.analysis.rungs import rung_table
from naslab.figures.rungs import rungs_figure, rungs_section
from naslab.study.outcome import Failure, Outcome
from naslab.study.problem import Objective
from naslab.study.rungs import Rungs

RUNGS = Rungs((1, 3, 9))
NETWORKS = [
    synthetic.network([(block, width, depth)] * 3) for block in range(3) for width in range(4) for depth in (0, 1)
]
GOALS = (Objective.named("accuracy"), Objective.named("macs"))


def outcome(trial: int, network: int, rung: int, accuracy: float | None, **notes: object) -> Outcome:
    made = synthetic.outcome(trial, NETWORKS[network], accuracy, finished=float(trial))
    candidate = msgspec.structs.replace(made.candidate, fidelity=RUNGS.fidelity(rung))
    return msgspec.structs.replace(
        made, candidate=candidate, estimate=msgspec.structs.replace(made.estimate, notes=notes)
    )


def promoting() -> list[Outcome]:
    """24 networks on the first rung, 8 on the second, 2 on the third; the second reverses two of the first."""
    first = [outcome(index, index, 0, 40.0 + index) for index in range(24)]
    second = [70.0, 71.0, 73.0, 72.0, 74.0, 75.0, 76.0, 77.0]
    above = [outcome(24 + index, 16 + index, 1, accuracy) for index, accuracy in enumerate(second)]
    return [*first, *above, outcome(32, 22, 2, 90.0), outcome(33, 23, 2, 89.0)]


def test_rungs_are_counted_and_ranked() -> None:
    table = rung_table(promoting(), RUNGS)
    assert [(each.epochs, each.num_networks, each.num_promoted) for each in table.rungs] == [
        (1, 24, 8),
        (3, 8, 2),
        (9, 2, 0),
    ]
    pair = table.agreements[0]
    low, high = list(range(8)), [0, 1, 3, 2, 4, 5, 6, 7]
    assert (pair.low_epochs, pair.high_epochs, pair.num_networks) == (1, 3, 8)
    assert pair.tau == pytest.approx(kendalltau(low, high).statistic)
    assert pair.rho == pytest.approx(spearmanr(low, high).statistic)
    assert pair.tau_low <= pair.tau <= pair.tau_high
    assert math.isnan(table.agreements[2].tau)
    assert table.rows()["agreements"][2]["tau"] is None
    assert table.promoted[-1].epochs == (1, 3, 9)
    assert table.promoted[-1].accuracies == (63.0, 77.0, 89.0)


def test_failed_and_stopped_networks_are_counted_and_rank_nothing() -> None:
    others = [outcome(34, 10, 1, None), outcome(35, 11, 1, 60.0, stopped={"after_epochs": 2})]
    table = rung_table([*promoting(), *others], RUNGS)
    assert (table.rungs[1].num_networks, table.rungs[1].num_failed, table.rungs[1].num_stopped) == (10, 1, 1)
    assert table.agreements[0].num_networks == 8
    assert table.rungs[0].num_promoted == 10


def test_only_the_highest_rung_is_compared() -> None:
    outcomes = promoting()
    assert [each.candidate.trial for each in comparable(outcomes)] == [32, 33]
    assert len(widest(outcomes)) == 24
    table = front(outcomes, GOALS)
    assert {point.trial for point in table.points} == {32, 33}
    assert (table.num_lower, table.rows()["num_lower_fidelity"]) == (22, 22)
    failed = msgspec.structs.replace(
        outcomes[-1].estimate, failure=Failure("diverged", "the loss was not a number"), measured={}
    )
    without_top = [*outcomes[:-2], msgspec.structs.replace(outcomes[-1], estimate=failed)]
    assert {each.candidate.fidelity.epochs for each in comparable(without_top)} == {3}


def test_progress_counts_the_highest_rung_alone() -> None:
    outcomes = promoting()
    course = progress(outcomes, reference_of_outcomes(GOALS, outcomes))
    assert len(course.trials) == len(outcomes)
    assert all(math.isnan(each) for each in course.best_accuracy[:32])
    assert course.best_accuracy[32:] == (90.0, 90.0)
    assert course.hypervolume_share[31] == 0 < course.hypervolume_share[32]


def test_the_section_shows_every_rung_and_every_pair() -> None:
    table = rung_table(promoting(), RUNGS)
    section = rungs_section(table)
    assert section is not None
    assert section.body.count("<tr") == 2 + 3 + 3
    assert "too few" in section.body
    assert "0.93 (" in section.body
    figure = rungs_figure(table)
    assert [len(line.x) for line in figure.data].count(3) == 2
    assert len(figure.data) == 8
    assert list(figure.layout.xaxis.tickvals) == [1, 3, 9]
    assert rungs_section(None) is None
    assert "rungs-figure" not in (rungs_section(rung_table(promoting()[:24], RUNGS)) or section).body


def test_with_pauses_each_rung_is_compared_with_the_last_alone() -> None:
    found = rung_table([], Rungs.every_epoch(4))
    assert [(each.low_epochs, each.high_epochs) for each in found.agreements] == [(1, 4), (2, 4), (3, 4)]
    section = rungs_section(found)
    assert section is not None
    assert found.keep is None
