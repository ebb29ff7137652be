"""Notation: how another project writes a network down, and what naslab makes of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from naslab.arch.identity import arch_id
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError

MAX_TEXT = 100_000
"""Characters of a text in a notation."""


class Notation(msgspec.Struct, frozen=True):
    """A notation by its `name`: `summary` says whose it is, `example` shows one.

    `is_one(text)` tells a text in it from others at a glance; `read(text)` is the network, `write(arch)` the text of a
    network. Both raise `SpecError` for what the notation cannot say; `write` is `None` where it cannot be written.
    """

    name: str
    summary: str
    example: str
    is_one: Callable[[str], bool]
    read: Callable[[str], ArchSpec]
    write: Callable[[ArchSpec], str] | None = None


def require_text(text: str) -> str:
    """The text without blanks around it; raises `SpecError` for one that is empty or too long to be a notation."""
    if len(text) > MAX_TEXT:
        raise SpecError("notation", f"a text may have {MAX_TEXT:,} characters, got {len(text):,}")
    if not text.strip():
        raise SpecError("notation", "the text is empty; write a network in one of the notations")
    return text.strip()


def require_same(arch: ArchSpec, text: str, read: Callable[[str], ArchSpec], what: str) -> str:
    """The `text` itself, where `read` makes the network `arch` of it, on the input and the classes of `arch`.

    Raises `SpecError` otherwise: the network has something that the notation, called `what`, cannot say.
    """
    again = msgspec.structs.replace(read(text), input=arch.input, num_classes=arch.num_classes)
    if arch_id(again) != arch_id(arch):
        raise SpecError("", f"the network is none that {what} can say: '{text[:80]}' tells the cell, not all around it")
    return text


def notation_of(text: str, notations: tuple[Notation, ...]) -> Notation:
    """The first of `notations` that `text` looks to be written in. Raises `SpecError` where none is."""
    found = next((each for each in notations if each.is_one(text)), None)
    if found is None:
        names = ", ".join(each.name for each in notations)
        raise SpecError("notation", f"the text is in none of the notations that are known ({names}): '{text[:60]}'")
    return found
