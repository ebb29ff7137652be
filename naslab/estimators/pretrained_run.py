"""A training that begins with the weights of a reference network, inside a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors.torch import load
from torch import Tensor, nn

from naslab.arch.spec import ArchSpec
from naslab.estimators import inherited_run
from naslab.estimators.estimator import Workbench
from naslab.estimators.inheritance import INHERITS
from naslab.estimators.inherited_run import begun_with, noted
from naslab.pretrained.matching import COUNTER
from naslab.study.outcome import Candidate, Estimate
from naslab.training.inheritance import Inherited

if TYPE_CHECKING:
    from naslab.estimators.pretrained import PretrainedTraining


def estimate(how: PretrainedTraining, candidate: Candidate, bench: Workbench) -> Estimate:
    """Train a candidate from its parent's weights, its own of before, or those of the reference; a note says which.

    `how` says on what, by which recipe and with which weights, `bench` is the worker's.
    """
    notes: dict[str, Any] = {}

    def begin(arch: ArchSpec, seed: int) -> nn.Module:
        module, inherited = begun_with(how.reference, tensors_of(how, bench), arch, seed)
        counted = [name for name in module.state_dict() if name.rpartition(".")[2] != COUNTER]
        notes["pretrained"] = note_of(how, inherited, counted)
        return module

    if candidate.start_from and INHERITS in candidate.origin:
        done = inherited_run.estimate(how.training, candidate, bench, begin)
    else:
        done = how.training.estimate(candidate, bench, begin)
        if candidate.start_from and "from_scratch" not in done.notes:
            notes.clear()  # it went on from its own weights
    return noted(done, notes)


def tensors_of(how: PretrainedTraining, bench: Workbench) -> dict[str, Tensor]:
    """The reference's tensors, read once a worker."""
    key = ("pretrained", how.weights)
    if key not in bench.cache:
        bench.cache[key] = load(how.weights)
    found: dict[str, Tensor] = bench.cache[key]
    return found


def note_of(how: PretrainedTraining, inherited: Inherited, names: list[str]) -> dict[str, Any]:
    """What an estimate notes of its pretrained weights.

    How many of the tensors `names` are those of `how`'s source, and how many layers were `inherited` in which way.
    """
    drawn = {*inherited.fresh, *inherited.deepened, *(name.rpartition(".")[0] for name in how.fresh)}
    own = sum(name.rpartition(".")[0] in drawn for name in names)
    fields = ("copied", "widened", "deepened", "sliced", "fresh")
    return {
        "from": how.source,
        "tensors": len(names) - own,
        "tensors_of_its_own": own,
        **{field: len(getattr(inherited, field)) for field in fields},
        "broken": list(inherited.broken[: inherited_run.SHOWN_REASONS]),
    }
