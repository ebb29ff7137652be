"""`naslab train`: one network to the end, and the one reading of the test set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import (
    MODEL_HELP,
    ChannelsOption,
    DataDirOption,
    DeviceOption,
    EpochsOption,
    LicenceOption,
    RecipeOption,
    SkipUnreadableOption,
    StudyDatasetOption,
    TaskOption,
)
from naslab.cli.output import (
    DEFAULT_LEDGER,
    JsonOption,
    LedgerOption,
    print_json,
    print_table,
    say,
    say_idle_strides,
    tell,
)

if TYPE_CHECKING:
    from naslab.lab.seeds import SeedTable
    from naslab.study.outcome import EpochRecord


def train(
    model: Annotated[
        str, typer.Argument(help=f"{MODEL_HELP} STUDY:front trains every network of a front, in a folder each.")
    ],
    dataset: StudyDatasetOption = None,
    data_dir: DataDirOption = None,
    skip_unreadable: SkipUnreadableOption = False,
    channels: ChannelsOption = None,
    task: TaskOption = None,
    use_validation: Annotated[
        bool, typer.Option("--use-validation", help="Train on the validation images too.", rich_help_panel="Data")
    ] = False,
    epochs: EpochsOption = 20,
    recipe: RecipeOption = "full",
    resolution: Annotated[
        str | None, typer.Option(help="Input size: 32, or height x width as 32x48.", rich_help_panel="Training")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Weights (safetensors) to go on from.", rich_help_panel="Training")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the weights and of the batches.", rich_help_panel="Training")
    ] = 0,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train from so many seeds, --seed the first, in a folder each, and tell means with standard errors.",
            rich_help_panel="Training",
        ),
    ] = None,
    device: DeviceOption = "auto",
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: Annotated[
        Path, typer.Option(help="Folder for weights, architecture and result.", rich_help_panel="Output")
    ] = Path("trained"),
    bare: Annotated[
        bool, typer.Option("--bare", help="Leave normalisation outside of network.py.", rich_help_panel="Output")
    ] = False,
    licence: LicenceOption = None,
    json: JsonOption = False,
) -> None:
    """Train a network, read the test set once at the end, and write a folder that is a MODEL for every command.

    network.json holds all that is known of it, how an image becomes its input and what its classes are called among it,
    and so does the header of weights.safetensors. network.py needs torch alone and takes images as they are; arch.yaml
    is the description, result.json what was measured.

    With --seeds, and of a front, each network has a folder in --out for each seed; those that are done are not trained
    again.

    Example: naslab train mystudy:front --seeds 3 --epochs 60 --out trained
    """
    import math

    from naslab.cli.search import data_choice
    from naslab.lab.models import find_model, is_front, parse_resolution
    from naslab.lab.seeds import How, test_metrics, train_seeds, train_to_folder
    from naslab.lab.training import data_of
    from naslab.metrics import ACCURACY, shown_as
    from naslab.training.recipe_files import find_recipe

    asked = data_choice(dataset, None, "auto", skip_unreadable, channels, task)
    size = parse_resolution(resolution)
    shared: dict[str, Any] = {
        "epochs": epochs,
        "device": device,
        "use_validation": use_validation,
        "start_from": start_from,
        "ledger": ledger,
        "data_dir": data_dir,
        "licence": licence,
        "bare": bare,
    }
    if seeds is not None or is_front(model):

        def report(name: str, number: int, epoch: EpochRecord) -> None:
            say(f"{name}, seed {number}: {_words(epoch, epochs)}")

        first: dict[str, Any] = {"dataset": asked, "recipe": recipe, "seed": seed, "resolution": size}
        _show_seeds(train_seeds(model, seeds or 1, out, **first, **shared, report=report), model, out, json)
        return
    found = find_model(model, ledger, size)
    say_idle_strides(found.arch)
    data = data_of(found, asked, ledger, data_dir)
    how = How(data=data, recipe=find_recipe(recipe, data.name), **shared)
    value = train_to_folder(out, found, seed, how, lambda epoch: say(_words(epoch, epochs)))
    if json:
        print_json(value)
        return
    told = [shown_as(name).sentence(each) for name, each in test_metrics(value).items()]
    if math.isfinite(value["test_accuracy"]):
        error = value[f"test_{ACCURACY.standard_error}"]
        told = [f"{ACCURACY.name} {value['test_accuracy']:.2f} +- {error:.2f} %"]
    tell(
        f"test {', '.join(told)} on {value['num_test_images']} images of {value['dataset']}, "
        f"{value['wall_seconds']:.0f} s on {value['device']}"
    )
    say(f"wrote weights.safetensors, network.json, network.py, arch.yaml and result.json to {out}")


def _words(epoch: EpochRecord, epochs: int) -> str:
    done = f"epoch {epoch.epoch}/{epochs}: loss {epoch.train_loss:.4f}"
    return f"{done}, validation {epoch.words}, {epoch.wall_seconds:.1f} s"


def _show_seeds(table: SeedTable, model: str, out: Path, json: bool) -> None:
    """Tell of each network the mean of each test metric over seeds, with its standard error."""
    from naslab.metrics import MACS, PARAMS, shown_as

    if json:
        print_json({"model": model, "folder": str(out), **table.rows()})
        return
    names = list(dict.fromkeys(name for each in table.networks for name in each.means))
    rows = []
    for each in table.networks:
        means = each.means
        words = [shown_as(n).number(means[n].mean, means[n].standard_error) if n in means else None for n in names]
        done = sum(not run.failure for run in each.runs)
        rows.append((each.model, each.macs, each.params, *words, f"{done} of {len(each.runs)}"))
    heads = [f"test {shown_as(name).column}" for name in names]
    print_table(
        ("network", MACS.name, PARAMS.name, *heads, "seeds"),
        rows,
        title=f"{model} on {table.dataset}, {table.epochs} epochs: mean ± standard error over seeds",
    )
    runs = [(each.model, run) for each in table.networks for run in each.runs]
    for name, run in runs:
        if run.failure:
            say(f"{name}, seed {run.seed}: {run.failure}")
    had = sum(not run.is_new for _, run in runs)
    say(f"{len(runs)} trainings in {out}, a folder each" + (f"; {had} were done before" if had else ""))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(train)
