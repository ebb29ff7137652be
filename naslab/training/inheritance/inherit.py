"""Inheritance: the initial weights of a network from those of another, its parent (Net2Net, Chen et al. 2016).

| Net2Net (arXiv 1511.05641) | here | what it is |
|---|---|---|
| teacher | `parent`, `old` | the trained network: an `ArchSpec` and the tensors of its module by name |
| student | `child`, `new` | the network to initialise: wider, deeper, narrower or different otherwise |
| f(x; theta) = g(x; theta') | `is_preserved` | both compute the same, in evaluation mode and to rounding |
| random mapping g | `spread`, `Flow.channels` | for each channel of the child, the parent's that it copies; in turn |
| 1 / number of copies | `mixing_weight` | what copies of a channel count where they are read; drawn, summing to 1 |
| Net2WiderNet | `transfer_layer`, `widened` | a layer of both, with more channels or a larger kernel in the child |
| Net2DeeperNet | `insert_layer`, `deepened` | a layer that the parent lacks, initialised as an identity |
| | `sliced` | a layer of both, with a part of the parent's channels or kernel in the child |

One example. The child is wider, its kernel is larger, and it has a block more than the parent; it computes the same:

>>> import torch
>>> from naslab.arch import ConvBlock, Stage
>>> def network(kernel: int, width: int, repeats: int) -> ArchSpec:
...     stage = Stage(block=ConvBlock(kernel=kernel), width=width, repeats=repeats)
...     return ArchSpec(input=(3, 8, 8), stages=(stage,), num_classes=2)
>>> teacher, student = build(network(3, 4, 1), seed=1).eval(), build(network(5, 6, 2)).eval()
>>> made = inherit(network(3, 4, 1), teacher.state_dict(), network(5, 6, 2))
>>> made.inherited.widened, made.inherited.deepened, made.inherited.is_preserved
(('stage0.0.conv', 'stage0.0.norm', 'head.classifier'), ('stage0.1.conv', 'stage0.1.norm'), True)
>>> student.load_state_dict(made.weights)
<All keys matched successfully>
>>> images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
>>> torch.allclose(student(images), teacher(images), atol=1e-5)
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor

from naslab.arch.build import build
from naslab.arch.lower import lower
from naslab.arch.plan import Dag, History, Layer, Sequence
from naslab.arch.spec import ArchSpec
from naslab.errors import DataError, counted
from naslab.training.inheritance.alignment import align, low_blocks
from naslab.training.inheritance.flow import Flow, spread
from naslab.training.inheritance.insertion import insert_layer
from naslab.training.inheritance.rules import LayerPair
from naslab.training.inheritance.transfer import remove_layer, transfer_graph, transfer_layer
from naslab.training.inheritance.weight_transfer import WeightTransfer


class Inherited(msgspec.Struct, frozen=True, kw_only=True):
    """What a child took from its parent: the paths of its layers with weights, by what was done.

    `copied`: the parent's weights as they are; `widened`: the same, spread over more channels or a larger kernel;
    `deepened`: layers that the parent lacks, initialised to pass on what they read; `sliced`: with some of the parent's
    weights left out; `fresh`: initialised as in a network without a parent. `broken` says where and why the child's
    function is not the parent's; empty where it is, to rounding and in evaluation mode.
    """

    copied: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    deepened: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def is_preserved(self) -> bool:
        """Whether the child computes what the parent does, to rounding and in evaluation mode."""
        return not self.broken

    @property
    def share(self) -> float:
        """The share of the child's layers with weights whose weights are the parent's, from 0 to 1."""
        taken = len(self.copied) + len(self.widened) + len(self.sliced)
        return taken / max(1, taken + len(self.deepened) + len(self.fresh))


class Inheritance(NamedTuple):
    """A child's initial tensors by name, `weights`, and the report of where they are from, `inherited`."""

    weights: dict[str, Tensor]
    inherited: Inherited


def inherit(parent: ArchSpec, weights: Mapping[str, Tensor], child: ArchSpec, seed: int = 0) -> Inheritance:
    """The initial state dict of `child`'s module from `parent` and its state dict `weights`, and a report.

    Wider layers replicate channels and divide what is read of them, further layers pass on what they read (Net2Net,
    Chen et al. 2016, arXiv 1511.05641), larger kernels have zeros around; narrower layers keep a part, layers of
    another kind their own weights, drawn from `seed`. Blocks are matched by resolution and likeness, layers by name.
    The weights have the shapes and dtypes of the child's module, and are on the CPU. Raises `DataError` for weights
    that are not the parent's.

    >>> from naslab.arch import ArchSpec, ConvBlock, Stage
    >>> from naslab.arch.build import build
    >>> parent = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4),), num_classes=2)
    >>> child = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(kernel=5), width=6),), num_classes=2)
    >>> inherit(parent, build(parent, seed=1).state_dict(), child).inherited
    Inherited(copied=(), widened=('stage0.0.conv', 'stage0.0.norm', 'head.classifier'), deepened=(), sliced=(), \
fresh=(), broken=())
    """
    given = {name: value.detach().cpu() for name, value in weights.items()}
    require_weights_of(parent, given)
    transfer = WeightTransfer(given, build(child, seed).state_dict(), seed)
    flow = Flow(spread(parent.input[0], child.input[0]), parent.input[0])
    if parent.input != child.input:
        transfer.break_at("input", f"images of {child.input} here, of {parent.input} in the parent")
    trail = _transfer_blocks(transfer, parent, child, [flow])
    old_head, new_head = _head(parent), _head(child)
    classes = spread(parent.num_classes, child.num_classes)
    last = transfer_layer(transfer, LayerPair("head", old_head, "head", new_head), trail[-1], classes)
    if not last.is_same:
        transfer.break_at(
            "head", f"{counted(child.num_classes, 'class', 'classes')} here, {parent.num_classes} in the parent"
        )
    return Inheritance(transfer.child, report_of(transfer))


def report_of(transfer: WeightTransfer) -> Inherited:
    """The report of a weight transfer."""
    return Inherited(
        copied=tuple(transfer.copied),
        widened=tuple(transfer.widened),
        deepened=tuple(transfer.deepened),
        sliced=tuple(transfer.sliced),
        fresh=tuple(transfer.fresh),
        broken=tuple(transfer.broken),
    )


def _head(arch: ArchSpec) -> Layer:
    plan = lower(arch)
    assert isinstance(plan, Sequence | History)
    return plan.layers[-1]


def _transfer_blocks(transfer: WeightTransfer, parent: ArchSpec, child: ArchSpec, trail: list[Flow]) -> list[Flow]:
    """The flows behind every block of the child, the input's first."""
    for old, new in align(low_blocks(parent), low_blocks(child)):
        flow = trail[-1]._replace(norm=None)
        if new is None:
            assert old is not None
            trail[-1] = remove_layer(transfer, old.path, old.layer, flow)
        elif old is None:
            trail.append(insert_layer(transfer, new.path, new.layer, flow))
        elif isinstance(old.layer, Dag) and isinstance(new.layer, Dag) and new.layer.num_inputs > 1:
            count = new.layer.num_inputs
            read = [trail[0]] * (count - len(trail)) + trail[-count:]
            trail.append(transfer_graph(transfer, LayerPair(old.path, old.layer, new.path, new.layer), read))
        else:
            trail.append(transfer_layer(transfer, LayerPair(old.path, old.layer, new.path, new.layer), flow))
    return trail


def require_weights_of(arch: ArchSpec, weights: Mapping[str, Tensor]) -> None:
    """Raise `DataError` unless the tensors are those of a network's module, by name and shape."""
    for name, shape in shapes_of(arch):
        there = tuple(weights[name].shape) if name in weights else "missing"
        if there != shape:
            raise DataError(f"the weights are those of another network: '{name}' is {there}, the parent's is {shape}")


def shapes_of(arch: ArchSpec) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names and shapes of the tensors of a network's module, without memory for them (torch's meta device)."""
    with torch.device("meta"):
        module = build(arch)
    for name, value in module.state_dict().items():
        yield name, tuple(value.shape)
