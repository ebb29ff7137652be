"""The folder of a trained detector or segmenter: what is known of it, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.arch.files import decode
from naslab.dense_prediction.detectors import Sizes
from naslab.dense_prediction.facts import DETECTOR_FILE, WEIGHTS_FILE, DenseFacts
from naslab.dense_prediction.making import make
from naslab.errors import DataError, SpecError
from naslab.pretrained.backbones import freeze_norms
from naslab.pretrained.features import FeatureMaps, chosen_levels
from naslab.reading import read_values
from naslab.training.weights import load_weights

__all__ = ["DETECTOR_FILE", "WEIGHTS_FILE", "load_module", "make_module", "read_facts"]


def sizes_of(facts: DenseFacts) -> Sizes:
    """How large what is between image and answer is, by the facts."""
    return Sizes(facts.side[0], facts.mean, facts.deviation, facts.channels, max(1, len(facts.keypoints)))


def make_module(facts: DenseFacts, seed: int = 0, begin: Callable[[ArchSpec, int], nn.Module] = build) -> nn.Module:
    """The detector or segmenter that `facts` describe, its weights drawn from `seed`.

    `begin` makes the module of the network, given its description and `seed`.
    """
    arch: ArchSpec = facts.arch
    body = FeatureMaps(begin(arch, seed), chosen_levels(arch, facts.levels, facts.name))
    if facts.freeze_norm:
        freeze_norms(body)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(body, facts.kind, len(facts.classes), sizes_of(facts))


def read_facts(folder: Path) -> DenseFacts:
    """The facts of the trained detector or segmenter in a folder. Raises `DataError` where they are damaged."""
    path = folder / DETECTOR_FILE
    values: Any = read_values(path)
    try:
        return decode(values, DenseFacts)
    except SpecError as error:
        raise DataError(f"{path} holds no facts of a detector: {error}") from None


def load_module(folder: Path, device: str) -> tuple[DenseFacts, nn.Module]:
    """The facts and the trained module of a folder, on a `device`. Raises `DataError` where one is damaged."""
    facts = read_facts(folder)
    module = make_module(facts)
    load_weights(module, folder / WEIGHTS_FILE)
    return facts, module.to(device).eval()
