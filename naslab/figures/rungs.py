"""Rungs: each network's score at every rung that it reached, and the report's section about them."""

from __future__ import annotations

import math

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from naslab.analysis.rungs import Promoted, RungAgreement, RungTable
from naslab.errors import counted
from naslab.figures.markup import join, table
from naslab.figures.page import figure_block
from naslab.figures.section import Section
from naslab.figures.style import SYMBOLS, figure, hover, metric_axis, metric_words
from naslab.metrics import MACS

MOST_NAMED = 12


def rungs_figure(found: RungTable) -> go.Figure:
    """The metric of `found` at each rung, a line for each promoted network, dark ones cheap, bright ones costly.

    The axis of epochs is logarithmic.
    """
    promoted = sorted(found.promoted, key=lambda each: each.macs)
    colors = sample_colorscale("Cividis", [0.85 * index / max(1, len(promoted) - 1) for index in range(len(promoted))])
    epochs = [rung.epochs for rung in found.rungs]
    lines = [
        _line(network, color, SYMBOLS[index % len(SYMBOLS)], found.metric)
        for index, (network, color) in enumerate(zip(promoted, colors, strict=True))
    ]
    made = figure(
        lines,
        "Networks that were promoted, rung by rung",
        xaxis={"title": {"text": "epochs of the rung"}, "type": "log", "tickvals": epochs, "ticktext": epochs},
        yaxis=metric_axis(found.metric),
    )
    return made.update_layout(showlegend=1 < len(promoted) <= MOST_NAMED)


def rungs_section(found: RungTable | None) -> Section | None:
    """What each rung held and how far its ranking can be trusted; `None` for a search without rungs."""
    if found is None:
        return None
    how = (
        "After every epoch what is expected to gain most goes on from its checkpoint, or a new network is begun."
        if found.keep is None
        else "The best of each rung are trained on from their checkpoints; by non-dominated rank, then by the "
        f"hypervolume that each adds, {100 * found.keep:.3g} % of those that a rung holds at that moment "
        "go on; in the end more may have."
    )
    note = (
        how + " Only networks on the highest rung that any reached are compared in the front, the headline and the "
        "progress."
    )
    parts = [figure_block(rungs_figure(found), "rungs-figure", note)] if found.promoted else []
    rows = [
        [
            counted(rung.epochs, "epoch"),
            str(rung.num_networks),
            str(rung.num_promoted),
            str(rung.num_stopped),
            str(rung.num_failed),
            f"{rung.wall_seconds:,.0f}",
        ]
        for rung in found.rungs
    ]
    columns = ["rung", "networks", "promoted", "stopped early", "failed", "seconds of training"]
    parts.append(table("The rungs", columns, rows, numeric=range(1, 6), is_stacked=True))
    caption = (
        f"How rungs rank the networks that are on both, by {found.metric} (tau, 90 % bootstrap interval). Those "
        "of a higher rung are the best of the lower one, nearer to each other than all are, and so harder to rank."
    )
    agreed = [_agreement_row(each) for each in found.agreements]
    columns = ["rungs", "networks", "Kendall tau", "Spearman rho"]
    parts.append(table(caption, columns, agreed, numeric=range(1, 4), is_stacked=True))
    return Section("rungs", "Rungs", join(parts))


def _agreement_row(each: RungAgreement) -> list[str]:
    pair = f"{each.low_epochs} and {counted(each.high_epochs, 'epoch')}"
    if math.isnan(each.tau):
        reason = "too few" if each.num_networks < 3 else "all equal"
        return [pair, str(each.num_networks), reason, reason]
    interval = f"{each.tau:.2f} ({each.tau_low:.2f} to {each.tau_high:.2f})"
    return [pair, str(each.num_networks), interval, f"{each.rho:.2f}"]


def _line(network: Promoted, color: str, symbol: str, metric: str) -> go.Scatter:
    name = f"trial {network.trial}"
    pairs = list(zip(network.epochs, network.accuracies, strict=True))
    lines = [f"{counted(epochs, 'epoch')}: {metric_words(metric, accuracy)}" for epochs, accuracy in pairs]
    return go.Scatter(
        x=list(network.epochs),
        y=list(network.accuracies),
        name=name,
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={"color": color, "size": 8, "symbol": symbol},
        hovertext=[hover(name, [*lines, MACS.sentence(network.macs)], ())] * len(pairs),
        hoverinfo="text",
    )
