"""Every block there is. A new one is a file here, a line below and a test."""

from naslab.arch.blocks.convolution import ConvBlock, PoolBlock, Skip
from naslab.arch.blocks.depthwise_separable import DepthwiseSeparable
from naslab.arch.blocks.inception import BranchWidths, Inception
from naslab.arch.blocks.inverted_bottleneck import FusedMBConv, InvertedBottleneck, MBConv
from naslab.arch.blocks.residual import Bottleneck, PreactResidual, ResidualBlock

AnyBlock = (
    ConvBlock
    | PoolBlock
    | Skip
    | DepthwiseSeparable
    | MBConv
    | InvertedBottleneck
    | FusedMBConv
    | ResidualBlock
    | Bottleneck
    | PreactResidual
    | Inception
)

__all__ = [
    "AnyBlock",
    "Bottleneck",
    "BranchWidths",
    "ConvBlock",
    "DepthwiseSeparable",
    "FusedMBConv",
    "Inception",
    "InvertedBottleneck",
    "MBConv",
    "PoolBlock",
    "PreactResidual",
    "ResidualBlock",
    "Skip",
]
