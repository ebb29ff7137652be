"""Tables of known results."""

from __future__ import annotations

import os

import pytest
from test_short_training import ARCH, candidate_of

from naslab.errors import DataError
from naslab.estimators.estimator import Workbench
from naslab.estimators.known_table import KnownTable, genome_key, nas_bench_macro
from naslab.space.genome import Gene, Genome

BENCH = Workbench(device="cpu")


def genome_of(key: str) -> Genome:
    return Genome(tuple(Gene(f"stages[{place}].block", int(digit)) for place, digit in enumerate(key)))


def with_genome(key: str):
    import msgspec

    return msgspec.structs.replace(candidate_of(ARCH), genome=genome_of(key))


def test_a_genome_is_its_options():
    assert genome_key(genome_of("22212220")) == "22212220"


@pytest.mark.skipif(not os.environ.get("NASLAB_DATA"), reason="NASLAB_DATA does not name a folder of data sets")
def test_the_best_network_of_nas_bench_macro():
    table = nas_bench_macro()
    estimate = table.estimate(with_genome("22212220"), Workbench(device="cpu"))
    assert estimate.measured["accuracy"] == pytest.approx(93.127, abs=5e-4)
    assert 0 < estimate.measured["accuracy_sem"] < 0.5


def test_a_csv_may_name_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("key,top1,sem\n20,91.5,0.2\n")
    table = KnownTable(path=str(tmp_path / "t.csv"), key_column="key", accuracy_column="top1", sem_column="sem")
    assert table.estimate(with_genome("20"), BENCH).measured == {"accuracy": 91.5, "accuracy_sem": 0.2}


@pytest.mark.parametrize(
    ("content", "message"),
    [("key,mean_acc\n1,2\n", "has no column 'arch'"), ("arch,mean_acc\n1,high\n", "cannot be read as a table")],
)
def test_a_broken_table_is_named(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=rf"t\.csv {message}"):
        KnownTable(path=str(tmp_path / "t.csv")).prepare(Workbench(device="cpu"))


def test_a_missing_table_is_named(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"none\.csv"):
        KnownTable(path=str(tmp_path / "none.csv")).prepare(Workbench(device="cpu"))
    with pytest.raises(DataError, match="table is not there"):
        nas_bench_macro(tmp_path)
    monkeypatch.delenv("NASLAB_DATA", raising=False)
    with pytest.raises(DataError, match="by --data-dir or NASLAB_DATA"):
        nas_bench_macro()


def test_a_damaged_published_table_is_named(tmp_path):
    (tmp_path / "t.json.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"t\.json\.gz cannot be read"):
        KnownTable(path=str(tmp_path / "t.json.gz")).prepare(Workbench(device="cpu"))


def test_holes_of_many_options_do_not_share_keys():
    keys = [genome_key(Genome((Gene("a", first), Gene("b", second)))) for first, second in ((1, 11), (11, 1), (1, 1))]
    assert keys == ["1-11", "11-1", "11"]
