"""Rungs: as written, as fidelities, and what they refuse."""

from __future__ import annotations

import pytest

from naslab.errors import SpecError
from naslab.study.outcome import Fidelity
from naslab.study.rungs import Rungs


def test_every_rung_is_a_part_of_the_last_ones_schedule() -> None:
    rungs = Rungs.parse("1,3,9", "1/3")
    assert [rungs.fidelity(rung) for rung in range(3)] == [
        Fidelity(epochs=1, schedule_epochs=9),
        Fidelity(epochs=3, schedule_epochs=9),
        Fidelity(epochs=9),
    ]
    assert [rungs.rung_of(rungs.fidelity(rung)) for rung in range(3)] == [0, 1, 2]
    assert rungs.rung_of(Fidelity(epochs=3)) is None
    assert (rungs.top, str(rungs)) == (2, "rungs of 1, 3, 9 epochs, 0.333 of each going on")


@pytest.mark.parametrize("text", ["", "9", "3,1", "1,1", "0,3", "1,x", "1.5,3"])
def test_what_is_no_ladder_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="rungs"):
        Rungs.parse(text)


@pytest.mark.parametrize("keep", ["0", "1", "3/2", "x", "1/0", "-1/3", ""])
def test_a_share_that_is_none_is_refused(keep: str) -> None:
    with pytest.raises(SpecError, match="keep"):
        Rungs.parse("1,3", keep)


def test_shares_are_fractions_or_numbers() -> None:
    assert Rungs.parse("1,4", "0.25") == Rungs.parse("1,4", "1/4") == Rungs((1, 4), 0.25)


def test_pauses_are_rungs_after_every_epoch() -> None:
    pauses = Rungs.every_epoch(4)
    assert (pauses.epochs, pauses.pauses, Rungs((1, 3)).pauses) == ((1, 2, 3, 4), True, False)
    assert str(pauses) == "each paused after every one of 4 epochs"
    with pytest.raises(SpecError, match="must be every epoch, as 1,2,3, where no share is kept, got 1, 3"):
        Rungs((1, 3), None)
    with pytest.raises(SpecError, match="pause: needs trainings of 2 epochs and more to pause between, got 1"):
        Rungs.every_epoch(1)
