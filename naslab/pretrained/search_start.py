"""Pretrained weights that the candidates of a space begin with: those of a reference network, carried over to each.

The reference is the network that the space's holes were cut into, else the source's own, else the network of the zoo
that the weights fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from safetensors.torch import load, save
from torch import Tensor

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.errors import DataError
from naslab.ledger.record import PretrainedStart
from naslab.pretrained.sources import TORCHVISION, PretrainedWeights, read_source
from naslab.pretrained.start import Keep, Pretrained, best_networks, fitted, pretrained
from naslab.space import SearchSpace
from naslab.space.template import is_hole
from naslab.training.inheritance import inherit
from naslab.training.inheritance.importance import sorted_by_importance
from naslab.zoo import model

LEAST_CARRIED = 0.5
"""The share of layers that a candidate must get from the reference where the space does not say its network."""


class SearchStart(NamedTuple):
    """What the candidates of a search begin with.

    `begun` is the reference network with what it takes of the weights, `network` its zoo name, `source` is read from
    what was asked for as `asked`. `weights` are all of the reference's tensors, those that no source has drawn from the
    seed, as one safetensors file. `sha256` is the content hash of the source.
    """

    asked: str
    network: str
    source: PretrainedWeights
    begun: Pretrained
    weights: bytes
    sha256: str
    keep: Keep = "largest"

    @property
    def fresh(self) -> tuple[str, ...]:
        """The reference's tensors that are not the source's."""
        return self.begun.match.fresh

    @property
    def record(self) -> PretrainedStart:
        """What a ledger keeps of it."""
        return PretrainedStart(
            source=self.asked,
            sha256=self.sha256,
            network=msgspec.json.decode(msgspec.json.encode(self.begun.arch)),
            model=self.network,
            mean=self.begun.beginning.mean,
            deviation=self.begun.beginning.deviation,
            keep=self.keep,
        )

    def fitted(self, arch: ArchSpec) -> ArchSpec:
        """A network with the windows and norms that the weights were learned with."""
        return fitted(arch, self.source)[0]

    def fitted_space(self, space: SearchSpace) -> SearchSpace:
        """The space whose networks have these, where they are no holes of its own."""
        template = dict(space.template)
        if self.source.padding is not None and not is_hole(template.get("padding")):
            template["padding"] = self.source.padding
        norm = template.get("norm", {})
        is_batch = isinstance(norm, dict) and not is_hole(norm) and norm.get("kind", "batch") == "batch"
        if self.source.norm_eps is not None and is_batch and not is_hole(norm.get("eps")):
            template["norm"] = norm | {"eps": self.source.norm_eps}
        made = space.refitted(template)
        return space if made == space else made


def search_start(
    space: SearchSpace,
    asked: str | Path,
    *,
    ledger: str | Path = "naslab.db",
    class_names: tuple[str, ...] = (),
    least_share: float,
    seed: int = 0,
    typical: Sequence[ArchSpec] = (),
    keep: Keep = "largest",
) -> SearchStart:
    """The weights that `asked` names, for the candidates of a `space` that is fitted to its data.

    `ledger` holds studies that are sources, `class_names` are those of the data. The reference network takes at least
    `least_share` of the weights, else `DataError`; `seed` draws what it does not take. Where the space does not say
    what network it is around, its `typical` networks must get half of their layers. `keep` says which channels narrower
    networks keep.
    """
    start = space.starting_network
    name = "" if start is None else start[0]
    if start is None and str(asked).partition(":")[0] == TORCHVISION and not Path(asked).exists():
        raise DataError(
            f"{asked} gives the weights of a network of the zoo, and the space {space.name or 'of its own'} does not "
            "say which it is around: begin its file with 'zoo: NAME', or name a file of weights"
        )
    source = read_source(asked, name, ledger)
    reference = source.arch if start is None else start[1]
    if reference is None:
        fits = best_networks(source)
        if not fits:
            raise DataError(
                f"{source.name} fits no network of the zoo, and the space {space.name or 'of its own'} does not say "
                "which it is around: begin its file with 'zoo: NAME' or 'base: ...'"
            )
        name = fits[0][1]
        reference = model(name)
    template = space.template
    reference = msgspec.structs.replace(
        reference, input=tuple(template["input"]), num_classes=int(template["num_classes"])
    )
    begun = pretrained(reference, source, class_names=class_names, least_share=least_share, seed=seed)
    made = _made(SearchStart(str(asked), name, source, begun, b"", content_hash(source), keep), seed)
    if start is None and typical:
        shares = [inherit(begun.arch, load(made.weights), made.fitted(arch), seed).inherited.share for arch in typical]
        if max(shares) < LEAST_CARRIED:
            raise DataError(
                f"the networks of {space.name or 'the space'} are others than {name or source.name}: they would take "
                f"{max(shares):.0%} of their layers from it, {LEAST_CARRIED:.0%} must be; name a space around it"
            )
    return made


def begin_again(
    record: PretrainedStart, *, class_names: tuple[str, ...], ledger: str | Path = "naslab.db", seed: int = 0
) -> SearchStart:
    """The weights that a study was made with, as its `record` tells, read again from where they were.

    `class_names` are those of the study's data, by which a classifier is taken or drawn anew as its trials did;
    `ledger` holds studies that are sources, `seed` is the study's. Raises `DataError` where they are others now.
    """
    arch = msgspec.convert(record.network, ArchSpec)
    source = read_source(record.source, record.model, ledger)
    digest = content_hash(source)
    if digest != record.sha256:
        raise DataError(f"{record.source} holds other weights than when the study began: bring back those")
    begun = pretrained(arch, source, class_names=class_names, least_share=0.0, seed=seed)
    return _made(SearchStart(record.source, record.model, source, begun, b"", digest, record.keep), seed)


def _made(start: SearchStart, seed: int) -> SearchStart:
    """A start with the weights of its reference, those that no source has drawn from `seed`."""
    arch = start.begun.arch
    tensors = build(arch, seed).state_dict() | start.begun.weights
    if start.keep == "largest":
        tensors = sorted_by_importance(arch, tensors)
    return start._replace(weights=save({key: value.contiguous() for key, value in tensors.items()}))


def content_hash(source: PretrainedWeights) -> str:
    """The SHA-256 of all tensors of a source, by name, and of what is known of them, in hexadecimal digits."""
    digest = hashlib.sha256()
    known = (source.mean, source.deviation, source.padding, source.norm_eps, source.arch, source.class_names)
    digest.update(msgspec.json.encode(known))
    for name in sorted(source.tensors):
        value = source.tensors[name].detach().cpu().contiguous()
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(_bytes_of(value))
    return digest.hexdigest()


def _bytes_of(value: Tensor) -> bytes:
    return value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
