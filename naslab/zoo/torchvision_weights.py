"""torchvision's weights in the zoo's modules: both list their layers in the same order, with a few exceptions.

torchvision pads both sides alike, as the zoo does; weights of released TensorFlow code were learned with other windows
(`naslab.zoo.entry.SAME_PADDED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from naslab.errors import SpecError, counted

if TYPE_CHECKING:
    from torch import Tensor, nn

LISTED_EARLY = ("proj", "layer_scale", "gamma")
"""Parts that torchvision lists before the body they stand beside or behind: RegNet's shortcuts, ConvNeXt's scales. Here
they come last."""
AUXILIARY = "AuxLogits."
"""Inception-v3's auxiliary head, which evaluation does without."""


def load_torchvision_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load the state dict of torchvision's network into `module`, built from the zoo's model of the same name.

    Raises `SpecError` at the first layer that the two networks do not share.
    """
    module.load_state_dict(dict(translated_state(module.state_dict(), state)))


def translated_state(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's tensors (`theirs`) under the names of `own`.

    Layers pair up in the order of the two modules, their tensors in the order within a layer. Raises `SpecError` at the
    first tensor of another shape, and where one network has more of them.
    """
    own_names = list(own)
    their_names = in_running_order([name for name in theirs if not name.startswith(AUXILIARY)])
    for mine, other in zip(own_names, their_names, strict=False):
        if own[mine].shape != theirs[other].shape:
            raise SpecError(
                mine,
                f"is of shape {tuple(own[mine].shape)}, but {other} of torchvision is {tuple(theirs[other].shape)}",
            )
    if len(own_names) != len(their_names):
        raise SpecError("", f"holds {counted(len(own_names), 'tensor')}, torchvision's network {len(their_names)}")
    return {mine: theirs[other] for mine, other in zip(own_names, their_names, strict=True)}


def in_running_order(names: list[str]) -> list[str]:
    """The names with every early part of `LISTED_EARLY` moved behind the rest of the block that holds it.

    >>> in_running_order(["a.proj.weight", "a.f.weight", "b.layer_scale", "b.block.weight"])
    ['a.f.weight', 'a.proj.weight', 'b.block.weight', 'b.layer_scale']
    """
    ordered: list[str] = []
    waiting: list[str] = []
    block = ""
    for name in names:
        if waiting and not name.startswith(block):
            ordered += waiting
            waiting = []
        path = name.split(".")
        early = next((index for index, part in enumerate(path) if part in LISTED_EARLY), None)
        if early is None:
            ordered.append(name)
        else:
            waiting.append(name)
            block = ".".join(path[:early]) + "."
    return ordered + waiting
