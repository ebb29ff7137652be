"""Learning the latency of a target: measured networks of a space in, one file out that tells it of all others.

model = naslab.calibrate_latency("mixed_cifar", "onnxruntime", "ort.json")
naslab.search("mixed_cifar", objectives=["accuracy", "latency_ms@predicted:ort.json"])
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from naslab.analysis.rank_agreement import rank_agreement
from naslab.arch import ArchSpec
from naslab.arguments import function, path, takes, text
from naslab.atomic_write import atomic_write, require_writable
from naslab.errors import DataError, SpecError, counted
from naslab.lab.calibration import distinct_networks
from naslab.lab.models import COUNT, SEED, SPACE
from naslab.latency_models.predicted import (
    LEAST_NETWORKS,
    FittedLatency,
    Judged,
    LatencyModel,
    fitted,
    require_readable,
)
from naslab.provenance import installed_versions, machine_description
from naslab.reading import read_bytes
from naslab.space import SearchSpace, load_space
from naslab.targets.measuring import quiet_latencies as quiet_latencies
from naslab.targets.pace import BestPace
from naslab.targets.target import Deployed, parse_target, require_target

LEAST_UNSEEN = 10
BATCH = 60
"""Networks that are measured with each other, a minute between two times of one, and saved together."""


@takes(
    space=SPACE,
    target=text("the name of a target"),
    out=path("a file to write"),
    known=COUNT,
    sample=COUNT,
    seed=SEED,
    on_network=function(),
)
def calibrate_latency(
    space: SearchSpace | str | Path,
    target: str,
    out: str | Path,
    *,
    known: int = 200,
    sample: int = 100,
    seed: int = 0,
    on_network: Callable[[int, int], None] = lambda done, total: None,
) -> LatencyModel:
    """Learn the latency of networks of `space` in a target, on one thread, and write what was learned to `out`.

    `known` random networks are measured to learn from and `sample` others to judge by; `target` is one that is timed
    here, such as `onnxruntime`. Everything is in the one file, and the same call again goes on from it, to more
    networks too. `seed` draws the networks; `on_network` is called every few networks with how many are measured, and
    of how many. The file is the target `predicted:FILE`, and `latency_ms@predicted:FILE` an objective and a limit.
    Raises `SpecError` for too few networks and a target that is not timed here, `NaslabError` for a target that is not
    installed and a file of another calibration, before anything is measured.

    >>> import naslab
    >>> model = naslab.calibrate_latency("mixed_cifar", "onnxruntime", "ort.json")  # doctest: +SKIP
    >>> model.judged.median_error, model.judged.tau  # doctest: +SKIP
    """
    file = Path(out)
    chosen = parse_target(target)
    if not chosen.row.is_timed or chosen.row.device != "cpu":
        raise SpecError("target", f"must be one that is timed on the processors here, got '{target}'")
    require_target(chosen)
    for name, count, least in (("known", known, LEAST_NETWORKS), ("sample", sample, LEAST_UNSEEN)):
        if count < least:
            raise SpecError(name, f"must be at least {counted(least, 'network')}, got {count}")
    template = space if isinstance(space, SearchSpace) else load_space(space)
    judged_by = distinct_networks(template, sample, [seed])
    learned_from = distinct_networks(template, known, [seed, 1], frozenset(judged_by))
    model = _begun(file, LatencyModel(target=target, space=template.name or "", seed=seed))
    parts = {"known": learned_from, "unseen": judged_by}
    archs = {name: {key: template.decode(each) for key, each in part.items()} for name, part in parts.items()}
    waiting = list(_waiting(model, archs))
    total = known + sample
    best = BestPace(model.best_pace_ms)
    on_network(total - len(waiting), total)
    for place in range(0, len(waiting), BATCH):
        batch = waiting[place : place + BATCH]
        found = quiet_latencies([Deployed(key, archs[part][key]) for part, key in batch], chosen, best)
        for (part, key), milliseconds in zip(batch, found, strict=True):
            model = _with_network(model, part, key, milliseconds, best)
        atomic_write(file, _content(model))
        on_network(total - len(waiting) + place + len(batch), total)
    model = learned(model, archs["known"], archs["unseen"])
    atomic_write(file, _content(model))
    return model


def learned(model: LatencyModel, known: dict[str, ArchSpec], unseen: dict[str, ArchSpec]) -> LatencyModel:
    """The `model` with what is learned of its measurements, fitted to the networks `known`, judged by those `unseen`.

    Both are networks by their identity; those that were not measured are left out.
    """
    names = [name for name in known if name in model.known]
    coefficients = fitted([known[name] for name in names], [model.known[name] for name in names])
    told, judged_by = FittedLatency(coefficients), [name for name in unseen if name in model.unseen]
    measured = np.array([model.unseen[name] for name in judged_by])
    found = np.array([_told(told, unseen[name]) for name in judged_by])
    errors = np.abs(found / measured - 1)
    tau = rank_agreement(found, measured).tau
    return msgspec.structs.replace(
        model,
        coefficients=coefficients,
        judged=Judged(
            num_networks=len(measured),
            median_error=float(np.median(errors)),
            ninth_error=float(np.quantile(errors, 0.9)),
            tau=tau.value,
            tau_low=tau.low,
            tau_high=tau.high,
        ),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        machine=machine_description(),
        versions=installed_versions("onnxruntime", "openvino"),
    )


def _told(told: FittedLatency, arch: ArchSpec) -> float:
    try:
        return told(arch)
    except KeyError as error:
        raise SpecError("known", f"are too few networks: none of them has '{error.args[0]}'") from None


def _waiting(model: LatencyModel, archs: dict[str, dict[str, ArchSpec]]) -> Iterator[tuple[str, str]]:
    """The networks that are not measured yet, those to judge by spread among those to learn from."""
    places = []
    for part, networks in archs.items():
        there = getattr(model, part)
        places += [(index / len(networks), part, key) for index, key in enumerate(networks) if key not in there]
    for _, part, key in sorted(places):
        yield part, key


def _with_network(model: LatencyModel, part: str, name: str, milliseconds: float, best: BestPace) -> LatencyModel:
    more = {part: getattr(model, part) | {name: milliseconds}}
    return msgspec.structs.replace(model, **more, best_pace_ms=best.least_ms)


def _begun(path: Path, asked: LatencyModel) -> LatencyModel:
    """The calibration in a file, or `asked` where there is none. Raises `DataError` for a file of something else."""
    if not path.exists():
        require_writable(path)
        return asked
    try:
        found = msgspec.json.decode(read_bytes(path), type=LatencyModel)
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} holds no predictor of latencies: {error}; name another file") from None
    require_readable(found, path)
    for field in ("target", "space", "seed"):
        there, here = getattr(found, field), getattr(asked, field)
        if there != here:
            raise DataError(f"{path} is of the {field} '{there}', not '{here}': name another file")
    return msgspec.structs.replace(found, format=asked.format)


def _content(model: LatencyModel) -> bytes:
    return msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n"
