"""Metrics in targets, as `latency_ms@onnxruntime`, of the untrained network; and what is refused before a search."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from naslab.arch import ArchSpec
from naslab.errors import SpecError
from naslab.latency_models import LATENCY_FILES, latency_of, require_readable
from naslab.metrics import ACCURACY, LATENCY, SIZE_BYTES, find_metric, named_at
from naslab.study.problem import Problem
from naslab.targets.measuring import Alone, SpreadError, deployed_bytes, measure_deployed
from naslab.targets.target import Deployed, parse_target, require_target

MOST_ATTEMPTS = 3
"""How often a network is timed whose passes spread too much, until it fails for that."""


def is_at(name: str) -> bool:
    """Whether a metric is one of a target.

    >>> is_at("size_bytes@onnxruntime"), is_at("macs")
    (True, False)
    """
    return named_at(name) is not None


def require_metric(name: str) -> str:
    """The SHA-256 of the file that the metric called `name`, one of a target, is read from; empty where it is measured.

    Raises `SpecError` where the target does not tell the metric, `NaslabError` where there is no such target, where it
    is not installed, and where its file cannot be read.
    """
    metric, written = _parts(name)
    target = parse_target(written)
    if metric not in target.row.tells:
        told = ", ".join(f"{each}@{target.row.written}" for each in target.row.tells)
        raise SpecError("metric", f"the target {target.row.name} does not tell {metric}, got '{name}'; there is {told}")
    require_target(target)
    return require_readable(written) if target.name in LATENCY_FILES else ""


def measured_before(
    names: Iterable[str],
    arch: ArchSpec,
    alone: Alone = nullcontext,
) -> dict[str, float]:
    """The metrics called `names`, all of targets, of the untrained network of `arch`, with what is measured beside.

    Times are measured in blocks of `alone`. Raises `NaslabError` where a target cannot run the network.
    """
    wanted: dict[str, list[str]] = {}
    for name in names:
        metric, written = _parts(name)
        wanted.setdefault(written, []).append(metric)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for written, asked in wanted.items():
            found |= _measured_in(written, asked, arch, alone, Path(folder))
    return found


def _measured_in(written: str, asked: list[str], arch: ArchSpec, alone: Alone, folder: Path) -> dict[str, float]:
    latency, size = (find_metric(f"{row.name}@{written}") for row in (LATENCY, SIZE_BYTES))
    target, deployed = parse_target(written), Deployed("the network", arch)
    if target.name in LATENCY_FILES:
        return latency.measured(latency_of(written, arch))
    if LATENCY.name not in asked:
        return size.measured(deployed_bytes(deployed, target, folder))
    for attempt in range(1, MOST_ATTEMPTS + 1):
        try:
            seen = measure_deployed(deployed, target, alone=alone, folder=folder)
            break
        except SpreadError:
            if attempt == MOST_ATTEMPTS:
                raise
    found = latency.measured(seen.latency_ms, seen.latency_ms_iqr)
    return found if seen.size_bytes is None else found | size.measured(seen.size_bytes)


def _parts(name: str) -> tuple[str, str]:
    named = named_at(name)
    assert named is not None, f"{name} is no metric of a target"
    return named.metric, named.target


def accuracy_targets(problem: Problem) -> tuple[str, ...]:
    """The targets, as they are written, in which a problem asks for the accuracy of trained networks."""
    named = (named_at(goal.metric) for goal in problem.objectives)
    return tuple(each.target for each in named if each is not None and each.metric == ACCURACY.name)
