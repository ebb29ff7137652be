"""Seconds spent searching, over runs with pauses between them."""

from __future__ import annotations

import numpy as np

from naslab.analysis.progress import seconds_until
from naslab.analysis.thinned import growth
from naslab.ledger.record import RunRecord


def test_pauses_between_runs_do_not_count() -> None:
    runs = [RunRecord(command="", started=moment, versions={}) for moment in (10.0, 100.0, 200.0, 900.0)]
    assert seconds_until([12.0, 15.0, 101.0, 205.0, 206.0], runs, first=11.0) == (2.0, 5.0, 6.0, 11.0, 12.0)
    assert seconds_until([5.0, 103.0], runs, first=4.0) == (1.0, 4.0)


def test_growth_is_what_nothing_before_is_as_good_as() -> None:
    rng = np.random.default_rng(0)
    for objectives, digits in ((1, 3), (2, 1), (2, 6), (3, 2)):
        losses = np.round(rng.random((400, objectives)), digits)
        slow = [place for place in range(400) if not (losses[:place] <= losses[place]).all(axis=1).any()]
        assert growth(losses).tolist() == slow
