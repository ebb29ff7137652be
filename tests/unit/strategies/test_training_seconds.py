"""Expected gain a second: how long trainings take is learned from costs, and cheap networks are tried first."""

from __future__ import annotations

import numpy as np
import pytest

from naslab.bench.made_table import make_table
from naslab.bench.simulate import simulate
from naslab.bench.table import TableDomain
from naslab.strategies.registry import make_search
from naslab.strategies.training_seconds import LEAST_TRAINED, TrainingSeconds

TRIALS = 24


def table(spread: float = 1.5) -> TableDomain:
    """A made-up table whose trainings take time in proportion to a cost of such a `spread` of logarithms."""
    made = make_table((4, 3, 3), (3, 3), seed=4, ruggedness=1.0)
    log_cost = np.random.default_rng(0).standard_normal(made.space.size())
    return TableDomain(made.space, made.losses, features=log_cost[:, None], durations=np.exp(spread * log_cost))


def test_seconds_follow_the_costs_that_explain_them() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((30, 3))
    seconds = np.exp(1.5 * features[:, 1] + 2.0 + 0.01 * rng.standard_normal(30))
    found = TrainingSeconds.learned(features, seconds)
    asked = rng.standard_normal((5, 3))
    assert found.of(asked) == pytest.approx(np.exp(1.5 * asked[:, 1] + 2.0), rel=0.1)
    assert found.words.startswith("predicted within ")
    assert found.words.endswith("% over 30 networks")


@pytest.mark.parametrize("count", [0, 1, LEAST_TRAINED - 1, 30])
def test_what_costs_do_not_tell_counts_as_equally_long(count: int) -> None:
    rng = np.random.default_rng(1)
    found = TrainingSeconds.learned(rng.standard_normal((count, 2)), np.exp(rng.standard_normal(count)))
    assert found.of(np.ones((4, 2))).tolist() == [1.0] * 4
    assert "all count as equally long" in found.words


def test_unknown_seconds_are_left_out() -> None:
    features = np.arange(20.0)[:, None]
    seconds = np.exp(features[:, 0] / 5)
    seconds[::5] = [0.0, np.nan, np.inf, 0.0]
    found = TrainingSeconds.learned(features, seconds)
    assert found.num_trained == 16
    assert found.of(np.array([[10.0]]))[0] == pytest.approx(np.exp(2.0), rel=0.05)


def test_no_network_is_preferred_where_all_take_as_long() -> None:
    domain = table(spread=0.0)
    plain, by_second = (
        simulate(domain, make_search(name, domain, 0), TRIALS).rows for name in ("bayes", "bayes_per_second")
    )
    assert (plain == by_second).all()


def test_a_search_by_the_second_takes_less_time_for_as_many_trainings() -> None:
    domain = table()
    plain, by_second = (
        simulate(domain, make_search(name, domain, 0), TRIALS).finished[-1] for name in ("bayes", "bayes_per_second")
    )
    assert by_second < plain


def test_it_is_a_function_of_its_seed_and_of_the_seconds_told() -> None:
    domain = table()
    one, two = (simulate(domain, make_search("bayes_per_second", domain, 5), TRIALS).rows for _ in range(2))
    assert (one == two).all()
