"""Layers: each a struct, and beside it the row of all that is known of it without torch.

A layer from outside of naslab is declared as these are: a `Layer` struct and `declare(kind, Declaration(...))` in one
file, and a torch row given to `naslab.arch.build.declare_module` in another, named by the declaration's `torch_module`.
"""

from naslab.arch.declaration import (
    NEW,
    ZERO,
    Declaration,
    Keeps,
    Layer,
    Mixes,
    Moves,
    Weight,
    declare,
    declared_layers,
    keeps_channels,
    moves,
    named_parts,
    no_weights,
)
from naslab.arch.live_maps import keeps_input, keeps_nothing, views_input

__all__ = [
    "NEW",
    "ZERO",
    "Declaration",
    "Keeps",
    "Layer",
    "Mixes",
    "Moves",
    "Weight",
    "declare",
    "declared_layers",
    "keeps_channels",
    "keeps_input",
    "keeps_nothing",
    "moves",
    "named_parts",
    "no_weights",
    "views_input",
]
