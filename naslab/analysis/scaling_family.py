"""A rescaled family as a table: what each member costs relative to its baseline, and what it is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from naslab.arch import ArchSpec, arch_id, cost
from naslab.scaling import Member

RATIO_METRICS = ("macs", "params", "activations")


class ScaledMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member at `phi` of a family.

    `costs` are by metric, `ratios` the same in those of the baseline; `resolution` is (height, width) in pixels,
    `accuracy` in per cent, `latency_ms` in milliseconds. What is unknown is NaN.
    """

    phi: float
    costs: dict[str, float]
    ratios: dict[str, float]
    resolution: tuple[int, int]
    num_blocks: int
    accuracy: float
    latency_ms: float


class ScaledFamily(msgspec.Struct, frozen=True):
    """Members from the least phi to the largest, the baseline among them at 0."""

    name: str
    members: tuple[ScaledMember, ...]

    def has(self, metric: str) -> bool:
        """Whether any member has a value of `metric`: `accuracy` or `latency_ms`."""
        return any(math.isfinite(getattr(each, metric)) for each in self.members)


def scaled_family(
    name: str,
    base: ArchSpec,
    members: Sequence[Member],
    accuracies: Mapping[str, float] | None = None,
    latencies: Mapping[str, float] | None = None,
) -> ScaledFamily:
    """The table of the baseline `base` and its `members`, which figures call `name`.

    `accuracies` (per cent) and `latencies` (milliseconds) are by identity of the network (`arch_id`).

    >>> from naslab.scaling import rescale
    >>> from naslab.zoo import model
    >>> base = model("efficientnet_b0")
    >>> [round(each.ratios["macs"], 2) for each in scaled_family("b0", base, [rescale(base, 1)]).members]
    [1.0, 2.57]
    """
    start = cost(base)
    phis_and_archs = [(0.0, base), *((member.phi, member.arch) for member in members if member.arch != base)]
    found = []
    for phi, arch in sorted(phis_and_archs, key=lambda each: each[0]):
        costs = {metric: float(getattr(cost(arch), metric)) for metric in RATIO_METRICS}
        found.append(
            ScaledMember(
                phi=phi,
                costs=costs,
                ratios={metric: value / getattr(start, metric) for metric, value in costs.items()},
                resolution=arch.input[1:],
                num_blocks=sum(stage.repeats for stage in arch.stages),
                accuracy=(accuracies or {}).get(arch_id(arch), math.nan),
                latency_ms=(latencies or {}).get(arch_id(arch), math.nan),
            )
        )
    return ScaledFamily(name, tuple(found))
