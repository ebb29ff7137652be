"""Meeting a latency: members along a rule are measured until one is near enough."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

import msgspec

from naslab.arch.block import require
from naslab.arch.identity import arch_id
from naslab.arch.spec import ArchSpec
from naslab.errors import LimitError, SpecError
from naslab.metrics import LATENCY, MACS
from naslab.scaling.budget import FARTHEST, meet_budget
from naslab.scaling.compound import EFFICIENTNET_RULE, Compound
from naslab.scaling.family import Member, Scaling
from naslab.scaling.rounding import EFFICIENTNET, Rounding

_STEP = 0.5
_MOST_BISECTIONS = 10
_MOST_BESIDE = 4
_FINEST = 1e-3


class MeasuredMilliseconds(Protocol):
    """A measurement of one network: median and interquartile range in milliseconds, both above or at 0.

    >>> from typing import NamedTuple
    >>> from naslab.arch import cost
    >>> from naslab.zoo import model
    >>> class Milliseconds(NamedTuple):
    ...     median_ms: float
    ...     iqr_ms: float = 0.0
    >>> def ten_gmacs_a_second(arch):  # in place of a stopwatch
    ...     return Milliseconds(cost(arch).macs / 1e7)
    >>> met = meet_latency(model("resnet20_cifar"), target_ms=8.0, measure=ten_gmacs_a_second)
    >>> met.is_within, round(met.nearest.median_ms, 2)
    (True, 7.84)
    """

    @property
    def median_ms(self) -> float:
        """The median of the runs, in milliseconds."""
        ...

    @property
    def iqr_ms(self) -> float:
        """The interquartile range of the runs, in milliseconds."""
        ...


Measure = Callable[[ArchSpec], MeasuredMilliseconds]


class TimedMember(msgspec.Struct, frozen=True):
    """A `member` with its measured latency: `median_ms` and interquartile range `iqr_ms`, in milliseconds."""

    member: Member
    median_ms: float
    iqr_ms: float


class LatencyMet(msgspec.Struct, frozen=True, kw_only=True):
    """The measured member `nearest` to `target_ms` milliseconds, and those that bracket the target.

    `tolerance` is the share by which it was allowed to miss. `measured` are all that were measured, by phi; `below` and
    `above` the nearest of them on either side, `None` where there is none.
    """

    target_ms: float
    tolerance: float
    nearest: TimedMember
    below: TimedMember | None
    above: TimedMember | None
    measured: tuple[TimedMember, ...]

    @property
    def deviation(self) -> float:
        """The latency over the target, minus 1: positive where slower than asked."""
        return self.nearest.median_ms / self.target_ms - 1

    @property
    def is_within(self) -> bool:
        """Whether the latency misses the target by at most the tolerance."""
        return abs(self.deviation) <= self.tolerance


def meet_latency(
    arch: ArchSpec,
    target_ms: float,
    measure: Measure,
    compound: Compound = EFFICIENTNET_RULE,
    tolerance: float = 0.05,
    rounding: Rounding = EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> LatencyMet:
    """The member of a rule whose latency, as `measure` finds it on its device, is nearest to `target_ms` milliseconds.

    `arch` is the baseline. `compound` is the rule, `rounding` how its products become whole channels, blocks and
    pixels; without `scale_stem` or `scale_head` the widths of the stem or the head stay.

    Members are measured away from the baseline until the target lies between two, then between those; where rounding
    leaves none within `tolerance`, a share of the target, networks beside the rule whose macs lie between theirs.
    Measurements are noisy: the spread of each is told, and the nearest of all that were measured is taken.

    Raises `LimitError` naming both ends where the target is beyond them, and `SpecError` for a target or a tolerance
    out of range.
    """
    require(0 < target_ms < float("inf"), LATENCY.name, f"must be above 0 and finite, got {target_ms:g}")
    require(0 < tolerance < 1, "tolerance", f"must be between 0 and 1, got {tolerance:g}")
    scaling = Scaling(compound=compound, rounding=rounding, scale_stem=scale_stem, scale_head=scale_head)
    line = _Line(arch, measure, scaling)
    low, high = _bracketed(line, target_ms)
    for _ in range(_MOST_BISECTIONS):
        if line.is_met(target_ms, tolerance) or abs(high.member.phi - low.member.phi) < _FINEST:
            break
        middle = line.at((low.member.phi + high.member.phi) / 2)
        assert middle is not None, "between two networks of the line there is one"
        low, high = (middle, high) if middle.median_ms <= target_ms else (low, middle)
    for _ in range(_MOST_BESIDE):
        if line.is_met(target_ms, tolerance):
            break
        middle = line.beside(low, high, target_ms)
        low, high = (middle, high) if middle.median_ms <= target_ms else (low, middle)
    timed = line.everything()
    return LatencyMet(
        target_ms=target_ms,
        tolerance=tolerance,
        nearest=line.nearest(target_ms),
        below=max(
            (each for each in timed if each.median_ms <= target_ms), key=lambda each: each.median_ms, default=None
        ),
        above=min(
            (each for each in timed if each.median_ms > target_ms), key=lambda each: each.median_ms, default=None
        ),
        measured=timed,
    )


class _Line:
    """The members of a rule, each network measured once."""

    def __init__(self, arch: ArchSpec, measure: Measure, scaling: Scaling) -> None:
        self._arch = arch
        self._measure = measure
        self._scaling = scaling
        self._known: dict[str, TimedMember] = {}

    def at(self, phi: float) -> TimedMember | None:
        """The member at phi, `None` beyond the line's ends."""
        try:
            factors = self._scaling.compound.factors(phi)
            if max(max(value, 1 / value) for value in msgspec.structs.astuple(factors)) > FARTHEST:
                return None
            member = self._scaling.member(self._arch, phi)
        except (SpecError, OverflowError):
            return None
        return self._timed(member)

    def beside(self, low: TimedMember, high: TimedMember, target_ms: float) -> TimedMember:
        """A member beside the line, of macs as far between those of two as the target is between their latencies."""
        share = (target_ms - low.median_ms) / (high.median_ms - low.median_ms)
        least, most = low.member.cost.macs, high.member.cost.macs
        how = self._scaling
        met = meet_budget(
            self._arch,
            MACS.name,
            least + share * (most - least),
            how.compound,
            rounding=how.rounding,
            scale_stem=how.scale_stem,
            scale_head=how.scale_head,
        )
        return self._timed(met.member)

    def _timed(self, member: Member) -> TimedMember:
        key = arch_id(member.arch)
        if key not in self._known:
            seen = self._measure(member.arch)
            self._known[key] = TimedMember(member, seen.median_ms, seen.iqr_ms)
        return msgspec.structs.replace(self._known[key], member=member)

    def is_met(self, target_ms: float, tolerance: float) -> bool:
        """Whether a measured member is near enough."""
        return abs(self.nearest(target_ms).median_ms / target_ms - 1) <= tolerance

    def nearest(self, target_ms: float) -> TimedMember:
        """The measured member nearest to a latency."""
        return min(self._known.values(), key=lambda each: abs(each.median_ms - target_ms))

    def everything(self) -> tuple[TimedMember, ...]:
        """All that were measured, by phi."""
        return tuple(sorted(self._known.values(), key=lambda each: each.member.phi))


def _bracketed(line: _Line, target_ms: float) -> tuple[TimedMember, TimedMember]:
    """Neighbours on the line, the faster first, that have the target between them."""
    inner = line.at(0.0)
    assert inner is not None, "the baseline is a network"
    upwards = inner.median_ms <= target_ms
    for step in itertools.count(1):
        outer = line.at(step * _STEP if upwards else -step * _STEP)
        if outer is None:
            break
        if (outer.median_ms > target_ms) == upwards:
            return (inner, outer) if upwards else (outer, inner)
        inner = outer
    timed = line.everything()
    most = max(timed, key=lambda each: each.median_ms)
    least = min(timed, key=lambda each: each.median_ms)
    raise LimitError(
        f"no network of this family takes {target_ms:g} ms here: from {least.median_ms:.3g} ms (phi "
        f"{least.member.phi:g}) to {most.median_ms:.3g} ms (phi {most.member.phi:g}) were measured, choose a target "
        f"between them or another rule"
    )
