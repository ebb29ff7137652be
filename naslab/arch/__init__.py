"""What a network is, and its readings: cost from the description alone, and a torch module (`naslab.arch.build`)."""

from naslab.arch.block import Block, Context, NormStyle, SqueezeExcite, round_width
from naslab.arch.blocks import (
    Bottleneck,
    BranchWidths,
    ConvBlock,
    ConvNeXtBlock,
    DepthwiseSeparable,
    DropoutBlock,
    Fire,
    FusedMBConv,
    Inception,
    InvertedBottleneck,
    LocalNormBlock,
    MBConv,
    PatchConv,
    PoolBlock,
    PreactResidual,
    ResidualBlock,
    Skip,
)
from naslab.arch.canonical import arch_id, canonical
from naslab.arch.cost import Cost, LayerCost, cost, layer_costs, uncounted_layers
from naslab.arch.files import decode_arch, encode, load_arch, save_arch
from naslab.arch.lower import lower
from naslab.arch.spec import ArchSpec, AuxiliaryHead, Head, Stage, StochasticDepth

__all__ = [
    "ArchSpec",
    "AuxiliaryHead",
    "Block",
    "Bottleneck",
    "BranchWidths",
    "Context",
    "ConvBlock",
    "ConvNeXtBlock",
    "Cost",
    "DepthwiseSeparable",
    "DropoutBlock",
    "Fire",
    "FusedMBConv",
    "Head",
    "Inception",
    "InvertedBottleneck",
    "LayerCost",
    "LocalNormBlock",
    "MBConv",
    "NormStyle",
    "PatchConv",
    "PoolBlock",
    "PreactResidual",
    "ResidualBlock",
    "Skip",
    "SqueezeExcite",
    "Stage",
    "StochasticDepth",
    "arch_id",
    "canonical",
    "cost",
    "decode_arch",
    "encode",
    "layer_costs",
    "load_arch",
    "lower",
    "round_width",
    "save_arch",
    "uncounted_layers",
]
