"""Networks of published cells, counted to the last parameter as their authors printed them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from naslab.arch import Stage, UniversalBottleneck, arch_id, cost
from naslab.notations import read_notation, write_notation
from naslab.notations.darts import EXAMPLE as DARTS_V2
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
