"""Every block there is. A new one is a file here, a line below and a test."""

from naslab.arch.blocks.convnext import ConvNeXtBlock
from naslab.arch.blocks.convolution import ConvBlock, DropoutBlock, LocalNormBlock, PatchConv, PoolBlock, Skip
from naslab.arch.blocks.depthwise_separable import DepthwiseSeparable
from naslab.arch.blocks.fire import Fire
from naslab.arch.blocks.inception import BranchWidths, Inception
from naslab.arch.blocks.inverted_bottleneck import FusedMBConv, InvertedBottleneck, MBConv
from naslab.arch.blocks.residual import Bottleneck, PreactResidual, ResidualBlock

AnyBlock = (
    ConvBlock
    | PatchConv
    | PoolBlock
    | LocalNormBlock
    | DropoutBlock
    | Skip
    | DepthwiseSeparable
    | MBConv
    | InvertedBottleneck
    | FusedMBConv
    | ResidualBlock
    | Bottleneck
    | PreactResidual
    | Inception
    | Fire
    | ConvNeXtBlock
)

__all__ = [
    "AnyBlock",
    "Bottleneck",
    "BranchWidths",
    "ConvBlock",
    "ConvNeXtBlock",
    "DepthwiseSeparable",
    "DropoutBlock",
    "Fire",
    "FusedMBConv",
    "Inception",
    "InvertedBottleneck",
    "LocalNormBlock",
    "MBConv",
    "PatchConv",
    "PoolBlock",
    "PreactResidual",
    "ResidualBlock",
    "Skip",
]
