"""Evaluation puts as many images through a network at once as memory is kept for."""

from __future__ import annotations

import pytest
import torch
from networks import conv_net

from naslab.arch.build import build
from naslab.training import evaluation
from naslab.training.evaluation import outputs_of


@pytest.mark.parametrize(("side", "count"), [(32, 256), (96, 28), (512, 1), (1024, 1)])
def test_large_images_go_through_a_network_a_few_at_once(side: int, count: int) -> None:
    seen: list[int] = []

    class Corners(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            return x[:, :, 0, 0]

    images = torch.zeros(1, 1, 1, 1).expand(300, 1, side, side)
    assert outputs_of(Corners(), images).shape == (300, 1)
    assert (seen[0], sum(seen), max(seen)) == (count, 300, count)


def test_an_image_is_answered_alike_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "PIXELS_AT_ONCE", 2 * 8 * 8)
    network = build(conv_net(), seed=1).eval()
    images = torch.rand(9, *conv_net().input, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(outputs_of(network, images), network(images))
        torch.testing.assert_close(outputs_of(network, images[[8, 0]]), network(images)[[8, 0]])
