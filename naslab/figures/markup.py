"""HTML that escapes by default: text is escaped, elements are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

VOID = frozenset({"br", "hr", "img", "link", "meta"})


class Markup(str):
    """Text that is HTML already, and is not escaped again."""

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


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Iterable[int] = (),
    is_stacked: bool = False,
) -> Markup:
    """A table under its `caption` that scrolls by itself where the screen is narrow.

    `columns` are the heads; each of `rows` has as many cells, the first of which heads the row. What is not markup is
    escaped. The columns whose indices are in `numeric` are aligned to the right. A table that `is_stacked` shows a
    row's cells one below the other on a narrow screen, each with its column's name.
    """
    right = frozenset(numeric)

    def cell(tag: str, role: str, index: int, text: str) -> Markup:
        place = {"data-label": columns[index]} if tag == "td" else {"scope": "col" if role == "columnheader" else "row"}
        side = {"class": "number"} if index in right else {}
        return element(tag, text, attributes={"role": role} | place | side)

    def line(row: Sequence[str]) -> Markup:
        first, *others = row
        cells = [cell("td", "cell", index, text) for index, text in enumerate(others, start=1)]
        return element("tr", cell("th", "rowheader", 0, first), *cells, attributes={"role": "row"})

    names = [cell("th", "columnheader", index, name) for index, name in enumerate(columns)]
    whole = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", *names, attributes={"role": "row"})),
        element("tbody", *(line(row) for row in rows)),
        attributes={"role": "table", "class": "stacked" if is_stacked else "plain"},
    )
    scroll = {"class": "scroll", "role": "region", "aria-label": caption, "tabindex": "0"}
    return element("div", whole, attributes=scroll)
