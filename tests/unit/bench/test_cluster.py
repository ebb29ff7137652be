"""Simulated clusters: how trainings go, what is counted, and that nothing depends on the machine."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from naslab.bench.cluster import Cluster
from naslab.bench.compare import compare, judge
from naslab.bench.made_table import make_table
from naslab.bench.simulate import Trace, simulate, utilisation
from naslab.bench.standing import Standing
from naslab.errors import SpecError, UnknownNameError
from naslab.strategies.registry import make_search

TABLE = make_table((4, 3), (3, 2), seed=5)


def trace_of(rows: list[int], started: list[float], finished: list[float], failed: list[bool] | None = None) -> Trace:
    """A search by hand, asked for in the order of its starts, a second each."""
    return Trace(
        rows=np.array(rows),
        asks=np.argsort(np.argsort(started, kind="stable")),
        has_failed=np.array(failed or [False] * len(rows)),
        started=np.array(started),
        finished=np.array(finished),
        ask_seconds=np.ones(len(rows)),
        cpu_seconds=0.0,
        is_exhausted=False,
    )


def test_fates_have_the_mean_and_the_rates_asked_for() -> None:
    """20,000 draws; the tolerances are more than five standard errors wide."""
    rng = np.random.default_rng(0)
    plain = [Cluster(mean_seconds=10.0).fate(2.0, rng).seconds for _ in range(20_000)]
    assert np.mean(plain) == pytest.approx(20.0, abs=0.25)
    assert np.std(np.log(plain)) == pytest.approx(0.3, abs=0.01)
    even = Cluster(mean_seconds=1.0, duration_spread=0.0, straggler_rate=0.1, failure_rate=0.2)
    fates = [even.fate(1.0, rng) for _ in range(20_000)]
    assert np.mean([fate.has_failed for fate in fates]) == pytest.approx(0.2, abs=0.015)
    whole = np.array([fate.seconds for fate in fates if not fate.has_failed])
    assert set(whole) == {1.0, 10.0}
    assert np.mean(whole == 10.0) == pytest.approx(0.1, abs=0.015)
    assert np.mean([fate.seconds for fate in fates if fate.has_failed]) == pytest.approx(0.95, abs=0.2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("workers", 0),
        ("mean_seconds", 0.0),
        ("straggler_rate", 1.0),
        ("failure_rate", -0.1),
        ("straggler_factor", 0.5),
        ("noise", float("nan")),
    ],
)
def test_clusters_that_cannot_be_are_refused(field: str, value: float) -> None:
    with pytest.raises(SpecError, match=f"{field}: must be"):
        Cluster(**{field: value})


def test_durations_follow_the_table() -> None:
    assert TABLE.durations.mean() == pytest.approx(1.0)
    trace = simulate(TABLE, make_search("random", TABLE), 20, Cluster(mean_seconds=5.0, duration_spread=0.0))
    assert trace.finished - trace.started == pytest.approx(5.0 * TABLE.durations[trace.rows])
    assert trace.started[1:] == pytest.approx(trace.finished[:-1])


def test_workers_never_wait_and_never_do_two_at_once() -> None:
    trace = simulate(TABLE, make_search("random", TABLE), 40, Cluster(workers=7))
    assert np.all(np.diff(trace.finished) >= 0)
    for moment in trace.started:
        assert np.sum((trace.started <= moment) & (moment < trace.finished)) <= 7
    last = trace.started.max()
    assert np.sum(np.minimum(trace.finished, last) - trace.started) == pytest.approx(7 * last)


def test_failures_are_told_and_found_nothing() -> None:
    trace = simulate(TABLE, make_search("evolution", TABLE), 40, Cluster(failure_rate=0.5))
    assert 8 <= trace.has_failed.sum() <= 32  # beyond four deviations
    assert len(set(trace.rows.tolist())) == 40
    best = int(np.argmin(TABLE.losses[:, 0]))
    figures, _ = judge(TABLE, [trace_of([best, 0], [0, 1], [1, 2], [True, False])])
    assert figures.regret["2"].mean == TABLE.losses[0, 0] - TABLE.losses[best, 0]
    assert figures.evaluations_to_top is None


def test_waste_and_time_to_the_target_by_hand() -> None:
    best = int(np.argmin(TABLE.losses[:, 0]))
    others = [row for row in range(5) if row != best]
    trace = trace_of([others[0], best, others[1], others[2]], [0, 0, 2, 5], [4, 5, 9, 8], [True, False, False, False])
    figures, _ = judge(TABLE, [trace], workers=2)
    assert figures.seconds_to_target == 5
    assert figures.evaluations_to_top == 2
    assert figures.wasted.mean == 2  # one failed, one still ran; the last had not begun
    easy, _ = judge(TABLE, [trace], workers=2, target=float(TABLE.losses.max()))
    assert (easy.seconds_to_target, easy.wasted.mean) == (5, 2)


def test_utilisation_by_hand() -> None:
    """Asks of a second: starts at 1, 2, 5 (the first is done at 4, the ask takes one) and 8."""
    trace = trace_of([0, 1, 2, 3], [0.0, 0.0, 3.0, 5.0], [3.0, 5.0, 7.0, 6.0])
    assert utilisation(trace, 2) == pytest.approx((3 + 5 + 3 + 0) / (2 * 8))
    assert utilisation(trace, 4) is None


def timeless(standings: dict[str, Standing]) -> dict[str, Standing]:
    """Without what a clock measured."""
    return {
        name: msgspec.structs.replace(each, ask_ms=0.0, cpu_seconds=0.0, utilisation=0.0)
        for name, each in standings.items()
    }


@pytest.mark.slow
def test_processes_change_no_result() -> None:
    cluster = Cluster(workers=3, straggler_rate=0.1, failure_rate=0.1, noise=0.2)
    one, two = (
        compare(TABLE, ["random", "local", "bayes"], 12, 3, cluster, processes=processes) for processes in (1, 2)
    )
    assert timeless(one.strategies) == timeless(two.strategies)
    assert one.curves == two.curves


def test_unknown_strategies_are_refused_before_the_first_search() -> None:
    with pytest.raises(UnknownNameError, match="unknown strategy 'baies' \\(did you mean 'bayes'"):
        compare(TABLE, ["random", "baies"], 10**9, 1)


def test_a_search_may_end_with_the_first_result_that_is_good_enough() -> None:
    aim = float(np.sort(TABLE.losses[:, 0])[3])
    whole = simulate(TABLE, make_search("random", TABLE, 2), 60, Cluster(workers=4), 2)
    short = simulate(TABLE, make_search("random", TABLE, 2), 60, Cluster(workers=4), 2, stop_at=aim)
    assert short.rows.tolist() == whole.rows[: len(short.rows)].tolist()
    assert TABLE.losses[short.rows[-1], 0] <= aim < TABLE.losses[short.rows[:-1], 0].min()
    assert len(short.ask_seconds) == len(short.rows) + 3
    share = utilisation(short, 4)
    assert share is not None
    assert 0.5 < share <= 1


def test_what_three_knobs_bring_together_makes_a_table_rugged() -> None:
    """A sum of what knobs bring alone and in pairs explains nine tenths of a plain table, and less than two thirds."""
    for ruggedness, least, most in ((0.0, 0.9, 1.0), (2.0, 0.0, 0.67)):
        table = make_table((), (4, 4, 4, 3), share_absent=0, seed=3, ruggedness=ruggedness)
        keys = table.space.keys
        columns = [np.ones(len(keys))]
        for one in range(4):
            for two in range(one + 1, 4):
                columns += [
                    (keys[:, one] == first) & (keys[:, two] == second) for first in range(4) for second in range(4)
                ]
        inputs = np.array(columns, dtype=float).T
        fitted = inputs @ np.linalg.lstsq(inputs, table.losses[:, 0], rcond=None)[0]
        explained = 1 - np.var(table.losses[:, 0] - fitted) / np.var(table.losses[:, 0])
        assert least <= explained <= most
