"""Networks of published cells, counted to the last parameter as their authors printed them."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from naslab.arch import Stage, UniversalBottleneck, VertexCell, arch_id, cost
from naslab.arch.blocks.vertex_cell import VertexOp
from naslab.errors import SpecError
from naslab.notations import read_notation, write_notation
from naslab.notations.darts import EXAMPLE as DARTS_V2
from naslab.notations.nas_bench_101 import EXAMPLE as INCEPTION_LIKE
from naslab.notations.nas_bench_101 import nas_bench_101
from naslab.space import load_space

P_DARTS = (
    "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), ('max_pool_3x3', 0), "
    "('dil_conv_3x3', 1), ('dil_conv_3x3', 1), ('dil_conv_5x5', 3)], reduce_concat=range(2, 6))"
)


@pytest.mark.parametrize(
    ("genotype", "params"),
    [
        (DARTS_V2, 3_349_342),  # "param size = 3.349342MB", the log of the released train.py; 3.3 M in the paper
        (P_DARTS, 3_433_798),  # github.com/chenxin061/pdarts, issue 7, without the auxiliary head
    ],
    ids=["darts_v2", "p_darts"],
)
def test_networks_of_genotypes(genotype: str, params: int) -> None:
    arch = read_notation(genotype)
    assert cost(arch).params == params
    assert arch_id(read_notation(write_notation(arch, "darts"))) == arch_id(arch)
    space = load_space("darts")
    genome = space.genome_of(arch)
    assert genome is not None
    assert arch_id(space.decode(genome)) == arch_id(arch)


def test_the_inputs_of_a_node_in_either_order_are_one_network() -> None:
    one = read_notation(DARTS_V2)
    other = read_notation(
        DARTS_V2.replace("('skip_connect', 0), ('dil_conv_3x3', 2)", "('dil_conv_3x3', 2), ('skip_connect', 0)")
    )
    third = read_notation(
        DARTS_V2.replace("('skip_connect', 0), ('dil_conv_3x3', 2)", "('skip_connect', 1), ('dil_conv_3x3', 2)")
    )
    assert one != other
    assert arch_id(one) == arch_id(other) != arch_id(third)
    assert load_space("darts").contains(other)


def test_networks_of_the_size_space() -> None:
    space = load_space("nats_size")
    rng = np.random.default_rng(0)
    for _ in range(5):
        arch = space.decode(space.sample(rng))
        text = write_notation(arch, "nats_size")
        assert read_notation(text) == msgspec.structs.replace(arch, activation="relu")
    # By hand: stem 8, cell 8 to 8, and so on; the convolutions and norms of the smallest network.
    smallest = read_notation("8:8:8:8:8")
    conv, norm = 9 * 8 * 8, 2 * 8
    cell, reduction = 5 * (conv + norm), 2 * (conv + norm) + 8 * 8
    assert cost(smallest).params == 27 * 8 + norm + 3 * cell + 2 * reduction + norm + 8 * 10 + 10


def test_mobilenet_v4_conv_small() -> None:
    rows = [(None, 3, 2), (None, 3, 2), (None, 3, 2), (None, 3, 2), (3, None, 4)]
    deep = [(5, 5, 4), (None, 5, 4), (None, 5, 3), (None, 3, 4), (None, 3, 4)]
    blocks = [(5, 5, 3, 96, 2), *((*row, 96, 1) for row in rows), (3, 3, 6, 128, 2), *((*row, 128, 1) for row in deep)]
    space = load_space("mobilenet_v4_uib")
    first = space.decode(space.genome_at(0))
    arch = msgspec.structs.replace(
        first,
        stages=(
            *first.stages[:4],
            *(
                Stage(block=UniversalBottleneck(first=one, middle=two, expansion=by), width=width, stride=stride)
                for one, two, by, width, stride in blocks
            ),
            first.stages[-1],
        ),
    )
    # arXiv 2404.10518, table 5: 3.8 M parameters, 0.2 G multiply-accumulates; a bias stands for the head's last norm.
    assert (round(cost(arch).params / 1e6, 1), round(cost(arch).macs / 1e9, 1)) == (3.8, 0.2)
    assert space.contains(arch)


def test_the_inception_like_cell_of_nas_bench_101() -> None:
    arch = read_notation(INCEPTION_LIKE)
    assert cost(arch).params == 2_694_282  # "trainable_parameters" of the released data set for its example
    assert arch_id(read_notation(write_notation(arch, "nas_bench_101"))) == arch_id(arch)
    assert load_space("nas_bench_101_cells").contains(arch)


@pytest.mark.parametrize(("size", "unique"), [(2, 1), (3, 6), (4, 84)])
def test_nas_bench_101_has_so_many_cells_of_few_vertices(size: int, unique: int) -> None:
    # Of the 423,624 cells of arXiv 1902.09635 1, 6, 84, 2,441, 62,010 and 359,082 have 2 to 7 vertices.
    places = [(row, column) for column in range(size) for row in range(column)]
    ids = set()
    for bits in itertools.product((0, 1), repeat=len(places)):
        edges = {place for place, bit in zip(places, bits, strict=True) if bit}
        rows = {row for row, _ in edges}
        columns = {column for _, column in edges}
        if rows | {size - 1} != set(range(size)) or columns | {0} != set(range(size)):
            continue  # some vertex is on no way from the input to the output: a smaller cell
        matrix = tuple(tuple(int((row, column) in edges) for column in range(size)) for row in range(size))
        for ops in itertools.product(get_args(VertexOp), repeat=size - 2):
            ids.add(arch_id(nas_bench_101(VertexCell(matrix=matrix, ops=ops), repeats=1)))
    assert len(ids) == unique


@pytest.mark.parametrize(
    ("matrix", "ops", "rule"),
    [
        (((0, 1), (1, 0)), (), r"matrix\[1\]: may only lead to later vertices"),
        (((0, 0), (0, 0)), (), "no way leads from the input to the output"),
        (((0, 1, 1), (0, 0, 1)), ("maxpool3x3",), r"matrix\[0\]: must have 2 numbers"),
        (((0, 1), (0, 0)), ("maxpool3x3",), "must name the 0 vertices between, got 1"),
        (tuple(tuple(int(column > row) for column in range(5)) for row in range(5)), ("maxpool3x3",) * 3, "got 10"),
    ],
)
def test_matrices_that_are_no_cells(matrix: tuple[tuple[int, ...], ...], ops: Any, rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        VertexCell(matrix=matrix, ops=ops)
