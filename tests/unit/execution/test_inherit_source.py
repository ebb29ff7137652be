"""Whom a candidate inherits from is part of it, and the same after a crash."""

from __future__ import annotations

import msgspec
import pytest

from naslab.estimators.inheritance import ancestor_epochs
from naslab.execution.search_source import InheritSource, RungSource
from naslab.execution.source import StrategySource, make_candidate
from naslab.lab.problems import make_problem
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Fidelity, Outcome
from naslab.study.rungs import Rungs

SHA = {trial: f"{trial:064x}" for trial in range(50)}


@pytest.fixture(scope="module")
def problem():
    return make_problem("digits_demo", None, ["accuracy"], (), None)


def source_of(problem, trials: int = 30) -> InheritSource:
    return InheritSource(StrategySource(make_strategy("evolution", problem, 0), problem, Fidelity(epochs=2), 0, trials))


def outcome_of(candidate: Candidate) -> Outcome:
    curve = tuple(EpochRecord(epoch, 1.0, 1.0, 50.0, 0.1) for epoch in (1, 2))
    accuracy = 50.0 + candidate.trial
    if candidate.trial % 5 == 4:
        return Outcome(candidate=candidate, estimate=Estimate(failure=Failure("diverged", "nan"), curve=curve))
    notes = {}
    if "inherits" in candidate.origin:
        notes = {"inherited": {"ancestor_epochs": candidate.origin["ancestor_epochs"]}}
    estimate = Estimate(measured={"accuracy": accuracy}, curve=curve, notes=notes, weights_sha256=SHA[candidate.trial])
    return Outcome(candidate=candidate, estimate=estimate)


def test_children_start_from_a_parent_and_count_its_epochs(problem) -> None:
    source = source_of(problem)
    source.resume([], [])
    made: dict[int, Candidate] = {}
    for trial in range(30):
        (candidate,) = source.propose(1, trial)
        made[trial] = candidate
        source.learn(outcome_of(candidate))
    children = [each for each in made.values() if each.origin.get("parents")]
    assert len(children) > 10
    for child in children:
        (parent,) = child.origin["parents"]
        if parent % 5 == 4:
            assert child.start_from == ""
            assert "inherits" not in child.origin
        else:
            assert child.start_from == SHA[parent]
            assert child.origin["inherits"] == parent
            assert child.origin["ancestor_epochs"] == 2 + made[parent].origin.get("ancestor_epochs", 0)
    assert max(child.origin.get("ancestor_epochs", 0) for child in children) > 2
    assert all(each.start_from == "" for each in made.values() if not each.origin.get("parents"))


def test_a_resumed_study_goes_on_with_the_same_parents(problem) -> None:
    whole = source_of(problem)
    whole.resume([], [])
    outcomes, proposed = [], []
    for trial in range(24):
        (candidate,) = whole.propose(1, trial)
        proposed.append(candidate)
        outcomes.append(outcome_of(candidate))
        whole.learn(outcomes[-1])
    again = source_of(problem)
    kept, requeued = again.resume(outcomes[:15], [proposed[15]])
    assert len(kept) == 15
    assert requeued == [proposed[15]]
    again.learn(outcomes[15])
    for trial in range(16, 24):
        (candidate,) = again.propose(1, trial)
        assert candidate == proposed[trial]
        again.learn(outcomes[trial])


def test_under_rungs_children_inherit_at_the_first_and_promotions_keep_their_ancestors(problem) -> None:
    rungs = Rungs((1, 2, 4))
    networks = StrategySource(make_strategy("evolution", problem, 0), problem, rungs.fidelity(0), 0, 30)
    source = RungSource(InheritSource(networks), rungs, problem.objectives)
    source.resume([], [])
    done: dict[int, Outcome] = {}
    for trial in range(45):
        for candidate in source.propose(1, trial):
            estimate = outcome_of(candidate).estimate
            curve = tuple(EpochRecord(epoch, 1.0, 1.0, 50.0, 0.1) for epoch in range(1, candidate.fidelity.epochs + 1))
            notes = {"from_scratch": "damaged"} if candidate.trial % 7 == 6 else {}
            done[trial] = Outcome(
                candidate=candidate,
                estimate=msgspec.structs.replace(estimate, curve=curve, notes=notes, weights_sha256=f"{trial:064x}"),
            )
            source.learn(done[trial])
    heirs = [each for each in done.values() if "inherits" in each.candidate.origin]
    promoted = [each for each in done.values() if each.candidate.origin["operator"] == "promote"]
    assert {each.candidate.fidelity for each in heirs} == {rungs.fidelity(0)}
    assert {each.candidate.fidelity for each in promoted} == {rungs.fidelity(1), rungs.fidelity(2)}
    for each in heirs:
        parent = done[each.candidate.origin["inherits"]]
        assert parent.candidate.fidelity == rungs.fidelity(0)
        assert each.candidate.start_from == parent.estimate.weights_sha256
        assert each.candidate.origin["ancestor_epochs"] == 1 + ancestor_epochs(parent)
    for each in promoted:
        own = done[each.candidate.origin["from"]]
        assert each.candidate.start_from == own.estimate.weights_sha256
        assert each.candidate.origin.get("ancestor_epochs", 0) == ancestor_epochs(own)
    assert any(ancestor_epochs(each) for each in promoted)
    assert any(each.candidate.origin.get("ancestor_epochs") and not ancestor_epochs(each) for each in done.values())


def test_a_candidate_that_goes_on_from_its_own_checkpoint_keeps_it(problem) -> None:
    arch = problem.space.decode(problem.space.genome_at(0))
    own = msgspec.structs.replace(make_candidate(arch, 7, 2, 0, "search", origin={"parents": [0]}), start_from=SHA[3])

    class One:
        total, is_exhausted = 1, False

        def resume(self, outcomes, in_flight):
            return None

        def propose(self, count, first_trial):
            return [own]

        def learn(self, outcome):
            """Nothing."""

    source = InheritSource(One())
    source.learn(outcome_of(msgspec.structs.replace(own, trial=0, start_from="")))
    assert source.propose(1, 7) == [own]
