"""The target `table:FILE`: a network's latency is the sum of the rows of its operators in a table."""

from __future__ import annotations

from pathlib import Path

from naslab.errors import SpecError
from naslab.latency_models.operator_table import table_latency
from naslab.targets.target import Deployed, Target, Told


def latency(deployed: Deployed, target: Target) -> Told:
    """The sum of the rows of a network's operators, in milliseconds.

    Raises `SpecError` for a network that is not made of such operators, `DataError` where the table lacks one.
    """
    if target.batch != 1:
        raise SpecError("batch", f"a table holds latencies of one image, got a batch of {target.batch}")
    return Told(table_latency(Path(target.argument), deployed.arch, deployed.name))
