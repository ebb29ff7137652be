"""MeasuredLatency: what is timed, how often, and what is left as it was."""

from __future__ import annotations

import pytest
import torch
from stopped_clock import StoppedClock
from torch import nn

from naslab.estimators import latency as latency_module
from naslab.estimators.latency import MIN_PASSES, measure_latency


class Slow(nn.Module):
    """Takes a known time, and notes how it is called."""

    def __init__(self, seconds: float, clock: StoppedClock) -> None:
        super().__init__()
        self.seconds, self.clock = seconds, clock
        self.seen: set[tuple[object, ...]] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.add((tuple(x.shape), self.training, torch.is_inference_mode_enabled()))
        self.clock.now += self.seconds
        return x


def test_the_median_is_that_of_one_image_in_inference(monkeypatch):
    clock = StoppedClock()
    monkeypatch.setattr(latency_module, "time", clock)
    module = Slow(0.02, clock)
    latency = measure_latency(module, (3, 9, 7))
    assert latency.median_ms == pytest.approx(20)
    assert latency.iqr_ms == pytest.approx(0, abs=1e-9)
    assert latency.threads == torch.get_num_threads()
    assert module.seen == {((1, 3, 9, 7), False, True)}


@pytest.mark.parametrize("is_training", [True, False])
def test_the_mode_is_left_as_it_was(is_training):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train(is_training)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    latency = measure_latency(module, (3, 8, 8))
    assert latency.num_passes >= MIN_PASSES
    assert module.training == is_training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
