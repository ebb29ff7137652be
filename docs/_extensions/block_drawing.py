"""A block as an SVG drawing: its layers in ranks by what they need, with arrows and shapes."""

from __future__ import annotations

from html import escape

from naslab.arch import ArchSpec, Block, Stage
from naslab.arch.diagram import Diagram, DiagramBox, diagram
from naslab.errors import NaslabError
from naslab.zoo import model, model_names

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 190, 40, 16, 26
MOST_LETTERS = 28
MOST_BOXES = 40
"""A block of more layers is not drawn: `naslab show --diagram` draws it to be opened part by part."""
SMALL_FAMILIES = ("nasnet_a_mobile", "squeezenet1_0", "googlenet", "inception_v3", "fractalnet20")
"""Where a block that needs fields is looked for first."""


def drawing(kind: type[Block]) -> str:
    """The SVG of a block of a kind; empty where it is too large, or where none is found."""
    arch = _example(kind)
    if arch is None:
        return ""
    drawn = diagram(arch)
    boxes = [box for box in drawn.leaves() if box.path.startswith("stage0") or ".stage0" in box.path]
    return _svg(boxes, drawn) if 0 < len(boxes) <= MOST_BOXES else ""


def _example(kind: type[Block]) -> ArchSpec | None:
    """A network of one such block: with its defaults where it has them, else as a network of the zoo has it."""
    try:
        found: Block | None = kind()
    except TypeError:
        found = _of_zoo(kind)
    if found is None:
        return None
    for width, stride in ((32, 1), (64, 1), (64, 2), (None, 1), (None, 2)):
        try:
            arch = ArchSpec(
                input=(32, 16, 16), stages=(Stage(block=found, width=width, stride=stride),), num_classes=10
            )
            diagram(arch)
        except (NaslabError, TypeError):
            continue
        return arch
    return None


def _of_zoo(kind: type[Block]) -> Block | None:
    names = dict.fromkeys((*SMALL_FAMILIES, *model_names()))
    for name in names:
        if name in model_names():
            for stage in model(name).stages:
                if isinstance(stage.block, kind):
                    return stage.block
    return None


def _short(words: str) -> str:
    return words if len(words) <= MOST_LETTERS else f"{words[: MOST_LETTERS - 1]}…"


def _svg(boxes: list[DiagramBox], drawn: Diagram) -> str:
    paths = {box.path for box in boxes}
    arrows = [each for each in drawn.arrows if each.target in paths]
    ranks: dict[str, int] = {}
    for box in boxes:
        before = [ranks[each.source] for each in arrows if each.target == box.path and each.source in ranks]
        ranks[box.path] = 1 + max(before, default=0)
    rows: dict[int, list[DiagramBox]] = {}
    for box in boxes:
        rows.setdefault(ranks[box.path], []).append(box)
    widest = max(map(len, rows.values()))
    width = widest * (BOX_WIDTH + GAP_X) + 2 * GAP_X
    middles: dict[str, tuple[float, float]] = {}
    for rank, row in rows.items():
        left = (width - len(row) * (BOX_WIDTH + GAP_X) + GAP_X) / 2
        for place, box in enumerate(row):
            middles[box.path] = (left + place * (BOX_WIDTH + GAP_X) + BOX_WIDTH / 2, rank * (BOX_HEIGHT + GAP_Y))
    entry = (width / 2, GAP_Y / 2)
    parts = []
    for each in arrows:
        from_x, from_y = middles.get(each.source, entry)
        to_x, to_y = middles[each.target]
        start = from_y + (BOX_HEIGHT / 2 if each.source in middles else 0)
        end = to_y - BOX_HEIGHT / 2
        is_long = each.source in ranks and ranks[each.target] - ranks[each.source] > 1
        is_long = is_long or (each.source not in ranks and ranks[each.target] > 1)
        side = GAP_X / 2 if from_x <= width / 2 else width - GAP_X / 2
        bend = (start + end) / 2
        line = (
            f"M {from_x} {start} L {side} {start + 8} L {side} {end - 8} L {to_x} {end}"
            if is_long
            else f"M {from_x} {start} C {from_x} {bend}, {to_x} {bend}, {to_x} {end}"
        )
        dashes = ' stroke-dasharray="4 3"' if each.way.value != "main" else ""
        parts.append(f'<path d="{line}"{dashes} marker-end="url(#tip)"/>')
    for box in boxes:
        x, y = middles[box.path]
        shape = " x ".join(map(str, box.out_shape))
        parts.append(
            f'<rect x="{x - BOX_WIDTH / 2}" y="{y - BOX_HEIGHT / 2}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
            f'<text x="{x}" y="{y - 3}" text-anchor="middle" font-size="12">{escape(_short(box.words))}</text>'
            f'<text x="{x}" y="{y + 13}" text-anchor="middle" font-size="11">{shape}</text>'
        )
    height = max(rows) * (BOX_HEIGHT + GAP_Y) + BOX_HEIGHT
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M 0 1 L 7 4 L 0 7"/></marker></defs>'
    )
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">{tip}{"".join(parts)}</svg>'
