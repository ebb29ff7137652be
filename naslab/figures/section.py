"""Section: a part of the report."""

from __future__ import annotations

from typing import NamedTuple

from naslab.figures.markup import Markup


class Section(NamedTuple):
    """A part of the report: its anchor, its heading, its body."""

    name: str
    title: str
    body: Markup
