"""Blocks of users' own code, as files, spaces and ledgers write them: `{type: my_code:MyBlock, kernel: 3}`."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import msgspec

from naslab.arch.block import Block
from naslab.errors import SpecError
from naslab.outside import OutsideError, find_outside, is_outside, published

TAG = "outside"


class OutsideBlock(Block, frozen=True, tag=TAG):
    """A block that is not loaded yet: the class that `of` names, and its `fields` as JSON.

    It is what `as_outside` makes of a block's plain values while they are read; a stage holds the block itself.
    """

    of: str
    fields: str = "{}"

    def loaded(self) -> Block:
        """The user's block. Raises `SpecError` where it cannot be imported, is no block, or refuses its fields."""
        kind = block_class(self.of)
        try:
            return msgspec.convert(msgspec.json.decode(self.fields), kind)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, SpecError):
                raise error.__cause__ from None
            rule, _, place = str(error).partition(" - at ")
            raise SpecError(place.strip("`").removeprefix("$."), f"{rule[:1].lower()}{rule[1:]} ({self.of})") from None


def block_class(name: str) -> type[Block]:
    """The class of the user's block called `name`, as `package.module:name` or by an entry point.

    Raises `SpecError` where it cannot be imported, derives from no `naslab.arch.Block`, or has another tag.
    """
    try:
        kind = find_outside(name, "block", "naslab.blocks")
    except OutsideError as error:
        raise SpecError("type", str(error)) from None
    if not (isinstance(kind, type) and issubclass(kind, Block)):
        raise SpecError("type", f"block {name}: must be a class derived from naslab.arch.Block")
    config: Any = kind.__struct_config__
    own = f"{kind.__module__}:{kind.__qualname__}"
    if config.tag != own or not config.frozen:
        rule = f"must be declared as `class {kind.__name__}(Block, frozen=True, tag='{own}')`"
        raise SpecError("type", f"block {name}: {rule}, its tag is '{config.tag}'")
    return kind


def as_outside(value: Any) -> Any:
    """Plain JSON values with every block from outside written as an `OutsideBlock`; the same object where none is.

    >>> as_outside({"block": {"type": "my_code:MyBlock", "kernel": 3}})
    {'block': {'type': 'outside', 'of': 'my_code:MyBlock', 'fields': '{"type":"my_code:MyBlock","kernel":3}'}}
    """
    if isinstance(value, dict):
        name = value.get("type")
        if isinstance(name, str) and (is_outside(name) or (name.isidentifier() and name in _published_blocks())):
            fields = value if is_outside(name) else {**value, "type": _published_blocks()[name][0]}
            return {"type": TAG, "of": fields["type"], "fields": msgspec.json.encode(fields).decode()}
        made: Any = {key: as_outside(each) for key, each in value.items()}
        return made if any(made[key] is not each for key, each in value.items()) else value
    if isinstance(value, list | tuple):
        items = [as_outside(each) for each in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _published_blocks() -> dict[str, tuple[str, ...]]:
    """The published blocks, looked for once for each search path: a space may refuse many networks a second."""
    return _published_on(tuple(sys.path))


@lru_cache(maxsize=4)
def _published_on(path: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return published("naslab.blocks")


def own_blocks(value: Any) -> set[str]:
    """The names of the blocks from outside in a template or another tree of plain JSON values."""
    if isinstance(value, dict):
        name = value.get("type")
        own = {name} if isinstance(name, str) and is_outside(name) else set()
        return own.union(*map(own_blocks, value.values()))
    return set().union(*map(own_blocks, value)) if isinstance(value, list | tuple) else set()
