"""A file has one subject, and can be read at one sitting."""

from __future__ import annotations

from pathlib import Path

import naslab

ROOT = Path(naslab.__file__).parents[1]
MOST_LINES = 400
KINDS = ("*.py", "*.js", "*.css", "*.sh", "*.yaml")


def test_no_file_of_code_is_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for folder in ("naslab", "tests", "scripts", "examples", "docs", "search_spaces")
        for kind in KINDS
        for path in (ROOT / folder).rglob(kind)
        if "_build" not in path.parts
    }
    assert len(lengths) > 500
    assert {path: count for path, count in lengths.items() if count > MOST_LINES} == {}
