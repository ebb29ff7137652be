"""What is counted is what is built: the whole zoo, and the smallest of each family at other input sizes and classes.

Parameters are those of the module, macs are counted by PyTorch's own flop counter, activations at the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

import pytest
import torch
from passed_norms import norms_passed_on
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from naslab.arch import ArchSpec, cost, lower
from naslab.arch.build import module_of
from naslab.arch.modules import StandardizedConv2d
from naslab.zoo import model, model_names, zoo_entries

VERY_DEEP = {name for name in model_names() if sum(stage.repeats for stage in model(name).stages) > 100}
"""The fast tests leave them to the slow ones, as they do the larger ones of each family."""

# The published size, an odd one and one that is not square. Larger images than the published ones say nothing more.
IMAGENET = {"published": None, "odd": 229, "rectangular": (224, 160)}
SMALL = {"published": None, "odd": 35, "rectangular": (32, 40)}
CLASSES = (10, 1000)


def smallest() -> set[str]:
    """Of each family and kind of image the network of the fewest macs: its blocks are those of the larger ones."""
    found: dict[tuple[str, bool], str] = {}
    for name, entry in zoo_entries().items():
        kind = entry.family, model(name).input[1] <= 32
        if kind not in found or cost(model(name)).macs < cost(model(found[kind])).macs:
            found[kind] = name
    return set(found.values())


SMALLEST = smallest()


def variants() -> Iterator[object]:
    """Every network as it was published, and the smallest ones at other sizes or with other classes.

    Not both: classes change the head alone, and what comes before it decides the maps.
    """
    for name in model_names():
        published_classes = model(name).num_classes
        for num_classes in CLASSES:
            for place in IMAGENET:
                is_published = (place, num_classes) == ("published", published_classes)
                is_varied = place == "published" or num_classes == published_classes
                if is_published or (name in SMALLEST and is_varied):
                    marks = () if is_published and name in SMALLEST - VERY_DEEP else pytest.mark.slow
                    yield pytest.param(name, num_classes, place, marks=marks, id=f"{name}-{num_classes}-{place}")


@pytest.mark.parametrize(("name", "num_classes", "place"), list(variants()))
def test_the_built_network_costs_what_is_counted(name: str, num_classes: int, place: str) -> None:
    published = model(name)
    sizes = SMALL if published.input[1] <= 32 else IMAGENET
    arch = model(name, num_classes, sizes[place])
    # The layers do not depend on the input's size, so that one module serves all sizes.
    assert lower(arch) == lower(model(name, num_classes))
    module = built(name, num_classes)
    expected = cost(arch)
    assert sum(each.numel() for each in module.parameters()) == expected.params
    with without_layers_of_no_macs():
        macs, activations = counted(module, arch)
    assert (macs, activations) == (expected.macs, expected.activations)


@lru_cache(maxsize=1)
def built(name: str, num_classes: int) -> nn.Module:
    with torch.device("meta"):
        return module_of(lower(model(name, num_classes))).eval()


def counted(module: nn.Module, arch: ArchSpec) -> tuple[int, int]:
    """Half of PyTorch's count of a forward pass, and the values that its convolutions make."""
    sizes: list[int] = []
    convolutions = [each for each in module.modules() if isinstance(each, nn.Conv2d)]
    hooks = [each.register_forward_hook(lambda _, __, out: sizes.append(out.numel())) for each in convolutions]
    image = torch.empty(1, *arch.input, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        logits = module(image)
    for hook in hooks:
        hook.remove()
    assert logits.shape == (1, arch.num_classes)
    macs, rest = divmod(counter.get_total_flops(), 2)
    assert rest == 0
    return macs, sum(sizes)


@contextmanager
def without_layers_of_no_macs() -> Iterator[None]:
    """Batch norms check their channels and pass maps on, standardised weights are taken as they are.

    Both keep shapes and cost no macs, but on the meta device torch spells them out in Python, which takes two thirds of
    a pass. `tests/properties/test_arch.py` runs networks of every block with all their layers.
    """
    with norms_passed_on(), patch.object(StandardizedConv2d, "forward", nn.Conv2d.forward):
        yield
