"""A figure as a file."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go

from naslab.atomic_write import atomic_write
from naslab.errors import NaslabError
from naslab.figures.markup import Markup, element
from naslab.figures.page import figure_block, figure_json, page


def write_figure(figure: go.Figure, path: Path) -> None:
    """Write a figure: `.html` opens offline in a browser, `.json` in plotly; whole or not at all.

    Raises `NaslabError` for another ending, or where the file cannot be written.
    """
    if path.suffix == ".json":
        atomic_write(path, figure_json(figure))
    elif path.suffix in (".html", ".htm"):
        title = Markup(figure.layout.title.text or "naslab")
        block = figure_block(figure, "figure", height=620, level="h1")
        atomic_write(path, page(title, element("main", block)))
    else:
        raise NaslabError(f"cannot write a figure as '{path.suffix or path}': give a file that ends in .html or .json")
