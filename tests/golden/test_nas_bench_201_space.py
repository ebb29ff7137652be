"""The shipped NAS-Bench-201 space against the published table: every network's params and macs."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from naslab.arch import arch_id, cost
from naslab.notations import read_notation, write_notation
from naslab.space import SearchSpace, load_space

EDGES = ((0,), (0, 1), (0, 1, 2))


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("nas_bench_201")


def string(operations: list[str]) -> str:
    """The string of a row of the table: its operations stand in the order of the strings."""
    ops = iter(operations)
    return "+".join("|" + "".join(f"{next(ops)}~{state}|" for state in states) for states in EDGES)


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[int, int]]:
    """Parameters and multiply-accumulates of the published table, by the string of the network."""
    if "NASLAB_DATA" not in os.environ:
        pytest.skip("NASLAB_DATA is not set; it names the folder of the published table")
    path = Path(os.environ["NASLAB_DATA"]) / "nas_bench_201_cifar100" / "table.csv.gz"
    if not path.exists():
        pytest.skip(f"the published table is not in {path.parent}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [([row[f"e{edge}"] for edge in range(6)], row) for row in csv.DictReader(file)]
    return {string(operations): (int(row["params"]), int(row["macs"])) for operations, row in rows}


def test_some_networks_cost_what_the_table_says(space: SearchSpace, table: dict[str, tuple[int, int]]) -> None:
    """Every 101st, so that each operation stands on each edge."""
    hundred = space.for_data(channels=3, num_classes=100)
    for rank in range(0, hundred.size(), 101):
        arch = hundred.decode(hundred.genome_at(rank))
        text, found = write_notation(arch, "nas_bench_201"), cost(arch)
        assert (found.params, found.macs) == table[text], text


@pytest.mark.slow
def test_every_network_costs_what_the_table_says(space: SearchSpace, table: dict[str, tuple[int, int]]) -> None:
    hundred = space.for_data(channels=3, num_classes=100)
    ids: dict[str, tuple[int, int]] = {}
    seen: set[str] = set()
    for genome in hundred.enumerate():
        arch = hundred.decode(genome)
        text, found = write_notation(arch, "nas_bench_201"), cost(arch)
        assert (found.params, found.macs) == table[text], text
        assert ids.setdefault(arch_id(arch), table[text]) == table[text], text
        seen.add(text)
    assert seen == set(table)
    # The benchmark's 6,466 classes also join cells of other costs: there a convolution that nothing reads is none.
    assert len(ids) == 10_838


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        # The ends of the table of the released API (CIFAR-10): 0.073 M, 7.78 M and 1.532 M, 220.12 M.
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73_306, 7_783_040),
        (string(["nor_conv_3x3"] * 6), 1_531_546, 220_119_680),
    ],
    ids=["least", "most"],
)
def test_the_cheapest_and_the_dearest_network(text: str, params: int, macs: int, space: SearchSpace) -> None:
    arch = read_notation(text)
    assert (cost(arch).params, cost(arch).macs) == (params, macs)
    assert write_notation(arch, "nas_bench_201") == text
    assert space.contains(arch)


def test_cells_that_are_the_same_graph_are_one_network() -> None:
    one = read_notation("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|")
    other = read_notation("|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|")
    third = read_notation("|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|")
    assert arch_id(one) == arch_id(other) != arch_id(third)


@pytest.mark.slow
def test_there_is_no_genome_of_another_cell(space: SearchSpace) -> None:
    arch = read_notation("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    wider = msgspec.structs.replace(arch.stages[-1], width=96)
    assert not space.contains(msgspec.structs.replace(arch, stages=(*arch.stages[:-1], wider)))


def test_moves_stay_in_the_space(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    genome = space.sample(rng)
    for _ in range(20):
        other = space.mutate(genome, rng)
        assert other != genome
        assert space.has(space.cross(genome, other, rng))
        genome = other
    assert len(list(space.neighbours(genome))) == 6 * 4
