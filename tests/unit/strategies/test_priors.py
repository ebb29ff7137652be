"""Priors: what scores of cheap estimators do to the first networks and to the model, and what wrong ones do not."""

from __future__ import annotations

from copy import copy
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from naslab.bench.cluster import Cluster
from naslab.bench.made_table import make_table
from naslab.bench.simulate import simulate
from naslab.bench.table import TableDomain
from naslab.errors import SpecError
from naslab.space import Genome
from naslab.strategies.candidates import Catalogue
from naslab.strategies.first_networks import promising
from naslab.strategies.fitting import fit_warped, trusted_scores
from naslab.strategies.gaussian_process import fit_kernel
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.priors import Prior, normal_scores
from naslab.strategies.registry import make_search

Vector = NDArray[np.float64]
PARTS = (np.array([0, 1]),)


@cache
def table() -> TableDomain:
    return make_table((4, 3), (3, 2), share_absent=0.0, seed=5)


def scored(kind: str, seed: int = 0) -> TableDomain:
    """The table with a prior that agrees with its results, that turns them round, or that has nothing of them."""
    rng = np.random.default_rng(seed)
    value = -table().losses[:, 0]
    near = value + 0.7 * rng.standard_normal(len(value))
    scores = {"right": near, "inverted": -near, "shuffled": rng.permutation(near)}[kind]
    return table().scored(("proxy",), scores[:, None])


def history_of(domain: TableDomain, rows: list[int]) -> OutcomeHistory:
    history = OutcomeHistory(1)
    for row in rows:
        history.finish(domain.look_up(domain.space.genome(row)))
    return history


def inputs_and_targets(count: int, slope: float, seed: int = 0) -> tuple[NDArray[np.float64], Vector]:
    """Two columns of choices, two of scores of which the first is followed by `slope`, and a level."""
    rng = np.random.default_rng(seed)
    inputs = np.column_stack((rng.random((count, 2)), rng.standard_normal((count, 2)), np.zeros(count)))
    targets = np.sin(4 * inputs[:, 0]) + slope * inputs[:, 2] + 0.1 * rng.standard_normal(count)
    return inputs, np.asarray((targets - targets.mean()) / targets.std())


def test_normal_scores_depend_on_ranks_alone() -> None:
    values = np.array([3.0, -1.0, 7.0, np.nan, 3.0])
    found = normal_scores(values)
    np.testing.assert_array_equal(found, normal_scores(np.exp(values)))
    assert found[0] == found[4]
    assert found[1] < found[0] < found[2]
    assert np.isnan(found[3])


def test_networks_without_a_score_stand_where_those_like_them_do() -> None:
    inputs = np.linspace(0, 1, 50)[:, None]
    ids = [str(row) for row in range(50)]
    scores = inputs.copy()
    scores[10] = np.nan
    prior = Prior(("proxy",), [Genome()] * 50, ids, scores)
    prior.fit(inputs)
    assert prior.of(["7"], inputs[7:8])[0, 0] == prior.normal[7, 0]
    failed, unknown = prior.of(["10", "of another pool"], np.array([inputs[10], [0.9]]))[:, 0]
    assert prior.normal[3, 0] < failed < prior.normal[20, 0]
    assert prior.normal[35, 0] < unknown <= prior.normal[49, 0]


def test_scores_must_be_those_of_the_networks() -> None:
    with pytest.raises(SpecError, match=r"prior: needs scores of the shape \(2, 1\), got \(3, 1\)"):
        Prior(("proxy",), [Genome(), Genome()], ["a", "b"], np.zeros((3, 1)))
    with pytest.raises(SpecError, match="needs at least one estimator"):
        Prior((), [], [], np.zeros((0, 0)))


def test_a_score_that_losses_follow_is_trusted_whatever_its_sign() -> None:
    for slope in (-1.0, 1.0):
        inputs, targets = inputs_and_targets(12, slope)
        kernel = fit_warped(PARTS, inputs, targets, 4, np.array([2, 3])).kernel
        assert kernel is not None
        assert kernel.sloping.tolist() == [2]


def test_scores_that_say_nothing_leave_the_model_as_it_is() -> None:
    inputs, targets = inputs_and_targets(20, 0.0)
    with_scores, without = (
        fit_warped(PARTS, inputs, targets, 4, columns) for columns in (np.array([2, 3]), PARTS[0][:0])
    )
    assert with_scores.kernel is not None
    assert without.kernel is not None
    assert with_scores.room == without.room
    assert len(with_scores.kernel.sloping) == 0
    np.testing.assert_array_equal(with_scores.kernel.weights[0], without.kernel.weights[0])


@pytest.mark.parametrize(("slope", "trusted"), [(1.0, [2]), (0.0, [])])
def test_each_score_is_trusted_for_itself(slope: float, trusted: list[int]) -> None:
    inputs, targets = inputs_and_targets(15, slope)
    kernel = fit_kernel(PARTS, inputs, targets, 4, np.array([2, 3]))
    assert kernel.sloping.tolist() == [2, 3]
    assert trusted_scores(kernel, inputs, targets).tolist() == trusted


def test_first_networks_are_the_best_by_the_prior() -> None:
    domain = scored("right")
    assert domain.prior is not None
    best = domain.prior.genomes[int(np.argmax(domain.prior.scores[:, 0]))]
    row = domain.space.row(best)
    assert row is not None
    first, second = (
        next(iter(promising(Catalogue(domain), history_of(domain, rows), np.random.default_rng(0))))
        for rows in ([], [row])
    )
    assert first == best != second
    assert domain.prior.normal[domain.prior.row_of[domain.examine(second).network_id], 0] > 0.5


def test_of_networks_of_equal_scores_the_first_are_unlike_each_other() -> None:
    domain = table().scored(("proxy",), np.zeros((len(table().losses), 1)))
    near = next(iter(promising(Catalogue(domain), history_of(domain, [0]), np.random.default_rng(0))))
    away = np.abs(domain.space.encode(domain.space.genome(0)) - domain.space.encode(near))
    assert np.count_nonzero(away) >= 6


def test_one_in_three_of_the_first_is_drawn_by_chance() -> None:
    asked = make_search("bayes", scored("right"), 3).ask(12)
    assert [each.origin["operator"] for each in asked] == ["prior", "prior", "spread"] * 4


def test_two_objectives_have_first_networks_at_either_end() -> None:
    domain = make_table((4, 3), (3, 2), share_absent=0.0, objectives=("score", "macs"), seed=5)
    domain = domain.scored(("proxy",), -domain.losses[:, :1])
    asked = make_search("bayes", domain, 0).ask(12)
    rows = [domain.space.row(each.genome) for each in asked if each.origin["operator"] == "prior"]
    macs = domain.losses[[row for row in rows if row is not None], 1]
    assert macs.min() < np.quantile(domain.losses[:, 1], 0.2)
    assert macs.max() > np.quantile(domain.losses[:, 1], 0.7)


def test_strategies_without_a_use_for_scores_do_as_without() -> None:
    plain, with_prior = (make_search("evolution", each, 1).ask(5) for each in (table(), scored("right")))
    assert plain == with_prior


@pytest.mark.parametrize("kind", ["right", "inverted"])
def test_a_search_with_a_prior_that_says_something_finds_more(kind: str) -> None:
    """Whichever way it points: after twelve outcomes the model knows."""
    regrets = []
    for domain in (table(), scored(kind)):
        traces = [simulate(domain, make_search("bayes", domain, seed), 12, Cluster(), seed) for seed in range(4)]
        regrets.append(np.mean([domain.losses[each.rows, 0].min() for each in traces]))
    assert regrets[1] <= regrets[0] + 1e-9


def test_a_search_with_a_prior_is_a_function_of_its_seed() -> None:
    rows = [simulate(scored("right"), make_search("bayes", scored("right"), 2), 9).rows.tolist() for _ in range(2)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("num_told", [1, 7])
def test_a_search_goes_on_by_the_prior_that_took_the_place_of_another(num_told: int) -> None:
    """As one does that was told the same and never had the other; the model is made anew, too."""
    domain = copy(scored("inverted"))
    search = make_search("bayes", domain, 1)
    told = []
    for _ in range(num_told):
        told.append(domain.look_up(search.ask(1)[0].genome))
        search.learn(told[-1:])
    domain.prior = scored("right").prior
    proposals = []
    for kind in ("right", "inverted"):
        fresh = make_search("bayes", scored(kind), 1)
        fresh.learn(told)
        proposals += fresh.ask(1)
    assert search.ask(1) == proposals[:1]
    assert num_told > 1 or proposals[0] != proposals[1]
