"""Weights in safetensors files: written whole or not at all, read without running anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from naslab.atomic_write import atomic_write
from naslab.errors import DataError, WriteError
from naslab.regular_files import regular_status


def save_weights(module: nn.Module, path: Path | str, metadata: Mapping[str, str] | None = None) -> str:
    """Write a module's weights and running statistics; the SHA-256 of the file in hexadecimal digits.

    `metadata` are texts by name for the file's header. Raises `DataError` where the file cannot be written.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    content = save(state, dict(metadata) if metadata else None)
    try:
        atomic_write(path, content)
    except WriteError as error:
        raise DataError(f"the weights cannot be written to {path}: {error.reason}") from None
    return hashlib.sha256(content).hexdigest()


def load_weights(module: nn.Module, path: Path | str) -> None:
    """Take a module's weights from a file. Raises `DataError` if it is damaged or is that of another network."""
    try:
        regular_status(path, follow_links=True)
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a safetensors file: {reason}") from error
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    for name in own.keys() | given.keys():
        if own.get(name) != given.get(name):
            raise DataError(
                f"{path} holds the weights of another network: '{name}' is {given.get(name, 'missing')} there, "
                f"{own.get(name, 'missing')} here"
            )
    module.load_state_dict(state)
