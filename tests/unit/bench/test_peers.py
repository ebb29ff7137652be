"""Optimisers of other packages, as contenders of the bench."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from naslab.bench.cluster import Cluster
from naslab.bench.made_table import make_table
from naslab.bench.peers import PEERS, make_contender, peer_names
from naslab.bench.simulate import simulate
from naslab.errors import SpecError
from naslab.strategies.registry import strategy_names

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # as gpytorch is imported
TABLE = make_table((4, 3), (3, 2), seed=5)


def needs(name: str) -> pytest.MarkDecorator:
    is_there = importlib.util.find_spec(PEERS[name].package) is not None
    return pytest.mark.skipif(not is_there, reason=f"the package {PEERS[name].package} is not installed")


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in PEERS])
def test_a_peer_searches_a_table_of_absent_rows_and_failures_by_its_seed_alone(name: str) -> None:
    cluster = Cluster(workers=2, failure_rate=0.1)
    one, two = (simulate(TABLE, make_contender(name, TABLE, 3), 16, cluster, 3) for _ in range(2))
    assert len(set(one.rows.tolist())) == 16
    assert np.array_equal(one.rows, two.rows)


@needs("hyperopt")
def test_a_peer_is_told_what_comes_of_its_suggestions() -> None:
    """Of 36 of 288 rows the last 12 are better than the first 12 by a standard error; seeds are fixed."""
    table = make_table((6, 4), (4, 3), share_absent=0, seed=5)
    trace = simulate(table, make_contender("hyperopt", table, 1), 36, Cluster(), 1)
    losses = table.losses[trace.rows, 0]
    assert losses[-12:].mean() < losses[:12].mean() - losses.std() / 12**0.5


def test_a_peer_whose_package_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "smac", PEERS["smac"]._replace(package="no_such_package"))
    assert "smac" not in peer_names()
    with pytest.raises(SpecError, match="'smac' needs the package no_such_package, which is not installed"):
        make_contender("smac", TABLE)


@needs("botorch")
def test_botorch_searches_two_objectives_of_which_one_is_known() -> None:
    table = make_table((4, 3), (3, 2), objectives=("score", "macs"), seed=5)
    trace = simulate(table, make_contender("botorch", table, 3), 14, Cluster(workers=2), 3)
    assert len(set(trace.rows.tolist())) == 14


@needs("hyperopt")
def test_a_peer_for_one_objective_refuses_two() -> None:
    with pytest.raises(SpecError, match="'hyperopt' takes one objective in this bench, got 2"):
        make_contender("hyperopt", make_table((4, 3), (3, 2), objectives=("score", "macs")))


def test_searches_of_networks_know_no_peer() -> None:
    assert not set(PEERS) & set(strategy_names())
