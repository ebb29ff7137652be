"""Networks that are narrower and shallower than one, under a budget of multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from naslab.arch import ArchSpec, arch_id, cost
from naslab.errors import LimitError, SpecError

SHARES = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
"""Widths, as shares of the whole network's."""
FULL = len(SHARES) - 1
SMALLEST = 0.25
LEAST_USED = 0.75
"""The share of the budget that a network is to use: less buys nothing."""
DRAWS = 400


class Cut(NamedTuple):
    """What is left of a network: the share of each width by its number in `SHARES`, and the blocks of each stage.

    `widths` are those of the stem's stages, of the stages and of the head, `repeats` those of the stages.
    """

    widths: tuple[int, ...]
    repeats: tuple[int, ...]


def whole_cut(arch: ArchSpec) -> Cut:
    """The cut that leaves a network as it is."""
    return Cut((FULL,) * (len(arch.stem) + len(arch.stages) + 1), tuple(stage.repeats for stage in arch.stages))


def cut_network(arch: ArchSpec, cut: Cut) -> ArchSpec:
    """What a `cut` leaves of `arch`. It may be no network: then its cost raises `SpecError`.

    >>> from naslab.zoo import model
    >>> net = model("mobilenet_v2")
    >>> cut_network(net, whole_cut(net)) == net
    True
    """
    shares = [SHARES[index] for index in cut.widths]
    return _with_widths(arch, shares, cut.repeats)


def uniform_network(arch: ArchSpec, most_macs: float) -> ArchSpec:
    """The widest network with one share of every width of `arch` and at most so many macs.

    Raises `LimitError` where none is within them.
    """
    repeats = [stage.repeats for stage in arch.stages]
    for share in np.linspace(1.0, SMALLEST, 151):
        made = _with_widths(arch, [float(share)] * (len(arch.stem) + len(arch.stages) + 1), repeats)
        if macs_of(made) <= most_macs:
            return made
    raise LimitError(
        f"no uniform width from {SMALLEST:g} to 1 brings the network to {most_macs:,.0f} macs: "
        f"ask for at least {macs_of(made):,.0f}"
    )


def search_cuts(
    arch: ArchSpec, most_macs: float, score: Callable[[ArchSpec], float], trials: int, seed: int = 0
) -> tuple[ArchSpec, int]:
    """The best narrower and shallower network of `arch` within `most_macs`, and how many were scored.

    `score` says how good one is, the larger the better. A third of `trials` are drawn, the uniform network first; then
    each changes one width or depth, or two, of one of the best quarter so far. All that is drawn follows from `seed`.
    """
    rng = np.random.default_rng(seed)
    first = uniform_network(arch, most_macs)
    scored: dict[str, tuple[float, ArchSpec, Cut | None]] = {arch_id(first): (score(first), first, None)}
    best_cuts: list[tuple[float, Cut]] = []
    for _ in range(DRAWS * trials):
        if len(scored) >= trials:
            break
        is_drawn = len(scored) < max(2, trials // 3) or not best_cuts
        cut = _drawn(arch, rng) if is_drawn else _moved(arch, _one_of_best(best_cuts, rng), rng)
        made = cut_network(arch, cut)
        if not LEAST_USED * most_macs <= macs_of(made) <= most_macs or arch_id(made) in scored:
            continue
        value = score(made)
        scored[arch_id(made)] = value, made, cut
        best_cuts.append((value, cut))
        best_cuts.sort(key=lambda each: -each[0])
    found = max(scored.values(), key=lambda each: each[0])
    return found[1], len(scored)


def macs_of(arch: ArchSpec) -> float:
    """The macs of a network; infinite where its layers do not fit together."""
    try:
        return float(cost(arch).macs)
    except SpecError:
        return float("inf")


def _with_widths(arch: ArchSpec, shares: list[float], repeats: list[int] | tuple[int, ...]) -> ArchSpec:
    stems = len(arch.stem)
    stem = [replace(each, width=_share_of(each.width, share)) for each, share in zip(arch.stem, shares, strict=False)]
    stages = [
        replace(each, width=_share_of(each.width, share), repeats=count)
        for each, share, count in zip(arch.stages, shares[stems:], repeats, strict=False)
    ]
    head = replace(arch.head, width=_share_of(arch.head.width, shares[-1]))
    return replace(arch, stem=tuple(stem), stages=tuple(stages), head=head)


def _share_of(width: int | None, share: float) -> int | None:
    """A share of a width, of blocks that have one."""
    return None if width is None else narrower(width, share)


def narrower(width: int, share: float) -> int:
    """A `share` of a width, a multiple of the largest power of two up to 8 that divides it, at least that.

    >>> narrower(96, 0.5), narrower(20, 0.3), narrower(24, 1.0)
    (48, 8, 24)
    """
    step = next(each for each in (8, 4, 2, 1) if width % each == 0)
    return max(step, int(width * share / step + 0.5) * step)


def _drawn(arch: ArchSpec, rng: np.random.Generator) -> Cut:
    """A cut around one share of all widths: each one's number is within one of it, and each stage may lose blocks."""
    whole = whole_cut(arch)
    centre = int(rng.integers(len(SHARES)))
    widths = tuple(int(np.clip(centre + rng.integers(-1, 2), 0, FULL)) for _ in whole.widths)
    repeats = tuple(count if rng.random() < 0.5 else int(rng.integers(1, count + 1)) for count in whole.repeats)
    return Cut(widths, repeats)


def _moved(arch: ArchSpec, cut: Cut, rng: np.random.Generator) -> Cut:
    whole = whole_cut(arch)
    widths, repeats = list(cut.widths), list(cut.repeats)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(widths) + len(repeats)))
        step = int(rng.choice((-1, 1)))
        if place < len(widths):
            widths[place] = int(np.clip(widths[place] + step, 0, FULL))
        else:
            place -= len(widths)
            repeats[place] = int(np.clip(repeats[place] + step, 1, whole.repeats[place]))
    return Cut(tuple(widths), tuple(repeats))


def _one_of_best(cuts: list[tuple[float, Cut]], rng: np.random.Generator) -> Cut:
    return cuts[int(rng.integers(max(1, len(cuts) // 4)))][1]
