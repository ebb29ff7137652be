"""HTML pages that open offline: plotly.js, styles and figures in one file, nothing loaded from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import unescape
from importlib import resources
from typing import Any

import msgspec
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from naslab.figures.markup import Markup, element, join
from naslab.figures.style import PlainFigure

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser lets a page do: run the scripts that it holds, and load nothing from elsewhere.

So a report loads nothing even where a name in it was written to make it."""

BASIC_BUNDLE = "plotly-basic.min.js"
"""npm's `plotly.js-basic-dist-min` 4.1.1 as it is: plotly's wheel has the whole plotly.js alone, four times as large.

A browser takes a quarter of the time to read it, and every report holds it."""
BASIC_KINDS = frozenset({"scatter", "bar", "pie"})
"""Types of traces that the basic bundle draws."""


def page(title: str, body: Markup) -> str:
    """A whole HTML document called `title` around a `body` that may hold figures of `figure_block`."""
    scripts = [plotly_script(kinds_of(body)), shipped("page.js"), shipped("candidates.js")]
    return document(title, body, [shipped("page.css")], scripts)


def document(title: str, body: Markup, styles: Iterable[str], scripts: Iterable[str]) -> str:
    """A whole HTML document called `title`: the CSS `styles` in its head, and JavaScript `scripts` behind its `body`.

    The title is escaped; styles, scripts and body are put in as they are.
    """
    head = join(
        [
            element("meta", attributes={"charset": "utf-8"}),
            element("meta", attributes={"http-equiv": "Content-Security-Policy", "content": POLICY}),
            element("meta", attributes={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
            element("link", attributes={"rel": "icon", "href": "data:,"}),
            element("title", title),
            *(element("style", Markup(style)) for style in styles),
        ]
    )
    code = join(element("script", Markup(script)) for script in scripts)
    whole = element("html", element("head", head), element("body", body, code), attributes={"lang": "en"})
    return f"<!DOCTYPE html>\n{whole}\n"


def figure_block(
    figure: go.Figure | PlainFigure, name: str, note: str = "", height: int = 460, level: str = "h3"
) -> Markup:
    """A `figure` with its title as a heading of the HTML tag `level` and a `note` below; `name` is its id in the page.

    It is as high as its layout says, else `height` pixels. The title is taken out of the figure because plotly's do not
    wrap on narrow screens. With an empty `level` it is told to screen readers alone: the heading of the section says
    it.
    """
    is_plain = isinstance(figure, dict)
    drawn = dict(figure) if isinstance(figure, dict) else figure.to_plotly_json()
    layout = drawn["layout"] = dict(drawn["layout"])
    title = Markup(layout.pop("title", {}).get("text") or name)
    high = layout.pop("height", height)
    plot = {
        "class": "plot",
        "id": name,
        "role": "img",
        **({"aria-labelledby": f"{name}-title"} if level else {"aria-label": unescape(title)}),
        "tabindex": "0",
        "style": f"height:{high}px",
    }
    data = {"type": "application/json", "data-figure": name}
    parts = [
        *([element(level, title, attributes={"id": f"{name}-title"})] if level else []),
        element("div", attributes=plot),
        element("script", script_data(_plain_json(drawn) if is_plain else _json(drawn)), attributes=data),
    ]
    if note:
        parts.append(element("figcaption", note))
    return element("figure", *parts)


def figure_json(figure: go.Figure) -> str:
    """A figure as plotly's JSON."""
    return _json(figure.to_plotly_json())


def _plain_json(figure: PlainFigure) -> str:
    """A figure of plain values, or of NumPy's, as JSON, in which what is no number (NaN) is `null`."""
    return msgspec.json.encode(figure, enc_hook=lambda value: value.tolist()).decode()


def _json(drawn: dict[str, Any]) -> str:
    return json.dumps(json.loads(to_json_plotly(drawn)), ensure_ascii=False, separators=(",", ":"))


def plotly_script(kinds: Iterable[str] = BASIC_KINDS) -> str:
    """The plotly.js that draws traces of these `kinds`: the basic bundle where it does, else that of plotly's wheel."""
    return shipped(BASIC_BUNDLE) if BASIC_KINDS.issuperset(kinds) else str(get_plotlyjs())


def kinds_of(body: str) -> set[str]:
    """The types of traces, as plotly calls them, of the figures of `figure_block` in a `body`.

    >>> kinds_of(figure_block(go.Figure([go.Bar(x=[1], y=[2])]), "costs"))
    {'bar'}
    """
    figures = re.findall(r"<script [^>]*data-figure=[^>]*>(.*?)</script>", body, re.DOTALL)
    return {trace.get("type", "scatter") for each in figures for trace in json.loads(each)["data"]}


def script_data(text: str) -> Markup:
    """JSON that cannot end the script element around it."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def shipped(name: str) -> str:
    """The text of a file of this folder: a style sheet or a script."""
    return (resources.files("naslab.figures") / name).read_text(encoding="utf-8")
