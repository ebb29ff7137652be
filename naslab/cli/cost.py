"""`naslab cost`: what a network costs, exactly, before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from naslab.arch import cost as cost_of
from naslab.arch import layer_costs, uncounted_layers
from naslab.cli.help_text import Command, completing
from naslab.cli.options import MODEL_HELP
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say_idle_strides, tell
from naslab.errors import NaslabError, SpecError, shown
from naslab.metrics import ACTIVATIONS, MACS, PARAMS, PEAK_ACTIVATION_BYTES
from naslab.reading import cells_by_column, read_rows, whole_number

NUMBERS = tuple(row.name for row in (PARAMS, MACS, ACTIVATIONS, PEAK_ACTIVATION_BYTES))


def cost(
    model: Annotated[str | None, typer.Argument(help=MODEL_HELP, autocompletion=completing("models"))] = None,
    resolution: Annotated[str | None, typer.Option(help="Input size: 224, or height x width as 224x160.")] = None,
    num_classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer with its shapes and cost.")] = False,
    batch: Annotated[
        Path | None, typer.Option(help="A CSV with columns name, resolution, num_classes: one cost a row.")
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Params, macs, activations and peak activation memory of a network, as exact integers.

    macs are multiply-accumulates of convolution and linear layers, bias not counted (papers print them as "FLOPs").

    A network of more than 10,000 blocks, 2^20 channels or 65,536 pixels a side is refused; NASLAB_UNBOUNDED=1 lifts
    this.

    Example: naslab cost efficientnet_b0 --resolution 240 --layers
    """
    if (model is None) == (batch is None):
        raise typer.BadParameter("give either a MODEL or --batch ROWS.csv")
    if batch is not None:
        rows = [_cost_of_line(batch, line, row, ledger) for line, row in _lines(batch)]
        if json:
            print_json(rows)
        else:
            columns = ("name", "resolution", "num_classes", *NUMBERS)
            print_table(columns, [tuple(row[column] for column in columns) for row in rows])
        return
    assert model is not None
    found = _cost_of(model, resolution, num_classes, ledger, layers=layers)
    if json:
        print_json({key: value for key, value in found.items() if key not in ("name", "resolution", "num_classes")})
        return
    if layers:
        columns = ("path", "kind", "in_shape", "out_shape", *NUMBERS[:3])
        print_table(columns, [_layer_row(row) for row in found["layers"]])
    print_table(("", "exact"), [(name, found[name]) for name in NUMBERS])
    uncounted = ", ".join(f"{count} {kind}" for kind, count in found["uncounted_layers"].items())
    tell(f"layers without multiply-accumulates by this convention: {uncounted or 'none'}")


def _cost_of(
    name: str, resolution: str | None, num_classes: str | int | None, ledger: str, layers: bool = False
) -> dict[str, Any]:
    """The cost of one model as plain values."""
    from naslab.lab.models import find_model, parse_resolution

    if num_classes in ("", None):
        classes = None
    else:
        classes = whole_number(str(num_classes))
        if not classes:
            raise SpecError("num_classes", f"must be a whole number of at least 1, got '{shown(num_classes)}'")
    found = find_model(name, ledger, parse_resolution(resolution or None), classes)
    say_idle_strides(found.arch)
    height, width = found.arch.input[1:]
    value: dict[str, Any] = {
        "name": name,
        "resolution": height if height == width else f"{height}x{width}",
        "num_classes": found.arch.num_classes,
        **msgspec.structs.asdict(cost_of(found.arch)),
        "uncounted_layers": uncounted_layers(found.arch),
    }
    if layers:
        value["layers"] = [msgspec.structs.asdict(row) for row in layer_costs(found.arch)]
    return value


def _cost_of_line(path: Path, line: int, row: dict[str, str], ledger: str) -> dict[str, Any]:
    """The cost of one line of a CSV; an error says which line it is."""

    try:
        return _cost_of(row["name"], row.get("resolution"), row.get("num_classes"), ledger)
    except NaslabError as error:
        raise NaslabError(f"{path}, line {line}: {error}") from None


def _layer_row(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(" x ".join(map(str, value)) if isinstance(value, tuple) else value for value in row.values())


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV that has a column `name`, each with the number of its line."""
    header, lines = read_rows(path)
    if "name" not in header:
        raise NaslabError(f"{path}: needs a column 'name', has {shown(', '.join(header) or 'none')}")
    return [(line.number, cells_by_column(path, header, line)) for line in lines]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(cost)
