"""A network with pretrained weights: what it takes of them, and how it is fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
import torch
from torch import Tensor

from naslab.arch import ArchSpec, cost, lower
from naslab.arch.build import build
from naslab.arch.plan import named_parts
from naslab.errors import DataError, counted
from naslab.pretrained.matching import Match, Matched, Signature, layers_of, matched
from naslab.pretrained.sources import PretrainedWeights, read_source
from naslab.training.fit import Beginning
from naslab.training.inheritance import inherit
from naslab.training.inheritance.importance import sorted_by_importance
from naslab.zoo import model, model_names

Keep: TypeAlias = Literal["largest", "first"]
"""Which channels of pretrained weights a narrower network keeps: those that count most (L1), or the first ones."""
LEAST_SHARE = 0.9
"""The share of both networks' tensors that must be the same, unless told otherwise."""


class Pretrained(NamedTuple):
    """A network that begins with the weights of another, called `name`.

    `arch` has the windows and the norms that they were learned with, `weights` are its tensors by name, `beginning`
    these with their input normalisation, `match` says what was taken and `notes` what was done else, one line each.
    """

    name: str
    arch: ArchSpec
    beginning: Beginning
    match: Match
    notes: tuple[str, ...]

    @property
    def scratch(self) -> Beginning:
        """The same input normalisation and no weights: where a training from nothing begins that is compared."""
        return self.beginning._replace(weights={})

    @property
    def lines(self) -> tuple[str, ...]:
        """What is said of it, a line each: what was taken, and what was done else."""
        return (f"weights of {self.name}: {self.match.words}", *self.notes)

    @property
    def told(self) -> dict[str, Any]:
        """The same as plain values, for a result."""
        match = self.match
        counts = {name: len(getattr(match, name)) for name in ("taken", "reshaped", "adapted", "fresh", "left")}
        return {"from": self.name, "share": match.share, **counts, "notes": list(self.notes)}

    @property
    def weights(self) -> dict[str, Tensor]:
        """The tensors of the network by name; those that begin anew are missing."""
        return dict(self.beginning.weights)


def pretrained(
    arch: ArchSpec,
    source: str | Path | PretrainedWeights,
    *,
    model: str = "",
    ledger: str | Path = "naslab.db",
    class_names: tuple[str, ...] = (),
    least_share: float = LEAST_SHARE,
    seed: int = 0,
    keep: Keep = "largest",
) -> Pretrained:
    """The network `arch` with the weights that `source` names, which are read as `read_source` says.

    `model` is what it is called, for weights that go by names; `ledger` holds the studies. `class_names` are those of
    the data: the classifier begins anew where the source's are known to be others. Weights of which less than
    `least_share` fits are refused. `seed` draws what channels count where a network is widened, `keep` says which are
    kept where it is narrower. Raises `DataError` for
    weights of another network, with the networks of the zoo that they fit best.
    """
    read = source if isinstance(source, PretrainedWeights) else read_source(source, model, ledger)
    found_arch, notes = fitted(arch, read)
    keeps = not (class_names and read.class_names and class_names != read.class_names)
    found = _without(_weights(found_arch, read, keeps, seed, keep), read.drawn)
    if found.match.share < least_share:
        raise DataError(
            f"{read.name} holds the weights of another network: {found.match.share:.0%} of the tensors of both are the "
            f"same, {least_share:.0%} must be{_best_fits(read)}"
        )
    mean, deviation, told = _statistics(read, found_arch.input[0])
    return Pretrained(read.name, found_arch, Beginning(found.weights, mean, deviation), found.match, (*notes, *told))


def fitted(arch: ArchSpec, source: PretrainedWeights) -> tuple[ArchSpec, list[str]]:
    """The network with the windows and norms of the source, and what was changed."""
    notes = []
    if source.padding is not None and source.padding != arch.padding:
        arch = msgspec.structs.replace(arch, padding=source.padding)
        notes.append(f"strided convolutions are padded as the weights were learned: padding {source.padding}")
    eps, norm = source.norm_eps, arch.norm
    if eps is not None and norm is not None and norm.kind == "batch" and norm.eps != eps:
        arch = msgspec.structs.replace(arch, norm=msgspec.structs.replace(norm, eps=eps))
        notes.append(f"norms add {eps:g} to variances, as the weights were learned, not {norm.eps:g}")
    return arch, notes


def _weights(arch: ArchSpec, source: PretrainedWeights, keeps_classifier: bool, seed: int, keep: Keep) -> Matched:
    own = shaped(arch)
    theirs = source.tensors if source.arch is None else own_order(source.arch, source.tensors)
    if not source.is_ordered and own.keys() != theirs.keys():
        raise DataError(
            f"{source.name} keeps no order of its tensors, and no network of torchvision or timm has their names: "
            "write them by torch.save, or put timm's config.json beside them"
        )
    found = matched(own, theirs, keeps_classifier)
    if source.arch is None or found.match.share == 1.0:
        return found
    parent = msgspec.structs.replace(source.arch, input=(source.arch.input[0], *arch.input[1:]))
    if parent.input[0] != arch.input[0] or parts_of(parent) != parts_of(arch):
        return found
    made = inherit(parent, source.tensors, arch, seed)
    if made.inherited.sliced and keep == "largest":
        made = inherit(parent, sorted_by_importance(parent, source.tensors), arch, seed)
    report = made.inherited
    classifier = {name for name in own if name.startswith("head.classifier.")}
    taken = {name: value for name, value in made.weights.items() if name not in classifier}
    fresh = tuple(name for name in own if name.rpartition(".")[0] in report.fresh or name in classifier)
    match = Match(
        taken=tuple(name for name in taken if name.rpartition(".")[0] in report.copied),
        reshaped=tuple(name for name in taken if name.rpartition(".")[0] in (*report.widened, *report.sliced)),
        fresh=fresh,
        share=report.share,
    )
    return Matched(taken, match)


def _without(found: Matched, drawn: frozenset[str]) -> Matched:
    """The same but for tensors that nobody learned, which begin anew."""
    dropped = [name for name in found.weights if name in drawn]
    if not dropped:
        return found
    match, left = found.match, {name: value for name, value in found.weights.items() if name not in drawn}
    taken, reshaped = (tuple(each for each in names if each in left) for names in (match.taken, match.reshaped))
    fresh = (*match.fresh, *(each for each in dropped if each not in match.fresh))
    return Matched(left, msgspec.structs.replace(match, taken=taken, reshaped=reshaped, fresh=fresh))


def parts_of(arch: ArchSpec) -> tuple[str, ...]:
    """The names of the parts of a network: its stem's, its stages and its head."""
    return tuple(name for name, _ in named_parts(lower(arch)))


def own_order(arch: ArchSpec, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the network `arch`, of their shapes there, in the order of its module; others are left out."""
    return {name: tensors[name] for name in shaped(arch) if name in tensors}


def shaped(arch: ArchSpec) -> dict[str, Tensor]:
    """The tensors of a network's module by name, of their shapes and without memory (torch's meta device)."""
    with torch.device("meta"):
        return dict(build(arch).state_dict())


def _statistics(source: PretrainedWeights, channels: int) -> tuple[tuple[float, ...], tuple[float, ...], list[str]]:
    """Mean and deviation for images of `channels`, and what is said of them."""
    mean, deviation = source.mean, source.deviation
    if not mean:
        return (), (), ["nobody knows how the source's images were normalised: these are by their own statistics"]
    if len(mean) == channels:
        return mean, deviation, []
    if channels % len(mean):
        mean, deviation = (sum(mean) / len(mean),) * channels, (sum(deviation) / len(deviation),) * channels
    else:
        mean, deviation = mean * (channels // len(mean)), deviation * (channels // len(deviation))
    return (
        mean,
        deviation,
        [f"the input normalisation of {counted(len(source.mean), 'channel')} is made one of {channels}"],
    )


MOST_COMPARED = 4
"""Networks of the zoo that weights are compared with: those of the nearest number of parameters."""


def best_networks(source: PretrainedWeights) -> list[tuple[float, str]]:
    """The networks of the zoo whose layers fit weights best, as (share of both, name), at most two of them."""
    theirs = _counted(source.tensors)
    size = sum(value.numel() for value in source.tensors.values())
    networks = [(name, model(name)) for name in model_names()]
    networks.sort(key=lambda each: abs(cost(each[1]).params - size))
    scored = [(_overlap(theirs, _counted(shaped(arch))), name) for name, arch in networks[:MOST_COMPARED]]
    return [each for each in sorted(scored, reverse=True)[:2] if each[0] > LEAST_SHARE / 2]


def _best_fits(source: PretrainedWeights) -> str:
    """The same as the end of a sentence; empty where none does."""
    best = [f"{name} ({share:.0%})" for share, name in best_networks(source)]
    return f"; they fit {' and '.join(best)} best" if best else ""


def _counted(tensors: Mapping[str, Tensor]) -> dict[Signature, int]:
    """How many layers of each signature there are."""
    counts: dict[Signature, int] = {}
    for layer in layers_of({name: tuple(value.shape) for name, value in tensors.items()}):
        counts[layer.signature] = counts.get(layer.signature, 0) + 1
    return counts


def _overlap(one: dict[Signature, int], other: dict[Signature, int]) -> float:
    both = sum(min(count, other.get(key, 0)) for key, count in one.items())
    return 2 * both / max(1, sum(one.values()) + sum(other.values()))
