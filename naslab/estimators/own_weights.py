"""The weights of networks that a user's function trains: what they begin with, and where they are kept for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from naslab.arch.build import build
from naslab.arch.spec import ArchSpec
from naslab.errors import NaslabError
from naslab.estimators.inheritance import INHERITS
from naslab.estimators.inherited_run import begun_with, note_of, parents_checkpoint
from naslab.study.outcome import Candidate, EpochRecord
from naslab.training.checkpoint import Origin, save_checkpoint, weights_alone


def begin(candidate: Candidate, arch: ArchSpec, checkpoints: str | None) -> tuple[nn.Module, dict[str, Any]]:
    """The module of `arch` that a user's function is given for `candidate`, and what an estimate notes of its weights.

    They are those of the checkpoint that the candidate starts from, in the folder `checkpoints`: its parent's, as far
    as they fit, or those that the same network was left with on the rung below. Where that is of no use a note says
    why, and they are an initialisation's, as they are for a candidate without one.
    """
    if not candidate.start_from:
        return build(arch, candidate.seed), {}
    try:
        parent = parents_checkpoint(checkpoints, candidate)
        module, inherited = begun_with(parent.origin.arch, parent.weights(), arch, candidate.seed)
    except NaslabError as error:
        return build(arch, candidate.seed), {"from_scratch": str(error)}
    return module, {"inherited": note_of(inherited, candidate)} if INHERITS in candidate.origin else {}


def keep(
    network: nn.Module,
    candidate: Candidate,
    arch: ArchSpec,
    curve: Sequence[EpochRecord],
    checkpoints: str,
    remark: Callable[[str, str], None],
) -> str:
    """Keep the weights of a trained `network` in the folder `checkpoints`, and give their content hash.

    It is that of `arch`, trained as `candidate` with the learning curve `curve`. Where its tensors are no longer those
    of the architecture, or the disk refuses, `remark` takes the note `no_checkpoint`, and the hash is empty.
    """
    own = {name: value.shape for name, value in build(arch, candidate.seed).state_dict().items()}
    if own != {name: value.shape for name, value in network.state_dict().items()}:
        remark("no_checkpoint", "the network no longer has the tensors that it was given with")
        return ""
    origin = Origin(arch, candidate.fidelity, candidate.seed)
    try:
        return save_checkpoint(weights_alone(origin, tuple(curve), network), checkpoints)
    except NaslabError as error:
        remark("no_checkpoint", str(error))
        return ""
