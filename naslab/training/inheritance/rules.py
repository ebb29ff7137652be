"""Rules: how the weights of one kind of layer are transferred, and how such a layer is inserted as an identity.

A kind of layer needs a rule only where its declaration does not say enough: a layer without weights whose channels
stay where they are or only move (`naslab.arch.declaration.Keeps`, `Moves`) follows from that. Any other layer without a
rule starts afresh, and the report names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from naslab.arch.declaration import load_torch_module
from naslab.arch.plan import Layer, layer_kind
from naslab.errors import SpecError
from naslab.training.inheritance.channels import channels_after
from naslab.training.inheritance.flow import Channels, Flow, spread
from naslab.training.inheritance.weight_transfer import WeightTransfer


class LayerPair(NamedTuple):
    """A layer of the parent and the one of the child at the same place, each with its path in the built module."""

    old_path: str
    old: Layer
    new_path: str
    new: Layer

    def part(self, old_name: str, old: Layer, new_name: str, new: Layer) -> LayerPair:
        """The pair of a part of each: `old`, called `old_name` in the parent's layer, and `new`, called `new_name`.

        An empty name is that of the layer itself.
        """
        return LayerPair(path_of(self.old_path, old_name), old, path_of(self.new_path, new_name), new)

    @property
    def paths(self) -> tuple[str, str]:
        """The parent's path and the child's."""
        return self.old_path, self.new_path


def path_of(path: str, name: str) -> str:
    """The path of a part; of the layer itself where it has no name."""
    return f"{path}.{name}" if path and name else path or name


TransferFunction: TypeAlias = Callable[[WeightTransfer, LayerPair, Flow, Channels | None], Flow]
InsertFunction: TypeAlias = Callable[[WeightTransfer, str, Any, Flow, Channels | None], Flow]


class TransferRule(NamedTuple):
    """What is done with a layer; `None` leaves it to its declaration.

    - `transfer(transfer, pair, flow, wanted)`: initialise the child's layer from the parent's of the same kind, given
      the flow of channels before both and the parent's channels that the output should carry where weights are free to
      choose; the flow behind both.
    - `insert(transfer, path, layer, flow, wanted)`: initialise a layer that the parent lacks so that it passes on what
      it reads, as far as it can; the flow behind it.

    Either says with `transfer.break_at` where the child's function becomes another one than the parent's.
    """

    transfer: TransferFunction | None = None
    insert: InsertFunction | None = None


_RULES: dict[type[Layer], TransferRule] = {}
_NO_RULE = TransferRule()


def declare_transfer(kind: type[Layer], rule: TransferRule) -> None:
    """Say by a `rule` how the weights of `kind`, a kind of layer, are transferred.

    Raises `SpecError` where that is said already.

    >>> class Plain(Layer, frozen=True): ...
    >>> declare_transfer(Plain, TransferRule())
    >>> declare_transfer(Plain, TransferRule())
    Traceback (most recent call last):
    naslab.errors.SpecError: the weight transfer of the layer Plain is declared already
    """
    if kind in _RULES:
        raise SpecError("", f"the weight transfer of the layer {kind.__name__} is declared already")
    _RULES[kind] = rule


def rule_of(layer: Layer) -> TransferRule:
    """The rule of a `layer`; an empty one where there is none.

    >>> from naslab.arch.plan import Dropout
    >>> rule_of(Dropout(0.5))
    TransferRule(transfer=None, insert=None)
    """
    if type(layer) not in _RULES:
        load_torch_module(layer)
    return _RULES.get(type(layer), _NO_RULE)


def start_afresh(transfer: WeightTransfer, pair: LayerPair, flow: Flow, why: str) -> Flow:
    """Leave the child's layer of a `pair` as it was initialised, and note in `transfer` that it is fresh, and `why`.

    Given the `flow` before it, the flow behind it carries the channels that the parent's layer makes, in turn: what
    follows is initialised as if the fresh layer made them.
    """
    transfer.fresh += transfer.owners(pair.new_path)
    transfer.break_at(pair.new_path, why)
    old_positions, new_positions = flow.positions
    width = channels_after(pair.old, flow.width, old_positions)
    made = channels_after(pair.new, len(flow.channels), new_positions)
    return Flow(spread(width, made), width, positions=flow.positions)


def insert_afresh(transfer: WeightTransfer, path: str, layer: Layer, flow: Flow) -> Flow:
    """Leave a `layer` at `path` that the parent lacks, and that no weights make an identity, as it was initialised.

    `transfer` notes that it is fresh. The flow behind it carries the channels of `flow` in turn, as many as it makes:
    what follows is initialised as if it passed them on.
    """
    transfer.fresh += transfer.owners(path)
    transfer.break_at(path, "no weights let it pass its input on")
    wide = channels_after(layer, len(flow.channels), flow.positions[1])
    return flow.made(tuple(flow.channels[channel % len(flow.channels)] for channel in range(wide)), flow.width)


def no_rule(layer: Layer) -> str:
    """Why a layer of which nothing is declared starts afresh."""
    return f"started afresh: {layer_kind(layer)} does not declare how its weights are transferred"
