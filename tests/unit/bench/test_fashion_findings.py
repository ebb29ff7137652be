"""What is read of our own table, and the networks that a found one is compared with."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import prove_fashion
import pytest
import read_fashion_table as reading
from proof_table import Table

from naslab.analysis.rank_agreement import kendall_tau
from naslab.bench.fashion_mixed import read_fashion_table
from naslab.errors import DataError


def test_variances_are_those_that_were_put_in() -> None:
    rng = np.random.default_rng(0)
    values = 80 + 2.0 * rng.standard_normal((4000, 1)) + 0.5 * rng.standard_normal((4000, 3))
    values[1000:, 2] = np.nan
    values[3000:, 1] = np.nan
    between, within = reading.variances(values)
    assert math.sqrt(between) == pytest.approx(2.0, rel=0.05)
    assert math.sqrt(within) == pytest.approx(0.5, rel=0.05)
    alike, spread = reading.variances(rng.standard_normal((4000, 2)))
    assert alike == pytest.approx(0, abs=0.05)
    assert spread == pytest.approx(1, rel=0.1)


def test_the_ceiling_is_what_a_perfect_estimator_reaches() -> None:
    rng = np.random.default_rng(1)
    quality = rng.standard_normal(2000)
    seen = quality + 0.7 * rng.standard_normal((2, 2000))
    one = kendall_tau(quality, seen[0])
    two = kendall_tau(quality, seen.mean(axis=0))
    assert reading.ceiling(1.0, 0.49, 1) == pytest.approx(one, abs=0.03)
    assert reading.ceiling(1.0, 0.49, 2) == pytest.approx(two, abs=0.03)


def test_a_rule_explains_what_follows_it_and_nothing_else() -> None:
    rng = np.random.default_rng(2)
    macs = np.exp(rng.standard_normal(600))
    plain, folds = reading.basis(macs), rng.permutation(np.arange(600) % reading.FOLDS)
    good, useless = rng.integers(4, size=600), rng.integers(4, size=600)
    values = np.log(macs) + 1.0 * (good == 2) + 0.1 * rng.standard_normal(600)
    followed = reading.Rule("good", *reading.one_hot([str(each) for each in good]))
    other = reading.Rule("useless", *reading.one_hot([str(each) for each in useless]))
    assert reading.explained(followed, plain, values, folds) > 0.9
    assert abs(reading.explained(other, plain, values, folds)) < 0.05
    assert reading.effect(followed, plain, values).startswith("2 over ")


def test_the_page_of_the_table_that_comes_with_naslab() -> None:
    text = reading.page(read_fashion_table())
    assert "| test | " in text
    assert text.count("| stages[2].block |") == 1
    assert "nan" not in text


def test_hand_made_networks_are_alike_in_all_stages() -> None:
    designs = prove_fashion.hand_made()
    assert len({design.genome for design in designs}) == len(designs) == len({design.name for design in designs})
    for design in designs:
        first, *others = design.arch.stages
        assert all((stage.block, stage.repeats) == (first.block, first.repeats) for stage in others)
        assert [stage.width for stage in design.arch.stages] == [first.width, 2 * first.width, 4 * first.width]
        assert design.arch.stem[0].width == first.width


def test_the_best_by_validation_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    designs = [each for each in prove_fashion.hand_made() if 160_000 <= each.macs <= 200_000]
    asked: list[tuple[str, int, bool]] = []

    def train(design: prove_fashion.Design, seed: int, keeps_test: bool) -> dict[str, float]:
        asked.append((design.name, seed, keeps_test))
        return {"validation": 80.0 + seed * (design is designs[2])}

    monkeypatch.setattr(prove_fashion, "training", train)
    best, tried = prove_fashion.chosen(designs, 200_000, Table(tmp_path / "rows.jsonl"))
    assert (best, tried) == (designs[2], len(designs))
    assert sorted(asked) == sorted((each.name, seed, False) for each in designs for seed in (0, 1))
    with pytest.raises(DataError, match="no hand-made network"):
        prove_fashion.chosen(designs, 10, Table(tmp_path / "rows.jsonl"))


@pytest.mark.slow
def test_found_networks_are_within_their_budget() -> None:
    table = read_fashion_table()
    found = prove_fashion.found_networks(600_000)
    assert len(found) == 2
    for each in found:
        assert each.macs <= 600_000
        assert each.genome in table.genomes


@pytest.mark.slow
def test_what_is_smoothed_ranks_the_test_accuracies_better_than_what_was_measured() -> None:
    test = np.nanmean(read_fashion_table().test, axis=1)
    measured, smoothed = (kendall_tau(each, test) for each in (prove_fashion.measured(), prove_fashion.smoothed()))
    assert 0 < measured < smoothed
