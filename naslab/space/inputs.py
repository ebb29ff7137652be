"""What networks of a template take: one shape, or several among which each network chooses (elastic resolution).

A template's `input` is `[channels, height, width]`. Sides may be holes, of one name where images are square, and all of
it may be a hole of such lists: `{choice: [[3, 160, 96], [3, 224, 128]]}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from naslab.arch.plan import Shape
from naslab.errors import SpecError
from naslab.space.template import is_hole

NAME = "resolution"
"""The name of the hole of square sizes."""


def input_shapes(value: Any) -> tuple[Shape, ...]:
    """The shapes (channels, height, width) that the `input` of a normalised template stands for, each once, in order.

    >>> side = {"choice": [128, 160], "name": "resolution"}
    >>> input_shapes([3, side, side]), input_shapes({"choice": [[3, 8, 8], [3, 8, 16]]})
    (((3, 128, 128), (3, 160, 160)), ((3, 8, 8), (3, 8, 16)))
    """
    if is_hole(value):
        return tuple(dict.fromkeys(shape for option in value["choice"] for shape in input_shapes(option)))
    keys = [part.get("name") or place if is_hole(part) else None for place, part in enumerate(value)]
    options = {key: part["choice"] for key, part in zip(keys, value, strict=True) if key is not None}
    found = []
    for taken in product(*options.values()):
        chosen = dict(zip(options, taken, strict=True))
        sides = [part if key is None else chosen[key] for key, part in zip(keys, value, strict=True)]
        found.append((sides[0], sides[1], sides[2]))
    return tuple(dict.fromkeys(found))


def each_size(resolution: tuple[int, int] | Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sizes (height, width): the one that `resolution` is, or all that it holds.

    >>> each_size((24, 32)), each_size([(24, 32), (48, 64)])
    (((24, 32),), ((24, 32), (48, 64)))
    """
    first, *others = resolution
    if isinstance(first, int):
        return ((first, *others),)
    return (first, *others)


def input_of(channels: int, sizes: Sequence[tuple[int, int]]) -> Any:
    """The `input` of a template whose networks take `channels` channels in one of the `sizes` (height, width).

    Raises `SpecError` for a size that is given twice.

    >>> input_of(3, [(224, 224)])
    [3, 224, 224]
    >>> input_of(1, [(28, 28), (32, 32)])[1]
    {'choice': [28, 32], 'name': 'resolution'}
    """
    if len(set(sizes)) < len(sizes):
        raise SpecError("resolution", f"each size may be given once, got {', '.join(f'{h}x{w}' for h, w in sizes)}")
    if len(sizes) == 1:
        return [channels, *sizes[0]]
    if all(height == width for height, width in sizes):
        side = {"choice": [height for height, _ in sizes], "name": NAME}
        return [channels, side, side]
    return {"choice": [[channels, *size] for size in sizes]}


def with_channels(value: Any, channels: int) -> Any:
    """The `input` of a template with another number of `channels`, its sizes as they are."""
    if is_hole(value):
        return value | {"choice": [with_channels(option, channels) for option in value["choice"]]}
    return [channels, *value[1:]]
