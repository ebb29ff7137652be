"""Names: those of the field and not of our own, and one meaning each."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import naslab

PACKAGE = Path(naslab.__file__).parent
ROOT = PACKAGE.parent
READ = ("*.py", "*.md", "*.yaml", "*.js", "*.css")

PRIVATE_WORDS = {
    "strategy": r"minds?",
    "worker pool": r"crews?",
    "slot": r"seats?",
    "watchdog": r"keepers?",
    "candidate": r"entrants?",
    "search estimator, or proxy network": r"stand[-_]ins?",
    "problem": r"pos(ing|ed)",
    "accuracy to beat": r"bar_source",
    "extrapolated": r"foretold|foretells?",
    "weight transfer": r"hand(ed|ing)?[-_ ]on|handovers?",
    "wanted channels": r"wishes",
    "limited": r"metered",
}
"""The word of the field, and what must not stand in its place."""

STORED = {"naslab/estimators/rows.py": {"foretold"}, "naslab/ledger/migrations.py": {"foretold"}}
"""Old values that ledgers and command lines hold, and that are still read."""


def texts() -> Iterator[Path]:
    for folder in ("naslab", "docs", "scripts", "examples", "search_spaces"):
        for kind in READ:
            yield from (path for path in (ROOT / folder).rglob(kind) if not {"generated", "_build"} & set(path.parts))
    yield from (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"))


def private_words(text: str, pattern: str) -> set[str]:
    """The words that a pattern finds, in names of several words too."""
    return {found.group() for found in re.finditer(rf"(?<![a-z])(?:{pattern})(?![a-z])", text.lower())}


@pytest.mark.parametrize("word", PRIVATE_WORDS)
def test_the_word_of_the_field_is_used(word: str) -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), each)
        for path in texts()
        for each in private_words(path.read_text(encoding="utf-8"), PRIVATE_WORDS[word])
    }
    assert {(path, each) for path, each in found if each not in STORED.get(path, ())} == set()


def test_private_words_are_found_in_names_and_not_within_words() -> None:
    found = private_words("def leave_Keeper(a): ... # bookkeepers", PRIVATE_WORDS["watchdog"])
    assert found == {"keeper"}
    assert private_words("standing instead", PRIVATE_WORDS["search estimator, or proxy network"]) == set()


LAYER_MODULES = {"naslab/arch/modules.py", "naslab/arch/graphs.py"}
"""Built modules are called as the layers that they are made of."""


def test_a_public_class_has_a_name_of_its_own() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and place not in LAYER_MODULES:
                places[node.name].append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
