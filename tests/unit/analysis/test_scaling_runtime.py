"""Correlations of runtime with costs: known ones are found, against scipy's, and told with what resampling leaves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from naslab.analysis import scaling_runtime
from naslab.analysis.scaling_runtime import COSTS, TimedNetwork, runtime_table
from naslab.errors import StudyError
from naslab.figures.scaling_runtime import write_runtime


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of them: these intervals are asked to hold a value, not for their ends."""
    monkeypatch.setattr(scaling_runtime, "NUM_RESAMPLES", 200)


def made_up(cause: str, noise: float = 0.05, count: int = 40) -> list[TimedNetwork]:
    """Networks of two families whose latency follows one cost; families differ in speed."""
    source = np.random.default_rng(4)
    found = []
    for index in range(count):
        costs = {name: float(10 ** source.uniform(6, 8)) for name in COSTS}
        family = index % 2
        latency = costs[cause] / 1e6 * (1 + 2 * family) * math.exp(noise * float(source.normal()))
        found.append(
            TimedNetwork(
                baseline=f"family {family}",
                rule="made up",
                arch_id=str(index),
                latency_ms=latency,
                latency_ms_iqr=0.1,
                **{name: int(value) for name, value in costs.items()},
            )
        )
    return found


@pytest.mark.parametrize("cause", COSTS)
def test_the_cause_is_the_strongest(cause: str) -> None:
    table = runtime_table(made_up(cause))
    assert table.correlations[0].cost == cause
    assert table.correlations[0].within > 0.99
    assert table.win_shares[cause] == 1
    assert math.fsum(table.win_shares.values()) == pytest.approx(1)
    assert ("as claimed" in table.verdict) == (cause == "activations")
    for each in table.correlations:
        low, high = each.within_interval
        assert low <= each.within <= high


def test_correlations_equal_scipys() -> None:
    networks = made_up("macs", noise=1.0)
    times = [each.latency_ms for each in networks]
    for each in runtime_table(networks).correlations:
        costs = [getattr(network, each.cost) for network in networks]
        assert each.spearman == pytest.approx(stats.spearmanr(costs, times).statistic)
        assert each.pearson == pytest.approx(stats.pearsonr(np.log(costs), np.log(times)).statistic)


def test_what_cannot_be_told_is_said() -> None:
    """Costs that move together predict alike."""
    networks = [
        TimedNetwork(
            baseline="one",
            rule="made up",
            arch_id=str(step),
            macs=100 * step,
            params=100 * step,
            activations=100 * step + (-1) ** step,
            latency_ms=step + 0.3 * (-1) ** (step // 2),
            latency_ms_iqr=0.1,
        )
        for step in range(1, 12)
    ]
    assert "not so clearly" in runtime_table(networks).verdict


def test_a_page_of_every_cost(tmp_path: Path) -> None:
    write_runtime(runtime_table(made_up("params")), tmp_path / "page.html", "Runtime")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<figure") == 3


def test_too_few_networks() -> None:
    with pytest.raises(StudyError, match="at least 5 networks, got 4"):
        runtime_table(made_up("macs", count=4))
