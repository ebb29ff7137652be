"""Every block there is. A new one of naslab's own is a file here, a line below and a test.

One of a user's own code needs none of these: `type: my_code:MyBlock` stands in files and spaces as it is
(`naslab.arch.blocks.outside`).
"""

from naslab.arch.blocks.activation_first import ActivationFirstResidual
from naslab.arch.blocks.cell import Cell, Edge, Pair
from naslab.arch.blocks.convnext import ConvNeXtBlock
from naslab.arch.blocks.convolution import (
    ActivationBlock,
    ConvBlock,
    DropoutBlock,
    FractionalPoolBlock,
    LocalNormBlock,
    PatchConv,
    PoolBlock,
    Skip,
)
from naslab.arch.blocks.dense import DenseLayer, Transition
from naslab.arch.blocks.depthwise_separable import DepthwiseSeparable
from naslab.arch.blocks.fire import Fire
from naslab.arch.blocks.fractal import Fractal
from naslab.arch.blocks.graph_cell import CellInput, GraphCell
from naslab.arch.blocks.inception import BranchWidths, Inception
from naslab.arch.blocks.inverted_bottleneck import FusedMBConv, InvertedBottleneck, MBConv
from naslab.arch.blocks.norm_free import NormFreeBlock
from naslab.arch.blocks.outside import OutsideBlock
from naslab.arch.blocks.parallel import ConvStep, ForkStep, Parallel, PoolStep
from naslab.arch.blocks.residual import Bottleneck, PreactResidual, ResidualBlock
from naslab.arch.blocks.shuffle import ShuffleUnit, SplitShuffleUnit
from naslab.arch.blocks.universal_bottleneck import UniversalBottleneck
from naslab.arch.blocks.vertex_cell import VertexCell

AnyBlock = (
    ConvBlock
    | PatchConv
    | PoolBlock
    | FractionalPoolBlock
    | LocalNormBlock
    | DropoutBlock
    | ActivationBlock
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
    | Parallel
    | DenseLayer
    | Transition
    | Fractal
    | ShuffleUnit
    | SplitShuffleUnit
    | NormFreeBlock
    | Cell
    | OutsideBlock
    | GraphCell
    | ActivationFirstResidual
    | UniversalBottleneck
    | VertexCell
)

__all__ = [
    "ActivationBlock",
    "ActivationFirstResidual",
    "AnyBlock",
    "Bottleneck",
    "BranchWidths",
    "Cell",
    "CellInput",
    "ConvBlock",
    "ConvNeXtBlock",
    "ConvStep",
    "DenseLayer",
    "DepthwiseSeparable",
    "DropoutBlock",
    "Edge",
    "Fire",
    "ForkStep",
    "Fractal",
    "FractionalPoolBlock",
    "FusedMBConv",
    "GraphCell",
    "Inception",
    "InvertedBottleneck",
    "LocalNormBlock",
    "MBConv",
    "NormFreeBlock",
    "OutsideBlock",
    "Pair",
    "Parallel",
    "PatchConv",
    "PoolBlock",
    "PoolStep",
    "PreactResidual",
    "ResidualBlock",
    "ShuffleUnit",
    "Skip",
    "SplitShuffleUnit",
    "Transition",
    "UniversalBottleneck",
    "VertexCell",
]
