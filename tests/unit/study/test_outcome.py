"""Fidelities: their order, what is kept of them in a ledger, and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from naslab.errors import SpecError
from naslab.study.outcome import Fidelity


def test_fidelities_of_older_ledgers_are_read_as_they_were() -> None:
    assert msgspec.json.decode(b'{"epochs":3}', type=Fidelity) == Fidelity(epochs=3)
    assert msgspec.to_builtins(Fidelity(epochs=3)) == {"epochs": 3}


def test_every_part_goes_through_json_and_back() -> None:
    whole = Fidelity(epochs=3, images=100, resolution=(16, 12), width=0.5, schedule_epochs=9)
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Fidelity) == whole


def test_a_schedule_that_ends_with_the_training_is_the_same_fidelity() -> None:
    assert Fidelity(epochs=9, schedule_epochs=9) == Fidelity(epochs=9)
    assert hash(Fidelity(epochs=9, schedule_epochs=9)) == hash(Fidelity(epochs=9))


def test_fidelities_are_ordered_by_what_is_spent() -> None:
    ascending = [
        Fidelity(epochs=1, images=100),
        Fidelity(epochs=1, schedule_epochs=9),
        Fidelity(epochs=1),
        Fidelity(epochs=3, images=100, resolution=(8, 8)),
        Fidelity(epochs=3, images=100),
        Fidelity(epochs=3, resolution=(8, 8)),
        Fidelity(epochs=3, width=0.5),
        Fidelity(epochs=3, schedule_epochs=9),
        Fidelity(epochs=3),
    ]
    descending = ascending[::-1]
    assert sorted(descending) == ascending
    assert all(low < high and low <= high and not high <= low for low, high in pairwise(ascending))
    assert Fidelity(epochs=3) <= Fidelity(epochs=3)
    assert not Fidelity(epochs=3) < Fidelity(epochs=3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs: must be above 0, got 0"),
        ({"images": 0}, "images: must be above 0"),
        ({"width": -1.0}, "width: must be above 0"),
        ({"resolution": (0, 8)}, "resolution: must be above 0"),
        ({"epochs": 3, "schedule_epochs": 2}, "schedule_epochs: must be at least the 3 epochs trained, got 2"),
    ],
)
def test_fidelities_that_cannot_be_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Fidelity(**fields)  # type: ignore[arg-type]
