"""MeasuredLatency: what is timed, how often, and what is left as it was."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from naslab.estimators.latency import MIN_PASSES, measure_latency


class Sleeper(nn.Module):
    """Takes at least a known time, and notes how it is called."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.seen: set[tuple[object, ...]] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.add((tuple(x.shape), self.training, torch.is_inference_mode_enabled()))
        time.sleep(self.seconds)
        return x


def test_the_median_is_that_of_one_image_in_inference():
    module = Sleeper(0.02)
    latency = measure_latency(module, (3, 9, 7))
    assert 20 <= latency.median_ms < 60
    assert latency.iqr_ms >= 0
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
