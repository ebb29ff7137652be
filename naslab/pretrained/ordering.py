"""Tensors of safetensors files, which keep no order, in the order in which their network runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch


def reference_order(names: Iterable[str], model: str, architecture: str = "") -> list[str] | None:
    """The order of tensors called `names` in the network of torchvision or timm that has the same names.

    `model` is what the network is called here, `architecture` what timm calls it, where that is known. `None` where
    neither library has a network of such a name with these tensors.
    """
    wanted = set(names)
    for order in _known_orders(model, architecture):
        if set(order) == wanted:
            return order
    return None


def _known_orders(model: str, architecture: str) -> Iterator[list[str]]:
    from torchvision import models

    if model in models.list_models(module=models):
        with torch.device("meta"):
            yield list(models.get_model(model).state_dict())
    try:
        import timm
    except ImportError:
        return
    for name in dict.fromkeys((architecture, model, f"tf_{model}")):
        if timm.is_model(name):
            with torch.device("meta"):
                yield list(timm.create_model(name).state_dict())


def without_prefix(names: Iterable[str]) -> dict[str, str]:
    """Names without the first parts that all of them share, by what they were.

    >>> without_prefix(["net.body.conv.weight", "net.body.fc.bias"])
    {'net.body.conv.weight': 'conv.weight', 'net.body.fc.bias': 'fc.bias'}
    """
    short = {name: name for name in names}
    while True:
        firsts = {each.partition(".")[0] for each in short.values()}
        if len(firsts) != 1 or any(each.count(".") < 2 for each in short.values()):
            return short
        short = {name: each.partition(".")[2] for name, each in short.items()}
