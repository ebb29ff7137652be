"""A network's slice of a supernet as a weights file of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch

from naslab.arch import ArchSpec, arch_id
from naslab.arch.build import build
from naslab.arch.canonical import canonical
from naslab.errors import DataError
from naslab.training.data import load_dataset
from naslab.training.datasets.info import facts_of
from naslab.training.supernet.bank import missing_tensors
from naslab.training.supernet.files import load_supernet
from naslab.training.supernet.network import recalibrate, sliced_network
from naslab.training.weights import save_weights


def write_slice(
    supernet: Path | str, arch: ArchSpec, out: Path | str, calibration_images: int = 512, data_dir: str | None = None
) -> str:
    """Write the weights of `arch` out of the file `supernet` into the file `out`, and give that one's SHA-256.

    Batch norms are recalibrated on `calibration_images` of the training images, which are looked for in `data_dir`. The
    tensors are named as those of the network as it was given, which need not be in canonical form. Raises `DataError`
    where either file or the data cannot be read or written, or the supernet does not hold the network.
    """
    found = load_supernet(supernet)
    facts = facts_of(found.settings.data, data_dir)
    arch = msgspec.structs.replace(arch, input=(facts.channels, *arch.input[1:]), num_classes=facts.num_classes)
    lacking = missing_tensors(found.tensors, arch)
    if lacking:
        raise DataError(
            f"network {arch_id(arch)} is not in the space of {supernet}: it needs '{lacking[0].key}' of "
            f"{' x '.join(map(str, lacking[0].shape))}"
        )
    module, _ = sliced_network(arch, found.tensors)
    split = load_dataset(found.settings.data, data_dir)
    recalibrate(module, split, arch.input[1:], found.settings.recipe, calibration_images, found.settings.seed)
    own = build(arch, 0)
    if canonical(arch) != arch:
        # both forms have the same tensors in the same order: stages were merged or left out where that changes nothing
        given = list(module.state_dict().values())
        own.load_state_dict(dict(zip(own.state_dict(), given, strict=True)))
        module = own
    with torch.no_grad():
        return save_weights(module, out)
