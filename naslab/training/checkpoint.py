"""Checkpoint: all that a training needs to go on as if it had never stopped, in one safetensors file.

The file holds the weights (`module.*`), averaged weights (`averaged.*`), with early stopping those of the best epoch
(`best.*`), the optimiser's state (`optimizer.*`) and the states of the random generators (`random.*`); its metadata
hold the network and what else is small, as JSON. Nothing in it is ever run. Files are named by the hash of what they
hold, so that one cut short is noticed.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from naslab.arch.spec import ArchSpec
from naslab.blobs import BlobStore
from naslab.errors import DataError, ReadError, first_line, shown
from naslab.reading import Bounds, json_values
from naslab.study.outcome import EpochRecord, Fidelity
from naslab.study.recipe import Recipe
from naslab.training.averaging import WeightAverage
from naslab.training.early_stopping import PREFIX as BEST
from naslab.training.schedule import Plateau

METADATA = Bounds(bytes=64 * 2**20, nodes=5_000_000, text=64 * 2**20)
"""Of what stands in a checkpoint beside its tensors: names and shapes of these, and the training's progress."""
FORMAT = 1
"""Raised whenever an older program could no longer go on from what a newer one writes."""


class Origin(msgspec.Struct, frozen=True):
    """What was trained: a training goes on from its own network's checkpoint of the same seed alone.

    `arch` is the network as trained, at the fidelity's resolution and width.
    """

    arch: ArchSpec
    fidelity: Fidelity
    seed: int

    def continues(self, earlier: Origin) -> bool:
        """Whether this training begins as the earlier one did: all is equal but for the epochs done."""
        if earlier.fidelity.epochs > self.fidelity.epochs:
            return False
        whole = self.fidelity.schedule_epochs or self.fidelity.epochs
        begun = msgspec.structs.replace(self.fidelity, epochs=earlier.fidelity.epochs, schedule_epochs=whole)
        return earlier.fidelity == begun and (earlier.arch, earlier.seed) == (self.arch, self.seed)


class TrainingProgress(msgspec.Struct, frozen=True):
    """How far a training is, but for its tensors.

    `curve` holds the epochs done, `plateau` the state of that schedule (`Plateau.state`), `host_random` that of
    Python's generator, `optimizer_numbers` what an optimiser keeps of a parameter that is no tensor. `batch_size` is
    that trained with, less than the recipe's where memory ran out; `None` in files that are older than this field.
    """

    curve: tuple[EpochRecord, ...]
    plateau: tuple[float, float, int]
    host_random: tuple[int, tuple[int, ...], float | None]
    optimizer_numbers: dict[str, dict[str, float]]
    batch_size: int | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """A training where it stands. `tensors` are on the CPU, named as in the file."""

    origin: Origin
    progress: TrainingProgress
    tensors: dict[str, Tensor]

    def weights(self) -> dict[str, Tensor]:
        """The weights and running statistics that the training reports the accuracy of.

        With early stopping those of the best epoch, else the averaged ones where the recipe averages.
        """
        kept = (part_of(self.tensors, prefix) for prefix in (BEST, "averaged.module.", "module."))
        return next(each for each in kept if each)


class TrainingState(msgspec.Struct):
    """The objects of a running training whose states a checkpoint holds.

    `averaged` is the averaged network, `plateau` the schedule's part with a state, `batches` draws on `device` and
    `host` on the host, `batch_size` is that trained with. A training without one of these leaves it as it is.
    """

    batch_size: int
    module: nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    averaged: WeightAverage | None = None
    plateau: Plateau = msgspec.field(default_factory=lambda: Plateau(Recipe()))
    batches: torch.Generator = msgspec.field(default_factory=torch.Generator)
    host: random.Random = msgspec.field(default_factory=lambda: random.Random(0))

    def capture(self, curve: tuple[EpochRecord, ...]) -> tuple[TrainingProgress, dict[str, Tensor]]:
        """A copy of the state after the epochs of `curve`, on the CPU: later steps do not change it."""
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        numbers: dict[str, dict[str, float]] = {}
        for index, values in self.optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
                elif value is not None:
                    numbers.setdefault(str(index), {})[name] = value
        tensors["random.batches"] = self.batches.get_state()
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.device"] = torch.cuda.get_rng_state(self.device)
        version, internal, gauss = self.host.getstate()
        progress = TrainingProgress(curve, self.plateau.state, (version, internal, gauss), numbers, self.batch_size)
        return progress, {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up the state of a checkpoint. Raises `DataError` where it is not one of this network and recipe."""
        tensors, progress = checkpoint.tensors, checkpoint.progress
        try:
            self.module.load_state_dict(part_of(tensors, "module."))
            if self.averaged is not None:
                self.averaged.load_state_dict(part_of(tensors, "averaged."))
            self._restore_optimizer(checkpoint)
            self.plateau.state = progress.plateau
            self.batches.set_state(tensors["random.batches"])
            torch.set_rng_state(tensors["random.cpu"])
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(tensors["random.device"], self.device)
            self.host.setstate(progress.host_random)
        except (KeyError, RuntimeError, ValueError) as error:
            raise DataError(f"the checkpoint is not one of this training: {first_line(error)}") from error

    def _restore_optimizer(self, checkpoint: Checkpoint) -> None:
        """Each state laid out in memory as its parameter is: fused steps go through both as they lie."""
        parameters = [each for group in self.optimizer.param_groups for each in group["params"]]
        state: dict[int, dict[str, Any]] = {
            int(index): dict(values) for index, values in checkpoint.progress.optimizer_numbers.items()
        }
        for key, value in part_of(checkpoint.tensors, "optimizer.").items():
            index, _, name = key.partition(".")
            parameter = parameters[int(index)]
            is_like = value.shape == parameter.shape
            state.setdefault(int(index), {})[name] = torch.empty_like(parameter).copy_(value) if is_like else value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def weights_alone(origin: Origin, curve: tuple[EpochRecord, ...], module: nn.Module) -> Checkpoint:
    """A checkpoint of a training that keeps its state elsewhere: the weights of `module`, which others begin with.

    `origin` says what was trained, `curve` holds its epochs. No training goes on from it.
    """
    version, internal, gauss = random.Random(0).getstate()
    progress = TrainingProgress(curve, (1.0, math.inf, 0), (version, internal, gauss), {})
    tensors = {
        f"module.{name}": value.detach().cpu().clone().contiguous() for name, value in module.state_dict().items()
    }
    return Checkpoint(origin, progress, tensors)


def save_checkpoint(checkpoint: Checkpoint, folder: Path | str) -> str:
    """Keep a checkpoint in a folder whose files are named by their SHA-256, and give that in hexadecimal digits.

    Raises `LedgerError` where the disk refuses it.
    """
    metadata = {
        "format": str(FORMAT),
        "arch": msgspec.json.encode(checkpoint.origin.arch).decode(),
        "origin": msgspec.json.encode(checkpoint.origin).decode(),
        # json, not msgspec: a loss that is not a number stays one
        "progress": json.dumps(msgspec.to_builtins(checkpoint.progress), separators=(",", ":")),
    }
    return BlobStore(Path(folder)).put(save(checkpoint.tensors, metadata))


def load_checkpoint(sha256: str, folder: Path | str) -> Checkpoint:
    """The checkpoint of a SHA-256 in a folder.

    Raises `LedgerError` where the file is missing or damaged, `DataError` where it is no checkpoint, or of a newer
    naslab.
    """
    content = BlobStore(Path(folder)).get(sha256)
    try:
        metadata = _metadata(content)
        if int(metadata["format"]) > FORMAT:
            raise DataError(f"checkpoint {sha256} was written by a newer naslab: update naslab")
        return Checkpoint(
            origin=msgspec.json.decode(metadata["origin"], type=Origin),
            progress=msgspec.convert(json_values(metadata["progress"], bounds=METADATA), TrainingProgress),
            tensors=load(content),
        )
    except (SafetensorError, ReadError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{sha256} is not a checkpoint: {shown(repr(error), 300)}") from error


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it.

    >>> part_of({"module.a": torch.ones(1), "b": torch.ones(1)}, "module.")
    {'a': tensor([1.])}
    """
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: its header is JSON, after its length in eight bytes."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json_values(content[8 : 8 + length], bounds=METADATA)["__metadata__"]
    return metadata
