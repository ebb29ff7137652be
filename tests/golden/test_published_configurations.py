"""Networks as timm, pycls and once-for-all write them are the zoo's, layer by layer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from naslab.arch import FusedMBConv, InvertedBottleneck, MBConv, arch_id, cost
from naslab.errors import SpecError
from naslab.notations import read_notation, write_notation
from naslab.space import load_space
from naslab.zoo import model

TIMM = {
    "mobilenet_v3_large": [
        ["ds_r1_k3_s1_e1_c16_nre"],
        ["ir_r1_k3_s2_e4_c24_nre", "ir_r1_k3_s1_e3_c24_nre"],
        ["ir_r3_k5_s2_e3_c40_se0.25_nre"],
        ["ir_r1_k3_s2_e6_c80", "ir_r1_k3_s1_e2.5_c80", "ir_r2_k3_s1_e2.3_c80"],
        ["ir_r2_k3_s1_e6_c112_se0.25"],
        ["ir_r3_k5_s2_e6_c160_se0.25"],
        ["cn_r1_k1_s1_c960"],
    ],
    "efficientnet_b0": [
        ["ds_r1_k3_s1_e1_c16_se0.25"],
        ["ir_r2_k3_s2_e6_c24_se0.25"],
        ["ir_r2_k5_s2_e6_c40_se0.25"],
        ["ir_r3_k3_s2_e6_c80_se0.25"],
        ["ir_r3_k5_s1_e6_c112_se0.25"],
        ["ir_r4_k5_s2_e6_c192_se0.25"],
        ["ir_r1_k3_s1_e6_c320_se0.25"],
    ],
}
PYCLS = {
    "regnet_x_800mf": "REGNET: {DEPTH: 16, W0: 56, WA: 35.73, WM: 2.28, GROUP_W: 16}",
    "regnet_y_1_6gf": "REGNET: {SE_ON: true, DEPTH: 27, W0: 48, WA: 20.71, WM: 2.65, GROUP_W: 24}",
}


@pytest.mark.parametrize("name", TIMM)
def test_block_strings_are_the_network_of_the_zoo(name: str) -> None:
    read = read_notation(str(TIMM[name]))
    assert arch_id(read) == arch_id(model(name))
    assert arch_id(read_notation(write_notation(model(name), "timm"))) == arch_id(model(name))


@pytest.mark.parametrize("name", ["mobilenet_v3_small"])
def test_networks_of_the_zoo_are_written_as_block_strings(name: str) -> None:
    assert arch_id(read_notation(write_notation(model(name), "timm"))) == arch_id(model(name))


@pytest.mark.parametrize("name", PYCLS)
def test_files_of_pycls_are_the_network_of_the_zoo(name: str) -> None:
    assert arch_id(read_notation(f"MODEL: {{TYPE: regnet}}\n{PYCLS[name]}")) == arch_id(model(name))


@pytest.mark.parametrize("name", ["regnet_y_1_6gf", "resnext50_32x4d", "efficientnet_b0"])
def test_files_of_pycls_are_written(name: str) -> None:
    arch = model(name)
    if name.startswith("resnext"):
        with pytest.raises(SpecError, match=r"tells networks|is none that"):  # its stem pools
            write_notation(arch, "pycls")
        return
    assert arch_id(read_notation(write_notation(arch, "pycls"))) == arch_id(arch)


def test_options_of_block_strings() -> None:
    blocks = [stage.block for stage in read_notation("ir_r1_k3.5_s1_e6_c32_noskip er_r1_k3_s2_e4_c48_nre").stages]
    assert blocks == [
        MBConv(kernels=(3, 5), hidden_divisor=8, se=None, has_shortcut=False),
        FusedMBConv(hidden_divisor=8, activation="relu"),
    ]
    with pytest.raises(SpecError, match="a second convolution in timm"):
        read_notation("er_r1_k3_s1_e1_c24")
    shared = read_notation("cn_r2_k3_s1_e1_c32_skip").stages[0]
    assert cost(read_notation("cn_r2_k3_s1_e1_c32_skip")).params == cost(read_notation("cn_r2_k3_s1_e1_c32")).params
    assert shared.block == FusedMBConv(expansion=1)


def test_what_once_for_all_samples_is_in_its_space() -> None:
    config = {"ks": [3, 5, 7, 5] * 5, "e": [3, 6, 4, 6] * 5, "d": [2, 3, 4, 2, 3], "r": [176]}
    arch = read_notation(json.dumps(config))
    assert arch.input == (3, 176, 176)
    assert read_notation(str(config)) == arch
    assert load_space("once_for_all_mobilenet_v3").for_data(3, 1000, (176, 176)).contains(arch)
    assert arch_id(read_notation(write_notation(arch, "once_for_all"))) == arch_id(arch)


def layer(in_channels: int, out: int, expand: float, **more: Any) -> dict[str, Any]:
    return {
        "name": "MBConvLayer",
        "in_channels": in_channels,
        "out_channels": out,
        "expand_ratio": expand,
        "kernel_size": 3,
        "stride": 1,
        "mid_channels": None,
        "act_func": "relu6",
        "use_se": False,
        **more,
    }


def test_a_net_config_of_every_layer() -> None:
    config = {
        "name": "MobileNetV3",
        "bn": {"momentum": 0.1, "eps": 1e-3},
        "first_conv": {"kernel_size": 3, "stride": 2, "in_channels": 3, "out_channels": 16, "act_func": "h_swish"},
        "blocks": [
            {"mobile_inverted_conv": layer(16, 16, 1), "shortcut": {"name": "IdentityLayer"}},
            {"conv": layer(16, 24, 4, stride=2, mid_channels=56, use_se=True), "shortcut": None},
            {"conv": {"name": "ZeroLayer"}, "shortcut": None},
            {"conv": layer(24, 24, 3, act_func="h_swish"), "shortcut": None},
        ],
        "final_expand_layer": {"out_channels": 96, "act_func": "h_swish"},
        "feature_mix_layer": {"out_channels": 128, "act_func": "h_swish", "bias": False},
        "classifier": {"out_features": 10, "dropout_rate": 0.2},
    }
    arch = read_notation(json.dumps(config))
    first, second, third = (stage.block for stage in arch.stages)
    assert first == InvertedBottleneck(hidden=16, activation="relu6")
    assert isinstance(second, MBConv)
    assert (second.hidden, second.se is not None, second.has_shortcut) == (56, True, False)
    assert third == InvertedBottleneck(hidden=72, activation="hardswish", has_shortcut=False)
    assert (arch.head.width, arch.head.hidden, arch.head.hidden_bias, arch.num_classes) == (96, (128,), False, 10)
    config["blocks"][1]["shortcut"] = {"name": "IdentityLayer"}
    with pytest.raises(SpecError, match=r"net_config.blocks\[1\] has a shortcut between maps of different shapes"):
        read_notation(json.dumps(config))
