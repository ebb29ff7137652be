"""Supernets in safetensors files: the bank, what it was trained on and how far; read without running anything."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from naslab.atomic_write import atomic_write
from naslab.errors import DataError, WriteError
from naslab.regular_files import regular_status
from naslab.training.checkpoint import part_of
from naslab.training.supernet.settings import SupernetSettings

FORMAT = "1"


class Supernet(msgspec.Struct, frozen=True):
    """A bank's tensors by key and what they were trained for; `state` is the optimiser's while there is more to do."""

    settings: SupernetSettings
    epochs_done: int
    tensors: dict[str, Tensor]
    state: dict[str, Tensor] = {}
    losses: tuple[float, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether its training has come to its end."""
        return self.epochs_done >= self.settings.epochs


def save_supernet(supernet: Supernet, path: Path | str) -> str:
    """Write a supernet, whole or not at all; the SHA-256 of the file in hexadecimal digits.

    Raises `DataError` where the file cannot be written.
    """
    metadata = {
        "naslab_supernet": FORMAT,
        "settings": msgspec.json.encode(supernet.settings).decode(),
        "epochs_done": str(supernet.epochs_done),
        "losses": msgspec.json.encode(supernet.losses).decode(),
    }
    tensors = {f"bank.{key}": value for key, value in supernet.tensors.items()}
    tensors |= {f"optimizer.{key}": value for key, value in supernet.state.items()}
    content = save(tensors, metadata)
    try:
        atomic_write(path, content)
    except WriteError as error:
        raise DataError(f"the supernet cannot be written to {path}: {error.reason}") from None
    return hashlib.sha256(content).hexdigest()


def load_supernet(path: Path | str) -> Supernet:
    """Read a supernet. Raises `DataError` where the file is missing, damaged, a link, or something else."""
    try:
        regular_status(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("naslab_supernet") != FORMAT:
                raise DataError(f"{path} is no supernet: make one with `naslab supernet SPACE --out {path}`")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return Supernet(
                settings=msgspec.json.decode(metadata["settings"], type=SupernetSettings),
                epochs_done=int(metadata["epochs_done"]),
                tensors=part_of(tensors, "bank."),
                state=part_of(tensors, "optimizer."),
                losses=msgspec.json.decode(metadata["losses"], type=tuple[float, ...]),
            )
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        mend = f"make one with `naslab supernet SPACE --out {path}`"
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a supernet: {reason}; {mend}") from error
