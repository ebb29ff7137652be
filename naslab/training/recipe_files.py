"""Recipes by name and from YAML or JSON files, with errors that name the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from naslab.arch.files import decode, encode
from naslab.errors import NaslabError, SpecError
from naslab.reading import read_values
from naslab.study.recipe import Recipe, named_recipe

SUFFIXES = (".yaml", ".yml", ".json")
BASE = "base"


def find_recipe(name_or_path: str | Path, dataset: str) -> Recipe:
    """The recipe `name_or_path`: one of `RECIPES` fitted to `dataset`, or that of a YAML or JSON file.

    A file holds fields of `Recipe`, and may name the recipe that holds for all others: `{base: full, mixup: 0.2}`.
    Raises `UnknownNameError` with the nearest names, `SpecError` with the file and the field, `NaslabError` for a file
    that is missing, no YAML, or not a mapping of fields.

    >>> find_recipe("full", "cifar10").schedule
    'cosine'
    """
    path = Path(name_or_path)
    if not isinstance(name_or_path, Path) and path.suffix not in SUFFIXES and len(path.parts) < 2:
        return named_recipe(name_or_path, dataset)
    own = fields_in(path)
    try:
        named = encode(named_recipe(str(own.pop(BASE)), dataset)) if BASE in own else {}
        return decode(named | own, Recipe)
    except SpecError as error:
        raise in_file(error, path) from None


def fields_in(path: Path) -> dict[str, Any]:
    """The fields of a recipe that a YAML or JSON file holds, by name. Raises `NaslabError` where it holds none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "how.yaml"
    ...     _ = path.write_text("learning_rate: 1e-3", encoding="utf-8")
    ...     fields_in(path)
    {'learning_rate': 0.001}
    """
    data = read_values(path)
    if not isinstance(data, dict):
        raise NaslabError(f"{path} must hold the fields of a recipe, as 'learning_rate: 0.1'")
    return {name: value if name == BASE else _number(value) for name, value in data.items()}


def in_file(error: SpecError, path: Path) -> SpecError:
    """An `error` of what the file `path` holds, which names that file.

    >>> str(in_file(SpecError("boxes", "must be at least 4, got 2"), Path("folder/how.yaml")))
    'how.yaml: boxes: must be at least 4, got 2'
    """
    return SpecError(f"{path.name}: {error.field}" if error.field else path.name, error.rule)


def _number(value: Any) -> Any:
    """The number that a text is: YAML reads 1e-4, which everybody writes, as a text, and only 1.0e-4 as a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
