"""Docstrings of the public surface inform: parameters, shapes, errors, examples."""

from __future__ import annotations

import inspect
from collections import Counter

import pytest
from docstring_rules import breaches, public_functions, undescribed_fields, unnamed_parameters

import naslab
from naslab.arch.files import BLOCKS

OPEN = {"arch": 999}
"""How many breaches of each room are still to be mended. A number here may fall, never rise; other rooms have none."""
OPEN_EXPORTS: dict[str, int] = {}
"""The same of what `naslab` exports, by name."""

SAID = public_functions()


@pytest.mark.parametrize("room", sorted({said.room for said in SAID}))
def test_docstrings_inform(room: str) -> None:
    found = [line for said in SAID if said.room == room for line in breaches(said)]
    assert len(found) <= OPEN.get(room, 0), "\n".join(found)


@pytest.mark.parametrize("name", naslab.__all__)
def test_exports_say_all(name: str) -> None:
    exported = getattr(naslab, name)
    found = [*_undescribed(name), *([] if _has_example(inspect.getdoc(exported) or "") else ["an example"])]
    assert len(found) <= OPEN_EXPORTS.get(name, 0), f"{name} lacks {', '.join(found)}"


def _undescribed(name: str) -> list[str]:
    exported = getattr(naslab, name)
    if inspect.isclass(exported):
        return undescribed_fields(exported)
    own = [said for said in SAID if said.name == exported.__name__ and said.module == exported.__module__]
    return [each for said in own for each in unnamed_parameters(said, at_least=1)]


def _has_example(text: str) -> bool:
    return ">>> " in text or "\n    " in text
