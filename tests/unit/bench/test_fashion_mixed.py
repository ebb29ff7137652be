"""Our own table: what it says of its networks, its curves, and the space of a sample that strategies search."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naslab
from naslab.arch import cost
from naslab.bench.fashion_mixed import COSTS, SPACE, load_fashion_mixed, read_fashion_table
from naslab.bench.made_curves import CurveSearch, found_after, halving, run
from naslab.bench.measured_curves import MeasuredCurves, fashion_curves
from naslab.bench.sampled_space import INACTIVE, NEAR, SampledSpace
from naslab.bench.simulate import simulate
from naslab.bench.table import TableDomain
from naslab.errors import DataError, SpecError, UnknownNameError
from naslab.estimators.estimator import Workbench
from naslab.estimators.known_table import FASHION_FILE, KnownTable, fashion_mixed, genome_key, shipped_tables
from naslab.execution.source import make_candidate
from naslab.space import Genome, load_space
from naslab.strategies.registry import make_search, strategy_names
from naslab.study.outcome import Candidate

WHOLE = load_space(SPACE)


def sample(count: int = 60) -> SampledSpace:
    rng = np.random.default_rng(5)
    return SampledSpace(WHOLE, [WHOLE.sample(rng) for _ in range(count)])


def candidate_of(genome: Genome) -> Candidate:
    return make_candidate(WHOLE.decode(genome), 0, 1, 0, "search", genome)


def shipped_rows() -> list[dict[str, str]]:
    with gzip.open(shipped_tables() / FASHION_FILE, "rt", encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_says_what_its_rows_say() -> None:
    table, rows = read_fashion_table(), shipped_rows()
    place = {genome_key(genome): number for number, genome in enumerate(table.genomes)}
    assert len(place) == len({row["arch"] for row in rows}) == len(table.genomes)
    assert np.isfinite(table.test).sum() == len(rows)
    for row in rows[:: len(rows) // 20]:
        at = place[row["arch"]], int(row["seed"])
        assert table.validation[11][at] == float(row["validation_accuracy_12"])
        assert table.validation[0][at] == float(row["validation_accuracy_1"])
        assert (table.test[at], table.seconds[at]) == (float(row["test_accuracy"]), float(row["cpu_seconds"]))
        found = cost(WHOLE.decode(table.genomes[at[0]]))
        assert table.costs[at[0]].tolist() == [getattr(found, name) for name in COSTS]
    assert (table.latency[np.isfinite(table.latency)] > 0).all()


def test_objectives_are_means_of_the_seeds_in_their_directions() -> None:
    table = read_fashion_table()
    domain = load_fashion_mixed(objectives=("validation_accuracy", "test_accuracy", "macs"), duration="macs")
    assert [each.maximise for each in domain.objectives] == [True, True, False]
    assert domain.is_known.tolist() == [False, False, True]
    assert domain.losses[:, 0] == pytest.approx(-np.nanmean(table.validation[-1], axis=1))
    assert domain.losses[:, 1] == pytest.approx(-np.nanmean(table.test, axis=1))
    assert domain.losses[:, 2].tolist() == table.costs[:, 0].tolist()
    assert load_fashion_mixed(objectives=("accuracy_4",)).losses[0, 0] == -table.validation[3, 0, 0]
    timed = load_fashion_mixed(objectives=("accuracy", "latency_ms"))
    assert timed.space.size() == np.isfinite(table.latency).sum()


def test_the_estimator_of_the_space_knows_the_same_accuracies() -> None:
    domain, known = load_fashion_mixed(objectives=("validation_accuracy",)), fashion_mixed()
    for row in range(0, domain.space.size(), domain.space.size() // 10):
        candidate = candidate_of(domain.space.genome(row))
        estimate = known.estimate(candidate, Workbench(device="cpu"))
        assert estimate.measured["accuracy"] == pytest.approx(-domain.losses[row, 0])


def test_a_search_of_the_whole_space_by_the_table_is_refused(tmp_path: Path) -> None:
    rule = rf"knows {len(read_fashion_table().genomes):,} of the 5,184,000 genomes of this space, too few to search"
    with pytest.raises(DataError, match=rule):
        naslab.search(SPACE, dataset="fashion_mnist", estimator="table", trials=3, ledger=tmp_path / "l.db")
    assert not list(tmp_path.iterdir())


def test_estimators_are_calibrated_by_the_table_alone(tmp_path: Path) -> None:
    found = naslab.calibrate(SPACE, ["params", "macs"], dataset="fashion_mnist", sample=40, ledger=tmp_path / "l.db")
    assert [(line.name, line.num_networks) for line in found.lines] == [("params", 40), ("macs", 40)]


def test_several_rows_of_a_network_are_its_trainings(tmp_path: Path) -> None:
    domain = load_fashion_mixed()
    candidate = candidate_of(domain.space.genome(0))
    (tmp_path / "t.csv").write_text(
        f"arch,mean_acc\n{genome_key(candidate.genome)},90\n{genome_key(candidate.genome)},92"
    )
    found = KnownTable(path=str(tmp_path / "t.csv")).estimate(candidate, Workbench(device="cpu")).measured
    assert found == {"accuracy": 91.0, "accuracy_sem": 1.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [({"objectives": ("acc",)}, "objective of fashion_mixed 'acc'"), ({"features": ("accuracy",)}, "feature of")],
)
def test_columns_that_the_table_has_not(words: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        load_fashion_mixed(**words)


def test_a_search_is_told_of_one_training_and_judged_by_the_test() -> None:
    domain, table = load_fashion_mixed(objectives=("accuracy", "macs")), read_fashion_table()
    assert domain.losses[:, 0] == pytest.approx(-np.nanmean(table.test, axis=1))
    trace = simulate(domain, make_search("random", domain, 1), 30, seed=1)
    assert np.isfinite(domain.losses[trace.rows]).all()
    genome, validation = domain.space.genome(7), table.validation[-1, 7]
    several = validation[np.isfinite(validation)]
    told = [domain.look_up(genome, np.array([0.5, 0.0]), training).losses for training in range(2 * len(several))]
    assert told == [(0.5 - value, table.costs[7, 0]) for value in (*several, *several)]
    with pytest.raises(SpecError, match="need accuracy first"):
        load_fashion_mixed(objectives=("macs", "accuracy"))


@pytest.mark.parametrize("text", ["arch,seed\n", "arch,seed\n0,0\n", "arch\n", ""])
def test_a_file_that_is_no_such_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=r"t\.csv"):
        read_fashion_table(tmp_path / "t.csv")


@given(st.integers(0, 2**32 - 1))
def test_moves_lead_to_rows(seed: int) -> None:
    rows, rng = sample(), np.random.default_rng(seed)
    one, two = rows.sample(rng), WHOLE.sample(rng)
    mutant, child = rows.mutate(one, rng), rows.cross(one, rows.sample(rng), rng)
    assert None not in (rows.row(mutant), rows.row(child))
    assert mutant != one
    assert rows.genome(rows.row(mutant) or 0) == mutant
    distances = [float(np.abs(WHOLE.encode(two) - WHOLE.encode(each)).sum()) for each in rows.enumerate()]
    near = list(rows.neighbours(two))
    assert [np.abs(WHOLE.encode(two) - WHOLE.encode(each)).sum() for each in near] == pytest.approx(
        sorted(distances)[:NEAR]
    )


def test_keys_tell_choices_that_are_not_made() -> None:
    rows = sample(3)
    for row in range(3):
        made = dict(rows.genome(row).genes)
        assert rows.keys[row].tolist() == [made.get(hole.path, INACTIVE) for hole in WHOLE.holes()]


def test_samples_that_cannot_be() -> None:
    genome = WHOLE.sample(np.random.default_rng(0))
    with pytest.raises(DataError, match="twice"):
        SampledSpace(WHOLE, [genome, genome])
    with pytest.raises(DataError, match="at least one"):
        SampledSpace(WHOLE, [])


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_searches_a_sample(name: str) -> None:
    domain = load_fashion_mixed()
    trace = simulate(domain, make_search(name, domain, 1), 12)
    assert len(set(trace.rows.tolist())) == 12


def test_a_search_is_shown_one_training_of_each_network_and_judged_by_others() -> None:
    curves = fashion_curves(["macs"])
    table = read_fashion_table()
    shown = [curves.measured(5, epoch, seed=3)[0] for epoch in range(1, 13)]
    matches = [seed for seed in range(table.test.shape[1]) if shown == (-table.validation[:, 5, seed]).tolist()]
    assert len(matches) == 1
    assert curves.measured(5, 12, 3)[1:] == (table.costs[5, 0],)
    assert curves.domain.losses[:, 0] == pytest.approx(-np.nanmean(table.test, axis=1))
    assert curves.domain.durations.mean() == pytest.approx(1)
    search = CurveSearch(curves, make_search("random", curves.domain, 0), 0, tells_all=False)
    steps = run(search, halving((1, 4, 12), 1 / 3), 60)
    found = found_after(curves, steps, 0)
    assert found
    assert all(0 <= worth <= 1 for _, worth in found)


def test_a_row_without_a_training_to_show_is_refused() -> None:
    space = sample(3)
    with pytest.raises(DataError, match="a training to show of every row"):
        TableDomain(space, np.zeros((3, 1)), shown=np.array([[1.0, 2.0, np.nan]]))


def test_seeds_are_drawn_for_each_network() -> None:
    losses = np.stack([np.zeros((2, 50)), np.ones((2, 50)), np.full((2, 50), np.nan)], axis=2)
    curves = MeasuredCurves(load_fashion_mixed(), losses)
    shown = [curves.measured(row, 2, seed=0)[0] for row in range(50)]
    assert set(shown) == {0.0, 1.0}
    with pytest.raises(SpecError, match="no accuracies"):
        fashion_curves(["accuracy"])
