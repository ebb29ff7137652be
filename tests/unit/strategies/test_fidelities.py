"""Outcomes of one network at several fidelities: what is learned from them, and that nothing is proposed twice."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from naslab.bench.fidelities import Ladder, make_fidelities, successive_halving
from naslab.bench.made_table import make_table
from naslab.bench.table import TableDomain
from naslab.execution.source import make_candidate
from naslab.space import load_space
from naslab.strategies.candidates import Catalogue
from naslab.strategies.fidelities import at_highest, to_highest
from naslab.strategies.outcome_history import Observation, OutcomeHistory, ToldColumns
from naslab.strategies.registry import ACROSS_FIDELITIES, make_search, make_strategy, strategy_names
from naslab.strategies.surrogate import Surrogate, SurrogateModel, told_losses
from naslab.study.outcome import Estimate, Fidelity, Outcome
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe

TABLE = make_table((4, 3), (3, 2), share_absent=0, seed=5)


def told(domain: TableDomain, row: int, loss: float | None, effort: float) -> Observation:
    losses = None if loss is None else (loss,)
    return Observation(domain.space.genome(row), str(row), losses, {}, row, effort)


def test_short_trainings_are_read_by_the_line_through_the_networks_of_both() -> None:
    """Losses at the next effort are half those of the first, and 1: with many pairs the prior hardly counts."""
    low = np.linspace(-3, 3, 400)
    losses = np.concatenate((low, 1 + low[::4] / 2))
    efforts = np.repeat([1.0, 3.0], [400, 100])
    names = [str(index) for index in (*range(400), *range(0, 400, 4))]
    expected = to_highest(losses, efforts, names)
    assert expected[400:].tolist() == losses[400:].tolist()
    assert expected[:400] == pytest.approx(1 + low / 2, abs=0.05)


def test_doubts_are_what_lies_beside_the_lines() -> None:
    """Two steps, of slopes 1/2 and 1, with deviations of 0.3 and 0.4 beside them: 400 networks went all the way."""
    rng = np.random.default_rng(0)
    low = rng.standard_normal(400) * 3
    middle = low / 2 + 0.3 * rng.standard_normal(400)
    high = middle + 0.4 * rng.standard_normal(400)
    losses, efforts = np.concatenate((low, middle, high)), np.repeat([1.0, 3.0, 9.0], 400)
    doubts = at_highest(losses, efforts, [str(index) for index in range(400)] * 3).doubts
    assert doubts[:400] == pytest.approx(0.09 + 0.16, rel=0.15)
    assert doubts[400:800] == pytest.approx(0.16, rel=0.15)
    assert (doubts[800:] == 0).all()


def test_a_better_short_training_is_never_read_as_a_worse_network() -> None:
    losses = np.array([1.0, 2.0, 3.0, 9.0, 5.0, 1.0])
    expected = to_highest(losses, np.array([1.0, 1, 1, 3, 3, 3]), ["a", "b", "c", "a", "b", "c"])
    assert expected[0] < expected[1] < expected[2]


def test_failures_at_any_fidelity_count_as_the_upper_quartile_of_what_is_expected() -> None:
    losses = told_losses(
        ToldColumns.of(
            [told(TABLE, 0, 4.0, 1.0), told(TABLE, 1, 6.0, 1.0), told(TABLE, 2, None, 1.0), told(TABLE, 0, 1.0, 9.0)]
        )
    )
    assert losses[:, 0].tolist() == [1.0, 3.0, 2.0, 1.0]


@pytest.mark.slow
def test_told_whole_or_one_by_one_makes_the_same_model() -> None:
    """Also where a higher fidelity appears between two fits."""
    outcomes = [told(TABLE, row, float(TABLE.losses[row, 0]), 1.0) for row in range(30)]
    outcomes[23:23] = [told(TABLE, 4, -2.0, 9.0), told(TABLE, 7, -1.5, 9.0)]
    grown, whole, history = (SurrogateModel(Catalogue(TABLE)), SurrogateModel(Catalogue(TABLE)), OutcomeHistory(1))
    for observation in outcomes:
        history.finish(observation)
        grown.learn(history.told)
    whole.learn(history.told)
    one, two = (Surrogate(each, history, Catalogue(TABLE)) for each in (grown, whole))
    standing = Catalogue(TABLE).standing
    for first, second in zip(one.predict_standing(standing), two.predict_standing(standing), strict=True):
        assert first == pytest.approx(second, abs=1e-6)
    assert history.num_searched == 30


def test_predictions_are_of_the_highest_fidelity() -> None:
    """Short trainings are worse by 2; what is expected of a network is near its long training."""
    rows = range(24)
    history = OutcomeHistory(1)
    for row in rows:
        history.finish(told(TABLE, row, float(TABLE.losses[row, 0]) + 2, 1.0))
    for row in range(12):
        history.finish(told(TABLE, row, float(TABLE.losses[row, 0]), 9.0))
    catalogue = Catalogue(TABLE)
    model = SurrogateModel(catalogue)
    model.learn(history.told)
    surrogate = Surrogate(model, history, catalogue)
    scale = surrogate.scales[0]
    mean = surrogate.predict(catalogue.described(TABLE.space.genome(row) for row in rows)).mean[:, 0]
    known = mean * scale.spread + scale.centre
    assert np.abs(known[:12] - TABLE.losses[:12, 0]).mean() < 0.3
    assert np.abs(known[12:] - TABLE.losses[12:24, 0]).mean() < 1.0


def test_only_those_that_learn_across_fidelities_say_so() -> None:
    goals = (Objective.named("accuracy"),)
    problem = Problem(load_space("digits_demo"), goals, DataChoice(name="digits"), Recipe())
    names = [name for name in strategy_names() if name != "cmaes"]
    says = {name for name in names if make_strategy(name, problem).learns_across_fidelities}
    assert says == set(ACROSS_FIDELITIES) == {"bayes", "bayes_per_second"}


def test_a_promoted_network_is_one_network_and_is_not_proposed_again() -> None:
    search = make_search("bayes", TABLE, 1)
    rows = []
    for _ in range(20):
        genome = search.ask(1)[0].genome
        row = TABLE.space.row(genome)
        assert row is not None
        rows.append(row)
        loss = float(TABLE.losses[row, 0])
        search.learn([told(TABLE, row, loss + 1, 1.0)])
        if len(rows) % 3 == 0:
            search.learn([told(TABLE, row, loss, 9.0)])
    assert len(set(rows)) == 20
    assert search.history.num_searched == 20
    assert len(search.history.told) == 26


def test_a_climb_pays_for_what_it_trains_and_counts_full_trainings_alone() -> None:
    ladder = Ladder((1, 3, 9), (0.7, 0.9, 1.0))
    losses = make_fidelities(TABLE, ladder, seed=2)
    assert losses.shape == (3, TABLE.space.size())
    assert losses[2].tolist() == TABLE.losses[:, 0].tolist()
    found = successive_halving(TABLE, ladder, losses, make_search("random", TABLE, 0), epochs=60, tells_all=False)
    steps = np.diff(found.spent, prepend=0)
    assert set(steps.tolist()) == {1.0, 2.0, 6.0}
    first_full = int(np.flatnonzero(steps == 6)[0])
    assert np.isinf(found.best[:first_full]).all()
    assert np.isfinite(found.best[first_full:]).all()
    assert found.best_after(0.5) == np.inf


def test_a_study_of_rungs_is_replayed_exactly() -> None:
    """Told at once, after a restart, as one by one; promoted networks come in between at three epochs."""
    goals = (Objective.named("accuracy"), Objective.named("macs"))
    problem = Problem(load_space("digits_demo"), goals, DataChoice(name="digits"), Recipe())
    first, outcomes = make_strategy("bayes", problem, 4), []
    for trial in range(12):
        proposal = first.ask(1)[0]
        arch = problem.space.decode(proposal.genome)
        made = make_candidate(arch, trial, 1, 0, "search", proposal.genome, proposal.origin)
        estimate = Estimate(measured={"accuracy": 60.0 + (7 * trial) % 11})
        batch = [Outcome(candidate=made, estimate=estimate)]
        if trial % 4 == 3:
            promoted = msgspec.structs.replace(made, trial=100 + trial, fidelity=Fidelity(epochs=3))
            batch.append(Outcome(candidate=promoted, estimate=Estimate(measured={"accuracy": 80.0 + trial})))
        first.tell(batch)
        outcomes += batch
    second = make_strategy("bayes", problem, 4)
    second.tell(outcomes)
    assert first.ask(2) == second.ask(2)
