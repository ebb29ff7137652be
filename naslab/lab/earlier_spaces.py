"""Spaces as earlier versions wrote them: a study goes on in the space that it was begun in."""

from __future__ import annotations

from typing import Any

from naslab.errors import SpecError
from naslab.ledger.ledger import Ledger
from naslab.space import SearchSpace

DEFAULT_EXPANSION = 6


def begun_space(ledger: Ledger, study: str, asked: SearchSpace) -> SearchSpace | None:
    """The space of `study` in `ledger` where an earlier version made it of the starting point of `asked`.

    Those versions wrote the inner widths of MobileNetV3's blocks as expansions of the width before, where today's zoo
    gives them as they are. `None` where the study is new, or where nothing or something else differs.
    """
    if study not in ledger.study_names():
        return None
    space = ledger.study(study).problem.get("space")
    there = space.get("template") if isinstance(space, dict) else None
    if there == asked.template or not is_earlier(there, asked.template):
        return None
    try:
        return asked.refitted(there)
    except SpecError:
        return None


def is_earlier(there: Any, asked: Any) -> bool:
    """Whether the plain value `there` is `asked` but for inner widths that it writes as expansions.

    >>> is_earlier({"type": "mbconv", "expansion": 4.5}, {"type": "mbconv", "hidden": 72})
    True
    >>> is_earlier({"type": "mbconv", "expansion": 4.5}, {"type": "mbconv", "hidden": 71})
    False
    """
    if isinstance(there, dict) and isinstance(asked, dict):
        if "hidden" in asked and "hidden" not in there and "expansion" not in asked:
            if not _is_of_a_whole_width(asked["hidden"], there.get("expansion", DEFAULT_EXPANSION)):
                return False
            asked = {key: value for key, value in asked.items() if key != "hidden"}
            there = {key: value for key, value in there.items() if key != "expansion"}
        return there.keys() == asked.keys() and all(is_earlier(there[key], asked[key]) for key in there)
    if isinstance(there, list) and isinstance(asked, list):
        return len(there) == len(asked) and all(map(is_earlier, there, asked))
    return bool(there == asked)


def _is_of_a_whole_width(hidden: Any, expansion: Any) -> bool:
    """Whether `expansion` makes `hidden` channels of a whole number of them."""
    if type(hidden) is not int or type(expansion) not in (int, float) or expansion <= 0:
        return False
    width = hidden / expansion
    return bool(width >= 1 and abs(width - round(width)) < 1e-9 * width)
