"""Every notation there is. A new one is a file here and a line below."""

from __future__ import annotations

from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError, UnknownNameError
from naslab.notations.darts import DARTS
from naslab.notations.nas_bench_101 import NAS_BENCH_101
from naslab.notations.nas_bench_201 import NAS_BENCH_201
from naslab.notations.nats_size import NATS_SIZE
from naslab.notations.notation import Notation, notation_of, require_text
from naslab.notations.once_for_all import ONCE_FOR_ALL
from naslab.notations.pycls import PYCLS
from naslab.notations.timm import TIMM

NOTATIONS: tuple[Notation, ...] = (
    *(NAS_BENCH_101, NAS_BENCH_201, NATS_SIZE, DARTS),
    *(TIMM, PYCLS, ONCE_FOR_ALL),
)


def notation_named(name: str) -> Notation:
    """The notation `name`; raises `UnknownNameError` with the nearest names.

    >>> notation_named("nats_size").example
    '48:64:56:32:24'
    """
    found = next((each for each in NOTATIONS if each.name == name), None)
    if found is None:
        raise UnknownNameError("notation", name, [each.name for each in NOTATIONS])
    return found


def read_notation(text: str, name: str | None = None) -> ArchSpec:
    """The network that a `text` says in the notation `name`, by default the one that it looks to be written in.

    Raises `SpecError` with the rule that the text breaks, and `UnknownNameError` for another name.

    >>> [stage.width for stage in read_notation("8:16:32:48:64").stages]
    [8, 16, 32, 48, 64]
    """
    text = require_text(text)
    return (notation_of(text, NOTATIONS) if name is None else notation_named(name)).read(text)


def write_notation(arch: ArchSpec, name: str) -> str:
    """The text of the network `arch` in the notation `name`.

    Raises `SpecError` where the notation cannot say it, or is only read, and `UnknownNameError` for another name.

    >>> write_notation(read_notation("8:16:32:48:64"), "nats_size")
    '8:16:32:48:64'
    """
    notation = notation_named(name)
    if notation.write is None:
        raise SpecError("notation", f"'{name}' is read, not written; write YAML")
    return notation.write(arch)
