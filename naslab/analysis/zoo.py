"""The zoo as a table: what each network of the literature costs, and the accuracy published of it."""

from __future__ import annotations

import msgspec

from naslab.arch import ArchSpec, cost
from naslab.zoo.entry import has_other_windows
from naslab.zoo.registry import model, zoo_entries


class ZooRow(msgspec.Struct, frozen=True, kw_only=True):
    """A network of the literature as published: exact costs, top-1 in per cent where someone published it.

    `resolution` is height x width; top-1 of 1000 classes is on ImageNet, of 10 on CIFAR-10. Some networks were measured
    on larger or smaller images than their own: `top1_resolution` are those, `top1_macs` what the network costs on them.
    Without `has_released_windows` strided layers look at other pixels there than in the released code
    (`naslab.zoo.entry.SAME_PADDED`).
    """

    name: str
    family: str
    paper: str
    year: int
    resolution: str
    num_classes: int
    params: int
    macs: int
    top1: float | None = None
    top1_source: str = ""
    top1_resolution: str
    top1_macs: int
    has_released_windows: bool


def zoo_table() -> list[ZooRow]:
    """Every network of the zoo, family by family in the order of their papers."""
    rows: list[ZooRow] = []
    for entry in zoo_entries().values():
        arch = entry.constructor()
        total = cost(arch)
        published = entry.published
        side = published.resolution if published is not None else None
        measured = arch if side is None else model(entry.name, resolution=side)
        rows.append(
            ZooRow(
                name=entry.name,
                family=entry.family,
                paper=entry.paper.title,
                year=entry.paper.year,
                resolution=_side_words(arch),
                num_classes=arch.num_classes,
                params=total.params,
                macs=total.macs,
                top1=published.top1 if published is not None else None,
                top1_source=published.source if published is not None else "",
                top1_resolution=_side_words(measured),
                top1_macs=cost(measured).macs,
                has_released_windows=not has_other_windows(entry.family, measured),
            )
        )
    return rows


def _side_words(arch: ArchSpec) -> str:
    return f"{arch.input[1]} x {arch.input[2]}"
