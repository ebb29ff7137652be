"""`naslab shrink`: a network with weights brought under a budget of macs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command, completing
from naslab.cli.options import (
    DataDirOption,
    DeviceOption,
    EpochsOption,
    LeastMatchOption,
    MaxImagesOption,
    ModelArgument,
    StudyDatasetOption,
    search_option,
)
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say
from naslab.errors import counted
from naslab.metrics import MACS, PARAMS


def shrink(
    model: ModelArgument,
    target_macs: Annotated[
        str, typer.Option(help="A share of the model's macs, as 0.5x, or an amount, as 50M.", rich_help_panel="How far")
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights, as `naslab train --pretrained` takes them; by default those of a trained folder.",
            rich_help_panel="Training",
        ),
    ] = None,
    dataset: StudyDatasetOption = None,
    data_dir: DataDirOption = None,
    max_images: MaxImagesOption = None,
    resolution: Annotated[
        str | None, typer.Option(help="Input size: 32, or height x width as 32x48.", rich_help_panel="Training")
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Networks to look at, without training.", rich_help_panel="How far")
    ] = 40,
    epochs: EpochsOption = 5,
    recipe: Annotated[
        str | None,
        search_option(
            "recipe", show_default="fine-tune; full for that from nothing", autocompletion=completing("recipes")
        ),
    ] = None,
    least_match: LeastMatchOption = 0.9,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is drawn.", rich_help_panel="Training")] = 0,
    device: DeviceOption = "auto",
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: Annotated[
        Path, typer.Option(help="Folder for the network, a MODEL, and the table.", rich_help_panel="Output")
    ] = Path("shrunk"),
    json: JsonOption = False,
) -> None:
    """Search widths and depths under a budget with inherited weights, then fine-tune the best, and compare.

    Beside it a network of one share of all widths with the same weights, and the best from random weights, are trained
    for as many epochs.

    Example: naslab shrink mobilenet_v2 --weights torchvision --target-macs 0.5x --dataset cifar10 --out small
    """
    from naslab.lab.models import find_model, parse_resolution
    from naslab.lab.shrinking import shrink as run

    table = run(
        find_model(model, ledger, parse_resolution(resolution)),
        target_macs,
        weights=weights,
        dataset=dataset,
        out=out,
        trials=trials,
        epochs=epochs,
        recipe=recipe,
        least_match=least_match,
        max_images=max_images,
        seed=seed,
        device=device,
        ledger=ledger,
        data_dir=data_dir,
        note=say,
    )
    if json:
        print_json({**table.rows(), "folder": str(out)})
        return
    print_table(
        ("way", MACS.name, PARAMS.name, "probe before training", "test accuracy"),
        [
            (
                each.way,
                each.macs,
                each.params,
                None if each.probe is None else f"{each.probe:.1f}",
                each.failure or f"{each.accuracy:.2f} ± {each.sem:.2f}",
            )
            for each in table.networks
        ],
        title=(
            f"{table.model}: {table.macs:,} macs to {table.target:,.0f}, {counted(epochs, 'epoch')} each on "
            f"{table.dataset}"
        ),
    )
    say(f"wrote the shrunk network, its weights and shrink.json to {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(shrink)
