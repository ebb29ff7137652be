"""The torch row of a layer: how it is built, and how what is built is written as Python source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias

import msgspec
from torch import nn

from naslab.arch.declaration import Layer, layer_kind, load_torch_module
from naslab.errors import SpecError

Writer: TypeAlias = Callable[[Any, str, "Callable[[nn.Module, str], str]"], str]
"""`write(module, indent, expression)`: the call that makes a module; `expression(part, indent)` is that of a part."""


class TorchLayer(msgspec.Struct, frozen=True, kw_only=True):
    """How a layer becomes a torch module.

    - `build(layer)`: the module, with torch's default weights. Required.
    - `write`: for modules that do not print as the call that makes them, by their class, how that call is written.
    - `files`: Python modules whose text an exported network needs as a whole, beside torch. The class of a module that
      is not torch's own is copied into an exported network anyway; it may use `torch`, `Tensor`, `nn`, `functional`.
    """

    build: Callable[[Any], nn.Module]
    write: Mapping[type[nn.Module], Writer] = MappingProxyType({})
    files: tuple[ModuleType, ...] = ()


_ROWS: dict[type[Layer], TorchLayer] = {}
_WRITERS: dict[type[nn.Module], Writer] = {}
_FILES: dict[str, ModuleType] = {}


def declare_module(kind: type[Layer], row: TorchLayer) -> None:
    """Say by `row` how `kind`, a kind of layer, is built. Raises `SpecError` where that is said already.

    >>> from naslab.arch.build import module_of
    >>> class Mirror(Layer, frozen=True):
    ...     "The map from right to left."
    >>> declare_module(Mirror, TorchLayer(build=lambda layer: nn.ReflectionPad2d(0)))
    >>> module_of(Mirror())
    ReflectionPad2d((0, 0, 0, 0))
    """
    if kind in _ROWS:
        raise SpecError("", f"the module of the layer {kind.__name__} is declared already")
    _ROWS[kind] = row
    _WRITERS.update(row.write)
    _FILES.update({each.__name__: each for each in row.files})


def torch_layer(layer: Layer) -> TorchLayer:
    """The torch row of a `layer`. Raises `SpecError` where there is none.

    >>> from naslab.arch.plan import Dropout
    >>> torch_layer(Dropout(0.5)).build(Dropout(0.5))
    Dropout(p=0.5, inplace=False)
    """
    row = _ROWS.get(type(layer))
    if row is None and load_torch_module(layer):
        row = _ROWS.get(type(layer))
    if row is None:
        raise SpecError("", f"the builder does not know the layer {layer_kind(layer)}")
    return row


def writer_of(module: nn.Module) -> Writer | None:
    """How the call that makes a `module` is written; `None` where it prints as that call.

    >>> writer_of(nn.Dropout(0.5)) is None
    True
    """
    return _WRITERS.get(type(module))


def file_of(kind: type[nn.Module]) -> ModuleType | None:
    """The file that an exported network needs as a whole for modules of the class `kind`.

    `None` where the class is enough.

    >>> file_of(nn.Dropout) is None
    True
    """
    return _FILES.get(kind.__module__)
