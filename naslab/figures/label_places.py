"""Where names stand beside points so that none is struck through by another or cut at the edge."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 880.0, 400.0
"""The pixels of a figure's panel that places are chosen for."""
LETTER, LINE, GAP = 6.6, 13.0, 7.0
"""The pixels of a letter, of a line of text, and between a point and its name."""
PLACES = {"top right": (0, 1), "top left": (-1, 1), "bottom right": (0, -1), "bottom left": (-1, -1)}
"""Where a name's box begins, in its own widths and heights from the point."""

Box = tuple[float, float, float, float]


def label_places(points: Sequence[tuple[float, float]], names: Sequence[str]) -> list[str | None]:
    """A place of plotly for each of `names` at its point of `points`, whose coordinates run from 0 to 1.

    Each name in turn takes the first place where it lies within the panel and over no other name; `None` where there is
    no such place.

    >>> label_places([(0.0, 0.5), (0.01, 0.5), (1.0, 0.5)], ["one", "two", "three"])
    ['top right', 'bottom right', 'top left']
    """
    taken: list[Box] = []
    found: list[str | None] = []
    for (along, up), name in zip(points, names, strict=True):
        x, y, width = along * WIDTH, up * HEIGHT, LETTER * len(name)
        chosen = None
        for place, (side, above) in PLACES.items():
            left = x + GAP if side == 0 else x - GAP - width
            low = y + GAP if above > 0 else y - GAP - LINE
            box = (left, left + width, low, low + LINE)
            if left >= 0 and left + width <= WIDTH and not any(_overlap(box, other) for other in taken):
                chosen = place
                taken.append(box)
                break
        found.append(chosen)
    return found


def _overlap(one: Box, two: Box) -> bool:
    return one[0] < two[1] and two[0] < one[1] and one[2] < two[3] and two[2] < one[3]
