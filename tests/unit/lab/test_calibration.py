"""A calibration from end to end on a small space: studies in the ledger, resumed, judged beside a table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from naslab.analysis.study import read_study
from naslab.arch import ConvBlock, MBConv, arch_id
from naslab.errors import DataError, NaslabError, SpecError, StudyError, UnknownNameError
from naslab.estimators.known_table import genome_key
from naslab.execution.events import TrialStarted
from naslab.execution.workers import Workers
from naslab.lab.calibration import (
    calibrate,
    distinct_networks,
    plan_calibration,
    read_calibration,
    run_reference,
)
from naslab.ledger.ledger import Ledger
from naslab.space import SearchSpace, choice

LAYER = {"block": choice(ConvBlock(), MBConv(), MBConv(kernel=5)), "width": choice(4, 8, 12)}
SPACE = SearchSpace({"input": [1, 8, 8], "stages": [LAYER, LAYER], "num_classes": 10}, "toys")
"""81 networks for the images of digits."""
ONE = Workers(count=1, device="cpu")


@pytest.fixture
def table(tmp_path) -> str:
    """Made-up results of the whole space: what a network costs, and a little of each choice."""
    path = tmp_path / "known.csv"
    rows = {genome_key(each): 50 + sum(gene.option for gene in each.genes) for each in SPACE.enumerate()}
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("arch", "mean_acc"), *rows.items()])
    return str(path)


@pytest.mark.slow
def test_a_calibration_is_studies_that_are_resumed(table, tmp_path):
    started: list[TrialStarted] = []

    def watch(event: object) -> None:
        started.extend([event] if isinstance(event, TrialStarted) else [])

    asked = {"reference": table, "workers": ONE, "ledger": tmp_path / "a.db", "on_event": watch}
    first = calibrate(SPACE, "params,predictor:known=12", sample=12, **asked)
    assert [line.name for line in first.lines] == ["params", "predictor:known=12"]
    assert [line.num_networks for line in first.lines] == [12, 12]
    assert first.lines[1].tau.value > 0
    assert len(started) == 12 + 12 + 12 + 12  # the reference of those judged and those learned from
    assert calibrate(SPACE, "params,predictor:known=12", sample=12, **asked) == first
    assert len(started) == 48
    larger = calibrate(SPACE, "params", sample=15, **asked)
    assert larger.lines[0].num_networks == 15
    assert len(started) == 48 + 3 + 3  # those known already are not estimated again
    with Ledger.open(tmp_path / "a.db") as ledger:
        [name] = [name for name in ledger.study_names() if name.endswith("/params")]
        view = read_study(ledger, name)
    assert view.outcomes[0].estimate.notes["device_seconds"] >= 0


def test_what_was_not_begun_is_left_out(table, tmp_path):
    plan = plan_calibration(SPACE, "layers,params", reference=table, sample=10)
    with Ledger.open(tmp_path / "a.db") as ledger:
        run_reference(plan, ledger, ONE)
        assert read_calibration(plan, ledger).lines == ()


def test_samples_are_distinct_and_begin_alike():
    some, more = distinct_networks(SPACE, 10, [0]), distinct_networks(SPACE, 14, [0])
    assert list(some) == list(more)[:10]
    assert {arch_id(SPACE.decode(each)) for each in more.values()} == set(more)
    assert set(distinct_networks(SPACE, 5, [0], frozenset(some))).isdisjoint(some)
    with pytest.raises(SpecError, match="distinct networks"):
        distinct_networks(SPACE, SPACE.size() + 1, [0])


def test_networks_are_drawn_from_a_table_of_a_part_of_the_space(table, tmp_path):
    header, *rows = Path(table).read_text().splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join([header, *rows[3::3], "99999,50"]) + "\n")
    plan = plan_calibration(SPACE, "layers,predictor:known=10", reference=str(part), sample=12)
    assert {genome_key(each) for each in plan.judged + plan.known} <= {row.split(",")[0] for row in rows[3::3]}
    assert len(set(plan.judged) | set(plan.known)) == 22
    more = plan_calibration(SPACE, "layers,predictor:known=10", reference=str(part), sample=15)
    assert more.judged[:12] == plan.judged
    other = plan_calibration(SPACE, "layers,predictor:known=10", reference=str(part), sample=12, seed=1)
    assert other.judged != plan.judged
    found = calibrate(SPACE, "params", reference=str(part), sample=12, workers=ONE, ledger=tmp_path / "a.db")
    assert found.lines[0].num_networks == 12
    with pytest.raises(SpecError, match="the table knows 26 distinct networks of this space, not 27"):
        plan_calibration(SPACE, "layers", reference=str(part), sample=27)
    with pytest.raises(SpecError, match="the table knows 14 distinct networks beside 12 others of this space, not 15"):
        plan_calibration(SPACE, "layers,predictor:known=15", reference=str(part), sample=12)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"estimators": "naswott"}, UnknownNameError, "did you mean 'naswot'"),
        ({"estimators": ""}, SpecError, "name at least one"),
        ({"sample": 9}, SpecError, "at least 10 networks, got 9"),
        ({"sample": 10**9}, SpecError, "genomes of the space"),
        ({"reference": "table"}, DataError, "no table of known results of space 'toys'"),
        ({"reference": "tabel"}, DataError, "nor a CSV file that is there"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(asked, error, words, tmp_path):
    given = {"estimators": "layers", "reference": "full", "sample": 10, **asked}
    with pytest.raises(error, match=words):
        calibrate(SPACE, given.pop("estimators"), ledger=tmp_path / "a.db", workers=ONE, **given)
    assert not (tmp_path / "a.db").exists()


def test_a_table_of_another_space_is_refused(tmp_path):
    Path(tmp_path / "other.csv").write_text("arch,mean_acc\n99999,50\n", encoding="ascii")
    with pytest.raises(DataError, match="is not of this space"):
        plan_calibration(SPACE, "layers", sample=10, reference=str(tmp_path / "other.csv"))


def test_results_of_a_table_that_has_changed_are_not_taken_for_its_own(table, tmp_path):
    asked = {"reference": table, "sample": 12, "workers": ONE, "ledger": tmp_path / "a.db"}
    calibrate(SPACE, "params", **asked)
    path = Path(table)
    path.write_text(path.read_text().replace("50", "40"))
    with pytest.raises(StudyError, match="was made with another file or study behind its estimator"):
        calibrate(SPACE, "params", **asked)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("naswot:batch=1", "naswot:batch=1: batch_size: must be at least 2"),
        ("short:batch=1", "short:batch=1: batch_size: must be at least 2"),
        ("predictor:known=5", "predictor:known=5: known: needs at least 10"),
        ("extrapolated:epochs=2", "extrapolated:epochs=2: extrapolated:epochs: must be at least"),
        ("ensemble:members=foo", "unknown proxy 'foo'"),
        ("ensemble:reference=1", "ensemble:reference=1: num_reference"),
        ("short:width=inf", "short:width: must be above 0 and finite, got inf"),
        ("supernet", "supernet: supernet:path: must name a file"),
        ("supernet:path=none.safetensors", "none.safetensors cannot be read as a supernet: .*; make one with"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(table, tmp_path, name, message):
    ledger = tmp_path / "a.db"
    with pytest.raises(NaslabError, match=message):
        calibrate(SPACE, f"params,{name}", reference=table, sample=12, workers=ONE, ledger=ledger)
    assert not ledger.exists()
