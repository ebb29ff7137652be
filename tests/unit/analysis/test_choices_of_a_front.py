"""What to take from a front, what cannot be told apart from the best, and what figures and families say of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import plotly.graph_objects as go
import pytest
import synthetic_study as synthetic

import naslab
from naslab.analysis.choice import ChoiceTable, choices_of, knee
from naslab.analysis.family import family, gain_words, rescaled_family
from naslab.analysis.front import FrontTable, front
from naslab.figures.front import MOST_DOTS, front_figure
from naslab.figures.label_places import label_places
from naslab.metrics import Metric, declare_metric, withdraw_metric
from naslab.study.outcome import Outcome
from naslab.study.problem import Limit, Objective

GOALS = (Objective.named("accuracy"), Objective.named("macs"))
CHEAP, MIDDLE, DEAR = ([(2, width, depth)] * 3 for width, depth in ((0, 0), (1, 1), (3, 2)))


def measured(trial: int, choices: list[tuple[int, int, int]], accuracy: float, error: float) -> Outcome:
    made = synthetic.outcome(trial, synthetic.network(choices), accuracy)
    values = {"accuracy": accuracy, "accuracy_sem": error}
    return msgspec.structs.replace(made, estimate=msgspec.structs.replace(made.estimate, measured=values))


def chosen(*outcomes: Outcome, limits: tuple[Limit, ...] = ()) -> tuple[FrontTable, ChoiceTable]:
    table = front(outcomes, GOALS)
    found = choices_of(table, limits)
    assert found is not None
    return table, found


@pytest.mark.parametrize(("worse", "is_alike"), [(1.6, True), (1.7, False)])
def test_a_difference_of_less_than_its_quantile_is_not_told_apart(worse: float, is_alike: bool) -> None:
    error = 1 / math.sqrt(2)  # of the difference: 1, of which 5 % lie beyond 1.645
    _, found = chosen(measured(0, CHEAP, 90, error), measured(1, MIDDLE, 90 - worse, error))
    assert found.alike == ({1} if is_alike else frozenset())
    assert "level 5 %" in found.test


def test_of_a_budget_the_cheapest_that_is_not_told_apart_is_taken() -> None:
    outcomes = measured(0, CHEAP, 80, 0.5), measured(1, MIDDLE, 92, 0.5), measured(2, DEAR, 92.4, 0.5)
    costs = [each.candidate.cost.macs for each in outcomes]
    _, found = chosen(*outcomes, limits=(Limit.parse(f"macs<={costs[2]}"),))
    first = found.takes[0]
    assert first.trial == 1
    assert "cheaper than trial 2" in first.why
    _, found = chosen(*outcomes, limits=(Limit.parse(f"macs<={costs[0]}"),))
    assert [each.trial for each in found.takes] == [0]


def test_without_standard_errors_nothing_is_called_alike() -> None:
    bare = [msgspec.structs.replace(each, estimate=msgspec.structs.replace(each.estimate, measured={"accuracy": value}))
            for each, value in ((measured(0, CHEAP, 90, 1), 90.0), (measured(1, MIDDLE, 89, 1), 89.9))]  # fmt: skip
    _, found = chosen(*bare)
    assert (found.alike, found.test) == (frozenset(), "")


@pytest.fixture
def wrong() -> Iterator[str]:
    """A metric to be made small, with a standard error."""
    yield declare_metric(Metric(name="wrong", maximise=False, standard_error="wrong_sem")).name
    withdraw_metric("wrong")


def test_a_score_that_is_made_small_is_compared_as_well(wrong: str) -> None:
    """An error with a standard error of its own: the same choices as of the accuracy, in either order of objectives."""
    goals = (Objective(wrong, maximise=False), Objective.named("macs"))
    made = []
    for outcome in synthetic.study().outcomes:
        found = outcome.estimate.measured
        own = {wrong: 100 - found["accuracy"], f"{wrong}_sem": found["accuracy_sem"]} if found else {}
        estimate = msgspec.structs.replace(outcome.estimate, measured={**found, **own})
        made.append(msgspec.structs.replace(outcome, estimate=estimate))
    right, first, wrong_first = (choices_of(front(made, each)) for each in (GOALS, GOALS[::-1], goals))
    assert first == right
    assert right is not None
    assert wrong_first is not None
    assert (wrong_first.along, wrong_first.up, wrong_first.is_tested) == ("macs", wrong, True)
    assert wrong_first.alike == right.alike != frozenset()
    assert [each[:2] for each in wrong_first.takes] == [each[:2] for each in right.takes]
    assert choices_of(front(made, (GOALS[0], Objective("macs", maximise=True)))) is None


@pytest.mark.parametrize(
    ("costs", "budgets"), [((-4.0, -3.0), ["≤-3"]), ((0.0, 0.0), ["≤0"]), ((2.0, 8.0), ["≤8", "≤4", "≤2"])]
)
def test_what_costs_nothing_has_no_half(costs: tuple[float, float], budgets: list[str]) -> None:
    made = []
    for trial, cost in enumerate(costs):
        outcome = measured(trial, (CHEAP, DEAR)[trial], 90.0 + trial * (costs[0] != costs[1]), 0.1)
        values = {**outcome.estimate.measured, "drift": cost}
        made.append(
            msgspec.structs.replace(outcome, estimate=msgspec.structs.replace(outcome.estimate, measured=values))
        )
    found = choices_of(front(made, (GOALS[0], Objective("drift", maximise=False))))
    assert found is not None
    assert [each.reason for each in found.takes] == budgets


def test_a_straight_front_has_no_knee() -> None:
    assert knee([(1, 10), (10, 20), (100, 30), (1000, 40)]) is None
    assert knee([(1, 10), (10, 39), (100, 40)]) is None


def test_a_front_shows_numbers_limits_and_what_to_take() -> None:
    view = synthetic.study()
    table, found = chosen(*view.outcomes, limits=view.problem.limits)
    figure = front_figure(table, choices=found, limits=view.problem.limits)
    words = [each.text for each in figure.layout.annotations]
    assert "limit: macs ≤ 5M" in words
    numbers = {each for each in words if each.isdecimal()}
    assert numbers < {str(point.trial) for point in table.front}
    assert figure.layout.shapes[0].x0 == 5e6
    takes = next(trace for trace in figure.data if trace.name == "take this one")
    assert set(takes.customdata) == {each.trial for each in found.takes}
    rings = next(trace for trace in figure.data if trace.name == "not told apart from the best")
    assert set(rings.customdata) == found.alike


def test_words_stand_to_the_right_below_the_steps_where_there_is_room() -> None:
    table, found = chosen(measured(0, CHEAP, 80, 0.1), measured(1, MIDDLE, 90, 0.1))
    dear = family([measured(2, DEAR, 70, 0.1)])

    def sides(figure: go.Figure) -> set[str]:
        return {each.xanchor for each in figure.layout.annotations if ":" in each.text}

    assert sides(front_figure(table, choices=found)) == {"left", "right"}
    assert sides(front_figure(table, baselines=dear, choices=found)) == {"left"}


def test_members_of_several_seeds_are_one_with_their_spread() -> None:
    arch = synthetic.network(MIDDLE)
    base = synthetic.outcome(0, synthetic.network(CHEAP), 90.0)
    rows = [
        synthetic.outcome(trial, arch, accuracy, role="family", origin={"phi": 1.0, "base_trial": 0})
        for trial, accuracy in ((1, 91.0), (2, 93.0))
    ]
    view = msgspec.structs.replace(synthetic.study(), outcomes=(base,), family=tuple(rows))
    found = rescaled_family(view)
    assert [(each.num_seeds, each.phi) for each in found.members] == [(1, 0.0), (2, 1.0)]
    drawn = next(trace for trace in naslab.front_figure(view).data if trace.name == "rescaled family")
    assert list(drawn.y) == [90.0, 92.0]
    assert found.members[1].metrics["accuracy"] == 92.0
    assert found.members[1].metrics["accuracy_sem"] == pytest.approx(1.0)
    assert "gains 2.00" in gain_words(found)


def test_a_gain_says_its_sign_and_whether_chance_explains_it() -> None:
    rows = [
        (synthetic.network(CHEAP), 95.0, {"phi": 0.0}),
        (synthetic.network(DEAR), 60.0, {"phi": 1.0}),
    ]
    made = [synthetic.outcome(trial, arch, value, origin=origin) for trial, (arch, value, origin) in enumerate(rows)]
    assert "loses 35.00" in gain_words(family(made))
    assert gain_words(family(made)).endswith("more than chance explains (95 %).")
    close = [made[0], synthetic.outcome(1, synthetic.network(DEAR), 95.5, origin={"phi": 1.0})]
    assert "no more than chance explains" in gain_words(family(close))
    assert gain_words(family(made[1:])) == ""


def test_names_never_lie_over_each_other() -> None:
    places = label_places([(0.5, 0.5)] * 6, ["a name"] * 6)
    assert len({place for place in places if place}) == 4
    assert places[4:] == [None, None]


def test_of_many_dominated_networks_some_are_drawn_and_the_front_whole() -> None:
    table = front(synthetic.searched(40), GOALS)
    many = msgspec.structs.replace(table, points=(*table.front, *(table.dominated * (2 * MOST_DOTS // 20))))
    drawn = {trace.name: trace for trace in front_figure(many).data}
    assert MOST_DOTS / 2 < len(drawn["dominated candidates"].x) <= MOST_DOTS < len(many.dominated)
    assert len(drawn["Pareto front"].x) == len(table.front)
