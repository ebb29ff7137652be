"""Values to rows and back, without loss: JSON that keeps NaN, infinities and every character."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import msgspec

from naslab.arch.spec import ArchSpec
from naslab.errors import LedgerError
from naslab.study.outcome import Candidate, Estimate, Outcome

T = TypeVar("T", bound=msgspec.Struct)


def to_json(value: msgspec.Struct) -> str:
    """A value as JSON. A diverged loss is NaN, which strict JSON would turn to null; this keeps it."""
    return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))


def from_json(text: str, kind: type[T], what: str) -> T:
    """The value that `to_json` wrote; `LedgerError` names `what` is damaged where it is not one."""
    try:
        return msgspec.convert(json.loads(text), kind)
    except (ValueError, TypeError) as error:
        raise _damaged(what, error) from None


def candidate_row(study_id: int, candidate: Candidate) -> dict[str, Any]:
    """A row of `trials`: the architecture once, as canonical JSON, and the rest beside it."""
    rest = msgspec.to_builtins(candidate)
    del rest["arch"]
    return {
        "study_id": study_id,
        "trial": candidate.trial,
        "role": candidate.role,
        "arch_id": candidate.arch_id,
        "arch": msgspec.json.encode(candidate.arch).decode(),
        **msgspec.structs.asdict(candidate.cost),
        "epochs": candidate.fidelity.epochs,
        "seed": candidate.seed,
        "candidate": json.dumps(rest, separators=(",", ":")),
    }


def read_candidate(trial: int, arch: str, rest: str) -> Candidate:
    """The candidate of a row of `trials`."""
    try:
        spec = msgspec.json.decode(arch, type=ArchSpec)
        return msgspec.convert({**json.loads(rest), "arch": spec}, Candidate)
    except (ValueError, TypeError) as error:
        raise _damaged(f"trial {trial}", error) from None


def outcome_row(study_id: int, outcome: Outcome) -> dict[str, Any]:
    """A row of `outcomes`."""
    estimate = outcome.estimate
    return {
        "study_id": study_id,
        "trial": outcome.candidate.trial,
        "arch_id": outcome.candidate.arch_id,
        "finished": outcome.finished,
        "failure": None if estimate.failure is None else estimate.failure.reason,
        "wall_seconds": estimate.wall_seconds,
        "estimate": to_json(estimate),
    }


def measurement_rows(study_id: int, outcome: Outcome) -> list[dict[str, Any]]:
    """Rows of `measurements`; SQL has no common NaN, so values that are not finite are in the JSON only."""
    trial = outcome.candidate.trial
    return [
        {"study_id": study_id, "trial": trial, "metric": metric, "value": value}
        for metric, value in outcome.estimate.measured.items()
        if math.isfinite(value)
    ]


def read_outcome(candidate: Candidate, finished: float, estimate: str) -> Outcome:
    """The outcome of a row of `outcomes`."""
    read = from_json(estimate, Estimate, f"the estimate of trial {candidate.trial}")
    return Outcome(candidate=candidate, estimate=read, finished=finished)


def _damaged(what: str, error: Exception) -> LedgerError:
    reason = str(error).splitlines()[0]
    return LedgerError(f"{what} in the ledger is damaged ({reason}): restore the ledger from a copy")
