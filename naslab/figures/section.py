"""Section: a part of the report."""

from __future__ import annotations

from typing import NamedTuple

from naslab.figures.markup import Markup


class Section(NamedTuple):
    """A part of the report: its `name`, which is its anchor in the page, the `title` of its heading, and its `body`."""

    name: str
    title: str
    body: Markup
