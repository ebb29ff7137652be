"""Curves of a comparison: lines end where nothing is left to show on a log axis, bands stay above its floor."""

from __future__ import annotations

from naslab.bench.compare import Comparison, Curves
from naslab.bench.standing import Curve
from naslab.figures.compare import hypervolume_figure, regret_figure

REGRET = Curve([2.0, 0.5, 0.0], [1.0, 1e-18, 0.0], [3.0, 1.1, 0.0])
SHARES = Curve([0.2, 0.5, 1.0], [0.1, 0.4, 1.0], [0.3, 0.6, 1.0])
FOUND = Comparison({}, {"one <b>": Curves(REGRET, SHARES)}, {"accuracy": 80.0, "macs": 1e8}, 93.0)


def test_regret_ends_where_the_best_is_found() -> None:
    band, line = regret_figure(FOUND).data
    assert list(line.x) == [1, 2]
    assert list(line.y) == [2.0, 0.5]
    assert list(band.y) == [3.0, 1.1, 0.25, 1.0]
    assert min(band.y) > 0


def test_hypervolume_is_shown_whole() -> None:
    band, line = hypervolume_figure(FOUND).data
    assert list(line.y) == [0.2, 0.5, 1.0]
    assert list(band.x) == [1, 2, 3, 3, 2, 1]
    assert list(band.y) == [0.3, 0.6, 1.0, 1.0, 0.4, 0.1]
