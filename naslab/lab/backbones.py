"""Networks as backbones: their maps at some strides, and a feature pyramid on these.

FasterRCNN(naslab.backbone(naslab.model("mobilenet_v2")), num_classes=3)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from naslab.arch import ArchSpec
from naslab.arguments import either, flag, many, optional, path, takes, text, whole
from naslab.errors import SpecError
from naslab.lab.models import LEDGER, MODEL, SEED, AnyModel, Model, find_model

if TYPE_CHECKING:
    from naslab.pretrained.backbones import Backbone
    from naslab.pretrained.features import FeatureMaps

STRIDES = many(whole(1))
SOURCE = optional(path("weights, as naslab.train takes them,"))


@takes(network=MODEL, levels=STRIDES, pretrained=SOURCE, ledger=LEDGER, seed=SEED)
def features(
    network: AnyModel,
    levels: Sequence[int] = (4, 8, 16, 32),
    *,
    pretrained: str | Path | None = None,
    ledger: str | Path = "naslab.db",
    seed: int = 0,
) -> FeatureMaps:
    """The maps within a network at the strides `levels`, as a torch module that gives a list of them.

    `network` is what `naslab.find_model` finds a network by; a trained one has its weights, others those of
    `pretrained` (as `naslab.train` takes them) or fresh ones, drawn from `seed`; `ledger` holds the studies. The module
    has `channels`, `reduction` and timm's `feature_info`. Raises `SpecError` for strides that are not there.

    >>> import naslab
    >>> maps = naslab.features("mobilenet_v2", levels=(8, 32))
    >>> maps.channels, maps.reduction
    ([32, 320], [8, 32])
    """
    from naslab.pretrained.features import chosen_levels, feature_maps, load_features
    from naslab.pretrained.start import pretrained as begin_with

    found = find_model(network, ledger)
    source = pretrained if pretrained is not None else found.weights
    arch = found.arch
    chosen_levels(arch, levels, found.name)
    begun = None
    if source is not None:
        begun = begin_with(arch, source, model=found.name, ledger=ledger, seed=seed)
        arch = begun.arch
    maps = feature_maps(arch, levels, found.name, seed)
    if begun is not None:
        load_features(maps, begun.weights)
    return maps


@takes(
    network=MODEL,
    levels=STRIDES,
    out_channels=whole(1),
    pretrained=SOURCE,
    freeze_norm=flag(),
    ledger=LEDGER,
    seed=SEED,
)
def backbone(
    network: AnyModel,
    levels: Sequence[int] = (4, 8, 16, 32),
    *,
    out_channels: int = 256,
    pretrained: str | Path | None = None,
    freeze_norm: bool = False,
    ledger: str | Path = "naslab.db",
    seed: int = 0,
) -> Backbone:
    """A network as torchvision's `BackboneWithFPN`: its maps at `levels` under a feature pyramid of `out_channels`.

    `network`, `levels`, `pretrained`, `ledger` and `seed` are those of `naslab.features`. With `freeze_norm` batch
    norms stay as they are, as torchvision's own backbones have them. With the four levels torchvision's detectors take
    it as it is; with others they need anchors for as many maps and one more. Raises `SpecError` for strides that the
    network does not have.

    >>> import naslab
    >>> naslab.backbone("mobilenet_v2", out_channels=64).out_channels
    64
    """
    from naslab.pretrained.backbones import Backbone, freeze_norms

    maps = features(network, levels, pretrained=pretrained, ledger=ledger, seed=seed)
    if freeze_norm:
        freeze_norms(maps)
    return Backbone(maps, out_channels)


@takes(model=either(MODEL, many(MODEL)), name=optional(text("a name")), ledger=LEDGER)
def register_with_timm(
    model: AnyModel | Sequence[AnyModel], name: str | None = None, *, ledger: str | Path = "naslab.db"
) -> tuple[str, ...]:
    """Put networks into timm's registry, and give their names there: `timm.create_model("naslab_mobilenet_v2")`.

    `model` is what `naslab.find_model` finds a network by, in `ledger`, or several; the `name` of one may be chosen. In
    timm they are called `naslab_` and the name, for timm takes no slash in names. There they take `num_classes`,
    `in_chans`, `features_only`, `out_indices`, and where trained `pretrained`, and have `feature_info`. Images are
    normalised as their `pretrained_cfg` says. Raises `SpecError` for a name beside several, `NaslabError` without timm.

    >>> import naslab
    >>> naslab.register_with_timm(["mobilenet_v2", "resnet18"])
    ('naslab_mobilenet_v2', 'naslab_resnet18')
    """
    from naslab.pretrained.timm_models import Registered, register

    models = [model] if isinstance(model, str | Path | ArchSpec | Model) else list(model)
    if name is not None and len(models) != 1:
        raise SpecError("name", f"is that of one network, got {len(models)} of them: leave it out")
    found = [find_model(each, ledger) for each in models]
    return tuple(
        register(
            name or each.name,
            Registered(each.arch, each.facts, None if each.weights is None else str(each.weights)),
        )
        for each in found
    )
