"""Curves, preferences, failures, family, facts, and a study read from its ledger."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import msgspec
import pytest
import synthetic_study as synthetic

from naslab.analysis.curves import learning_curves
from naslab.analysis.facts import facts
from naslab.analysis.failures import failures
from naslab.analysis.family import family
from naslab.analysis.front import front
from naslab.analysis.preferences import Preference, place_in_words, preferences
from naslab.analysis.reference import reference_point
from naslab.analysis.study import read_study
from naslab.analysis.zoo import zoo_table
from naslab.arch import cost
from naslab.errors import StudyError, UnknownNameError
from naslab.ledger import Ledger
from naslab.scaling import meet_budget, rescale
from naslab.space import Genome
from naslab.space.genome import Gene, Hole
from naslab.study.outcome import Outcome
from naslab.zoo.registry import model, model_names


def test_curves_are_those_of_the_trials_asked_for_cheapest_first() -> None:
    outcomes = synthetic.searched(20)
    table = learning_curves(outcomes, {3, 7, 12})
    assert table.num_without == 1  # trial 7 failed
    assert {curve.trial for curve in table.curves} == {3, 12}
    assert [curve.macs for curve in table.curves] == sorted(curve.macs for curve in table.curves)
    assert table.curves[0].epochs[-1].epoch == 4
    assert len(table.rows()) == 8
    assert len(learning_curves(outcomes).curves) == sum(each.is_complete for each in outcomes)


def chosen(trial: int, *options: int | None, complete: bool = True) -> Outcome:
    """A network of its own that takes these options of holes `a`, `b`, ...; `None` where a hole is not active."""
    genes = tuple(Gene(hole, option) for hole, option in zip("abc", options, strict=False) if option is not None)
    made = synthetic.outcome(
        trial, synthetic.network([(0, 0, 0)] * 3), 80.0 if complete else None, genome=Genome(genes)
    )
    return msgspec.structs.replace(made, candidate=msgspec.structs.replace(made.candidate, arch_id=str(trial)))


HOLES = (Hole(path="a", options=("left", "right")), Hole(path="b", options=(3, 5, 7)))


def test_shares_count_only_networks_in_which_the_hole_is_active() -> None:
    outcomes = [chosen(0, 0, 2), chosen(1, 0, 2), chosen(2, 0, 1), chosen(3, 1), chosen(4, 1, 0, complete=False)]
    table = preferences(outcomes, {0, 3}, HOLES)
    assert (table.num_candidates, table.num_front) == (4, 2)
    found = {(each.hole, each.label): each for each in table.preferences}
    assert set(found) == {("a", "left"), ("a", "right"), ("b", "5"), ("b", "7")}
    assert (found["a", "left"].share, found["a", "left"].share_on_front) == (3 / 4, 1 / 2)
    assert (found["b", "7"].share, found["b", "7"].share_on_front) == (2 / 3, 1.0)
    assert table.strongest(1)[0].chance == min(each.chance for each in table.preferences)


def test_the_strongest_are_ordered_from_favoured_to_shunned() -> None:
    outcomes = [chosen(trial, trial % 2, trial % 3) for trial in range(12)]
    strongest = preferences(outcomes, {1, 3, 5}, HOLES).strongest(4)
    differences = [each.difference for each in strongest]
    assert differences == sorted(differences, reverse=True)
    assert strongest[0].label == "right"


def test_an_option_of_one_network_does_not_outrank_one_of_many() -> None:
    outcomes = [chosen(trial, int(trial < 6), 2 if trial == 0 else None) for trial in range(20)]
    table = preferences(outcomes, set(range(6)), HOLES)
    assert [each.hole for each in table.strongest(2)] == ["a", "a"]
    assert all(each.hole == "a" for each in table.strongest(9))  # b says the same of all and of the front


def test_places_name_the_options_they_lie_in() -> None:
    inner = Hole(path="stages[1].block.choice[0].se", options=(None, {"ratio": 0.25}))
    outer = Hole(path="stages[1].block", options=({"type": "mbconv"}, {"type": "conv"}))
    holes = (outer, inner)
    assert place_in_words("stages[1].block", holes) == "stages[1].block"
    assert place_in_words("stages[1].block.choice[1].kernel", holes) == "stages[1].conv.kernel"
    assert place_in_words("stages[1].block.choice[0].se", holes) == "stages[1].mbconv.se"
    assert place_in_words(f"{inner.path}.choice[1].ratio", holes) == "stages[1].mbconv.ratio=0.25.ratio"
    assert place_in_words("stages[10].block.choice[1].kernel", holes) == "stages[10].block.choice[1].kernel"


def test_a_hole_that_no_front_network_has_is_left_out() -> None:
    table = preferences([chosen(0, 0), chosen(1, 1, 2)], {0}, HOLES)
    assert {each.hole for each in table.preferences} == {"a"}
    assert preferences([], set(), HOLES).preferences == ()


def test_chance_is_the_share_of_blind_draws_that_differ_as_much() -> None:
    takes = [True] * 3 + [False] * 5
    for seen in range(4):
        each = Preference(
            hole="a",
            place="a",
            option=0,
            label="left",
            num_taken=3,
            num_active=8,
            num_taken_on_front=seen,
            num_active_on_front=4,
        )
        draws = [sum(takes[index] for index in draw) for draw in combinations(range(8), 4)]
        as_much = [hits for hits in draws if (hits >= seen if each.difference >= 0 else hits <= seen)]
        assert each.chance == len(as_much) / len(draws)


def test_failures_are_grouped_by_reason_most_frequent_first() -> None:
    table = failures(synthetic.searched(60))
    assert [(group.reason, group.trials) for group in table.groups] == [
        ("timed_out", (7, 29, 51)),
        ("diverged", (18, 40)),
    ]
    assert (table.num_failed, table.num_outcomes) == (5, 60)
    assert table.groups[1].message == "the loss of trial 18 was not a number in epoch 1"
    assert failures([]).rows() == []


def test_a_family_says_what_was_asked_and_achieved() -> None:
    view = synthetic.study()
    table = family(view.family)
    assert [member.phi for member in table.members] == [0.0, 1.0, 2.0, 3.0]
    assert [member.label for member in table.members] == ["phi 0", "phi 1", "phi 2", "phi 3"]
    assert table.members[1].factors == {"depth": 1.2, "width": 1.1, "resolution": 1.15}
    assert table.members[1].value("macs") == view.family[1].candidate.cost.macs
    assert table.members[1].resolution == (10, 10)
    assert json.loads(json.dumps(table.rows(), allow_nan=False))[3]["accuracy"] == 97.0


def test_members_of_the_scaling_package_tell_their_origin() -> None:
    base = synthetic.network([(2, 1, 1)] * 3, side=16)
    scaled = rescale(base, phi=2.0)
    budgeted = meet_budget(base, "params", 60e3).member
    table = family(
        [
            synthetic.outcome(index, member.arch, 90.0, role="family", origin=member.origin)
            for index, member in enumerate((scaled, budgeted))
        ]
    )
    found = {member.trial: member for member in table.members}
    assert found[0].factors == msgspec.structs.asdict(scaled.factors)
    assert (found[0].phi, found[0].label, found[0].asked) == (2.0, "phi 2", {})
    assert found[1].asked == {"params": 60e3}


def test_a_member_that_failed_keeps_its_cost_and_its_reason() -> None:
    table = family([synthetic.outcome(0, synthetic.network([(0, 0, 0)] * 3), None, origin={"phi": 2.0})])
    assert table.measured == ()
    assert table.members[0].failure.startswith("diverged: the loss")
    assert table.rows()[0]["macs"] > 0


def test_baselines_are_called_by_their_zoo_names() -> None:
    assert [member.label for member in family(synthetic.study().baselines).members] == [
        "mobilenet_v1",
        "resnet20_cifar",
    ]


def test_facts_tell_what_made_the_numbers() -> None:
    table = facts(synthetic.study())
    assert table.topics == ("search", "data", "recipe", "run 1", "run 2")
    told = {(fact.topic, fact.name): fact.value for fact in table.facts}
    assert told["search", "seed"] == "0"
    assert told["search", "budget"] == "60 trials of 4 epochs"
    assert told["data", "name"] == "digits"
    assert told["recipe", "learning rate"] == "0.1"
    assert told["run 1", "command"].startswith("naslab search three_stages")
    assert told["run 2", "executor"] == "local, 2 workers"
    assert "torch 2.11.0" in told["run 1", "versions"]
    assert told["run 1", "gpus"] == "none"


def test_a_study_is_read_from_its_ledger(tmp_path: Path) -> None:
    view = synthetic.study(count=12)
    record = msgspec.structs.replace(view.record, problem=msgspec.json.decode(msgspec.json.encode(view.problem)))
    waiting = synthetic.outcome(3000, synthetic.network([(1, 1, 1)] * 3), 50.0).candidate
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(record)
        for each in (*view.outcomes, *view.family, *view.baselines):
            ledger.start(record.name, [each.candidate])
            ledger.finish(record.name, each)
        ledger.start(record.name, [waiting])
        for run in view.runs:
            ledger.add_run(record.name, run)
        read = read_study(ledger, record.name)
        with pytest.raises(UnknownNameError, match="did you mean 'digits-demo'"):
            read_study(ledger, "digits-dem")
    assert read == msgspec.structs.replace(view, record=record)
    reference = reference_point(view.problem)
    assert (
        front(read.outcomes, read.problem.objectives, reference).rows()
        == front(view.outcomes, view.problem.objectives, reference).rows()
    )


def test_a_problem_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    record = msgspec.structs.replace(synthetic.study(count=1).record, problem={"objectives": 3})
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(record)
        with pytest.raises(StudyError, match="the problem of study 'digits-demo' cannot be read"):
            read_study(ledger, record.name)


def test_the_zoo_table_has_every_network_with_its_exact_cost() -> None:
    rows = {row.name: row for row in zoo_table()}
    assert tuple(rows) == model_names()
    assert (rows["resnet18"].params, rows["resnet18"].macs) == (11_689_512, 1_814_073_344)
    assert rows["resnet18"].macs == cost(model("resnet18")).macs
