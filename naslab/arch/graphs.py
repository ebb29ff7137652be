"""Modules of networks that are no chain: graphs, cells that read several outputs, auxiliary heads, drop-path.

This file needs torch alone and may be copied beside an exported network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Join: TypeAlias = Literal["add", "mean", "concat"]

GLOBAL_SHARE = 0.5
"""The share of training steps in which drop-path keeps a single path through the whole network (arXiv 1605.07648)."""


class Reading(NamedTuple):
    """The values that a node of a graph reads, `inputs`, and the `join` by which several become one.

    `shifted_like` is the value whose even sides shift the node's windows, `None` for none. `margin` is how
    many zeros of the padding of a shifted convolution, of `stride`, are added here instead of there; without it what is
    shifted is no convolution.
    """

    inputs: tuple[int, ...]
    join: Join = "add"
    shifted_like: int | None = None
    margin: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)


class PathDraw:
    """Which path every graph of a network keeps in one training step; called before each forward of the network.

    `num_paths` is the largest number of inputs of a join. `path` counts from the last input of a join and is drawn in
    `GLOBAL_SHARE` of the steps in training; `None` lets every join drop inputs independently of the others.
    """

    def __init__(self, num_paths: int) -> None:
        self.num_paths = num_paths
        self.path: int | None = None

    def __call__(self, network: nn.Module, inputs: tuple[Any, ...]) -> None:
        is_global = network.training and bool(torch.rand(()) < GLOBAL_SHARE)
        self.path = int(torch.randint(self.num_paths, ())) if is_global else None


class Dag(nn.ModuleDict):
    """Layers as the nodes of a graph: node i joins the values that `reads[i]` names and runs layer i of `layers` on it.

    Values 0 to `num_inputs` - 1 are the maps given, each of shape (batch, channels, height, width); one map given for
    all is read as each. The values `outputs` are stacked along the channels. In training a `mean` drops each input with
    probability `drop_rate`, never all of an image's (local drop-path), or keeps the one that `paths` has drawn (global
    drop-path). Where the value that a shifted node follows has even sides, its convolution starts stride - 1 positions
    later, and another layer runs behind one more row and column of zeros, its first row or column dropped.
    """

    def __init__(
        self,
        layers: OrderedDict[str, nn.Module],
        reads: Sequence[Reading],
        outputs: tuple[int, ...],
        num_inputs: int = 1,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__(layers)
        self.reads = tuple(reads)
        self.outputs = outputs
        self.num_inputs = num_inputs
        self.drop_rate = drop_rate
        self.paths = PathDraw(max((len(each.inputs) for each in reads), default=1))

    def forward(self, *maps: Tensor) -> Tensor:
        values = list(maps) if len(maps) == self.num_inputs else [maps[-1]] * self.num_inputs
        for layer, reading in zip(self.values(), self.reads, strict=True):
            x = self._joined(reading.join, [values[index] for index in reading.inputs])
            if reading.shifted_like is None:
                values.append(layer(x))
                continue
            top, left = (1 - side % 2 for side in values[reading.shifted_like].shape[2:])
            if reading.margin is None:
                values.append(layer(functional.pad(x, (left, 0, top, 0)))[:, :, top:, left:])
            else:
                (below, right), (down, across) = reading.margin, reading.stride
                around = (right - left * (across - 1), right, below - top * (down - 1), below)
                values.append(layer(functional.pad(x, around)))
        outputs = [values[index] for index in self.outputs]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _joined(self, how: Join, parts: list[Tensor]) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        if how == "concat":
            return torch.cat(parts, dim=1)
        if how == "mean" and self.training and self.drop_rate > 0:
            return self._dropped_mean(parts)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total / len(parts) if how == "mean" else total

    def _dropped_mean(self, parts: list[Tensor]) -> Tensor:
        if self.paths.path is not None:
            return parts[-1 - min(self.paths.path, len(parts) - 1)]
        stacked = torch.stack(parts)
        kept = (torch.rand(stacked.shape[:2], device=stacked.device) >= self.drop_rate).to(stacked.dtype)
        spared = torch.zeros_like(kept).scatter_(
            0, torch.randint(len(parts), (1, kept.shape[1]), device=kept.device), 1
        )
        kept = torch.where(kept.sum(0) > 0, kept, spared)
        return torch.einsum("pb,pbchw->bchw", kept / kept.sum(0), stacked)

    def extra_repr(self) -> str:
        shown = (
            [f"outputs={self.outputs}"]
            if self.num_inputs == 1
            else [f"inputs={self.num_inputs}, outputs={self.outputs}"]
        )
        return ", ".join(shown + ([f"drop_rate={self.drop_rate}"] if self.drop_rate else []))


class History(nn.Sequential):
    """Layers one after another where a graph of n inputs reads the last n outputs, any other layer the last one.

    Maps in and out have the shape (batch, channels, height, width).
    """

    def forward(self, x: Tensor) -> Tensor:
        return advance(self, [x], longest_memory(self))[-1]


class PreparedHistory(History):
    """A history whose first part prepares the images; what graphs read begins with the images behind it.

    Images in have the shape (batch, channels, height, width), logits out the shape (batch, classes).
    """

    def forward(self, x: Tensor) -> Tensor:
        prepare, *parts = self.children()
        trail = [cast(Tensor, prepare(x))]
        memory = longest_memory(self)
        for part in parts:
            trail = advance(part, trail, memory)
        return trail[-1]


class Supervised(nn.Sequential):
    """A network whose named `parts` may have auxiliary heads behind them: `heads`, by the name of the part they read.

    Images have the shape (batch, channels, height, width), logits the shape (batch, classes). In training it gives the
    logits and those of the heads, in order, as one tuple; in evaluation the logits alone. The heads are the children of
    `auxiliary`, all other names are those of the network without them. `loss_weights` holds the factor of each head's
    loss.
    """

    def __init__(
        self, parts: OrderedDict[str, nn.Module], heads: OrderedDict[str, nn.Module], loss_weights: tuple[float, ...]
    ) -> None:
        super().__init__(parts)
        self.auxiliary = nn.ModuleDict(heads)
        self.loss_weights = loss_weights

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        trail = [x]
        memory = longest_memory(self)
        logits = []
        for name, part in self.named_children():
            if part is self.auxiliary:
                continue
            trail = advance(part, trail, memory)
            if self.training and name in self.auxiliary:
                logits.append(self.auxiliary[name](trail[-1]))
        return (trail[-1], *logits) if self.training else trail[-1]


def advance(part: nn.Module, trail: list[Tensor], memory: int) -> list[Tensor]:
    """The last `memory` outputs of a network after one more `part`, given those before it in `trail`, oldest first.

    Outputs are maps of shape (batch, channels, height, width), or logits of shape (batch, classes). A graph that reads
    more outputs than there are reads the first one in place of those that are missing.
    """
    if isinstance(part, History):
        for each in part:
            trail = advance(each, trail, memory)
        return trail
    if isinstance(part, Dag) and part.num_inputs > 1:
        missing = [trail[0]] * (part.num_inputs - len(trail))
        out = part(*missing, *trail[-part.num_inputs :])
    else:
        out = part(trail[-1])
    return [*trail, cast(Tensor, out)][-memory:]


def longest_memory(network: nn.Module) -> int:
    """The largest number of outputs that one graph of `network` reads; 1 without graphs."""
    return max((each.num_inputs for each in network.modules() if isinstance(each, Dag)), default=1)


def share_paths(network: nn.Module) -> None:
    """Let all graphs of `network` with drop-path draw one path together before each forward (global drop-path).

    Changes the network in place; without such graphs it stays as it is.
    """
    graphs = [each for each in network.modules() if isinstance(each, Dag) and each.drop_rate > 0]
    if graphs:
        draw = PathDraw(max(each.paths.num_paths for each in graphs))
        for each in graphs:
            each.paths = draw
        network.register_forward_pre_hook(draw)
