"""PyTorch: eager, compiled, and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from naslab.errors import DeviceError
from naslab.package.facts import Facts, header, open_facts
from naslab.package.folder import copy_weights
from naslab.package.prepared import packaged_module
from naslab.targets.target import Deployed, Target
from naslab.training.onnx_file import random_images
from naslab.training.weights import load_weights, save_weights


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file of weights and facts that is run. Raises `DeviceError` where there is no such GPU."""
    if target.row.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("the target cuda needs a GPU: torch sees none here")
    facts = deployed.facts or Facts(name=deployed.name, arch=deployed.arch)
    path = folder / "network.safetensors"
    if deployed.weights is None:
        save_weights(packaged_module(deployed.arch, None), path, header(facts))
    else:
        copy_weights(Path(deployed.weights), path, facts)
    return path


def start(path: Path, target: Target) -> Callable[[], object]:
    """A function that runs a batch of images through the network of a file of weights."""
    facts, weights = open_facts(path)
    torch.set_num_threads(target.threads)
    module = packaged_module(facts.arch, facts.preprocessing)
    load_weights(module, weights)
    module.eval().to(target.row.device)
    how = facts.preprocessing
    shape = facts.arch.input if how is None else (facts.arch.input[0], *how.size)
    images = random_images(shape, target.batch, "float32").to(target.row.device)
    run = torch.compile(module) if target.name == "torch-compiled" else module

    def once() -> object:
        with torch.inference_mode():
            out = run(images)
        if target.row.device == "cuda":
            torch.cuda.synchronize()
        return out

    return once
