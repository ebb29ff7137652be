"""The diagram of a network as a page: boxes that open on a click or a key, zoom, and details of each box."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from naslab.arch.diagram import Diagram, DiagramBox, is_auxiliary
from naslab.atomic_write import atomic_write
from naslab.errors import counted
from naslab.figures.markup import Markup, element, join
from naslab.figures.page import document, script_data, shipped
from naslab.metrics import ACTIVATIONS, MACS, PARAMS

BUTTONS = (
    ("fit", "Fit", "Show the whole diagram (key 0)"),
    ("in", "+", "Zoom in (key +)"),
    ("out", "\u2212", "Zoom out (key -)"),
    ("open", "Open a level", "Open every closed block once"),
    ("close", "Close all", "Close every block"),
)
"""Names, labels and titles of the buttons over a diagram."""

STYLES = ("page.css", "diagram.css")
SCRIPTS = ("diagram_words.js", "diagram_layout.js", "diagram.js")
"""The files of this folder that a diagram needs."""

HELP = (
    "Click a block or press Enter to open and close it. Wheel, two fingers or + and - zoom, drag pans, 0 fits. "
    "Arrow keys go from block to block, right opens, left closes."
)


def write_diagram(diagram: Diagram, title: str, path: Path) -> None:
    """Write the page of `diagram_page` to `path`; raises `WriteError` where it cannot be written."""
    atomic_write(path, diagram_page(diagram, title))


def diagram_page(diagram: Diagram, title: str) -> str:
    """One HTML page that opens offline, called `title`, around the body of `diagram_body`."""
    styles, scripts = map(shipped, STYLES), map(shipped, SCRIPTS)
    return document(title, diagram_body(diagram, title), styles, scripts)


def diagram_body(diagram: Diagram, title: str) -> Markup:
    """The body of a page of a diagram: the diagram, its `title`, input, classes, params and macs.

    It comes to life with the files of `STYLES` and `SCRIPTS`.
    """
    classes = diagram.boxes[-1].out_shape[0]
    size = " \u00d7 ".join(map(str, diagram.boxes[0].out_shape))
    evaluated = [box for box in diagram.boxes if not is_auxiliary(box)]
    params, macs = (f"{sum(getattr(box, count) for box in evaluated):,}" for count in (PARAMS.name, MACS.name))
    lead = f"Input {size}, {counted(classes, 'class', 'classes')}, {params} params, {macs} macs (multiply-accumulates)"
    if len(evaluated) < len(diagram.boxes):
        lead += "; auxiliary heads, which are there in training only, come on top"
    header = element(
        "header",
        element("h1", title),
        element("p", lead, attributes={"class": "lead"}),
        _toolbar(),
    )
    canvas = {"id": "canvas", "role": "tree", "aria-label": f"Diagram of {title}", "aria-describedby": "help"}
    details = {"id": "details", "aria-live": "polite", "aria-label": "Details"}
    main = element(
        "main",
        element("svg", attributes=canvas),
        element("aside", attributes=details),
    )
    data = element("script", script_data(_json(diagram)), attributes={"type": "application/json", "id": "diagram-data"})
    note = element("footer", element("p", HELP, attributes={"id": "help"}))
    return join([header, main, note, data])


def _toolbar() -> Markup:
    buttons = [
        element("button", label, attributes={"type": "button", "data-do": name, "title": words, "aria-label": words})
        for name, label, words in BUTTONS
    ]
    ways = [
        element("span", element("i", attributes={"class": way}), words, attributes={"class": "key"})
        for way, words in (
            ("main", "map"),
            ("shortcut", "shortcut"),
            ("gate", "gate"),
            ("share", "share of all macs"),
        )
    ]
    return element("div", *buttons, *ways, attributes={"class": "toolbar"})


def _json(diagram: Diagram) -> str:
    value = {
        "boxes": [_plain(_merged(box)) for box in diagram.boxes],
        "arrows": [[arrow.source, arrow.target, arrow.way.value] for arrow in diagram.arrows],
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _merged(box: DiagramBox) -> DiagramBox:
    """A group without needless walls: that of one box alone, and that of a residual with what follows it."""
    if len(box.boxes) == 1 and not box.boxes[0].boxes:
        return msgspec.structs.replace(box.boxes[0], name=box.name)
    inner = [each for each in box.boxes if each.boxes]
    if len(inner) != 1:
        return box
    if len(box.boxes) == 1:
        return _merged(msgspec.structs.replace(box, kind=inner[0].kind, boxes=inner[0].boxes))
    if box.boxes[0].kind == "Residual" and len(box.boxes) == 2:
        words = f"{inner[0].words}, {box.boxes[1].words}"
        return msgspec.structs.replace(box, kind="Residual", words=words, boxes=(*inner[0].boxes, box.boxes[1]))
    return box


def _plain(box: DiagramBox) -> dict[str, Any]:
    return {
        "path": box.path,
        "name": f"block {box.name}" if box.name.isdigit() and box.boxes else box.name,
        "kind": box.kind,
        "words": box.words,
        "in": box.in_shape,
        "out": box.out_shape,
        PARAMS.name: box.params,
        MACS.name: box.macs,
        ACTIVATIONS.name: box.activations,
        "auxiliary": is_auxiliary(box),
        "boxes": [_plain(_merged(each)) for each in box.boxes],
    }
