"""Declaration: all that is known of a layer from its description, in one row; torch is no part of it.

A layer is a `Layer` struct and one row beside it, given to `declare`. Every reading of a plan (cost, training memory,
words, diagram, weight transfer, shared weights) looks there. Counting is required; what a row leaves out has a safe
answer or is refused by name, as each field says. How a layer is built in torch is the other row, given to
`naslab.arch.build.declare_module`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from naslab.arch.span import Span
from naslab.errors import SpecError

if TYPE_CHECKING:
    from naslab.arch.live_maps import MemoryRule

HeightWidth: TypeAlias = tuple[int, int]
Shape: TypeAlias = tuple[int, int, int]
"""Channels, height, width of one image's feature map. A flat vector is `(features, 1, 1)`."""

Counts: TypeAlias = tuple[Shape, int, int, int, int, Span]
"""The fields of a `naslab.arch.tally.Tally`, as a plain tuple: named ones would take a third of the fold's time."""

Initial: TypeAlias = float | Literal["filter", "linear"]
"""What a tensor holds at first: one value, a filter's draw (arXiv 1502.01852) or a linear layer's."""

NEW = -1
"""In place of a channel's number: a channel that carries none of those before."""
ZERO = -2
"""Likewise: a channel of zeros."""


class Layer(msgspec.Struct, frozen=True, gc=False):
    """Something that turns one feature map into another. Subclasses are final and compare by value.

    Plans hold no cycles, so the garbage collector does not track them (`gc=False`).
    """


class Keeps(msgspec.Struct, frozen=True):
    """What a layer does to channels: nothing, every one stays where it is."""


class Moves(msgspec.Struct, frozen=True):
    """What a layer does to channels: every output channel is an input channel, in another place, or `ZERO`.

    `order` gives, for the numbers of the input's channels, those that the output has.
    """

    order: Callable[[tuple[int, ...]], tuple[int, ...]]


class Mixes(msgspec.Struct, frozen=True):
    """What a layer does to channels: its weights make `made` new ones, in `groups` groups.

    Each output channel is computed from the input channels of its own group.
    """

    made: int
    groups: int = 1


ChannelEffect: TypeAlias = Keeps | Moves | Mixes


class Weight(msgspec.Struct, frozen=True):
    """A tensor of a layer's module: its `name` there, its `shape`, and its `initial` values.

    Without `is_learned` it is state that training updates otherwise, such as a running mean.
    """

    name: str
    shape: tuple[int, ...]
    initial: Initial
    is_learned: bool = True


Count: TypeAlias = Callable[[Any, Shape, bool], Counts]
NamedPart: TypeAlias = tuple[str, Layer]


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a layer without torch. Every function takes the layer first.

    - `count(layer, shape, keep)`: output shape, parameters, multiply-accumulates, activations, peak and span for one
      map of `shape`; `keep` says that something else still needs the input afterwards. Raises `SpecError` where the
      layer does not fit the map. Required.
    - `memory(layer, value, maps)`: which maps a training step keeps for its gradients (`naslab.arch.live_maps`).
      Without it the training memory of a network with this layer is unknown, and it is trained as if there were no
      prediction.
    - `makes_new_map(layer)`: whether its output is a map of its own that its gradient does not need, so that an
      activation behind it may overwrite it. Without it: no.
    - `words(layer)`: a short phrase for tables and diagrams. Without it: the class and its fields.
    - `channels(layer)`: what it does to channels. Without it their number is read from `count`, and weights are not
      transferred through the layer.
    - `weights(layer)`: the tensors of its module. Without it a supernet refuses the layer if it has parameters.
    - `zeroed_by`: the tensors that make its output zero where they are zero. Without it a residual body that ends with
      the layer cannot be inserted as an identity.
    - `keeps_zero(layer)`: whether a map of zeros stays one. Without it: no.
    - `passes_on`: whether its output is its input in evaluation mode (dropout). Without it: no.
    - `parts(layer)`: of a combinator, its parts by the names that the built module has for them, in order.
    - `torch_module`: the Python module to import before the layer is built, whose import calls
      `naslab.arch.build.declare_module` for it; empty where that has happened.
    """

    count: Count
    memory: MemoryRule | None = None
    makes_new_map: Callable[[Any], bool] | None = None
    words: Callable[[Any], str] | None = None
    channels: Callable[[Any], ChannelEffect | None] | None = None
    weights: Callable[[Any], tuple[Weight, ...]] | None = None
    zeroed_by: tuple[str, ...] = ()
    keeps_zero: Callable[[Any], bool] | None = None
    passes_on: bool = False
    parts: Callable[[Any], tuple[NamedPart, ...]] | None = None
    torch_module: str = ""


COUNTERS: dict[type[Layer], Count] = {}
"""The counting functions alone, by the kind of layer: what the fold of the cost reads."""

_DECLARATIONS: dict[type[Layer], Declaration] = {}


def declare(kind: type[Layer], declaration: Declaration) -> None:
    """Make `kind`, a kind of layer, known to every reading of a plan by its `declaration`.

    Raises `SpecError` where it is known already, and where another kind has its name: identities tell kinds by name.
    A kind that is written anew under its name, as in a notebook, may be declared again.
    Called when the file of the layer is imported, so that a worker that receives a network with it knows it too.

    >>> from naslab.arch.tally import tally
    >>> class Negate(Layer, frozen=True):
    ...     "Every value with the other sign."
    >>> def count(layer, shape, keep):
    ...     size = shape[0] * shape[1] * shape[2]
    ...     return shape, 0, 0, 0, 2 * size, (0, 0, 0, 1, 1)
    >>> declare(Negate, Declaration(count=count, channels=lambda layer: Keeps(), weights=lambda layer: ()))
    >>> tally(Negate(), (8, 4, 4)).peak, words_of(Negate())
    (256, 'Negate')
    """
    if kind in _DECLARATIONS:
        raise SpecError("", f"the layer {kind.__name__} is declared already")
    namesakes = [other for other in _DECLARATIONS if other.__name__ == kind.__name__]
    if any((other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__) for other in namesakes):
        raise SpecError("", f"another layer is called {kind.__name__}, and identities tell layers by name: rename it")
    _DECLARATIONS[kind] = declaration
    COUNTERS[kind] = declaration.count


def declaration_of(layer: Layer) -> Declaration | None:
    """The row of a `layer`; `None` where its kind was never declared.

    >>> from naslab.arch.plan import Dropout
    >>> declaration_of(Dropout(0.5)).passes_on
    True
    """
    return _DECLARATIONS.get(type(layer))


def declared_layers() -> tuple[type[Layer], ...]:
    """Every kind of layer that is declared, in the order of their declaration.

    >>> from naslab.arch.plan import Dropout
    >>> Dropout in declared_layers()
    True
    """
    return tuple(_DECLARATIONS)


def layer_kind(layer: Any) -> str:
    """The name under which messages and tables show a `layer`.

    >>> from naslab.arch.plan import Dropout
    >>> layer_kind(Dropout(0.5))
    'Dropout'
    """
    return type(layer).__name__


def named_parts(layer: Layer) -> tuple[NamedPart, ...]:
    """The parts of a combinator `layer` under the names that the built module has for them; none of another layer.

    >>> from naslab.arch.plan import Dropout, seq
    >>> [name for name, part in named_parts(seq(first=Dropout(0.1), second=Dropout(0.2)))]
    ['first', 'second']
    """
    row = declaration_of(layer)
    return () if row is None or row.parts is None else row.parts(layer)


def words_of(layer: Layer) -> str:
    """A `layer` in words; its class and fields where it declares none.

    >>> from naslab.arch.plan import Dropout
    >>> words_of(Dropout(0.5))
    'dropout 0.5'
    """
    row = declaration_of(layer)
    if row is not None and row.words is not None:
        return row.words(layer)
    fields = ", ".join(f"{name} {getattr(layer, name)}" for name in layer.__struct_fields__)
    return f"{layer_kind(layer)} {fields}".rstrip()


def makes_new_map(layer: Layer) -> bool:
    """Whether the output of a `layer` is its own, neither its input nor a part of it, and not kept for its gradient.

    >>> from naslab.arch.plan import Conv, Flatten
    >>> makes_new_map(Conv(3, 8, 3)), makes_new_map(Flatten())
    (True, False)
    """
    row = declaration_of(layer)
    return row is not None and row.makes_new_map is not None and row.makes_new_map(layer)


def channel_effect(layer: Layer) -> ChannelEffect | None:
    """What a `layer` does to channels; `None` where it does not say.

    >>> from naslab.arch.plan import Act
    >>> channel_effect(Act("relu"))
    Keeps()
    """
    row = declaration_of(layer)
    return None if row is None or row.channels is None else row.channels(layer)


def weights_of(layer: Layer) -> tuple[Weight, ...] | None:
    """The tensors of the own module of a `layer`, those of its parts left out; `None` where it does not say.

    >>> from naslab.arch.plan import Linear
    >>> [(each.name, each.shape) for each in weights_of(Linear(16, 10))]
    [('weight', (10, 16)), ('bias', (10,))]
    """
    row = declaration_of(layer)
    if row is None or (row.weights is None and row.parts is None):
        return None
    return () if row.weights is None else row.weights(layer)


def keeps_zero(layer: Layer) -> bool:
    """Whether a `layer` makes zeros of a map of zeros, whatever its weights are.

    >>> from naslab.arch.plan import Act, Linear
    >>> keeps_zero(Act("relu")), keeps_zero(Linear(16, 10))
    (True, False)
    """
    row = declaration_of(layer)
    return row is not None and row.keeps_zero is not None and row.keeps_zero(layer)


def passes_on(layer: Layer) -> bool:
    """Whether the output of a `layer` is its input in evaluation mode.

    >>> from naslab.arch.plan import Act, Dropout
    >>> passes_on(Dropout(0.5)), passes_on(Act("relu"))
    (True, False)
    """
    row = declaration_of(layer)
    return row is not None and row.passes_on


def load_torch_module(layer: Layer) -> bool:
    """Import the Python module that the declaration of `layer` names in `torch_module`; False where it names none.

    Raises `SpecError` that names the layer where the import fails.

    >>> class Plain(Layer, frozen=True): ...
    >>> load_torch_module(Plain())
    False
    """
    row = declaration_of(layer)
    if row is None or not row.torch_module:
        return False
    try:
        importlib.import_module(row.torch_module)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        rule = f"the torch module '{row.torch_module}' of the layer {layer_kind(layer)} cannot be imported ({reason})"
        raise SpecError("", f"{rule}: mend it, or the layer's declaration") from error
    return True


def always(layer: Layer) -> bool:
    """True of every `layer`: for fields of a declaration that hold for all layers of a kind.

    >>> always(Layer())
    True
    """
    return True


def keeps_channels(layer: Layer) -> ChannelEffect:
    """For `Declaration.channels`: every channel stays where it is, whatever the `layer`.

    >>> keeps_channels(Layer())
    Keeps()
    """
    return Keeps()


def no_weights(layer: Layer) -> tuple[Weight, ...]:
    """For `Declaration.weights`: there are none, whatever the `layer`.

    >>> no_weights(Layer())
    ()
    """
    return ()


def moves(order: Callable[[Any, tuple[int, ...]], Sequence[int]]) -> Callable[[Any], ChannelEffect]:
    """For `Declaration.channels`: the layer only moves channels; `order(layer, channels)` are those behind it.

    >>> effect = moves(lambda layer, channels: channels[::-1])(None)
    >>> effect.order((0, 1, 2))
    (2, 1, 0)
    """
    return lambda layer: Moves(lambda channels: tuple(order(layer, channels)))
