"""The section of a report that says how the prior ranked."""

from __future__ import annotations

from naslab.analysis.prior import PriorTable
from naslab.figures.markup import element, join, table
from naslab.figures.report_sections import duration
from naslab.figures.section import Section

HEADS = ["prior", "networks scored", "failed", "time of workers", "compared", "Kendall's tau (90 % interval)"]


def prior_section(found: PriorTable | None) -> Section | None:
    """A table of the scores of a prior and how each ranked what was trained; `None` without a prior."""
    if found is None:
        return None
    rows = [
        [
            row.name,
            f"{row.num_scored:,}",
            f"{row.num_failed:,}",
            duration(row.seconds),
            f"{row.num_compared:,}",
            row.tau.words(),
        ]
        for row in found.rows
    ]
    told = (
        "Scores of a pool of networks before any training, and how they rank the networks of it that were trained. "
        "Those were chosen by the scores, too, and are alike: over the whole pool the agreement is larger."
    )
    body = join(
        [element("p", told), table(f"The prior beside {found.metric}", HEADS, rows, [1, 2, 3, 4, 5], is_stacked=True)]
    )
    return Section("prior", "How the prior ranked", body)
