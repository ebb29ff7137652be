"""`naslab supernet`: train the weights that all networks of a space share; `naslab slice`: one network's of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import (
    DataDirOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    MaxImagesOption,
    RecipeOption,
    SpaceArgument,
)
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say, tell
from naslab.errors import counted


def supernet(
    space: SpaceArgument,
    out: Annotated[
        Path,
        typer.Option(help="The supernet's file (safetensors); a training half done goes on.", rich_help_panel="Output"),
    ],
    dataset: DatasetOption = None,
    max_images: MaxImagesOption = None,
    data_dir: DataDirOption = None,
    epochs: EpochsOption = 20,
    recipe: RecipeOption = "short",
    resolution: Annotated[
        str | None,
        typer.Option(
            help="Input size: 32, or height x width as 32x48; by default the space's.", rich_help_panel="Training"
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Seed of the weights, of the networks and of the batches.", rich_help_panel="Training"
        ),
    ] = 0,
    device: DeviceOption = "auto",
    paths: Annotated[
        int, typer.Option(min=1, help="Random networks that each batch trains.", rich_help_panel="Weight sharing")
    ] = 2,
    sandwich: Annotated[
        bool,
        typer.Option(
            "--sandwich/--no-sandwich",
            help="Train the largest and the smallest with each batch too.",
            rich_help_panel="Weight sharing",
        ),
    ] = True,
    distill: Annotated[
        bool,
        typer.Option(
            "--distill",
            help="Let the others learn from the largest network's outputs.",
            rich_help_panel="Weight sharing",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train one set of weights that every network of a space is a slice of, to rank networks without training them.

    Example: naslab supernet nas_bench_macro --dataset cifar10 --epochs 30 --out macro.safetensors
    """
    from naslab.lab.models import parse_resolution
    from naslab.lab.supernet import train_supernet

    trained = train_supernet(
        space,
        out,
        dataset=dataset,
        max_images=max_images,
        epochs=epochs,
        recipe=recipe,
        resolution=parse_resolution(resolution),
        paths=paths,
        sandwich=sandwich,
        distill=distill,
        seed=seed,
        device=device,
        data_dir=data_dir,
        report=lambda epoch, loss: say(f"epoch {epoch}/{epochs}: loss {loss:.4f}"),
    )
    params = sum(value.numel() for value in trained.tensors.values())
    if json:
        print_json({"file": str(out), "epochs": trained.epochs_done, "params": params, "losses": trained.losses})
        return
    tell(f"{out}: {params:,} shared parameters, {counted(trained.epochs_done, 'epoch')}, loss {trained.losses[-1]:.4f}")
    say(f"use it: naslab search {space} --estimator supernet:path={out}")


def slice_weights(
    supernet: Annotated[Path, typer.Argument(help="A file of `naslab supernet`.")],
    model: Annotated[
        str,
        typer.Argument(
            help="A network of its space: an architecture file, STUDY:TRIAL, STUDY:best, 'STUDY:best@macs<=5M'."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The weights (safetensors) to write.")] = Path("weights.safetensors"),
    ledger: LedgerOption = DEFAULT_LEDGER,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Write the weights that a network has in a supernet, to train it on from there.

    Example: naslab slice macro.safetensors mystudy:best --out start.safetensors
    """
    from naslab.lab.models import find_model
    from naslab.lab.supernet import export_shared_weights

    digest = export_shared_weights(supernet, find_model(model, ledger), out, data_dir=data_dir)
    if json:
        print_json({"file": str(out), "sha256": digest})
        return
    tell(f"{out}: sha256 {digest}")
    say(f"train on: naslab train {model} --start-from {out}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=Command)(supernet)
    app.command("slice", cls=Command)(slice_weights)
