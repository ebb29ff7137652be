"""Architectures as JSON and YAML, with errors that name the path, the rule and the value."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from naslab.arch.block import Block
from naslab.arch.blocks.outside import OutsideBlock, as_outside
from naslab.arch.spec import ArchSpec
from naslab.arguments import path as paths
from naslab.arguments import takes
from naslab.atomic_write import atomic_write
from naslab.errors import SpecError, nearest, shown
from naslab.reading import read_values

T = TypeVar("T")

_STEP = re.compile(r"([A-Za-z_]\w*)|\[(\d+)\]")
_PATH = re.compile(r"^(?P<rule>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)


def decode(data: Any, kind: type[T]) -> T:
    """Plain JSON values as a specification of `kind`; raises `SpecError` that says what is wrong and where.

    >>> from naslab.arch import MBConv
    >>> decode({"type": "mbconv", "kernel": 4}, MBConv)
    Traceback (most recent call last):
    naslab.errors.SpecError: kernel: must be odd and positive, got 4
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        written = as_outside(data)  # users' own blocks are rare, and looked for where the values are not plain
        if written is data:
            raise _explained(error, data, kind) from None
    try:
        return msgspec.convert(written, kind)
    except msgspec.ValidationError as error:
        raise _explained(error, written, kind) from None


def decode_arch(data: Any) -> ArchSpec:
    """A network from the plain JSON values that `encode` makes; raises `SpecError` as `decode`."""
    return decode(data, ArchSpec)


def encode(spec: msgspec.Struct) -> Any:
    """A specification as plain JSON values, defaults left out.

    >>> from naslab.arch import MBConv
    >>> encode(MBConv(kernel=5))
    {'type': 'mbconv', 'kernel': 5}
    """
    return msgspec.to_builtins(spec)


@takes(path=paths())
def load_arch(path: str | Path) -> ArchSpec:
    """Read an architecture file: JSON where its name ends in `.json`, else YAML.

    Raises `SpecError` with the place in the file where it breaks a rule, and `ReadError` where it cannot be read.

    >>> import naslab, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "lenet5.yaml"
    ...     naslab.save_arch(naslab.model("lenet5"), path)
    ...     naslab.load_arch(path) == naslab.model("lenet5")
    True
    """
    return decode_arch(read_values(Path(path)))


def save_arch(arch: ArchSpec, path: str | Path) -> None:
    """Write the network `arch` to a file: JSON for `.json`, YAML otherwise. A crash leaves no half-written file.

    >>> import naslab, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     naslab.save_arch(naslab.model("lenet5"), Path(folder) / "lenet5.json")
    ...     [file.name for file in Path(folder).iterdir()]
    ['lenet5.json']
    """
    if Path(path).suffix == ".json":
        atomic_write(path, msgspec.json.format(msgspec.json.encode(arch), indent=2).decode())
        return
    import yaml

    atomic_write(path, yaml.safe_dump(encode(arch), sort_keys=False, default_flow_style=None, width=110))


def _explained(error: msgspec.ValidationError, data: Any, kind: type) -> SpecError:
    """The validation error with its path as users write it, the value it is about, and what may stand there."""
    match = _PATH.match(str(error))
    assert match is not None
    path = match["path"] or ""
    cause = error.__cause__
    if isinstance(cause, SpecError):
        return cause.inside(path)
    rule = match["rule"].replace("`", "").replace("int | array", "int or [height, width]")
    rule = rule[:1].lower() + rule[1:]
    tag_path = re.sub(r"\.?type$", "", path)
    if tag_path != path and (expected := _expected_at(kind, tag_path, data)):
        name = data_at(data, path)
        what = "block" if tag_path.endswith("block") else "type"
        return SpecError(path, f"unknown {what} '{shown(name)}'{nearest(str(name), map(_tag, expected))}")
    expected = _expected_at(kind, path, data)
    if (unknown := re.match(r"object contains unknown field (\S+)", rule)) is not None:
        known = [field.encode_name for struct in expected for field in getattr(struct, "fields", ())]
        return SpecError(path, f"unknown field '{shown(unknown[1])}'{nearest(unknown[1], known)}")
    if rule.startswith("object missing required field"):
        return SpecError(path, rule.replace("object missing", "misses the"))
    value = data_at(data, path)
    if rule.startswith("invalid enum value"):
        allowed = [each for literal in expected for each in getattr(literal, "values", ())]
        return SpecError(
            path, f"must be one of {', '.join(map(str, allowed))}, got {shown(repr(value))}{_hint(value, allowed)}"
        )
    return SpecError(path, rule if isinstance(value, dict | list) else f"{rule} {shown(repr(value))}")


def data_at(data: Any, path: str) -> Any:
    """The value at a path of plain JSON values.

    >>> data_at({"stages": [{"width": 8}]}, "stages[0].width")
    8
    """
    for key, index in _STEP.findall(path):
        data = data[key] if key else data[int(index)]
    return data


def _hint(value: object, allowed: list[Any]) -> str:
    close = nearest(str(value), map(str, allowed))
    return close if close.startswith(" (did") else ""


def _expected_at(kind: type, path: str, data: Any) -> list[Any]:
    """What a specification of `kind` takes at a path: the types that the value's tag leaves open there."""
    open_types = _options(_type_of(kind), data)
    for key, index in _STEP.findall(path):
        data = data[key] if key else data[int(index)]
        inner: list[Any] = []
        for each in open_types:
            if key:
                inner += (field.type for field in getattr(each, "fields", ()) if field.encode_name == key)
            elif isinstance(each, inspect.TupleType):
                inner.append(each.item_types[int(index)])
            elif isinstance(each, inspect.VarTupleType | inspect.ListType):
                inner.append(each.item_type)
        open_types = [option for each in inner for option in _options(each, data)]
    return open_types


@cache
def _type_of(kind: type) -> Any:
    """What msgspec knows of a specification: a space asks it of every option that it tries."""
    return inspect.type_info(kind)


def _options(info: Any, data: Any) -> list[Any]:
    """The members of a union, only the one that the value names by its tag if it does."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    if not isinstance(info, inspect.UnionType):
        return [info]
    options = [option for each in info.types for option in _options(each, data)]
    named = data.get("type") if isinstance(data, dict) else None
    return [each for each in options if _tag(each) == named] or options


def _tag(info: Any) -> str:
    return str(getattr(info, "tag", ""))


BLOCKS: dict[str, type[Block]] = {
    kind.__struct_config__.tag: kind  # type: ignore[misc]
    for kind in Block.__subclasses__()
    if kind.__module__.startswith("naslab.") and kind is not OutsideBlock
}
"""Every block of naslab by the name that it has in files."""
