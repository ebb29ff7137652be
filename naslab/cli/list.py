"""`naslab list`: everything that has a name, by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, get_args

import typer

from naslab.cli.help_text import REGISTRIES, Command
from naslab.cli.output import JsonOption, print_json, print_table
from naslab.errors import UnknownNameError, counted
from naslab.outside import Group, published

Row = tuple[str, str]
"""A name, and what it is in a line."""


def list_names(
    kind: Annotated[str | None, typer.Argument(help="What to list; without it, the kinds there are.")] = None,
    json: JsonOption = False,
) -> None:
    """The names that options and files take, by kind: strategies, estimators, recipes, blocks, and the rest.

    Raises `UnknownNameError` for another kind.

    Example: naslab list blocks
    """
    if kind is None:
        rows: list[Row] = [(name, counted(sum(1 for _ in make()), "name")) for name, make in KINDS.items()]
    elif kind not in KINDS:
        raise UnknownNameError("kind of names", kind, KINDS)
    else:
        rows = list(KINDS[kind]())
    if json:
        print_json([{"name": name, "summary": summary} for name, summary in rows])
        return
    print_table((kind or "kind", ""), rows)


def _and_published(own: Callable[[], Iterable[Row]], group: Group) -> Callable[[], Iterable[Row]]:
    """The `own` names, and behind them those that installed distributions publish in an entry point `group`."""

    def rows() -> Iterable[Row]:
        yield from own()
        for name, values in published(group).items():
            yield name, f"published by an installed package: {' and '.join(values)}"

    return rows


def _first_line(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _blocks() -> Iterable[Row]:
    from naslab.arch.blocks import AnyBlock, OutsideBlock

    kinds = (each for each in get_args(AnyBlock) if each is not OutsideBlock)
    return sorted((str(each.__struct_config__.tag), _first_line(each.__doc__)) for each in kinds)


def _estimators() -> Iterable[Row]:
    from naslab.estimators.rows import ROWS

    return ((row.name, row.summary) for row in ROWS)


def _metrics() -> Iterable[Row]:
    from naslab.metrics import DEPLOYED_METRICS, find_metric

    for name in REGISTRIES["metrics"]():
        metric, at, _ = name.partition("@")
        row = DEPLOYED_METRICS[metric] if at else find_metric(metric)
        yield name, f"{row.summary or row.label}{' in a target' if at else ''}"


def _spaces() -> Iterable[Row]:
    from naslab.space import space_names
    from naslab.space.files import describe_space

    return ((name, _first_line(describe_space(name))) for name in space_names())


def _strategies() -> Iterable[Row]:
    from naslab.strategies.registry import strategy_summaries

    return strategy_summaries().items()


def _targets() -> Iterable[Row]:
    from naslab.targets.target import target_states

    return target_states().items()


def _networks() -> Iterable[Row]:
    from naslab.zoo.registry import zoo_entries

    return ((each.name, f"{each.family}, {each.paper.year}") for each in zoo_entries().values())


def _names(registry: str) -> Callable[[], Iterable[Row]]:
    return lambda: ((name, "") for name in REGISTRIES[registry]())


KINDS: dict[str, Callable[[], Iterable[Row]]] = {
    "strategies": _and_published(_strategies, "naslab.strategies"),
    "estimators": _and_published(_estimators, "naslab.estimators"),
    "recipes": _names("recipes"),
    "blocks": _and_published(_blocks, "naslab.blocks"),
    "metrics": _and_published(_metrics, "naslab.metrics"),
    "spaces": _spaces,
    "networks": _networks,
    "datasets": _and_published(_names("datasets"), "naslab.datasets"),
    "targets": _targets,
    "rules": _names("rules"),
    "roundings": _names("roundings"),
    "operators": _names("operators"),
}
"""What can be listed: of each kind the names, each with what it is."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list", cls=Command)(list_names)
