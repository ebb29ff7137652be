"""The section of a scaling law: its figure, what it forecasts, and where the points do not carry that."""

from __future__ import annotations

from naslab.analysis.scaling_law import LEVEL, LawTable
from naslab.figures.markup import join, table
from naslab.figures.page import figure_block
from naslab.figures.scaling_law import law_figure
from naslab.figures.section import Section


def law_section(found: LawTable | None) -> Section | None:
    """The law of a family or of numbers of images; `None` where there is none."""
    if found is None:
        return None
    [law] = found.laws
    note = f"{len(found.points)} points, each the mean of its trainings; bars are one standard error over seeds."
    note = " ".join((note, *(f"{each[0].upper()}{each[1:]}." for each in law.warnings)))
    rows = [
        [
            each.name,
            f"{each.forecast.cost:,.0f}",
            f"{each.forecast.error:.3g} ({each.forecast.low:.3g} to {each.forecast.high:.3g})",
            "yes" if each.forecast.is_supported else "no",
        ]
        for each in law.forecasts
    ]
    columns = ["next", law.metric, "error (%)", "supported"]
    told = table(
        f"What the law forecasts, with intervals that hold {LEVEL:.0%}", columns, rows, (1, 2), is_stacked=True
    )
    return Section(
        "law", "The scaling law", join([figure_block(law_figure(found, law), "law-figure", note, 560), told])
    )
