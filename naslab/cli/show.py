"""`naslab show`: the stages of a network with shapes and cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naslab.arch import cost as cost_of
from naslab.arch import encode, reach
from naslab.arch.sides import shown_sides
from naslab.arch.summary import stage_rows
from naslab.cli.help_text import Command
from naslab.cli.options import ModelArgument
from naslab.cli.output import (
    DEFAULT_LEDGER,
    JsonOption,
    LedgerOption,
    print_json,
    print_table,
    quantity,
    say,
    say_idle_strides,
    tell,
)
from naslab.errors import SpecError, counted
from naslab.metrics import ACTIVATIONS, MACS, PARAMS

if TYPE_CHECKING:
    from naslab.arch import ArchSpec
    from naslab.arch.diagram import Diagram


def show(
    model: ModelArgument,
    resolution: Annotated[str | None, typer.Option(help="Input size: 224, or height x width as 224x160.")] = None,
    num_classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    diagram: Annotated[
        Path | None, typer.Option(help="Write an interactive diagram to this self-contained HTML file.")
    ] = None,
    auxiliary: Annotated[
        bool, typer.Option(help="Draw the auxiliary heads, which are there in training only, into the diagram.")
    ] = True,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """The stages of a network: block, repeats, stride, output shape and cost of each.

    Example: naslab show mobilenet_v2 --resolution 160 --diagram mobilenet.html
    """
    from naslab.lab.models import find_model, parse_resolution

    found = find_model(model, ledger, parse_resolution(resolution), num_classes)
    say_idle_strides(found.arch)
    total = cost_of(found.arch)  # comes first: of what does not fit it names the layer
    rows = stage_rows(found.arch)
    seen = reach(found.arch)
    if diagram is not None:
        from naslab.figures.diagram import write_diagram

        write_diagram(_drawn(found.arch, auxiliary), model, diagram)
        say(f"wrote {diagram}")
    if json:
        value: dict[str, Any] = {
            "name": model,
            "arch_id": found.arch_id,
            "cost": total,
            "depth": seen.depth,
            "receptive_field": seen.field,
            "stages": rows,
            "arch": encode(found.arch),
        }
        print_json(value)
        return
    print_table(
        ("place", "block", "repeats", "stride", "output", PARAMS.name, MACS.name, ACTIVATIONS.name),
        [
            (
                row.place,
                row.block,
                row.repeats,
                shown_sides(row.stride),
                " x ".join(map(str, row.out_shape)),
                row.params,
                row.macs,
                row.activations,
            )
            for row in rows
        ],
        title=(
            f"{model}  input {' x '.join(map(str, found.arch.input))}, "
            f"{counted(found.arch.num_classes, 'class', 'classes')}"
        ),
    )
    tell(
        f"{quantity(total.params)} params, {quantity(total.macs)} macs, {quantity(total.activations)} activations, "
        f"{quantity(total.peak_activation_bytes)}B peak activation memory (float32, one image)"
    )
    tell(
        f"{counted(seen.depth, 'layer')} with weights on the longest way; a position of the last map sees "
        f"{seen.field[0]} x {seen.field[1]} pixels, {seen.jump[0]} x {seen.jump[1]} apart"
    )
    for head in found.arch.auxiliary:
        tell(f"auxiliary head behind stages[{head.after}], in training only, not counted; loss weight {head.weight:g}")


def _drawn(arch: ArchSpec, auxiliary: bool) -> Diagram:
    """The diagram; an error tells how to do without auxiliary heads that do not fit an input the network does fit."""
    from naslab.arch.diagram import AUXILIARY
    from naslab.arch.diagram import diagram as diagram_of

    try:
        return diagram_of(arch, auxiliary)
    except SpecError as error:
        if not error.field.startswith(AUXILIARY):
            raise
        raise SpecError(error.field, f"{error.rule}; --no-auxiliary draws the network without its heads") from None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(show)
