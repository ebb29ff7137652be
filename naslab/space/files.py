"""Search spaces as YAML files: the shipped ones by name, any other by path."""

from __future__ import annotations

from pathlib import Path

from naslab.arguments import path as paths
from naslab.arguments import takes
from naslab.errors import NaslabError, SpecError, UnknownNameError
from naslab.reading import read_values
from naslab.space.space import SearchSpace

SUFFIXES = (".yaml", ".yml", ".json")


@takes(name_or_path=paths("the name of a space, or a YAML file"))
def load_space(name_or_path: str | Path) -> SearchSpace:
    """The search space `name_or_path`: a shipped space by its name, or that of a YAML file.

    Raises `UnknownNameError` with the nearest names, or `SpecError` with the path in the file.

    >>> load_space("nas_bench_macro").size()
    6561
    """
    path = _space_path(name_or_path)
    try:
        return SearchSpace(read_values(path), path.stem)
    except SpecError as error:
        place = f"{path.name}: {error.field}" if error.field else path.name
        raise SpecError(place, error.rule) from None


def space_names() -> tuple[str, ...]:
    """The names of the shipped spaces, in alphabetical order.

    >>> "nas_bench_201" in space_names()
    True
    """
    return tuple(sorted(path.stem for path in shipped_folder().glob("*.yaml")))


def describe_space(name: str) -> str:
    """The comment at the head of the shipped space `name`: what it is and where it comes from.

    Raises `UnknownNameError` with the nearest names.

    >>> describe_space("digits_demo")[:22]
    'Mixed blocks for 8 x 8'
    """
    lines = _space_path(name).read_text(encoding="utf-8").splitlines()
    head = lines[: next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))]
    return " ".join(line.removeprefix("#").strip() for line in head)


def shipped_folder() -> Path:
    """The folder of the shipped spaces: inside the installed package, or beside it in a checkout.

    Raises `NaslabError` where neither is there.

    >>> (shipped_folder() / "digits_demo.yaml").is_file()
    True
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "search_spaces", package.parent / "search_spaces"):
        if folder.is_dir():
            return folder
    raise NaslabError(f"the shipped search spaces are missing beside {package}; install naslab again")


def _space_path(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix in SUFFIXES or len(path.parts) > 1:
        return path
    if name_or_path not in space_names():
        raise UnknownNameError("search space", name_or_path, space_names())
    return shipped_folder() / f"{name_or_path}.yaml"
