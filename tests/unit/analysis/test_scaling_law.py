"""Laws of a study: which networks they are of, what they forecast, and how many are needed."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from scaling_studies import SMALL, family_view

from naslab.analysis.law_points import NEEDED
from naslab.analysis.scaling_law import scaling_laws
from naslab.analysis.study import StudyView
from naslab.errors import StudyError, UnknownNameError
from naslab.scaling import rescale
from naslab.scaling.laws import FARTHEST_FORECAST
from naslab.study.outcome import Candidate

PHIS = (1, 2, 3, 4, 5, 6)


def lawful(candidate: Candidate) -> float:
    """An error of 20 times the millions of macs to the power -0.5, and 2."""
    return 100 - (20 * (candidate.cost.macs / 1e6) ** -0.5 + 2)


def laws(view: StudyView, *metrics: str, of: str = "auto"):  # type: ignore[no-untyped-def]
    return scaling_laws(view, metrics or ("macs",), of, num_resamples=40)


def test_a_known_law_is_found_over_the_family_and_its_baseline() -> None:
    table = laws(family_view(PHIS, lawful))
    (law,) = table.laws
    assert (table.of, len(table.points)) == ("family", 7)
    assert law.best.form == "saturating"
    assert law.best.exponent == pytest.approx(0.5, abs=1e-3)
    assert law.best.floor == pytest.approx(2, abs=1e-2)
    assert [each.name for each in law.forecasts] == ["phi 7", "phi 8", "phi 9"]
    for each in law.forecasts:
        assert each.forecast.error == pytest.approx(20 * (each.forecast.cost / 1e6) ** -0.5 + 2, rel=1e-3)
        assert each.forecast.is_supported == (each.forecast.cost <= FARTHEST_FORECAST * law.best.largest_cost)
    assert table.best_metric == "macs"
    next_members = [rescale(SMALL, phi) for phi in (7, 8, 9)]
    assert [each.forecast.cost for each in law.forecasts] == [member.cost.macs for member in next_members]


def test_the_network_itself_trained_again_is_no_second_rule() -> None:
    view = family_view(PHIS, lawful)
    base = msgspec.structs.replace(
        view.outcomes[0].candidate, role="family", origin={"phi": 0.0, "base_trial": view.outcomes[0].candidate.trial}
    )
    again = msgspec.structs.replace(view.outcomes[0], candidate=base)
    (law,) = laws(msgspec.structs.replace(view, family=(again, *view.family))).laws
    assert [each.name for each in law.forecasts] == ["phi 7", "phi 8", "phi 9"]


def test_without_metrics_those_with_enough_networks_have_a_law() -> None:
    view = family_view((1, 2, 3, 4), lawful)
    outcome = view.family[-1]
    cost = msgspec.structs.replace(outcome.candidate.cost, params=view.family[0].candidate.cost.params)
    same = msgspec.structs.replace(outcome, candidate=msgspec.structs.replace(outcome.candidate, cost=cost))
    view = msgspec.structs.replace(view, family=(*view.family[:-1], same))
    assert {law.metric for law in scaling_laws(view, num_resamples=20).laws} == {"macs", "activations"}
    with pytest.raises(StudyError, match="different params"):
        laws(view, "params")
    with pytest.raises(StudyError, match="at least 5"):
        scaling_laws(family_view((1, 2), lawful), num_resamples=20)


def test_a_family_of_two_rules_forecasts_multiples() -> None:
    view = family_view(PHIS, lawful)
    first, *others = view.family
    other = {**first.candidate.origin, "scaling": {**first.candidate.origin["scaling"], "scale_stem": False}}
    changed = msgspec.structs.replace(first, candidate=msgspec.structs.replace(first.candidate, origin=other))
    (law,) = laws(msgspec.structs.replace(view, family=(changed, *others))).laws
    assert [each.name for each in law.forecasts] == ["2 x the largest", "4 x the largest", "8 x the largest"]


def test_images_and_costs_are_not_asked_for_together() -> None:
    with pytest.raises(StudyError, match="ask apart"):
        laws(family_view(PHIS, lawful), "macs", "images")


def test_a_law_of_images_needs_a_study_of_them() -> None:
    with pytest.raises(StudyError, match="has 0 such networks: make one with naslab data-law"):
        laws(family_view(PHIS, lawful), "images")


def test_seeds_of_one_network_are_one_point() -> None:
    source = np.random.default_rng(0)
    table = laws(family_view(PHIS, lambda candidate: lawful(candidate) + 0.1 * float(source.normal()), seeds=3))
    assert len(table.points) == 7
    assert {each.num_trainings for each in table.points} == {3}
    assert all(each.sem > 0 for each in table.points)


def test_flat_errors_support_no_forecast() -> None:
    source = np.random.default_rng(2)
    table = laws(family_view(PHIS, lambda _: 90 + float(source.normal())))
    (law,) = table.laws
    assert law.best.form == "constant"
    assert not any(each.forecast.is_supported for each in law.forecasts)
    assert "no forecast holds" in law.warnings[0]
    assert table.best_metric is None


def test_costs_of_other_networks_are_multiples_of_the_largest() -> None:
    table = laws(family_view(PHIS, lawful), of="all")
    largest = max(point.costs["macs"] for point in table.points)
    view = family_view(PHIS, lawful)
    mixed = msgspec.structs.replace(view, family=(), baselines=view.family)
    (law,) = laws(msgspec.structs.replace(mixed, baselines=tuple(unnamed(each) for each in mixed.baselines))).laws
    assert [each.name for each in law.forecasts] == ["2 x the largest", "4 x the largest", "8 x the largest"]
    assert law.forecasts[0].forecast.cost == 2 * largest


def unnamed(outcome):  # type: ignore[no-untyped-def]
    return msgspec.structs.replace(outcome, candidate=msgspec.structs.replace(outcome.candidate, origin={}))


def test_rows_are_json() -> None:
    table = laws(family_view(PHIS, lawful), "macs", "params", "activations")
    value = json.loads(msgspec.json.encode(table.rows()))
    assert [law["metric"] for law in value["laws"]] == ["macs", "params", "activations"]
    for law in value["laws"]:
        assert {"form", "exponent", "exponent_interval", "floor", "aicc", "held_out_error"} <= set(law)
        assert {form["form"] for form in law["forms"]} == {"constant", "power", "saturating"}
        assert all(each["low"] <= each["error"] <= each["high"] for each in law["forecasts"])
    assert len(value["points"]) == value["num_points"] == 7


@pytest.mark.parametrize("number", [0, 1, NEEDED - 2])
def test_too_few_networks_say_how_many_are_needed(number: int) -> None:
    there = number + 1
    with pytest.raises(
        StudyError,
        match=rf"at least {NEEDED} trained networks at different macs.* has {there} .*train {NEEDED - there} more",
    ):
        laws(family_view(PHIS[:number], lawful))


def test_failures_and_networks_without_an_error_are_left_out() -> None:
    def some(candidate: Candidate) -> float | None:
        phi = candidate.origin.get("phi", 0)
        return None if phi == 6 else 100.0 if phi == 5 else lawful(candidate)

    table = laws(family_view(PHIS, some))
    assert (len(table.points), table.num_left_out) == (5, 1)


def test_names_are_checked() -> None:
    view = family_view(PHIS, lawful)
    with pytest.raises(UnknownNameError, match=r"metric of a law 'mac' \(did you mean 'macs'"):
        laws(view, "mac")
    with pytest.raises(UnknownNameError, match="choice of networks 'famly'"):
        laws(view, of="famly")
    with pytest.raises(StudyError, match="networks taken: baselines"):
        laws(view, of="baselines")


def test_other_fidelities_do_not_mix() -> None:
    view = family_view(PHIS, lawful)
    record = msgspec.structs.replace(view.record, epochs=9)
    with pytest.raises(StudyError, match="has 0 "):
        laws(msgspec.structs.replace(view, record=record))
    assert math.isfinite(laws(view).laws[0].best.aicc)
