"""HTML that escapes by default: text is escaped, elements are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

VOID = frozenset({"br", "hr", "img", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: str, attributes: Mapping[str, str] | None = None) -> Markup:
    """An element around its children; what is not markup is escaped.

    >>> element("p", "a < b ", element("b", "!"), attributes={"class": "note"})
    '<p class="note">a &lt; b <b>!</b></p>'
    """
    given = "".join(f' {name}="{escape(value)}"' for name, value in (attributes or {}).items())
    inner = join(children)
    return Markup(f"<{tag}{given}>" if tag in VOID else f"<{tag}{given}>{inner}</{tag}>")


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one after the other; what is not markup is escaped."""
    return Markup(between.join(part if isinstance(part, Markup) else escape(part) for part in parts))


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = ()) -> Markup:
    """A table with a caption and headed columns that scrolls by itself where the screen is narrow.

    The first cell of a row heads it; the columns of `numeric` are aligned to the right.
    """
    right = frozenset(numeric)

    def cell(tag: str, index: int, text: str, scope: str) -> Markup:
        attributes = {"scope": scope} if scope else {}
        return element(tag, text, attributes=attributes | ({"class": "number"} if index in right else {}))

    head = element("tr", *(cell("th", index, name, "col") for index, name in enumerate(columns)))
    body = [
        element(
            "tr",
            *(cell("td" if index else "th", index, text, "" if index else "row") for index, text in enumerate(row)),
        )
        for row in rows
    ]
    inner = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    scroll = {"class": "scroll", "role": "region", "aria-label": caption, "tabindex": "0"}
    return element("div", inner, attributes=scroll)
