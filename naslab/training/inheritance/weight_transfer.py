"""WeightTransfer: the weights of two networks while one's become the other's, and what became of each layer.

The arithmetic of function-preserving growth is here: Net2WiderNet of Net2Net (Chen et al. 2016, arXiv 1511.05641). How
the paper's words are used here stands in `naslab.training.inheritance.inherit`.

| symbol | name in code | shape | what it is |
|---|---|---|---|
| W | `weight` | (parent's out, in / groups, rows, columns) | the parent's weight; (out, in) of a linear layer |
| | `own` | (child's out, in / groups, rows, columns) | the child's weight as it was initialised |
| f | `inputs` | (child's in,) | for each input channel of the child's layer, the parent's that it carries |
| g | `outputs` | (child's out,) | for each output channel of the child's layer, the parent's that it is to carry |
| | `NEW` | | in place of a channel of the parent's: the child's channel carries none |
| | `groups` | | of the parent's layer and of the child's |
| s | `shares` | (child's out, in) | what each copy of a channel counts in an output; the copies of one sum to 1 |
| c | `scale` | scalar | the child's map is c times the parent's; a `Flow` has it |
| U | `made` | (child's out, in / groups, rows, columns) | the child's weight |

The child's weight from input i to output o is U[o, i] = s[o, i] W[g(o), f(i)] / c. The paper's mapping g of a widened
layer is what the next one reads: its f. There s is 1 over the number of copies, and noise tells copies apart; here the
shares are drawn, which does so and keeps the function.

One example. A map of channels (x, y) is widened to three that carry (x, y, x): `inputs` is (0, 1, 0). The parent's
filter reads 2x + 5y: its row is (2, 5). The child's row is (2s, 5, 2(1 - s)) for a drawn share s between 0 and 1, and
2sx + 5y + 2(1 - s)x = 2x + 5y as before:

>>> row, own = torch.tensor([[2.0, 5.0]]), torch.zeros(1, 3)
>>> made, is_whole = mixing_weight(row, own, (0, 1, 0), (0,), (1, 1), torch.Generator().manual_seed(0))
>>> is_whole, made[0, 1].item(), round((made[0, 0] + made[0, 2]).item(), 5)
(True, 5.0, 2.0)
"""

from __future__ import annotations

import torch
from torch import Tensor

from naslab.arch.declaration import NEW
from naslab.training.inheritance.flow import Channels, Flow


class WeightTransfer:
    """Both networks' tensors while the child's become the parent's, and the paths of its layers by what was done.

    `parent` and `child` are state dicts, on the CPU; the child's is copied, its tensors are replaced one by one. What
    is drawn (shares of copies) follows from `seed`.
    """

    def __init__(self, parent: dict[str, Tensor], child: dict[str, Tensor], seed: int) -> None:
        self.parent = parent
        self.child = dict(child)
        self.generator = torch.Generator().manual_seed(seed)
        self.copied: list[str] = []
        self.widened: list[str] = []
        self.deepened: list[str] = []
        self.sliced: list[str] = []
        self.fresh: list[str] = []
        self.broken: list[str] = []

    def owners(self, path: str) -> list[str]:
        """The paths of the child's layers with tensors at a path or inside it, in their order."""
        return list(dict.fromkeys(name.rpartition(".")[0] for name in self.child if name.startswith(f"{path}.")))

    def break_at(self, path: str, why: str) -> None:
        """Note that the function changes here, and why."""
        self.broken.append(f"{path}: {why}")

    def note(self, path: str, is_cut: bool, is_grown: bool) -> None:
        """Note a layer that has the parent's weights: sliced if `is_cut`, else widened if `is_grown`, else copied."""
        (self.sliced if is_cut else self.widened if is_grown else self.copied).append(path)

    def put(self, name: str, value: Tensor) -> None:
        """Set a tensor of the child, by its name in the state dict, to a value of the same shape."""
        own = self.child[name]
        assert own.shape == value.shape, (name, own.shape, value.shape)
        self.child[name] = value.to(own.dtype).contiguous()

    def fill(self, name: str, value: float) -> None:
        """Set all of a tensor of the child to one value."""
        self.put(name, torch.full_like(self.child[name], value))

    def multiply_norm(self, path: str, factor: float) -> None:
        """Multiply the output of a norm of the child, at a path in its module, by a factor: its weight and bias."""
        for part in ("weight", "bias"):
            self.put(f"{path}.{part}", self.child[f"{path}.{part}"] * factor)

    def gather(self, parent_name: str, child_name: str, channels: Channels) -> None:
        """Take a tensor's rows for `channels` from the parent's; where these are `NEW` the child keeps its own."""
        self.put(child_name, rows_of(self.parent[parent_name], self.child[child_name], channels))


def rows_of(values: Tensor, own: Tensor, channels: Channels) -> Tensor:
    """The rows of `values` that `channels` number; where a channel is `NEW` the row of `own` in its place.

    `values` is of shape (parent's channels, ...), `own` and the result (child's channels, ...).

    >>> rows_of(torch.tensor([1.0, 2.0]), torch.tensor([7.0, 8.0, 9.0]), (1, NEW, 0))
    tensor([2., 8., 1.])
    """
    source = index_of(channels)
    is_new = (source == NEW).reshape(-1, *[1] * (own.ndim - 1))
    return torch.where(is_new, own, values[source.clamp(min=0)])


def index_of(channels: Channels) -> Tensor:
    """Channels as indices: int64 of shape (channels,), `NEW` as -1."""
    return torch.tensor(channels, dtype=torch.int64)


def mixing_weight(
    weight: Tensor,
    own: Tensor,
    inputs: Channels,
    outputs: Channels,
    groups: tuple[int, int],
    generator: torch.Generator,
) -> tuple[Tensor, bool]:
    """The child's weight of a convolution or linear layer, and whether it computes all that the parent's does.

    `weight` is the parent's, of shape (out, in / groups, ...), `own` the child's as initialised, of such a shape with
    the same kernel; `groups` are the parent's and the child's. `inputs` and `outputs` are the parent's channels that
    the child's map before the layer carries and that behind it is to carry. The copies of a channel count shares that
    sum to 1, drawn from `generator`, so that copies with equal weights before them do not stay equal. New inputs count
    nothing, rows of new outputs are the child's own. The second value is false where the parent's filter reads a
    channel that an output of the child does not get.
    """
    made, is_whole = torch.empty_like(own), True
    parent_groups, child_groups = groups
    num_in, num_out = len(inputs) // child_groups, len(outputs) // child_groups
    share_in, share_out = weight.shape[1], weight.shape[0] // parent_groups
    for group in range(child_groups):
        rows = slice(group * num_out, (group + 1) * num_out)
        read = inputs[group * num_in : (group + 1) * num_in]
        source, target = index_of(read), index_of(outputs[rows])
        shares = _shares(source, num_out, generator)
        in_place = (source % share_in).clamp(min=0)
        block = weight[target.clamp(min=0)][:, in_place]
        is_met = (target[:, None] // share_out == source[None, :] // share_in) & (source != NEW)[None, :]
        factor = torch.where(is_met, shares, 0.0)
        block = block * factor.reshape(*factor.shape, *[1] * (weight.ndim - 2))
        is_new = (target == NEW).reshape(-1, *[1] * (weight.ndim - 1))
        made[rows] = torch.where(is_new, own[rows], block)
        wanted = {part for part in (target // share_out).tolist() if part >= 0}
        needed = {part * share_in + channel for part in wanted for channel in range(share_in)}
        is_whole = is_whole and needed <= set(read)
    return made, is_whole


def _shares(source: Tensor, num_out: int, generator: torch.Generator) -> Tensor:
    """What each copy of a channel counts in each output, (out, in): the copies of one channel sum to 1."""
    if len(set(source.tolist())) == len(source):
        return torch.ones(num_out, len(source))
    drawn = torch.rand(num_out, len(source), generator=generator, dtype=torch.float64) + 0.5
    place = torch.where(source == NEW, int(source.max()) + 1, source)
    sums = torch.zeros(num_out, int(place.max()) + 1, dtype=torch.float64).index_add_(1, place, drawn)
    return (drawn / sums[:, place]).float()


def fitted_kernel(weight: Tensor, kernel: tuple[int, int]) -> Tensor:
    """A weight of shape (out, in, rows, columns) with another `kernel` (rows, columns): zeros around, or its middle.

    >>> fitted_kernel(torch.ones(1, 1, 1, 1), (3, 3))[0, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    for dim, side in ((2, kernel[0]), (3, kernel[1])):
        more = side - weight.shape[dim]
        if more < 0:
            weight = weight.narrow(dim, -more // 2, side)
        elif more > 0:
            shape = list(weight.shape)
            shape[dim] = side
            padded = weight.new_zeros(shape)
            padded.narrow(dim, more // 2, weight.shape[dim]).copy_(weight)
            weight = padded
    return weight


def is_cut(flow: Flow, channels: Channels, width: int) -> bool:
    """Whether a layer between a flow and the parent's `width` channels leaves some weights of the parent out."""
    return not flow.is_whole or set(channels) - {NEW} != set(range(width))


def is_grown(flow: Flow, channels: Channels, width: int) -> bool:
    """Whether a layer's input or output holds more channels than the parent's."""
    return len(flow.channels) > flow.width or len(channels) > width
