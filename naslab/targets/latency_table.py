"""The targets `table:FILE` and `predicted:FILE`: a file tells a network's latency from its description."""

from __future__ import annotations

from naslab.errors import SpecError
from naslab.latency_models import latency_of
from naslab.targets.target import Deployed, Target, TargetLatency


def latency(deployed: Deployed, target: Target) -> TargetLatency:
    """The milliseconds of a network by the file of a target.

    Raises `SpecError` for a network that such files do not describe, `DataError` where this one lacks a part of it.
    """
    if target.batch != 1:
        raise SpecError(
            "batch", f"a {target.name} of latencies holds those of one image, got a batch of {target.batch}"
        )
    return TargetLatency(latency_of(target.written, deployed.arch, deployed.name))
