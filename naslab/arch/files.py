"""Architectures as JSON and YAML, with errors that name the path, the rule and the value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from naslab.arch.block import Block
from naslab.arch.spec import ArchSpec
from naslab.errors import NaslabError, SpecError, nearest

T = TypeVar("T")

_PATH = re.compile(r"^(?P<rule>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)


def decode(data: Any, kind: type[T]) -> T:
    """Plain JSON values as a specification of `kind`; `SpecError` says what is wrong and where.

    >>> from naslab.arch import MBConv
    >>> decode({"type": "mbconv", "kernel": 4}, MBConv)
    Traceback (most recent call last):
    naslab.errors.SpecError: kernel: must be odd and positive, got 4
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise _explained(error, data) from None


def decode_arch(data: Any) -> ArchSpec:
    """A network from plain JSON values."""
    return decode(data, ArchSpec)


def encode(spec: msgspec.Struct) -> Any:
    """A specification as plain JSON values, defaults left out."""
    return msgspec.to_builtins(spec)


def load_arch(path: Path) -> ArchSpec:
    """Read an architecture file (YAML, of which JSON is a part)."""
    return decode_arch(load_yaml(path))


def save_arch(arch: ArchSpec, path: Path) -> None:
    """Write an architecture file: JSON for `.json`, YAML otherwise; whole or not at all."""
    data = encode(arch)
    text = (
        msgspec.json.format(msgspec.json.encode(arch), indent=2).decode()
        if path.suffix == ".json"
        else yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110)
    )
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def load_yaml(path: Path) -> Any:
    """The plain values of a YAML file, read safely."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NaslabError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NaslabError(f"{path} is not YAML: {str(error).splitlines()[0]}") from None


def _explained(error: msgspec.ValidationError, data: Any) -> SpecError:
    """The validation error with its path as users write it, the value it is about, and the nearest names."""
    match = _PATH.match(str(error))
    assert match is not None
    path = match["path"] or ""
    cause = error.__cause__
    if isinstance(cause, SpecError):
        return cause.inside(path)
    rule = match["rule"].replace("`", "")
    rule = rule[:1].lower() + rule[1:]
    if (unknown := re.match(r"object contains unknown field (\S+)", rule)) is not None:
        known = _known_fields(_at(data, path))
        return SpecError(path, f"unknown field '{unknown[1]}'{nearest(unknown[1], known)}")
    value = _at(data, path)
    if path.endswith("type") and isinstance(value, str):
        return SpecError(path, f"unknown block '{value}'{nearest(value, BLOCKS)}")
    if rule.startswith("object missing required field"):
        return SpecError(path, rule.replace("object missing", "misses the"))
    return SpecError(path, rule if isinstance(value, dict | list) else f"{rule} {value!r}")


def _at(data: Any, path: str) -> Any:
    """The value at `stages[2].block.kernel` of plain JSON values."""
    for key, index in re.findall(r"([A-Za-z_]\w*)|\[(\d+)\]", path):
        data = data[key] if key else data[int(index)]
    return data


def _known_fields(value: Any) -> tuple[str, ...]:
    """The fields that the description a value stands for has."""
    if isinstance(value, dict) and value.get("type") in BLOCKS:
        return BLOCKS[value["type"]].__struct_fields__
    kinds = [kind for kind in _spec_kinds() if not issubclass(kind, Block)]
    return max(
        (kind.__struct_fields__ for kind in kinds),
        key=lambda fields: len(set(fields) & set(value)) / len(fields),
    )


def _spec_kinds() -> list[type[msgspec.Struct]]:
    from naslab.arch.block import Spec

    return list(Spec.__subclasses__())


BLOCKS: dict[str, type[Block]] = {kind.__struct_config__.tag: kind for kind in Block.__subclasses__()}  # type: ignore[misc]
"""Every block by the name it has in files."""
