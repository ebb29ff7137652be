"""Learning curves as a process, and the decisions that follow: what goes on, what is begun, the same when resumed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from tiny_search import Halt, Instant, Memory, checkpoint_of

from naslab.bench.made_curves import (
    CurveSearch,
    MadeCurves,
    found_after,
    halving,
    make_curves,
    pauses,
    run,
    train_whole,
)
from naslab.errors import SpecError
from naslab.execution.events import ignore
from naslab.execution.pause_source import PauseSource
from naslab.execution.search import run_candidates
from naslab.execution.source import StrategySource
from naslab.space import load_space
from naslab.strategies import curves as module
from naslab.strategies.composed import Search
from naslab.strategies.curves import MEANS, ConditionedCurves, CurveKernel, Points, fit_curves, own_falls, power_falls
from naslab.strategies.pausing import Pausing
from naslab.strategies.registry import make_pausing_strategy, make_search
from naslab.study.outcome import Candidate, Estimate, Outcome
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe
from naslab.study.rungs import Rungs

KERNEL = CurveKernel(np.exp(MEANS), power_falls(0.5, last=9), trend=2.0)


def some_rows(networks: int = 6) -> Points:
    """Three epochs of each network."""
    return Points(np.repeat(np.arange(networks), 3), np.tile(np.array([1, 3, 9]), networks))


def alike(networks: int = 6) -> np.ndarray:
    place = np.linspace(0, 2, networks)
    return np.exp(-0.5 * (place[:, None] - place[None]) ** 2)


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_a_curve_falls_from_one_to_nothing(power: float) -> None:
    fallen = power_falls(power, 9)
    assert (fallen[0], fallen[-1]) == (1.0, 0.0)
    assert all(later < earlier for earlier, later in pairwise(fallen))


def test_a_prediction_is_that_of_the_plain_equations() -> None:
    """Rasmussen and Williams, eq. 2.23 and 2.24, with an inverse in place of a Cholesky root."""
    rows, similar = some_rows(), alike()
    targets = np.random.default_rng(0).standard_normal(len(rows.own))
    points = Points(np.array([2, 5, -1]), np.array([9, 4, 9]))
    across_networks = np.column_stack((similar[:, 2], similar[:, 5], similar[:, 0]))
    mean, variance, _ = ConditionedCurves(KERNEL, similar, rows, targets).predict(across_networks, points)
    covariance = KERNEL.between(similar[np.ix_(rows.own, rows.own)], rows, rows)
    inverse = np.linalg.inv(covariance + np.diag(KERNEL.noise(rows.epochs) + module.JITTER * (1 + 2 * KERNEL.trend)))
    across = KERNEL.between(across_networks[rows.own], rows, points)
    assert mean == pytest.approx(across.T @ inverse @ targets)
    assert variance == pytest.approx(KERNEL.alone(points.epochs) - np.diag(across.T @ inverse @ across))


def test_what_nothing_is_known_of_varies_as_a_network_does_with_itself() -> None:
    points = Points(np.arange(3), np.array([1, 4, 9]))
    assert KERNEL.alone(points.epochs) == pytest.approx(np.diag(KERNEL.between(np.ones((3, 3)), points, points)))
    ends = Points(points.own, np.full(3, 9))
    assert np.diag(KERNEL.between(np.ones((3, 3)), ends, points)) == pytest.approx(KERNEL.of_end)


def test_the_gradient_is_that_of_the_density() -> None:
    rows = some_rows()
    similar = alike()[np.ix_(rows.own, rows.own)]
    fallen = power_falls(0.5, 9)[rows.epochs - 1]
    parts = module._parts(similar, rows, rows, fallen, fallen)
    common = 1.0 + parts[-1] + parts[-2]
    targets = np.random.default_rng(1).standard_normal(len(rows.own))
    theta = MEANS + 0.3
    given = parts[:-2], fallen, common, targets
    _, gradient = module._negative_log_density(theta, *given)
    found = approx_fprime(theta, lambda each: module._negative_log_density(each, *given)[0], 1e-6)
    assert gradient == pytest.approx(found, rel=1e-3, abs=1e-3)


def test_a_fit_finds_how_noisy_curves_are() -> None:
    """40 networks of 9 epochs drawn from a kernel: a noise variance of 0.01 is told from one of 0.5."""
    rows = Points(np.repeat(np.arange(40), 4), np.tile(np.array([1, 2, 4, 9]), 40))
    similar = alike(40)[np.ix_(rows.own, rows.own)]
    found = []
    for noise in (0.01, 0.5):
        covariance = KERNEL.between(similar, rows, rows) + (noise + 1e-9) * np.eye(len(rows.own))
        targets = np.linalg.cholesky(covariance) @ np.random.default_rng(3).standard_normal(len(rows.own))
        found.append(fit_curves(similar, rows, targets, 9).variances[-1])
    assert found[0] < 0.1 < found[1]


def test_a_fit_finds_that_first_epochs_are_noisier_than_last_ones() -> None:
    """40 networks whose measurements have a variance of 0.01 at the end and of 2 after the first epoch, or the same."""
    rows = Points(np.repeat(np.arange(40), 4), np.tile(np.array([1, 2, 4, 9]), 40))
    similar = alike(40)[np.ix_(rows.own, rows.own)]
    ratios = []
    for early in (1e-6, 2.0):
        kernel = KERNEL._replace(variances=np.array([0.5, 0.5, 0.1, 0.2, 0.05, early, 0.01]))
        root = np.linalg.cholesky(kernel.measured(similar, rows))
        found = fit_curves(similar, rows, root @ np.random.default_rng(3).standard_normal(len(rows.own)), 9)
        first, end = found.noise(np.array([1, 9]))
        ratios.append(first / end)
    assert ratios[0] < 10 < 30 < ratios[1]


def test_curves_fall_as_those_do_that_were_trained_to_the_end() -> None:
    """Nothing is learned before the fourth of nine epochs, which no power of the epoch does."""
    falls = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.0])
    rows = Points(np.repeat(np.arange(8), 9), np.tile(np.arange(1, 10), 8))
    ends = np.random.default_rng(0).standard_normal(8)
    targets = ends[rows.own] + 6 * falls[rows.epochs - 1]
    found = fit_curves(np.eye(8)[np.ix_(rows.own, rows.own)], rows, targets, 9)
    assert found.falls == pytest.approx(falls, abs=0.03)


def test_how_curves_fall_is_not_known_before_one_was_trained_to_the_end_nor_where_they_rise() -> None:
    rows, similar = some_rows(), alike()[np.ix_(some_rows().own, some_rows().own)]
    rising = np.tile(np.array([0.0, 1.0, 2.0]), 6)
    assert own_falls(KERNEL, similar, rows, -rising) is not None
    assert own_falls(KERNEL, similar, rows, rising) is None
    short = rows._replace(epochs=np.minimum(rows.epochs, 8))
    assert own_falls(KERNEL, similar, short, -rising) is None


@settings(max_examples=40)
@given(
    last=st.integers(2, 16),
    networks=st.integers(2, 6),
    height=st.floats(0.0, 1e4),
    width=st.sampled_from([0.0, 1e-9, 1.0]),
    seed=st.integers(0, 99),
)
def test_any_curves_can_be_fitted(last: int, networks: int, height: float, width: float, seed: int) -> None:
    """Also such that are all one, that lie far from their ends, or that are exactly alike."""
    rng = np.random.default_rng(seed)
    rows = Points(np.repeat(np.arange(networks), last), np.tile(np.arange(1, last + 1), networks))
    targets = height * rng.random(last)[rows.epochs - 1] + width * rng.standard_normal(len(rows.own))
    similar = np.ones((networks, networks))
    kernel = fit_curves(similar[np.ix_(rows.own, rows.own)], rows, targets, last)
    assert kernel.falls[0] == pytest.approx(1.0)
    assert kernel.falls[-1] == pytest.approx(0.0)
    assert (np.diff(kernel.falls) <= 1e-9).all()
    points = Points(np.array([0, -1]), np.array([last, last]))
    mean, variance, _ = ConditionedCurves(kernel, similar, rows, targets).predict(similar[:, :2], points)
    assert np.isfinite(mean).all()
    assert (variance > 0).all()


def paused_search(curves: MadeCurves, seed: int = 0, is_per_second: bool = False) -> tuple[CurveSearch, Pausing]:
    pausing = Pausing(curves.domain, curves.epochs, seed, is_per_second=is_per_second)
    return CurveSearch(curves, Search(curves.domain, pausing, seed), seed, tells_all=True), pausing


@pytest.mark.slow  # many decisions
@pytest.mark.parametrize("objectives", [("score",), ("score", "macs")])
def test_a_search_pauses_most_and_finds_more_than_chance_in_the_same_time(objectives: tuple[str, ...]) -> None:
    """Three tables; of chance the same number of networks is expected to be better on one of them at most."""
    wins = 0
    for seed in range(3):
        curves = make_curves((5, 4), (3,), objectives, epochs=8, seed=seed)
        going, pausing = paused_search(curves, seed)
        steps = run(going, pauses(pausing), 60)
        reached = {each.row: max(step.epochs for step in steps if step.row == each.row) for each in steps}
        assert len({(each.row, each.epochs) for each in steps}) == len(steps), "no epoch is trained twice"
        assert 0 < sum(each == 8 for each in reached.values()) < len(reached) / 2
        chance = CurveSearch(curves, make_search("random", curves.domain, seed), seed, tells_all=False)
        ours, theirs = (found_after(curves, each, seed)[-1][1] for each in (steps, run(chance, train_whole, 60)))
        wins += ours >= theirs if len(objectives) > 1 else ours <= theirs
    assert wins >= 2


def test_late_curves_tell_nothing_in_their_first_third_and_end_the_same() -> None:
    late, early = (make_curves((4, 3), (2,), epochs=9, is_late=is_late) for is_late in (True, False))
    assert late.losses[-1] == pytest.approx(early.losses[-1])
    assert (np.diff(late.losses[:4], axis=0) == 0).all()
    assert (np.diff(late.losses[3:], axis=0) < 0).all()
    assert (late.noise[0], late.noise[-1]) == pytest.approx((1.0, 0.05))


def test_ends_alone_are_cut_off_where_nothing_adds_hypervolume() -> None:
    """First epochs are all worse than any end that counts: what they tell apart must not be lost."""
    curves = make_curves((4, 3), (2,), ("score", "macs"), epochs=4)
    going, pausing = paused_search(curves)
    for _ in range(6):
        going.begin(1)
    worst = max(going.reached, key=lambda row: curves.losses[-1, row])
    going.go_on(worst, 4)
    _, model = pausing.model(going.search.history)
    assert model.worthless is not None
    model.worthless = np.array([going.reached[worst].losses[0] - 1.0, np.nan])
    found = model.curves(going.search.history.told, 7, 10)
    first = found.rows.epochs == 1
    assert len(set(found.losses[first, 0].tolist())) == 6
    assert found.losses[~first, 0].tolist() == [model.worthless[0]]
    assert found.ends[:, 0].max() == model.worthless[0]


def test_what_is_begun_only_where_it_may() -> None:
    curves = make_curves((4, 3), (2,), epochs=4)
    going, pausing = paused_search(curves)
    step = pauses(pausing)
    for _ in range(8):
        step(going)
    history = going.search.history
    paused = [each.network_id for each in going.reached.values() if each.effort < 4]
    assert pausing.next_paused(history, paused, may_begin=False) in paused
    assert pausing.next_paused(history, [], may_begin=True) is None


def test_the_network_that_will_be_best_goes_on() -> None:
    """One epoch of each of eight networks of which one is far ahead: it goes on, in whatever order they come."""
    curves = make_curves((8,), (), epochs=4, noise=0.0)
    lead = np.full((4, len(curves.domain.losses)), 5.0)
    lead[:, 3] = [1.0, 0.5, 0.2, 0.1]
    curves = curves._replace(losses=lead, noise=np.zeros(4))
    going, pausing = paused_search(curves)
    while len(going.reached) < len(curves.domain.losses):
        going.begin(1)
    names = [each.network_id for each in going.reached.values()]
    for order in (names, names[::-1]):
        assert pausing.next_paused(going.search.history, order, may_begin=False) == going.reached[3].network_id


def test_rungs_of_the_bench_train_on_what_was_the_best_then() -> None:
    curves = make_curves((5, 4), (3,), epochs=4)
    search = CurveSearch(curves, make_search("random", curves.domain, 0), 0, tells_all=False)
    steps = run(search, halving((1, 2, 4), 1 / 2), 60)
    counts = [sum(each.epochs == epochs for each in steps) for epochs in (1, 2, 4)]
    assert counts[1] >= counts[0] // 2 - 1
    assert counts[2] >= counts[1] // 2 - 1
    for row in {each.row for each in steps}:
        assert [each.epochs for each in steps if each.row == row] in ([1], [1, 2], [1, 2, 4])


def goals_of(*names: str) -> Problem:
    goals = tuple(map(Objective.named, names))
    return Problem(load_space("nas_bench_macro"), goals, DataChoice("digits"), Recipe())


def answer(candidate: Candidate) -> Estimate:
    depth = sum(each.repeats for each in candidate.arch.stages)
    accuracy = 60 + 2 * depth - 20 / candidate.fidelity.epochs + 5 * np.sin(candidate.cost.params)
    return Estimate(
        measured={"accuracy": float(accuracy)},
        wall_seconds=1e-6 * candidate.cost.macs,
        weights_sha256=checkpoint_of(candidate),
    )


def searched(ledger: Memory, strategy: str, slots: int, on_event=ignore) -> list[Outcome]:
    """Three whole trainings' epochs of a real space, answered at once."""
    problem, rungs = goals_of("accuracy", "macs"), Rungs.every_epoch(4)
    pausing = make_pausing_strategy(strategy, problem, seed=1, epochs=4)
    networks = StrategySource(pausing, problem, rungs.fidelity(0), 1, 12)
    source = PauseSource(networks, pausing, rungs, problem.objectives, trials=3)
    run_candidates("paused", ledger, Instant(slots, answer), source, on_event)  # type: ignore[arg-type]
    return ledger.outcomes("paused")


@pytest.mark.parametrize("strategy", ["bayes", pytest.param("bayes_per_second", marks=pytest.mark.slow)])
def test_a_real_search_that_was_cut_decides_as_one_that_was_not(strategy: str) -> None:
    expected = searched(Memory(), strategy, 1)
    assert 8 < len(expected) <= 12
    assert max(each.candidate.fidelity.epochs for each in expected) == 4
    ledger = Memory()
    with pytest.raises(InterruptedError):
        searched(ledger, strategy, 1, on_event=Halt(7))
    assert [each.candidate for each in searched(ledger, strategy, 1)] == [each.candidate for each in expected]


def test_workers_side_by_side_train_different_networks() -> None:
    outcomes = searched(Memory(), "bayes", 3)
    assert len({(each.candidate.arch_id, each.candidate.fidelity) for each in outcomes}) == len(outcomes) <= 12


def test_strategies_that_cannot_pause_are_refused() -> None:
    with pytest.raises(SpecError, match="pause: is for --strategy bayes, bayes_per_second, got 'random'"):
        make_pausing_strategy("random", goals_of("accuracy"), 0, 4)
