"""The section of a family: its figure, what was asked, what the rule expects, and what rounding achieved."""

from __future__ import annotations

import math

from naslab.analysis.family import FamilyTable, MeasuredMember, gain_words
from naslab.figures.family import family_figure
from naslab.figures.front import metric_cell
from naslab.figures.markup import Markup, join, table
from naslab.figures.page import figure_block
from naslab.figures.section import Section
from naslab.metrics import MACS, SHOWN_METRICS, shown_as


def rescaled_section(members: FamilyTable, baselines: FamilyTable) -> Section | None:
    """The rescaled family and the zoo networks trained with the same recipe; `None` where there are neither."""
    parts: list[Markup] = []
    if members.measured:
        note = f"One network scaled in depth, width and resolution; bars are {bar_words(members)}. "
        note += gain_words(members)
        if members.base is not None and members.base.num_seeds == 1:
            note += (
                " Phi 0 was chosen for its score, which flatters it: naslab rescale --train --seeds 3 trains it anew."
            )
        parts.append(figure_block(family_figure(members), "family-figure", note, level=""))
    if members.members:
        parts.append(_members_table("The rescaled family: what was asked, what rounding achieved", members))
    if baselines.members:
        parts.append(_members_table("Networks of the literature, trained with the same recipe", baselines))
    title = "The rescaled family" if members.members else "Networks of the literature"
    if members.members and baselines.members:
        title = "The rescaled family and networks of the literature"
    return Section("family", title, join(parts)) if parts else None


def bar_words(known: FamilyTable) -> str:
    """What the bars of a family are, in words."""
    seeds = {member.num_seeds for member in known.measured}
    if seeds == {1}:
        return "one standard error of the validation images, one seed each"
    return f"one standard error over seeds ({', '.join(map(str, sorted(seeds)))} each)"


def _expected(member: MeasuredMember, base: MeasuredMember) -> str:
    """The macs that the rule expects, and what rounding made of them."""
    if member is base:
        return MACS.number(base.value(MACS.name))
    expected = member.expected_macs(base.value(MACS.name))
    if math.isnan(expected):
        return "-"
    return f"{MACS.number(expected)} ({member.value(MACS.name) / expected - 1:+.0%} achieved)"


def _members_table(caption: str, known: FamilyTable) -> Markup:
    members, score = known.members, shown_as(known.metric)
    asks = any(member.asked or member.factors for member in members)
    costs = [row for row in SHOWN_METRICS if row.is_described]
    heads = [row.column for row in costs]
    base = known.base
    expects = base is not None and any(member.factors for member in members)
    columns = [
        *("network", *(["asked"] if asks else []), *(["macs by the rule"] if expects else [])),
        *(*heads, "input", score.column, "epochs", "seeds"),
    ]
    rows = [
        [
            member.label,
            *([_asked(member)] if asks else []),
            *([_expected(member, base)] if expects and base is not None else []),
            *(metric_cell(row, member) for row in costs),
            f"{member.resolution[0]} x {member.resolution[1]}",
            member.failure or metric_cell(score, member),
            str(member.epochs),
            str(member.num_seeds),
        ]
        for member in members
    ]
    numeric = [place for place, each in enumerate(columns) if each not in ("network", "asked")]
    return table(caption, columns, rows, numeric, is_stacked=True)


def _asked(member: MeasuredMember) -> str:
    """What rescaling was to meet, or what it multiplied."""
    costs = [f"{value:,.0f} {metric}" for metric, value in member.asked.items()]
    factors = [f"{name} x {value:.3g}" for name, value in member.factors.items() if value != 1]
    return ", ".join(costs or factors) or "as it was"
