"""Where pretrained weights come from: torchvision, timm, files of either or of naslab, trials of a study.

Weights are learned with an input normalisation, with the windows of their release and with the constant that it adds
to variances; what is known of these travels with them.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from naslab.arch import ArchSpec
from naslab.arch.block import Padding
from naslab.errors import DataError, NaslabError, ReadError, first_line, shown
from naslab.package.facts import WEIGHTS_ENDING, WEIGHTS_FILE, is_package, open_facts, read_weights_facts
from naslab.pretrained.ordering import reference_order, without_prefix
from naslab.pretrained.under_heads import NetworkUnderHeads, network_under_heads
from naslab.reading import read_values, whole_number
from naslab.regular_files import regular_status
from naslab.training.hub import OUT_OF_REACH, hub_or_cache

IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Mean and deviation of red, green and blue in ImageNet's images, as most releases normalise by."""
LITE = ((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
"""Those of EfficientNet-Lite's released code."""
TENSORFLOW_EPS = 1e-3
TORCHVISION, TIMM = "torchvision", "timm:"
HOLDERS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
"""Keys under which training programs put the weights in their files."""


def imagenet(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of ImageNet's images, from 0 to 255; the mean of these for other `channels`.

    >>> imagenet(3)[0], [round(each, 2) for each in imagenet(1)[0]]
    ((123.675, 116.28, 103.53), [114.5])
    """
    mean, deviation = IMAGENET
    if channels == len(mean):
        return mean, deviation
    return (sum(mean) / len(mean),) * channels, (sum(deviation) / len(deviation),) * channels


class PretrainedWeights(NamedTuple):
    """Weights to begin with: `tensors` in the order of their network, called `name`, unless not `is_ordered`.

    `mean` and `deviation` of each channel, in values from 0 to 255, normalised the images that they were learned on;
    empty where nobody knows. `padding` and `norm_eps` are those of the network, where they are known; `arch` is all of
    it, of a network of naslab, and `class_names` are what its outputs are called. `drawn` names tensors that nobody
    learned: those behind the last map that heads read.
    """

    name: str
    tensors: Mapping[str, Tensor]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    padding: Padding | None = None
    norm_eps: float | None = None
    arch: ArchSpec | None = None
    class_names: tuple[str, ...] = ()
    is_ordered: bool = True
    drawn: frozenset[str] = frozenset()


def read_source(text: str | Path, model: str, ledger: str | Path) -> PretrainedWeights:
    """The weights that `text` names, for the network called `model`.

    `text` is `torchvision` (the weights of its network of that name), `timm:NAME`, a folder that `naslab train` wrote
    (of a detector or segmenter the network under its heads), a file (safetensors, or of torch, which is opened without
    running anything in it), or `STUDY:TRIAL` of a study of `ledger` whose trainings leave their weights. Raises
    `DataError` for what is not there or holds no weights.
    """
    name, path = str(text), Path(text)
    if name.partition(":")[0] == TORCHVISION and not path.exists():
        return _of_torchvision(model, name.partition(":")[2] or "DEFAULT")
    if name.startswith(TIMM) and not path.exists():
        return _of_timm(name.removeprefix(TIMM))
    folder = path.parent if path.name == WEIGHTS_FILE else path
    if (found := network_under_heads(folder)) is not None:
        return _of_detector(folder, found)
    if path.suffix == WEIGHTS_ENDING and path.is_file() and read_weights_facts(path) is None:
        return _of_unordered(_described(name, _safetensors(path), path), model, path)
    if is_package(path):
        return _of_package(path)
    if path.is_dir():
        raise DataError(f"{path} holds no network: name a folder that `naslab train` wrote, or a file of weights")
    if ":" in name and not path.exists():
        return _of_trial(name, ledger)
    return _described(name, _pickled(path), path)


def _of_torchvision(model: str, which: str) -> PretrainedWeights:
    from torchvision import models

    if model not in models.list_models(module=models):
        raise DataError(f"torchvision has no network {shown(model)}: name a file of weights, or timm:NAME")
    listed = models.get_model_weights(model)
    names = [each.name for each in listed]
    if which != "DEFAULT" and which not in names:
        raise DataError(f"torchvision's {model} has the weights {', '.join(names)}, not {shown(which)}")
    weights = listed[which]
    try:
        tensors = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"torchvision's weights of {model} cannot be fetched: {shown(first_line(error), 200)}"
        ) from None
    transform = weights.transforms()
    mean, deviation = _in_pixels(transform.mean), _in_pixels(transform.std)
    return PretrainedWeights(f"torchvision's {model} ({weights.name})", tensors, mean, deviation, "symmetric")


def _of_timm(name: str) -> PretrainedWeights:
    try:
        import timm
    except ImportError:
        raise DataError("timm's weights need timm: pip install 'naslab[timm]'") from None
    if not timm.is_model(name.partition(".")[0]):
        raise DataError(f"timm has no network {shown(name)}: `timm.list_models()` names them")
    is_reached = True
    try:
        with hub_or_cache() as is_reached:
            network: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:  # noqa: BLE001  (whatever the hub and its clients raise without a connection)
        rule = shown(first_line(error), 200) if is_reached else OUT_OF_REACH
        raise DataError(f"timm's weights of {name} cannot be fetched: {rule}") from None
    return timm_source(f"timm's {name}", network)


def timm_source(name: str, network: Any) -> PretrainedWeights:
    """The weights of a network of timm, called `name`, with what its modules and its configuration say of it."""
    parts = list(network.modules())
    norms = [each for each in parts if isinstance(each, nn.BatchNorm2d)]
    configuration = network.pretrained_cfg
    return PretrainedWeights(
        name,
        network.state_dict(),
        _in_pixels(configuration["mean"]),
        _in_pixels(configuration["std"]),
        "same" if any(type(each).__name__ == "Conv2dSame" for each in parts) else "symmetric",
        norms[0].eps if norms else None,
    )


def _of_package(path: Path) -> PretrainedWeights:
    facts, weights = open_facts(path)
    known = facts.preprocessing
    mean, deviation = ((), ()) if known is None else (known.mean, known.deviation)
    return _of_naslab(str(path), _safetensors(weights), facts.arch, mean, deviation, facts.class_names)


def _of_detector(path: Path, found: NetworkUnderHeads) -> PretrainedWeights:
    from naslab.pretrained.features import name_in_network, network_tensors

    learned = _safetensors(path / WEIGHTS_FILE)
    tensors = network_tensors(found.arch, learned)
    made = _of_naslab(f"the network of {path}", tensors, found.arch, *found.statistics, ())
    return made._replace(drawn=frozenset(tensors).difference(map(name_in_network, learned)))


def _of_naslab(
    name: str,
    tensors: Mapping[str, Tensor],
    arch: ArchSpec,
    mean: tuple[float, ...],
    deviation: tuple[float, ...],
    class_names: tuple[str, ...],
) -> PretrainedWeights:
    eps = None if arch.norm is None else arch.norm.eps
    return PretrainedWeights(name, tensors, mean, deviation, arch.padding, eps, arch, class_names)


def _of_trial(name: str, ledger: str | Path) -> PretrainedWeights:
    from naslab.ledger.ledger import Ledger
    from naslab.pretrained.features import is_under_heads, name_in_network, network_weights
    from naslab.training.checkpoint import load_checkpoint

    study, _, which = name.rpartition(":")
    trial = whole_number(which)
    if not Path(ledger).is_file() and "://" not in str(ledger):
        raise DataError(f"{shown(name)} is no file of weights, and there is no ledger {ledger} with such a study")
    with Ledger.open(ledger, create=False) as opened:
        outcomes = opened.outcomes(study)
        found = [each for each in outcomes if each.candidate.trial == trial]
        if not found:
            raise DataError(f"study '{study}' has no finished trial {shown(which)}: name it by its number")
        digest = found[0].estimate.weights_sha256
        if not digest:
            raise DataError(f"trial {which} of study '{study}' left no weights: search with --rungs or --inherit")
        try:
            kept = load_checkpoint(digest, opened.checkpoints(study).folder)
        except NaslabError as error:
            later = [each.candidate.trial for each in outcomes if each.candidate.start_from == digest]
            mend = f"trial {later[-1]} went on from them: take {study}:{later[-1]}" if later else error
            raise DataError(f"the weights of trial {which} of study '{study}' are not there: {mend}") from None
        begun = opened.study(study).pretrained
    arch = kept.origin.arch
    mean, deviation = ((), ()) if begun is None else (begun.mean, begun.deviation)
    tensors = network_weights(kept)
    if not is_under_heads(kept):
        return _of_naslab(name, tensors, arch, mean, deviation, ())
    made = _of_naslab(name, tensors, arch, *((mean, deviation) if mean else imagenet(arch.input[0])), ())
    return made._replace(drawn=frozenset(tensors).difference(map(name_in_network, kept.weights())))


def _of_unordered(source: PretrainedWeights, model: str, path: Path) -> PretrainedWeights:
    """Weights of a file that keeps no order, in that of the network of torchvision or timm that has the same names."""
    order = reference_order(source.tensors, model, _configured(path).get("architecture", ""))
    if order is None:
        return source._replace(is_ordered=False)
    return source._replace(tensors={name: source.tensors[name] for name in order})


def _configured(path: Path) -> dict[str, Any]:
    """The configuration of timm's beside a file of weights; empty where there is none."""
    beside = path.parent / "config.json"
    told = read_values(beside) if beside.is_file() else None
    is_known = isinstance(told, dict) and isinstance(told.get("architecture"), str)
    return told if is_known and isinstance(told, dict) else {}


def _described(name: str, tensors: dict[str, Tensor], path: Path) -> PretrainedWeights:
    """Weights of a file that says nothing of itself, but for the configuration of timm's that may lie beside it."""
    if not tensors:
        raise DataError(f"{path} holds no tensors: name a file of weights")
    tensors = {short: tensors[name] for name, short in without_prefix(tensors).items()}
    is_coloured = any(each.ndim == 4 and each.shape[1] == 3 for each in tensors.values())
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    if is_coloured:
        mean, deviation = IMAGENET
    if "_conv_stem.weight" in tensors:  # efficientnet_pytorch, which has the windows of the released code
        if not any("_se_reduce" in each for each in tensors):
            mean, deviation = LITE
        return PretrainedWeights(name, tensors, mean, deviation, "same", TENSORFLOW_EPS)
    told = _configured(path)
    known = told.get("pretrained_cfg", {})
    if not told or not isinstance(known, dict):
        return PretrainedWeights(name, tensors, mean, deviation)
    is_same = told["architecture"].startswith("tf_")
    for key, values in (("mean", mean), ("std", deviation)):
        given = known.get(key)
        if isinstance(given, list) and len(given) == len(values) and all(isinstance(each, float) for each in given):
            mean, deviation = (_in_pixels(given), deviation) if key == "mean" else (mean, _in_pixels(given))
    return PretrainedWeights(
        name, tensors, mean, deviation, "same" if is_same else "symmetric", TENSORFLOW_EPS if is_same else None
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file: {shown(first_line(error), 200)}") from None


def _pickled(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that torch wrote; nothing in it is run."""
    try:
        if regular_status(path, follow_links=True) is None:
            raise DataError(f"there is no file of weights {shown(str(path))}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickle's protocol: what cannot be opened is told below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ReadError(path, error.strerror or str(error)) from None
    except pickle.UnpicklingError:
        raise DataError(
            f"{path} is not opened: it holds more than tensors, and would run code; keep its state_dict alone"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"{path} is no file of weights: {shown(first_line(error), 200)}") from None
    for key in HOLDERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise DataError(f"{path} holds no tensors by name: keep the state_dict of a network")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _in_pixels(values: Any) -> tuple[float, ...]:
    """Statistics of values from 0 to 1 as those of pixels, 0 to 255."""
    return tuple(round(255.0 * float(each), 6) for each in values)
