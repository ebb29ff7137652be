"""The table of our own: rows that survive, in the order drawn, each from the training that its columns say."""

from __future__ import annotations

import csv
import json
import math
from concurrent.futures import Future
from pathlib import Path

import make_fashion_table as made
import pytest

from naslab.arch.cost import cost
from naslab.space import load_space
from naslab.space.genome import Gene, Genome
from naslab.study.data_choice import DataChoice


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "DATA", DataChoice(name="digits", max_images=60))
    monkeypatch.setattr(made, "EPOCHS", 2)
    monkeypatch.setattr(made, "HAVE_MORE", 1)
    columns = (*made.TRAININGS[:6], *(f"{curve}_{epoch}" for curve in made.CURVES for epoch in (1, 2)))
    monkeypatch.setattr(made, "TRAININGS", columns)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_trainings_come_in_order_and_those_that_are_there_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "TRAINED_TOGETHER", 301)
    archs = [arch for _, arch in made.drawn(302)]
    wanted = [(number, seed) for number, _, seed in made.trainings(archs, {(0, 0), (300, 1)})]
    assert wanted[:2] == [(1, 0), (2, 0)]
    assert wanted[299:302] == [(300, 0), (0, 1), (1, 1)]
    assert wanted[-302:-299] == [(301, 0), (301, 1), (0, 2)]
    assert wanted[-2:] == [(298, 2), (299, 2)]
    assert len(wanted) == 302 * 2 + 300 - 2


def test_the_first_networks_of_a_larger_table_are_those_of_a_smaller() -> None:
    few, more = made.drawn(5), made.drawn(9)
    assert few == more[:5]
    assert len({genome for genome, _ in more}) == 9


def test_a_row_holds_the_curves_of_its_training(small: None) -> None:
    arch = made.drawn(1)[0][1]
    row = dict(zip(made.TRAININGS, made.trained(0, arch, 3), strict=True))
    assert (row["network"], row["seed"]) == (0, 3)
    assert all(math.isfinite(float(value)) for value in row.values())
    assert 0 <= float(row["validation_accuracy_2"]) <= 100
    again = dict(zip(made.TRAININGS, made.trained(0, arch, 3), strict=True))
    seconds = {"wall_seconds", "cpu_seconds"}
    assert {name: again[name] for name in again.keys() - seconds} == {name: row[name] for name in row.keys() - seconds}


def test_a_run_that_was_cut_goes_on(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    def counted_training(number: int, arch: object, seed: int) -> list[object]:
        calls.append((number, seed))
        return [number, seed, *["1.5"] * (len(made.TRAININGS) - 2)]

    class Pool:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *_: object) -> None: ...
        def submit(self, work: object, *arguments: object) -> object:
            future: Future[object] = Future()
            future.set_result(work(*arguments))
            return future

    monkeypatch.setattr(made, "trained", counted_training)
    monkeypatch.setattr(made, "ProcessPoolExecutor", Pool)
    path = tmp_path / "trainings.csv"
    made.main(["train", "--out", str(tmp_path), "--networks", "2"])
    assert calls == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
    text = path.read_text()
    path.write_text(text[:-7])  # the last row lacks its end
    made.main(["train", "--out", str(tmp_path), "--networks", "2", "--minutes", "1"])
    assert calls[5:] == [(0, 2)]
    assert path.read_text() == text
    made.main(["train", "--out", str(tmp_path), "--networks", "3", "--minutes", "0"])
    assert len(rows_of(path)) == 5


def test_times_are_rows_of_networks(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "quiet_latencies", lambda networks, target, best: [0.5 + i for i in range(len(networks))])
    monkeypatch.setattr(made, "TIMED_TOGETHER", 2)
    made.main(["time", "--out", str(tmp_path), "--networks", "3"])
    rows = rows_of(tmp_path / "networks.csv")
    assert [(row["network"], row["latency_ms"]) for row in rows] == [("0", "0.5000"), ("1", "1.5000"), ("2", "0.5000")]
    space = load_space(made.SPACE)
    for row, (genome, arch) in zip(rows, made.drawn(3), strict=True):
        genes = tuple(Gene(hole=hole, option=option) for hole, option in json.loads(row["genome"]).items())
        assert Genome(genes) == genome
        assert int(row["macs"]) == cost(space.decode(Genome(genes))).macs == cost(arch).macs
