"""The networks of the zoo by name. Families are imported when the first network is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import msgspec

from naslab.arch import ArchSpec
from naslab.arguments import Kind, either, many, optional, takes, text, whole
from naslab.errors import UnknownNameError
from naslab.zoo.entry import Resolution, ZooEntry, image_shape

FAMILIES = (
    "lenet",
    "alexnet",
    "nin",
    "zfnet",
    "vgg",
    "googlenet",
    "inception",
    "resnet",
    "inception_v4",
    "squeezenet",
    "preact_resnet",
    "stochastic_depth",
    "fractalnet",
    "densenet",
    "wide_resnet",
    "pyramidnet",
    "resnext",
    "mobilenet_v1",
    "shufflenet",
    "nasnet",
    "senet",
    "mobilenet_v2",
    "amoebanet",
    "mnasnet",
    "shufflenet_v2",
    "mobilenet_v3",
    "efficientnet",
    "efficientnet_lite",
    "regnet",
    "nfnet",
    "resnet_rs",
    "efficientnet_v2",
    "convnext",
)
"""The files of this folder that hold a tuple `MODELS` of entries, in the order of their papers."""


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        raise ValueError
    height, width = many(whole(1)).read(value)
    return height, width


@takes(
    name=text("the name of a network of the zoo"),
    num_classes=optional(whole(1)),
    resolution=optional(either(whole(1), Kind("(height, width)", _pair))),
    in_channels=optional(whole(1)),
)
def model(
    name: str,
    num_classes: int | None = None,
    resolution: Resolution | None = None,
    in_channels: int | None = None,
) -> ArchSpec:
    """The network `name` of the literature; by default as published, with the classes and the images of its paper.

    `num_classes` is how many classes it tells apart, `resolution` the side of its square images in pixels, or (height,
    width), `in_channels` the channels of its images. Raises `UnknownNameError` with the nearest names, and `SpecError`
    for a number below 1.

    >>> model("resnet20_cifar").num_classes, model("resnet18", num_classes=5, resolution=(96, 128)).input
    (10, (3, 96, 128))
    """
    arch = zoo_entry(name).constructor()
    return msgspec.structs.replace(
        arch,
        input=image_shape(
            arch.input[1:] if resolution is None else resolution,
            arch.input[0] if in_channels is None else in_channels,
        ),
        num_classes=arch.num_classes if num_classes is None else num_classes,
    )


def model_names() -> tuple[str, ...]:
    """Every name that `model` answers to, family by family in the order of their papers.

    >>> model_names()[:2], "resnet18" in model_names()
    (('lenet5', 'alexnet_2012'), True)
    """
    return tuple(zoo_entries())


def zoo_entry(name: str) -> ZooEntry:
    """What the zoo knows of the network `name`. Raises `UnknownNameError` with the nearest names.

    >>> entry = zoo_entry("resnet18")
    >>> entry.family, entry.paper.year, entry.published.top1
    ('ResNet', 2015, 69.758)
    """
    entries = zoo_entries()
    if name not in entries:
        raise UnknownNameError("model", name, entries)
    return entries[name]


@cache
def zoo_entries() -> MappingProxyType[str, ZooEntry]:
    """Every network of the zoo by its name, family by family. Imports all families at the first call.

    >>> [name for name, entry in zoo_entries().items() if entry.family == "Inception-v3"]
    ['inception_v3']
    """
    entries: dict[str, ZooEntry] = {}
    for family in FAMILIES:
        for entry in import_module(f"naslab.zoo.{family}").MODELS:
            if entry.name in entries:
                raise ValueError(f"two models of the zoo are called '{entry.name}'")
            entries[entry.name] = entry
    return MappingProxyType(entries)
