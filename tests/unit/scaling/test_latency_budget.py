"""Latencies met by measuring: on a made-up device the target is found, under noise the nearest measured is taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scaling_studies import SMALL

from naslab.arch import ArchSpec, cost
from naslab.errors import LimitError, SpecError
from naslab.scaling import RESOLUTION, Compound, meet_budget, meet_latency
from naslab.zoo import model


class Seen(NamedTuple):
    """A made-up measurement."""

    median_ms: float
    iqr_ms: float = 0.1


def exact(arch: ArchSpec) -> Seen:
    """A device that takes a millisecond a hundred thousand macs, and one for itself."""
    return Seen(1 + cost(arch).macs / 1e5)


@pytest.mark.parametrize("target", [2.0, 6.5, 30.0, 200.0])
def test_the_target_is_met_on_a_steady_device(target: float) -> None:
    met = meet_latency(model("resnet20_cifar", resolution=8), target, exact, Compound())
    assert met.is_within
    assert met.nearest.median_ms == exact(met.nearest.member.arch).median_ms
    assert met.below is None or met.below.median_ms <= target
    assert met.above is None or met.above.median_ms > target
    assert [each.member.phi for each in met.measured] == sorted(each.member.phi for each in met.measured)
    assert len(met.measured) <= 24


def test_each_network_is_measured_once() -> None:
    asked: list[ArchSpec] = []

    def note(arch: ArchSpec) -> Seen:
        asked.append(arch)
        return exact(arch)

    meet_latency(SMALL, 11.3, note)
    assert len(asked) == len(set(asked))


def test_noise_leaves_the_nearest_measured() -> None:
    source = np.random.default_rng(0)

    def noisy(arch: ArchSpec) -> Seen:
        return Seen(exact(arch).median_ms * float(source.uniform(0.7, 1.4)), 0.5)

    met = meet_latency(SMALL, 20, noisy)
    assert met.nearest.median_ms == min((each.median_ms for each in met.measured), key=lambda ms: abs(ms - 20))
    assert met.nearest.iqr_ms == 0.5


@pytest.mark.parametrize("target", [0.5, 1e9])
def test_a_target_out_of_reach_names_both_ends(target: float) -> None:
    with pytest.raises(
        LimitError, match=r"from [\d.e+]+ ms \(phi [-\d.]+\) to [\d.e+]+ ms \(phi [-\d.]+\) were measured"
    ):
        meet_latency(SMALL, target, exact, RESOLUTION)


@pytest.mark.parametrize("target", [0, -1, float("nan"), float("inf")])
def test_a_latency_must_be_positive(target: float) -> None:
    with pytest.raises(SpecError, match="latency_ms: must be above 0"):
        meet_latency(SMALL, target, exact)


def test_a_capped_resolution_holds_also_where_a_budget_is_met() -> None:
    base = model("efficientnet_b0")
    capped = Compound(most_resolution=300 / 224)
    assert capped.factors(8).resolution == 300 / 224
    assert capped.factors(1) == Compound().factors(1)
    met = meet_budget(base, "macs", 4e9, capped)
    assert met.is_within
    assert max(met.member.arch.input[1:]) <= 300
    with pytest.raises(SpecError, match="most_resolution: must be a factor of at least 1"):
        Compound(most_resolution=0.5)
