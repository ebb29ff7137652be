"""Measuring from names: a network in a target.

naslab.measure("trained", "onnxruntime-int8").latency_ms
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from naslab.arguments import number, optional, takes, text
from naslab.lab.models import COUNT, LEDGER, MODEL, RESOLUTION, AnyModel, AnyResolution, find_model

if TYPE_CHECKING:
    from naslab.targets.measuring import Measured


@takes(
    model=MODEL,
    target=text("the name of a target"),
    threads=COUNT,
    batch=COUNT,
    most_spread=optional(number(least=0)),
    resolution=RESOLUTION,
    ledger=LEDGER,
)
def measure(
    model: AnyModel,
    target: str = "torch",
    *,
    threads: int = 1,
    batch: int = 1,
    most_spread: float | None = None,
    resolution: AnyResolution | None = None,
    ledger: str | Path = "naslab.db",
) -> Measured:
    """Latency, size and memory of a network in a target, in a process of its own on cores of its own.

    `model` is a network, or what `find_model` finds one by in `ledger`, at another `resolution` (height, width) where
    asked; one without weights has fresh ones. `target` is a runtime with its precision (`torch`, `onnxruntime-int8`,
    ..., `table:FILE`, `command:...`), on `threads` CPU threads with a `batch` of images. A measurement whose
    interquartile range is above `most_spread` of its median, by default a quarter, is refused. Raises `NaslabError` for
    it and for a target that is not there or cannot run the network.

    >>> import naslab
    >>> naslab.measure("mobilenet_v3_small", "torch").latency_ms  # doctest: +SKIP
    """
    from naslab.targets.measuring import MOST_SPREAD, measure_deployed
    from naslab.targets.target import Deployed, parse_target

    chosen = parse_target(target, threads, batch)
    found = find_model(model, ledger, resolution)
    facts = None if found.facts is None else found.facts.of(found.arch)
    weights = None if found.weights is None else str(found.weights)
    deployed = Deployed(found.name, found.arch, facts, weights)
    return measure_deployed(deployed, chosen, MOST_SPREAD if most_spread is None else most_spread)
