"""Tables by name: figures of its files, names that it has not, files that cannot be read."""

from __future__ import annotations

import gzip
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from naslab.analysis.rank_agreement import rank_agreement
from naslab.bench.known_tables import SCORES_FILE, load_nas_bench_macro, merged_key, scores_by_key
from naslab.bench.named_tables import NAMED_TABLES
from naslab.bench.nas_bench_201 import COSTS, FOLDER, load_nas_bench_201
from naslab.cli.compare import DATA_TABLES, SHIPPED_TABLES
from naslab.errors import DataError, SpecError, UnknownNameError
from naslab.estimators.known_table import shipped_tables

needs_data = pytest.mark.skipif("NASLAB_DATA" not in os.environ, reason="NASLAB_DATA is not set")
HEADER = "e0,e1,e2,e3,e4,e5,val_12ep,test_12ep,test_200ep,params,macs,isomorph"
ROW = "none,nor_conv_3x3,none,none,none,skip_connect,1.0,1.0,2.5,1000,2000,0"


def folder_of(tmp_path: Path, *lines: str) -> Path:
    """A data folder whose table has these lines."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "table.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return tmp_path


def test_the_command_names_every_named_table() -> None:
    assert tuple(NAMED_TABLES) == DATA_TABLES + SHIPPED_TABLES


@needs_data
def test_the_cells_and_what_is_known_of_them() -> None:
    domain = load_nas_bench_201(Path(os.environ["NASLAB_DATA"]), ("accuracy", "accuracy_12", "macs"), duration="macs")
    assert domain.losses.shape == (15_625, 3)
    assert domain.losses[:, :2].min(axis=0).tolist() == [-73.5133, -61.32]
    assert domain.is_known.tolist() == [False, False, True]
    assert len(domain.examine(domain.space.genome(0)).features) == 2
    assert domain.durations.mean() == pytest.approx(1)


@needs_data
def test_cells_without_a_latency_are_invalid_networks() -> None:
    folder = Path(os.environ["NASLAB_DATA"])
    measured = load_nas_bench_201(folder, ("accuracy", "latency_ms"), ())
    assert measured.space.size() == 1_999
    assert measured.is_known.tolist() == [False, False]
    assert [each.maximise for each in measured.objectives] == [True, False]
    whole = load_nas_bench_201(folder)
    is_valid = [np.isfinite(measured.examine(genome).excess) for genome in whole.space.enumerate()]
    assert sum(is_valid) == 1_999


def test_a_row_is_read_as_it_stands(tmp_path: Path) -> None:
    domain = load_nas_bench_201(folder_of(tmp_path, HEADER, ROW), ("accuracy", "params"), ("macs",))
    assert domain.losses.tolist() == [[-2.5, 1000.0]]
    assert domain.space.keys.tolist() == [[0, 3, 0, 0, 0, 1]]
    assert domain.examine(domain.space.genome(0)).features == (np.log(2000.0),)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("acuracy",), COSTS, None), r"objective of nas_bench_201 'acuracy' \(did you mean 'accuracy'"),
        ((("accuracy",), ("latency_ms",), None), "feature of nas_bench_201 'latency_ms'"),
        ((("accuracy",), COSTS, "accuracy"), "duration of nas_bench_201 'accuracy'"),
    ],
)
def test_names_that_the_table_has_not(tmp_path: Path, arguments: tuple, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        load_nas_bench_201(tmp_path, *arguments)


def test_no_objective_and_one_twice(tmp_path: Path) -> None:
    for names in ((), ("macs", "macs")):
        with pytest.raises(SpecError, match="objectives"):
            load_nas_bench_201(tmp_path, names)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER,), "the table has no rows"),
        ((HEADER, ROW.replace("skip_connect", "skip")), "line 2: column 'e5' must be one of none, skip_connect"),
        ((HEADER, ROW.replace(",2.5,", ",well,")), "no numbers in a column 'test_200ep'"),
        ((HEADER, ROW + ",7"), "line 2 has 13 cells"),
        ((HEADER, ROW.replace(",2.5,", ",nan,")), "numbers that are finite in its column 'test_200ep'"),
        ((HEADER, ROW.replace(",2000,", ",0,")), "finite and above 0 in its column 'macs'"),
        ((HEADER, ROW, ROW), "a cell stands there twice"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_nas_bench_201(folder_of(tmp_path, *lines))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="NASLAB_DATA"):
        load_nas_bench_201(tmp_path)


@needs_data
def test_the_layers_of_nas_bench_macro_are_a_prior() -> None:
    domain = load_nas_bench_macro(Path(os.environ["NASLAB_DATA"]), features=("macs", "layers"))
    assert domain.prior is not None
    assert domain.prior.scores.shape == (3_969, 1)
    assert (domain.prior.scores.min(), domain.prior.scores.max()) == (0.0, 8.0)
    assert len(domain.examine(domain.space.genome(0)).features) == 1
    with pytest.raises(UnknownNameError, match="did you mean 'layers'"):
        load_nas_bench_macro(Path(os.environ["NASLAB_DATA"]), features=("layer",))


def test_the_scores_of_nas_bench_macro_are_those_of_its_networks() -> None:
    scores = scores_by_key(shipped_tables() / SCORES_FILE)
    keys = {"".join(digits) for digits in product("012", repeat=8)}
    assert set(scores) == {merged_key(key) for key in keys}
    assert {tuple(each) for each in scores.values()} == {("naswot", "ensemble")}


@needs_data
def test_proxies_of_nas_bench_macro_are_a_prior() -> None:
    folder = Path(os.environ["NASLAB_DATA"])
    domain = load_nas_bench_macro(folder, features=("macs", "ensemble", "layers"))
    assert domain.prior is not None
    assert domain.prior.names == ("ensemble", "layers")
    assert domain.prior.scores.shape == (3_969, 2)
    assert len(domain.examine(domain.space.genome(0)).features) == 1
    is_scored = np.isfinite(domain.prior.scores[:, 0])
    truth = -np.array([domain.look_up(genome).losses for genome in domain.prior.genomes])[is_scored, 0]  # type: ignore[operator]
    assert rank_agreement(domain.prior.scores[is_scored, 0], truth).tau.value > 0.75


@pytest.mark.parametrize("text", ["naswot\n1.0", "key,naswot\n00000000,many", "key,naswot\n00000000,1.0,2.0"])
def test_scores_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"scores\.csv.* cannot be read as scores: .*install naslab again"):
        scores_by_key(tmp_path / "scores.csv")
