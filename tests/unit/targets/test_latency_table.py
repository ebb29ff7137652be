"""Tables of operator latencies: the once-for-all networks on a Note10 equal the sums of their rows."""

from __future__ import annotations

import csv
import os
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from naslab import zoo
from naslab.arch import ArchSpec, ConvBlock, Head, MBConv, SqueezeExcite, Stage
from naslab.errors import DataError, SpecError
from naslab.lab.measuring import measure
from naslab.latency_models.operator_table import operators

NOTE10 = Path(os.environ.get("NASLAB_DATA", "nowhere")) / "latency" / "ofa_note10_lut.csv"
STAGES = (
    (32, 24, False, "relu", 2),
    (48, 32, True, "relu", 2),
    (96, 48, False, "hardswish", 2),
    (136, 96, True, "hardswish", 1),
    (192, 136, True, "hardswish", 2),
)
"""Width, the width before, squeeze-excite, activation and stride of the once-for-all MobileNetV3 (width 1.2)."""


def network(resolution, draws):
    """A network of once-for-all, and the keys of its rows as its authors write them."""
    keys, stages = [], []
    side = resolution // 2
    keys.append(f"Conv-input:{resolution}x{resolution}x3-output:{side}x{side}x24")
    keys.append(
        f"expanded_conv-input:{side}x{side}x24-output:{side}x{side}x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0"
    )
    for (width, before, gate, activation, stride), blocks in zip(STAGES, draws, strict=True):
        for index, (kernel, expansion) in enumerate(blocks):
            came, step = (before, stride) if index == 0 else (width, 1)
            new = -(-side // step)
            flags = f"idskip:{int(index > 0)}-se:{int(gate)}-hs:{int(activation == 'hardswish')}"
            maps = f"input:{side}x{side}x{came}-output:{new}x{new}x{width}"
            keys.append(f"expanded_conv-{maps}-expand:{came * expansion}-kernel:{kernel}-stride:{step}-{flags}")
            side = new
            se = SqueezeExcite() if gate else None
            block = MBConv(kernel=kernel, expansion=float(expansion), se=se, activation=activation)
            stages.append(Stage(block=block, width=width, stride=step))
    keys.append(f"Conv_1-input:{side}x{side}x192-output:{side}x{side}x1152")
    keys.append(f"AvgPool2D-input:{side}x{side}x1152-output:1x1x1152")
    keys += ["Conv_2-input:1x1x1152-output:1x1x1536", "Logits-input:1x1x1536-output:1000"]
    first = MBConv(kernel=3, expansion=1.0, se=None, activation="relu")
    arch = ArchSpec(
        input=(3, resolution, resolution),
        stem=(Stage(block=ConvBlock(kernel=3), width=24, stride=2),),
        stages=(Stage(block=first, width=24), *stages),
        head=Head(width=1152, hidden=(1536,)),
        activation="hardswish",
        num_classes=1000,
    )
    return arch, keys


def drawn(seed):
    draw = random.Random(seed)
    return [[(draw.choice((3, 5, 7)), draw.choice((3, 4, 6))) for _ in range(draw.choice((2, 3, 4)))] for _ in STAGES]


@pytest.mark.parametrize("seed", range(20))
def test_a_network_has_the_rows_that_its_authors_give_it(seed):
    arch, keys = network(random.Random(seed).choice((160, 192, 224)), drawn(seed))
    assert [each.key for each in operators(arch)] == keys


@pytest.mark.skipif(not NOTE10.exists(), reason="the Note10's table is not in NASLAB_DATA")
@pytest.mark.parametrize("seed", range(20))
def test_its_latency_is_the_sum_of_its_rows(seed):
    with NOTE10.open(encoding="utf-8") as file:
        rows = {(int(row["resolution"]), row["op_key"]): float(row["mean_ms"]) for row in csv.DictReader(file)}
    resolution = random.Random(seed).choice(sorted({side for side, _ in rows}))
    arch, keys = network(resolution, drawn(seed))
    total = 0.0
    for key in keys:
        total += rows[resolution, key]
    found = measure(arch, f"table:{NOTE10}")
    assert found.latency_ms == total > 5
    assert found.latency_ms_iqr is None


TABLE = "resolution,op_key,mean_ms\n"


def test_an_operator_that_the_table_lacks_is_named(tmp_path):
    arch, keys = network(160, drawn(0))
    path = tmp_path / "table.csv"
    path.write_text(TABLE + "".join(f"160,{key},1.5\n" for key in dict.fromkeys(keys[:-1])))
    with pytest.raises(DataError, match=r"lacks head of network at 160: Logits-input:1x1x1536-output:1000"):
        measure(arch, f"table:{path}")
    with pytest.raises(DataError, match=r"lacks stem\[0\] of network at 192"):
        measure(replace(arch, input=(3, 192, 192)), f"table:{path}")
    with pytest.raises(SpecError, match="batch"):
        measure(arch, f"table:{path}", batch=2)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "vgg11", "efficientnet_b0", "densenet121"])
def test_a_network_of_other_operators_is_refused_with_the_place(name, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    with pytest.raises((SpecError, DataError), match=r"stem\[|stages\[|head"):
        measure(zoo.model(name), f"table:{path}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks the columns resolution, op_key, mean_ms"),
        ("resolution,op_key\n", "lacks the columns mean_ms"),
        (TABLE + "160,a,fast\n", "line 2"),
        (TABLE + "160,a,-1\n", "line 2: mean_ms must be a number from 0, got -1"),
        (TABLE + "160,a,nan\n", "line 2: mean_ms must be"),
        (TABLE + "160,a,1\n160,a,2\n", "line 3: a stands there twice"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        measure(zoo.model("lenet5"), f"table:{tmp_path / 't.csv'}")
