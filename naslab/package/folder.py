"""A package on disk: a folder of weights, the facts beside them, the description, and code that needs torch alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from naslab.arch import ArchSpec, save_arch
from naslab.arch.build import build
from naslab.arch.source import network_source
from naslab.atomic_write import atomic_write
from naslab.errors import DataError
from naslab.package.facts import FACTS_FILE, WEIGHTS_FILE, Facts, facts_file_content, header
from naslab.package.prepared import packaged_module
from naslab.training.weights import load_weights

SOURCE_FILE = "network.py"
ARCH_FILE = "arch.yaml"
PACKAGE_FILES = (WEIGHTS_FILE, FACTS_FILE, ARCH_FILE, SOURCE_FILE)


class Package(NamedTuple):
    """A network that left naslab: its `facts`, and its `weights`, a safetensors file."""

    facts: Facts
    weights: Path

    def module(self) -> nn.Module:
        """The trained network without preprocessing, in evaluation mode. Raises `DataError` for weights that differ."""
        module = build(self.facts.arch)
        load_weights(module, self.weights)
        return module.eval()


def write_package(folder: Path, facts: Facts, title: str, is_bare: bool = False) -> None:
    """Write `facts`, description and code beside the weights in `folder`.

    `title` opens the Python file, whose network takes images as they are unless `is_bare`. Raises `WriteError` where a
    file cannot be written.
    """
    atomic_write(folder / FACTS_FILE, facts_file_content(facts))
    save_arch(facts.arch, folder / ARCH_FILE)
    atomic_write(folder / SOURCE_FILE, source_of(facts.arch, facts, title, is_bare))


def copy_weights(source: Path, target: Path, facts: Facts) -> str:
    """Write the tensors of the file `source` to `target` with the facts in the header; the SHA-256 of that file.

    Raises `DataError` where `source` cannot be read, and `WriteError` where `target` cannot be written.
    """
    try:
        content = save(load_file(source), header(facts))
    except (OSError, SafetensorError) as error:
        raise DataError(f"{source} cannot be read as a safetensors file: {error}") from error
    atomic_write(target, content)
    return hashlib.sha256(content).hexdigest()


def source_of(arch: ArchSpec, facts: Facts | None, title: str, is_bare: bool = False) -> str:
    """The Python file of the network `arch`, opened by `title`.

    It takes images as they are, unless the preprocessing is not among the `facts` or the file `is_bare`. It defines
    `CLASS_NAMES` where they are known, and `TARGET_SCALE` for a regression.
    """
    preprocessing = facts.preprocessing if facts is not None else None
    module = packaged_module(arch, preprocessing, is_bare)
    known = {} if facts is None else {"CLASS_NAMES": facts.class_names, "TARGET_SCALE": facts.target_scale}
    constants = {name: values for name, values in known.items() if values}
    return network_source(module, f"{title}\n\n{told(facts, is_bare)}\n", constants)


def told(facts: Facts | None, is_bare: bool = False) -> str:
    """What a network takes and gives, in words."""
    if facts is None or facts.preprocessing is None:
        return "It takes images that are normalised as in its training, which naslab does not know."
    how = facts.preprocessing
    size = f"(batch, {how.channels}, {how.height}, {how.width})"
    outputs = {"classification": "logits of the classes", "multilabel": "logits of the labels"}.get(
        facts.task, "numbers"
    )
    named = f"{outputs} CLASS_NAMES" if facts.class_names else outputs
    if facts.target_scale:
        named += ":\nof TARGET_SCALE (mean, deviation) of each, times the deviation plus the mean they are the targets"
    if is_bare:
        height, width = facts.arch.input[1:]
        mean, deviation = (", ".join(f"{each:.7g}" for each in values) for values in (how.mean, how.deviation))
        return (
            f"It takes images of shape (batch, {how.channels}, {height}, {width}), (value - mean) / deviation of\n"
            f"values from 0 to 255, mean ({mean}) and deviation ({deviation}) by channel, and gives {named}."
        )
    return f"It takes images as they are, uint8 or float from 0 to 255, of shape {size}, and gives\n{named}."
