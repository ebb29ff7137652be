"""A training of an 8 x 8 network with everything that it leaves, to be compared with another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import torch

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.study.outcome import EpochRecord, Fidelity
from naslab.study.recipe import Recipe
from naslab.training.capturing import Capturer
from naslab.training.checkpoint import Checkpoint, Origin, TrainingProgress
from naslab.training.data import DataSplit
from naslab.training.fidelity import with_heads
from naslab.training.loop import train


class TracedTraining(NamedTuple):
    """The curve without its times, the weights on the CPU, the notes, and the first checkpoint."""

    curve: list[EpochRecord]
    weights: dict[str, torch.Tensor]
    notes: dict[str, str]
    checkpoint: Checkpoint


def traced_training(
    arch: ArchSpec,
    data: DataSplit,
    recipe: Recipe,
    make_capturer: Callable[[torch.device], Capturer | None],
    *,
    epochs: int,
    start: Checkpoint | None = None,
    schedule_epochs: int | None = None,
) -> TracedTraining:
    """Train a network from seed 3."""
    notes: dict[str, str] = {}
    kept: list[Checkpoint] = []

    def keep(progress: TrainingProgress, tensors: dict[str, torch.Tensor]) -> None:
        kept.append(Checkpoint(Origin(arch, Fidelity(epochs=epochs), 3), progress, tensors))

    module = with_heads(build(arch, 3), arch, 3)
    curve = train(
        module,
        data,
        recipe,
        epochs,
        size=(8, 8),
        seed=3,
        start=start,
        schedule_epochs=schedule_epochs,
        keep=keep,
        remark=notes.__setitem__,
        make_capturer=make_capturer,
    )
    timeless = [msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in curve]
    weights = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
    return TracedTraining(timeless, weights, notes, kept[0])
