"""The short form of `scripts/chaos.py`: searches under kills come to their end with nothing lost, repeated or left."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import chaos
import pytest


def run(**given: Any) -> dict[str, Any]:
    """In a folder that the user of a server may enter, too."""
    asked = {
        "seconds": 120.0,
        "every": 1.5,
        "silent": 5.0,
        "seed": 0,
        "warm": True,
        "trains": False,
        "faults": None,
        "ray": False,
    }
    asked |= given
    with tempfile.TemporaryDirectory() as folder:
        return chaos.run(argparse.Namespace(**asked), Path(folder))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_short_run_under_kills_loses_nothing(kind: str) -> None:
    found = run(ledger=kind, kills=8, trials=12, workers=2)
    assert chaos.is_whole(found), found
    assert sum(found["kills"].values()) >= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("postgresql", "cut of the network"),
        ("postgresql", "full disk"),
        ("sqlite", "full disk"),
        ("sqlite", "jump of a clock"),
    ],
)
def test_a_short_run_under_other_faults_loses_nothing(kind: str, fault: str) -> None:
    found = run(ledger=kind, kills=4, trials=12, workers=2, faults=[fault, "kill of a worker"])
    assert chaos.is_whole(found), found


@pytest.mark.slow
def test_twenty_workers_killed_at_random_and_the_server_begun_again() -> None:
    found = run(ledger="postgresql", kills=25, trials=60, workers=20, every=0.7)
    assert chaos.is_whole(found), found
    assert found["kills"]["kill of a worker"] >= 5


@pytest.mark.slow
def test_a_short_run_on_ray_loses_nothing() -> None:
    """A cluster of three nodes, which starts slowly on a busy machine; so there is time. The head is the script's."""
    kinds = ["kill of an actor", "loss of a node", "kill of a driver"]
    found = run(ledger="sqlite", kills=3, trials=12, workers=3, every=3.0, ray=True, seconds=400.0, faults=kinds)
    assert chaos.is_whole(found), str(found)
    assert sum(found["kills"].values()) >= 1, str(found)
