"""A training that begins with a parent's weights, inside a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from torch import Tensor, nn

from naslab.arch.build import build
from naslab.arch.spec import ArchSpec
from naslab.errors import NaslabError
from naslab.estimators.estimator import Begin, NetworkTraining, Workbench
from naslab.estimators.inheritance import ANCESTOR_EPOCHS, INHERITS
from naslab.study.outcome import Candidate, Estimate
from naslab.training.checkpoint import Checkpoint, load_checkpoint
from naslab.training.inheritance import Inherited, inherit

SHOWN_REASONS = 3


def estimate(how: NetworkTraining, candidate: Candidate, bench: Workbench, orphan: Begin | None = None) -> Estimate:
    """Train a candidate from its parent's checkpoint, or from scratch where that is of no use; a note says which.

    `how` says on what and by which recipe, `bench` is the worker's. `orphan` makes the module with which `candidate`
    begins from scratch, by default with the weights of an initialisation.
    """
    alone = msgspec.structs.replace(candidate, start_from="")
    try:
        parent = parents_checkpoint(how.checkpoints, candidate)
    except NaslabError as error:
        return noted(how.estimate(alone, bench, orphan), {"from_scratch": str(error)})
    notes: dict[str, Any] = {}

    def begin(arch: ArchSpec, seed: int) -> nn.Module:
        module, inherited = begun_with(parent.origin.arch, how.weights_of(parent), arch, seed)
        notes["inherited"] = note_of(inherited, candidate)
        return module

    return noted(how.estimate(alone, bench, begin), notes)


def begun_with(
    parent: ArchSpec, tensors: Mapping[str, Tensor], arch: ArchSpec, seed: int
) -> tuple[nn.Module, Inherited]:
    """The module of `arch` with what fits of the `tensors` of the network `parent`, and how they were taken over.

    What nothing fits is drawn from `seed`. Raises `DataError` where they are not the parent's.
    """
    module = build(arch, seed)
    weights, inherited = inherit(parent, tensors, arch, seed)
    module.load_state_dict(weights)
    return module, inherited


def parents_checkpoint(checkpoints: str | None, candidate: Candidate) -> Checkpoint:
    """The checkpoint that a candidate starts from, in the folder `checkpoints`.

    Raises `NaslabError` where it is missing or damaged.
    """
    if checkpoints is None:
        raise NaslabError("there is a checkpoint to inherit from, but no folder of checkpoints")
    return load_checkpoint(candidate.start_from, checkpoints)


def note_of(inherited: Inherited, candidate: Candidate) -> dict[str, Any]:
    """What an estimate notes of its inheritance, in numbers of layers."""
    fields = ("copied", "widened", "deepened", "sliced", "fresh")
    return {
        "from": candidate.origin[INHERITS],
        "ancestor_epochs": candidate.origin.get(ANCESTOR_EPOCHS, 0),
        "is_preserved": inherited.is_preserved,
        **{field: len(getattr(inherited, field)) for field in fields},
        "broken": list(inherited.broken[:SHOWN_REASONS]),
    }


def noted(estimate: Estimate, notes: dict[str, Any]) -> Estimate:
    """The estimate with more notes."""
    return msgspec.structs.replace(estimate, notes={**estimate.notes, **notes})
