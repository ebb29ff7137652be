"""Networks of naslab in timm's registry, so that whatever takes timm's models takes these."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import msgspec
from safetensors.torch import load_file
from torch import nn

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.errors import NaslabError, SpecError
from naslab.package.facts import Facts
from naslab.pretrained.features import LEVELS, FeatureMaps, Level, levels_of
from naslab.training.regularise import classifier_of
from naslab.training.weights import load_weights

PREFIX = "naslab_"
"""What names in timm begin with: timm takes no slash in them."""
LARGEST = 255.0


class Registered(msgspec.Struct, frozen=True):
    """A network that timm knows: its description, and of a trained one the `facts` and the file of `weights`."""

    arch: ArchSpec
    facts: Facts | None = None
    weights: str | None = None

    def config(self, name: str) -> dict[str, Any]:
        """timm's `pretrained_cfg`: input size, classes, and mean and deviation of values from 0 to 1 where known."""
        told: dict[str, Any] = {
            "architecture": name,
            "input_size": self.arch.input,
            "num_classes": self.arch.num_classes,
            "classifier": "head.classifier",
        }
        if self.facts is not None:
            told |= {"label_names": list(self.facts.class_names)} if self.facts.class_names else {}
            how = self.facts.preprocessing
            if how is not None:
                told["mean"] = tuple(each / LARGEST for each in how.mean)
                told["std"] = tuple(each / LARGEST for each in how.deviation)
        return told


def timm_name(name: str) -> str:
    """What a network called `name` is called in timm.

    >>> timm_name("mystudy:7")
    'naslab_mystudy_7'
    """
    return PREFIX + re.sub(r"\W+", "_", name).strip("_").lower()


def register(name: str, network: Registered) -> str:
    """Put `network` into timm's registry as `timm_name` of `name`; that name. Raises `NaslabError` without timm."""
    try:
        from timm.models import register_model
    except ImportError:
        raise NaslabError("timm is not installed: pip install 'naslab[timm]'") from None
    known = timm_name(name)

    def entry(pretrained: bool = False, **asked: Any) -> nn.Module:
        return made(known, network, pretrained, **asked)

    entry.__name__ = entry.__qualname__ = known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that was registered before: the last one counts
        register_model(entry)
    return known


def made(
    name: str,
    network: Registered,
    pretrained: bool = False,
    num_classes: int | None = None,
    in_chans: int | None = None,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    pretrained_cfg: object = None,
    pretrained_cfg_overlay: object = None,
    cache_dir: object = None,
    **more: object,
) -> nn.Module:
    """What `timm.create_model` gives for a `network` called `name`, with its weights where `pretrained`.

    `num_classes` and `in_chans` change its outputs and channels: the classifier or the stem then begins anew. 0 classes
    leave the classifier out, for its features. With `features_only` it gives the maps at `out_indices` of its
    `feature_info`, by default those of strides 4 to 32, or all where it has none of them, as networks of small images.
    `pretrained_cfg`, `pretrained_cfg_overlay` and `cache_dir` are timm's own and have no effect; `more` there may not
    be. Raises `SpecError` for weights that are not there or do not fit.
    """
    if more:
        raise SpecError(next(iter(more)), f"is not known to {name}: leave it out")
    channels = network.arch.input[0] if in_chans is None else in_chans
    classes = num_classes or network.arch.num_classes
    arch = msgspec.structs.replace(network.arch, input=(channels, *network.arch.input[1:]), num_classes=classes)
    module = build(arch, seed=0)
    if pretrained:
        if network.weights is None:
            rule = f"{name} has none: register a folder that naslab train wrote, or leave pretrained out"
            raise SpecError("pretrained", rule)
        if (channels, classes) == (network.arch.input[0], network.arch.num_classes):
            load_weights(module, network.weights)
        else:
            own, known = module.state_dict(), load_file(network.weights)
            module.load_state_dict(own | {key: known[key] for key in own if known[key].shape == own[key].shape})
    levels = levels_of(arch)
    info = [{"num_chs": each.channels, "reduction": each.reduction, "module": each.module} for each in levels]
    if features_only:
        usual = [place for place, each in enumerate(levels) if each.reduction in LEVELS]
        wanted = usual or range(len(levels))
        return _maps(module, levels, list(wanted if out_indices is None else out_indices), info)
    num_features = getattr(classifier_of(module), "in_features", None)
    if num_classes == 0:
        _leave_out(module, classifier_of(module))
    own = {
        "feature_info": info,
        "num_classes": classes if num_classes is None else num_classes,
        "num_features": num_features,
        "pretrained_cfg": network.config(name),
        "default_cfg": network.config(name),
    }
    for key, value in own.items():
        setattr(module, key, value)
    return module


def _leave_out(module: nn.Module, part: nn.Module | None) -> None:
    """Put the identity in the place of a `part` of `module`."""
    for parent in module.modules():
        for name, child in parent.named_children():
            if child is part:
                setattr(parent, name, nn.Identity())


def _maps(module: nn.Module, levels: Sequence[Level], wanted: Sequence[int], info: list[dict[str, Any]]) -> nn.Module:
    """The maps of a network at some places of its `levels`, with timm's description of them."""
    from timm.models import FeatureInfo

    if not wanted or sorted(set(wanted)) != list(wanted) or not 0 <= wanted[0] <= wanted[-1] < len(levels):
        known = ", ".join(f"{place} (stride {each.reduction})" for place, each in enumerate(levels))
        raise SpecError("out_indices", f"must be some of {known} in ascending order, got {list(wanted)}")

    class Maps(FeatureMaps):
        """Maps of a network with timm's description of them, `feature_info`."""

        feature_info: Any = FeatureInfo(info, tuple(wanted))

    return Maps(module, [levels[place] for place in wanted])
