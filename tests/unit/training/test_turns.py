"""Turns: who measures is alone, trainings wait between their steps, and nobody waits for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from processes import HANG_SECONDS

from naslab.training import turns
from naslab.training.turns import Turns, turns_of_machine

pytest.importorskip("fcntl")


def test_a_training_waits_between_its_steps_while_another_measures(tmp_path: Path) -> None:
    steps: list[int] = []
    asked, measured, end = threading.Event(), threading.Event(), threading.Event()

    def train() -> None:
        mine = Turns(tmp_path)
        with mine.work():
            while not end.is_set():
                steps.append(1)
                asked.set()
                mine.give_way()

    worker = threading.Thread(target=train)
    other = Turns(tmp_path)
    with other.work():
        worker.start()
        assert asked.wait(HANG_SECONDS)
        with other.alone():
            before = len(steps)
            assert not measured.wait(0.2)
            assert len(steps) == before
        asked.clear()
        assert asked.wait(HANG_SECONDS)
    end.set()
    worker.join(HANG_SECONDS)
    assert not worker.is_alive()


def test_two_that_measure_take_turns(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def measure() -> None:
        mine = Turns(tmp_path)
        for _ in range(20):
            with mine.work(), mine.alone():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=measure) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(HANG_SECONDS)
    assert most == [1] * 60


def test_without_a_folder_of_ones_own_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path))
    assert not turns_of_machine()._is_off
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    foreign = turns_of_machine()
    assert foreign._is_off
    with foreign.work(), foreign.alone():
        foreign.give_way()
