"""PyTorch: eager, compiled, and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from naslab.arch.plan import Shape
from naslab.package.facts import Facts, header, open_facts
from naslab.package.folder import copy_weights
from naslab.package.prepared import packaged_module
from naslab.targets.target import Deployed, Logits, Target
from naslab.training.onnx_session import noise_images
from naslab.training.weights import load_weights, save_weights


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file of weights and facts that is run."""
    facts = deployed.facts or Facts(name=deployed.name, arch=deployed.arch)
    path = folder / "network.safetensors"
    if deployed.weights is None:
        save_weights(packaged_module(deployed.arch, None), path, header(facts))
    else:
        copy_weights(Path(deployed.weights), path, facts)
    return path


def network(path: Path, target: Target) -> Logits:
    """A function that gives the logits of images by the network of a file of weights."""
    module, _ = _loaded(path, target)

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            seen: Tensor = module(torch.from_numpy(images).to(target.row.device))
        return np.asarray(seen.float().cpu().numpy())

    return logits


def start(path: Path, target: Target) -> Callable[[], object]:
    """A function that runs a batch of images through the network of a file of weights."""
    torch.set_num_threads(target.threads)
    module, shape = _loaded(path, target)
    images = torch.from_numpy(noise_images(shape, target.batch)).to(target.row.device)
    run = torch.compile(module) if target.name == "torch-compiled" else module

    def once() -> object:
        with torch.inference_mode():
            out = run(images)
        if target.row.device == "cuda":
            torch.cuda.synchronize()
        return out

    return once


def _loaded(path: Path, target: Target) -> tuple[nn.Module, Shape]:
    """The module of a file of weights on the target's device, and the shape of its images."""
    facts, weights = open_facts(path)
    module = packaged_module(facts.arch, facts.preprocessing)
    load_weights(module, weights)
    module.eval().to(target.row.device)
    how = facts.preprocessing
    return module, facts.arch.input if how is None else (facts.arch.input[0], *how.size)
