"""`naslab transfer`: what pretrained weights are worth on one's own data, by how they are tuned."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.fit_scaling import require_figure_name
from naslab.cli.help_text import Command, completing
from naslab.cli.options import DataDirOption, DeviceOption, MaxImagesOption, ModelArgument, OutOption
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say, tell
from naslab.errors import counted


def transfer(
    model: ModelArgument,
    pretrained: Annotated[
        str, typer.Option(help="Weights, as `naslab train --pretrained` takes them.", rich_help_panel="Training")
    ],
    dataset: Annotated[
        list[str],
        typer.Option(
            help="{datasets}; may be repeated.", rich_help_panel="Data", autocompletion=completing("datasets")
        ),
    ],
    images: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Images a class, as --images 10 50.", show_default="10 50", rich_help_panel="Data"),
    ] = None,
    max_images: MaxImagesOption = None,
    data_dir: DataDirOption = None,
    ways: Annotated[
        str, typer.Option(help="Ways to tune, cheapest first.", rich_help_panel="Training")
    ] = "head,last:2,all,scratch",
    resolution: Annotated[
        str | None, typer.Option(help="Input size: 32, or height x width as 32x48.", rich_help_panel="Training")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.", rich_help_panel="Training")] = 10,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of each, with different images.", rich_help_panel="Training")
    ] = 3,
    device: DeviceOption = "auto",
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Compare ways to tune pretrained weights on little and on more data, and say which to take.

    Two data sets, one like the source's and one unlike it, make the four corners: little or much, similar or different.

    Example: naslab transfer efficientnet_b0 --pretrained torchvision --dataset cifar10 --images 10 50 --out page.html
    """
    from naslab.lab.models import find_model, parse_resolution
    from naslab.lab.transfer import transfer as run

    require_figure_name(out)
    table = run(
        find_model(model, ledger, parse_resolution(resolution)),
        pretrained,
        datasets=dataset,
        images=images or (10, 50),
        ways=[each.strip() for each in ways.split(",") if each.strip()],
        seeds=seeds,
        epochs=epochs,
        max_images=max_images,
        device=device,
        ledger=ledger,
        data_dir=data_dir,
        note=say,
    )
    if out is not None:
        from naslab.figures.transfer import transfer_figure
        from naslab.figures.write import write_figure

        write_figure(transfer_figure(table), out)
    if json:
        print_json({**table.rows(), "figure": None if out is None else str(out)})
        return
    print_table(
        ("data", "images a class", *table.ways, "take"),
        [
            (
                name,
                count,
                *(cell.words for cell in table.of(name, count)),
                table.chosen(name, count).way,
            )
            for name, count in table.corners
        ],
        title=(
            f"{table.model}, {counted(epochs, 'epoch')}: validation accuracy in %, mean and standard error of "
            f"{counted(seeds, 'seed')}"
        ),
    )
    tell("take: the cheapest way within one standard error of the best")
    if out is not None:
        say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(transfer)
