"""The shipped NAS-Bench-Macro space against the published table: every network's params and macs."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from naslab.arch import arch_id, cost
from naslab.space import SearchSpace, load_space
from naslab.space.nas_bench_macro import nas_bench_macro_genome, nas_bench_macro_key


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("nas_bench_macro")


@pytest.fixture(scope="module")
def ids(space: SearchSpace) -> dict[str, str]:
    """The identity of every key's network."""
    return {nas_bench_macro_key(genome): arch_id(space.decode(genome)) for genome in space.enumerate()}


def test_6561_keys_are_3969_networks(ids: dict[str, str]) -> None:
    assert len(ids) == 6561
    assert len(set(ids.values())) == 3969


def test_keys_there_and_back(space: SearchSpace, ids: dict[str, str]) -> None:
    assert all(nas_bench_macro_key(nas_bench_macro_genome(key)) == key for key in ids)
    assert all(space.has(nas_bench_macro_genome(key)) for key in ids)


def test_every_network_costs_what_the_table_says(space: SearchSpace, ids: dict[str, str]) -> None:
    if "NASLAB_DATA" not in os.environ:
        pytest.skip("NASLAB_DATA is not set; it names the folder of the published table")
    path = Path(os.environ["NASLAB_DATA"]) / "nas_bench_macro" / "nas_bench_macro_canonical.csv"
    if not path.exists():
        pytest.skip(f"the published table is not in {path.parent}")
    aliases = Counter(ids.values())
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    wrong = []
    for row in rows:
        found = cost(space.decode(nas_bench_macro_genome(row["arch"])))
        same = (found.params, found.macs) == (int(row["params"]), int(row["macs"]))
        if not same or aliases[ids[row["arch"]]] != int(row["n_aliases"]):
            wrong.append((row, found))
    assert not wrong
    assert len(rows) == 3969
    assert {ids[row["arch"]] for row in rows} == set(ids.values())


@pytest.mark.parametrize("key", ["2221222", "222122203", "3221222", "x2212220"])
def test_refuses_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match=f"key: must be 8 digits, each 0, 1 or 2, got '{key}'"):
        nas_bench_macro_genome(key)
