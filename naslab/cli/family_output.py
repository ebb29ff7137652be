"""How `naslab rescale` prints a family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from naslab.arch import cost
from naslab.cli.output import print_table, quantity, say
from naslab.metrics import ACCURACY, LATENCY, MACS, PARAMS

if TYPE_CHECKING:
    from naslab.lab.models import Model

NOISY = 0.2
"""An interquartile range above this share of the median is worth a word."""


def show_members(found: Model, rows: Sequence[dict[str, Any]]) -> None:
    """Print the family of the model `found` as a table, what was asked beside what was achieved."""
    from naslab.analysis.latency_load import load_words

    base = cost(found.arch)
    table = []
    for row in rows:
        asked = "-"
        if "target" in row:
            asked = f"{row['target_metric']} {quantity(row['target'])}, missed by {row['deviation']:+.2%}"
        if LATENCY.interquartile_range in row:
            spread = row[LATENCY.interquartile_range]
            asked += f": median {row['achieved']:.3g} ms, interquartile range {spread:.2g} ms"
        factors = f"{row['depth']:.3g} / {row['width']:.3g} / {row['resolution']:.3g}"
        accuracy = ACCURACY.number(row[ACCURACY.name]) if ACCURACY.name in row else "-"
        size = " x ".join(map(str, row["input"][1:]))
        table.append(
            (
                f"{row['phi']:.3g}",
                factors,
                size,
                row[PARAMS.name],
                row[MACS.name],
                f"{row[MACS.name] / base.macs:.2f}",
                asked,
                accuracy,
            )
        )
    print_table(
        ("phi", "depth / width / resolution", "input", PARAMS.name, MACS.name, "x macs", "asked", "accuracy %"),
        table,
        title=f"family of {found.name} ({quantity(base.params)} params, {quantity(base.macs)} macs)",
    )
    for row in rows:
        spread = row.get(LATENCY.interquartile_range, 0.0) / row.get("achieved", 1.0)
        if spread > NOISY:
            say(f"note: single passes spread by {spread:.0%}; measure on a quiet machine")
        if (row.get("load") or {}).get("is_disturbed"):
            say(f"note: this latency was measured beside other load ({load_words(row['load'])}) and may be too long")
    say("wrote " + ", ".join(row["file"] for row in rows))
