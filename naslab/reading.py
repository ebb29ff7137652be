"""Files from outside, read within stated bounds: YAML and JSON as plain values, CSV as rows, others as bytes.

Every file that a user names is read here. What is larger, deeper or longer than the bounds is refused before it costs
time or memory, by a `ReadError` that names the file, the place in it, the rule and the value.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NamedTuple, cast

import msgspec

from naslab.errors import ReadError, join_path, shown
from naslab.regular_files import open_regular

if TYPE_CHECKING:
    import yaml

MAX_DEPTH = 64
"""Lists and mappings within each other."""
MAX_DIGITS = 100
"""Characters of a number."""
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1


class Bounds(msgspec.Struct, frozen=True):
    """How much a file may hold: `bytes` once unpacked, and `nodes`, its values and keys, an alias as all it stands for.

    `text` is how many characters a text, a key or a cell may have. For all files hold `MAX_DEPTH`, `MAX_DIGITS` and the
    64 bits of an integer.
    """

    bytes: int
    nodes: int
    text: int = 10_000


DESCRIPTION = Bounds(bytes=4 * 2**20, nodes=250_000)
"""Of networks, spaces, recipes and scaling rules: a network of 10,000 stages fits."""
TABLE = Bounds(bytes=256 * 2**20, nodes=20_000_000)
"""Of tables of known results."""


class Line(NamedTuple):
    """A line of a CSV: its number in the file, and its cells."""

    number: int
    cells: list[str]


def read_values(path: Path, bounds: Bounds = DESCRIPTION) -> Any:
    """The plain values of a file: JSON where its name ends in `.json`, else YAML.

    Values are those that JSON knows, keys are texts. Dates stay texts. Raises `ReadError`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "space.yaml"
    ...     _ = path.write_text("{width: {choice: [8, 16]}, made: 2024-02-31}")
    ...     read_values(path)
    {'width': {'choice': [8, 16]}, 'made': '2024-02-31'}
    """
    is_json = path.suffix.lower() == ".json"
    text = read_text(path, "JSON" if is_json else "YAML", bounds)
    return json_values(text, path, bounds) if is_json else yaml_values(text, path, bounds)


def read_bytes(path: Path, bounds: Bounds = DESCRIPTION) -> bytes:
    """A file's bytes, unpacked where its name ends in `.gz`. Raises `ReadError`, at once for a pipe or a device."""
    try:
        with open(open_regular(path, follow_links=True), "rb") as file:
            if path.suffix != ".gz":
                return _at_most(file, bounds, path)
            with gzip.open(file) as unpacked:
                return _at_most(cast(BinaryIO, unpacked), bounds, path)
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError(path, getattr(error, "strerror", None) or str(error)) from None


def read_text(path: Path, form: str = "text", bounds: Bounds = DESCRIPTION) -> str:
    """What a file in UTF-8 holds, without a byte order mark; `form` says in messages what it should be, as `JSON`.

    Raises `ReadError` where it cannot be read within `bounds`, and where it is not UTF-8.
    """
    content = read_bytes(path, bounds)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(path, f"byte {error.start} is not UTF-8 ({error.reason})", form) from None


def read_rows(path: Path) -> tuple[list[str], list[Line]]:
    """The header of a CSV file in UTF-8, and its lines; empty lines are left out. Raises `ReadError`."""
    text = read_text(path, "text in UTF-8", TABLE)
    reader = csv.reader(io.StringIO(text, newline=""))
    lines: list[Line] = []
    try:
        for cells in reader:
            for index, cell in enumerate(cells):
                if len(cell) > TABLE.text:
                    place = f"line {reader.line_num}, cell {index + 1}"
                    raise ReadError(path, f"{place}: {_too_long('a cell', cell, TABLE)}")
            if cells:
                lines.append(Line(reader.line_num, cells))
    except csv.Error as error:
        raise ReadError(path, f"line {reader.line_num}: {error}", "CSV") from None
    return (lines[0].cells, lines[1:]) if lines else ([], [])


def cells_by_column(path: Path, header: list[str], line: Line) -> dict[str, str]:
    """The cells of a line by the names of the columns, missing ones empty. Raises `ReadError` where there are more."""
    if len(line.cells) > len(header):
        raise ReadError(path, f"line {line.number} has {len(line.cells)} cells, the header {len(header)}")
    return dict(zip(header, line.cells + [""] * (len(header) - len(line.cells)), strict=True))


def yaml_values(text: str, path: object = "the text", bounds: Bounds = DESCRIPTION) -> Any:
    """The plain values of a YAML text; `path` is what messages call it. Raises `ReadError`.

    >>> yaml_values("a: &a [1, 2]\\nb: [*a, *a]")
    {'a': [1, 2], 'b': [[1, 2], [1, 2]]}
    """
    import yaml

    try:
        _check_events(text, path, bounds)
        values = yaml.load(text, Loader=_plain_loader())  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, LookupError) as error:  # PyYAML lets some of Python's own pass
        raise ReadError(path, (str(error) or type(error).__name__).splitlines()[0], "YAML") from None
    _check_values(values, path, bounds)
    return values


def json_values(text: str | bytes, path: object = "the text", bounds: Bounds = DESCRIPTION) -> Any:
    """The plain values of a JSON text; `path` is what messages call it. Raises `ReadError`.

    >>> json_values('[{"kernel": 3}]')
    [{'kernel': 3}]
    """
    try:
        values = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ReadError(path, _too_deep()) from None
    except ValueError as error:
        raise ReadError(path, str(error), "JSON") from None
    _check_values(values, path, bounds)
    return values


def whole_number(text: str) -> int | None:
    """The number that a text of at most 18 digits from 0 to 9 is; `None` for every other text.

    >>> whole_number("224"), whole_number("-1"), whole_number("²")
    (224, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_NOT_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "binary", "set", "omap", "pairs")}
_NUMBER = re.compile(r"[-+]?(?:0[xb][0-9a-fA-F_]+|[0-9_.:]+(?:[eE][-+]?[0-9]+)?)")


@cache
def _plain_loader() -> Any:
    """A safe loader that reads dates as the texts they are: no field is one, and the 31st of February is none."""
    import yaml

    class PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: ClassVar[Any] = {
            first: [each for each in resolvers if each[0] != _TIMESTAMP]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return PlainLoader


def _check_events(text: str, path: object, bounds: Bounds) -> None:
    """Raise `ReadError` where YAML is too deep or has too many nodes once aliases are expanded, before it is built."""
    import yaml

    sizes: dict[str, int] = {}
    open_at: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(text, Loader=_plain_loader()):
        place = "" if event.start_mark is None else f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes and any(anchor == event.anchor for anchor, _ in open_at):
                raise ReadError(path, f"{place}: '{shown(event.anchor)}' holds itself; write what is meant")
            nodes += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            _check_scalar(event, path, place, bounds)
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event.tag, path, place)
            open_at.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_at.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before
        if len(open_at) > MAX_DEPTH:
            raise ReadError(path, f"{place}: {_too_deep()}")
        if nodes > bounds.nodes:
            raise ReadError(path, f"{place}: {_too_many(bounds)}")


def _check_scalar(event: yaml.ScalarEvent, path: object, place: str, bounds: Bounds) -> None:
    _check_tag(event.tag, path, place)
    is_number = event.tag is not None or (not event.style and _NUMBER.fullmatch(event.value) is not None)
    if is_number and len(event.value) > MAX_DIGITS:
        raise ReadError(path, f"{place}: {_too_many_digits(event.value)}")
    if len(event.value) > bounds.text:
        raise ReadError(path, f"{place}: {_too_long('a text', event.value, bounds)}")


def _check_tag(tag: str | None, path: object, place: str) -> None:
    if tag in _NOT_PLAIN:
        rule = f"the tag !!{str(tag).rpartition(':')[2]} is no plain value; write a text, a number, a list or a mapping"
        raise ReadError(path, f"{place}: {rule}")


def _check_values(values: Any, path: object, bounds: Bounds) -> None:
    """Raise `ReadError` for values that JSON does not know or that break a bound."""
    waiting: list[tuple[Any, str, int]] = [(values, "", 0)]
    nodes = 0
    while waiting:
        value, place, depth = waiting.pop()
        nodes += 1
        rule = _broken_rule(value, bounds)
        if isinstance(value, dict):
            rule = rule or next(filter(None, (_broken_key(key, bounds) for key in value)), "")
            nodes += len(value)
        if depth > MAX_DEPTH:
            place, rule = "", _too_deep()
        if nodes + len(waiting) > bounds.nodes:
            place, rule = "", _too_many(bounds)
        if rule:
            raise ReadError(path, f"{shown(place)}: {rule}" if place else rule)
        if isinstance(value, dict):
            waiting += [(each, join_path(place, key), depth + 1) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(each, f"{place}[{index}]", depth + 1) for index, each in enumerate(value)]


def _broken_rule(value: Any, bounds: Bounds) -> str:
    """The bound that a single value breaks, empty where none."""
    if isinstance(value, str):
        if len(value) > bounds.text:
            return _too_long("a text", value, bounds)
        return "" if _is_writable(value) else f"half of a surrogate pair is no character, got {shown(value)}"
    if type(value) is int and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return f"an integer must fit 64 bits, got {shown(value)}"
    if value is None or isinstance(value, bool | int | float | list | dict):
        return ""
    return f"must be a text, a number, a list or a mapping, got {shown(value)}"


def _broken_key(key: Any, bounds: Bounds) -> str:
    if isinstance(key, str):
        return _broken_rule(key, bounds)
    return f"a key must be a text, got {shown(key)}; put it in quotes"


def _is_writable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text)


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(_too_many_digits(text))
    return int(text)


def _at_most(file: BinaryIO, bounds: Bounds, path: Path) -> bytes:
    content = file.read(bounds.bytes + 1)
    if len(content) > bounds.bytes:
        raise ReadError(path, f"holds more than {bounds.bytes:,} bytes, the most that is read; make it smaller")
    return content


def _too_deep() -> str:
    return f"lists and mappings may stand {MAX_DEPTH} deep within each other, these stand deeper; flatten them"


def _too_many(bounds: Bounds) -> str:
    return f"holds more than {bounds.nodes:,} values, aliases counted as what they stand for; make it smaller"


def _too_many_digits(text: str) -> str:
    return f"a number may have {MAX_DIGITS} digits, got {len(text):,}: {shown(text)}"


def _too_long(what: str, text: str, bounds: Bounds) -> str:
    return f"{what} may have {bounds.text:,} characters, got {len(text):,}: {shown(text)}"
