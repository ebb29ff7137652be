"""Networks between naslab's description and the notations of other projects.

arch = naslab.lab.notations.read_network("genotype.txt")
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from naslab.arch import ArchSpec, encode
from naslab.errors import UnknownNameError
from naslab.lab.models import find_model, parse_resolution
from naslab.notations import NOTATIONS, read_notation, write_notation
from naslab.reading import read_text

YAML = "yaml"
"""naslab's own notation."""


def read_network(
    source: str,
    notation: str | None = None,
    ledger: str = "naslab.db",
    resolution: str | None = None,
    num_classes: int | None = None,
) -> ArchSpec:
    """The network that `source` says: a text in a notation, a file with one, or a name as `find_model` takes it.

    `notation` is the source's, by default the one that it looks to be in; `ledger` is where studies are found. The
    network is made for images of `resolution` (`224`, `224x160`) and for `num_classes` where these are given. Raises
    `SpecError` for a text that breaks a rule, and `ReadError` for a file that cannot be read.

    >>> read_network("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", num_classes=100).num_classes
    100
    """
    text = _text(source)
    if notation is None and not any(each.is_one(text) for each in NOTATIONS):
        return find_model(source, ledger, parse_resolution(resolution), num_classes).arch
    arch = read_notation(text, notation)
    sides = parse_resolution(resolution)
    return msgspec.structs.replace(
        arch,
        input=arch.input if sides is None else (arch.input[0], *sides),
        num_classes=arch.num_classes if num_classes is None else num_classes,
    )


def network_text(arch: ArchSpec, notation: str = YAML) -> str:
    """The text of the network `arch` in a `notation`, by default naslab's YAML.

    Raises `UnknownNameError` for a notation that is not known, and `SpecError` where it cannot say the network.
    """
    if notation == YAML:
        return yaml.safe_dump(encode(arch), sort_keys=False, default_flow_style=None, width=110)
    if notation not in [each.name for each in NOTATIONS]:
        raise UnknownNameError("notation", notation, [YAML, *(each.name for each in NOTATIONS)])
    return write_notation(arch, notation) + "\n"


def _text(source: str) -> str:
    """The source itself, or what the file holds that it names."""
    try:
        is_file = len(source) < 1000 and Path(source).is_file()
    except (OSError, ValueError):  # no name of a file at all
        is_file = False
    return (read_text(Path(source)) if is_file else source).strip()
