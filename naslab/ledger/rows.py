"""Values to rows and back, without loss: JSON that keeps NaN, infinities and every character."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from naslab.arch.files import decode
from naslab.arch.identity import IDENTITY_VERSION, arch_id
from naslab.arch.spec import ArchSpec
from naslab.errors import LedgerError, SpecError, UnreadableError
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.study.outcome import Candidate, Estimate, Outcome

T = TypeVar("T", bound=msgspec.Struct)

_FIELDS: dict[type[msgspec.Struct], frozenset[str]] = {
    kind: frozenset(kind.__struct_fields__) for kind in (StudyRecord, RunRecord, Candidate, Estimate)
}
"""The fields of what is stored with every field, also with those that have their default."""


def _as_written(kind: type[msgspec.Struct], without: str = "") -> msgspec.json.Decoder[Any]:
    """Reads JSON that has every field of `kind` but the one `without`, and no other: what this program writes."""
    fields = [(each.name, each.type) for each in msgspec.structs.fields(kind) if each.name != without]
    return msgspec.json.Decoder(msgspec.defstruct(f"Written{kind.__name__}", fields, forbid_unknown_fields=True))


_NOT_AS_WRITTEN = (msgspec.DecodeError, ValueError, RecursionError)
"""What a text of another form raises; in msgspec 0.20 a `DecodeError` is no `ValueError`."""
_CANDIDATES, _ESTIMATES = _as_written(Candidate, "arch"), _as_written(Estimate)
_JSON = json.JSONEncoder(separators=(",", ":"))
_NETWORKS = msgspec.json.Decoder(ArchSpec)
"""Made here: threads that are the first to decode a network, at once, end Python by a segmentation fault."""


def to_json(value: msgspec.Struct) -> str:
    """A value as JSON. A diverged loss is NaN, which strict JSON would turn to null; this keeps it."""
    return _JSON.encode(msgspec.to_builtins(value))


def from_json(text: str, kind: type[T], what: str) -> T:
    """The value that `to_json` wrote.

    `what` names the value in messages. Raises `LedgerError` where the text is no JSON, which says that it is damaged,
    and `UnreadableError` where a field is of another form than a `kind` has. Fields that this program does not know
    were written by a newer one and are left out; where a field of its own is missing beside them, that was renamed,
    and `UnreadableError` is raised too.
    """
    return _read(_parsed(text, what), kind, what)


def candidate_row(study_id: int, candidate: Candidate) -> dict[str, Any]:
    """The row of `trials` of a candidate: its architecture and its other fields as JSON, and columns for queries."""
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
        "candidate": _JSON.encode(rest),
        "fidelity": _JSON.encode(rest["fidelity"]),
        "identity": IDENTITY_VERSION,
    }


def read_candidate(arch: str, rest: str, what: str, identity: int | None = None) -> Candidate:
    """The candidate of a row of `trials`, with the identity that its network has today.

    `arch` is the JSON of its architecture, `rest` that of its other fields, `what` names it in messages; `identity` is
    the version of the identity in it. Raises `LedgerError` and `UnreadableError` as `from_json`.
    """
    try:
        spec = _NETWORKS.decode(arch)
    except _NOT_AS_WRITTEN:
        spec = _read(_parsed(arch, f"the network of {what}"), ArchSpec, f"the network of {what}")
    try:
        candidate = Candidate(arch=spec, **msgspec.structs.asdict(_CANDIDATES.decode(rest)))
    except _NOT_AS_WRITTEN:
        stored = _parsed(rest, what)
        candidate = _read({**stored, "arch": spec} if isinstance(stored, dict) else stored, Candidate, what)
    if identity == IDENTITY_VERSION:
        return candidate
    return msgspec.structs.replace(candidate, arch_id=identity_today(candidate.arch, candidate.arch_id))


def identity_today(arch: ArchSpec, entered: str) -> str:
    """The identity of a stored network; the one that it was `entered` under where this program refuses its layers.

    A row keeps the identity that the program which entered it computed. It is computed again from the stored
    architecture whenever the row is read. So a network of an older program is known to be the same as one of a newer
    program, and is not trained again where the way to compute identities has changed.
    """
    try:
        return arch_id(arch)
    except SpecError:
        return entered


def outcome_row(study_id: int, outcome: Outcome) -> dict[str, Any]:
    """The row of `outcomes` of an outcome of the study with the key `study_id`."""
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
    """The rows of `measurements` of an outcome, one for each metric; see `measured_rows`."""
    return measured_rows(study_id, outcome.candidate.trial, outcome.estimate.measured)


def measured_rows(study_id: int, trial: int, measured: Mapping[str, float]) -> list[dict[str, Any]]:
    """The rows of `measurements` of what was `measured` of the `trial` of the study with the key `study_id`.

    Values that are not finite are in the JSON of `outcomes` only: databases differ in what they make of NaN.
    """
    return [
        {"study_id": study_id, "trial": trial, "metric": metric, "value": value}
        for metric, value in measured.items()
        if math.isfinite(value)
    ]


def read_outcome(candidate: Candidate, finished: float, estimate: str, what: str) -> Outcome:
    """The outcome of `candidate` from its row of `outcomes`.

    `finished` is in seconds since the epoch (UTC), `estimate` the JSON of the estimate, `what` names the trial in
    messages. Raises `LedgerError` and `UnreadableError` as `from_json`.
    """
    try:
        read = Estimate(**msgspec.structs.asdict(_ESTIMATES.decode(estimate)))
    except _NOT_AS_WRITTEN:
        read = from_json(estimate, Estimate, f"the estimate of {what}")
    return Outcome(candidate=candidate, estimate=read, finished=finished)


def writing_versions(runs: Iterable[str]) -> list[str]:
    """The versions of naslab that the records of `runs`, as JSON, name: in order, each once.

    A record that cannot be read names none.
    """
    found: dict[str, None] = {}
    for text in runs:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            found[str(json.loads(text)["versions"]["naslab"])] = None
    return list(found)


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise LedgerError(f"{what} in the ledger is damaged ({reason}): restore the ledger from a copy") from None


def _read(stored: Any, kind: type[T], what: str) -> T:
    try:
        value = decode(stored, kind)
    except SpecError as error:
        raise UnreadableError(what, f"field {error}" if error.field else error.rule) from None
    if kind in _FIELDS and not stored.keys() <= _FIELDS[kind]:
        _require_no_renamed_field(stored.keys(), _FIELDS[kind], what)
    return value


def _require_no_renamed_field(stored: AbstractSet[str], known: AbstractSet[str], what: str) -> None:
    """Raise `UnreadableError` where a field is unknown and one of this program's, that has a default, is missing."""
    unknown, missing = (", ".join(f"'{name}'" for name in sorted(names)) for names in (stored - known, known - stored))
    if missing:
        raise UnreadableError(what, f"field {unknown} is unknown here and {missing} is missing")
