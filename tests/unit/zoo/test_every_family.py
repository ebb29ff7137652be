"""One network of every family trains a step and serves as the template of a search space."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from naslab.arch import ArchSpec, cost
from naslab.arch.build import build
from naslab.space import SearchSpace
from naslab.zoo import model, zoo_entries


def cheapest_of_families() -> list[str]:
    """The name of the cheapest network of each family."""
    best: dict[str, tuple[int, str]] = {}
    for name, entry in zoo_entries().items():
        macs = cost(entry.constructor()).macs
        best[entry.family] = min(best.get(entry.family, (macs, name)), (macs, name))
    return [name for _, name in best.values()]


def small(name: str) -> ArchSpec:
    """The network for ten classes, at a resolution that a step on a CPU can afford where it allows one."""
    published = zoo_entries()[name].constructor()
    if published.input[1] <= 64:
        return model(name, num_classes=10)
    try:
        shrunk = model(name, num_classes=10, resolution=96)
        cost(shrunk)
    except ValueError:  # the strides of the oldest networks need more
        return model(name, num_classes=10)
    return shrunk


@pytest.mark.slow
@pytest.mark.parametrize("name", cheapest_of_families())
def test_it_trains_a_step(name: str) -> None:
    arch = small(name)
    module = build(arch, seed=0).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    before = {key: value.clone() for key, value in module.named_parameters()}
    images = torch.randn(2, *arch.input, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)  # dropout and dropped paths
    loss = functional.cross_entropy(module(images), torch.tensor([1, 7]))
    loss.backward()
    optimizer.step()
    assert math.isfinite(loss.item())
    changed = [key for key, value in module.named_parameters() if not torch.equal(value, before[key])]
    assert changed
    # Not all of them: a fractal network may keep a single path in a step.
    assert sum(value.grad is not None for value in module.parameters()) > len(before) / 4


@pytest.mark.parametrize("name", cheapest_of_families())
def test_it_is_the_template_of_a_space(name: str) -> None:
    hole = {"choice": ["relu", "silu", "gelu"]}
    space = SearchSpace({"zoo": name, "num_classes": 10, "holes": {"activation": hole}})
    assert space.size() == 3
    drawn = space.decode(space.sample(np.random.default_rng(0)))
    assert drawn.num_classes == 10
    assert cost(drawn).params == cost(model(name, num_classes=10)).params
