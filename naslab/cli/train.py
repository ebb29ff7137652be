"""`naslab train`: one network to the end, and the one reading of the test set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import (
    ChannelsOption,
    DataDirOption,
    DeviceOption,
    EpochsOption,
    LeastMatchOption,
    LicenceOption,
    MaxImagesOption,
    ModelArgument,
    PretrainedOption,
    SkipUnreadableOption,
    StudyDatasetOption,
    TaskOption,
    TuneOption,
    search_option,
)
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say, say_idle_strides, tell


def train(
    model: ModelArgument,
    dataset: StudyDatasetOption = None,
    data_dir: DataDirOption = None,
    skip_unreadable: SkipUnreadableOption = False,
    channels: ChannelsOption = None,
    task: TaskOption = None,
    use_validation: Annotated[
        bool, typer.Option("--use-validation", help="Train on the validation images too.", rich_help_panel="Data")
    ] = False,
    max_images: MaxImagesOption = None,
    epochs: EpochsOption = 20,
    recipe: Annotated[
        str | None, search_option("recipe", show_default="full; with --pretrained fine-tune, of a head probe")
    ] = None,
    resolution: Annotated[
        str | None, typer.Option(help="Input size: 32, or height x width as 32x48.", rich_help_panel="Training")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Weights (safetensors) to go on from.", rich_help_panel="Training")
    ] = None,
    pretrained: PretrainedOption = None,
    least_match: LeastMatchOption = 0.9,
    tune: TuneOption = None,
    freeze_norm: Annotated[
        bool, typer.Option("--freeze-norm", help="Batch norms stay as they are.", rich_help_panel="Training")
    ] = False,
    layer_decay: Annotated[
        float | None,
        typer.Option(help="Each stage learns at so much of the next one's rate, as 0.7.", rich_help_panel="Training"),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the weights and of the batches.", rich_help_panel="Training")
    ] = 0,
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

    Example: naslab train mystudy:best --epochs 60 --out trained

    Example: naslab train efficientnet_b0 --pretrained torchvision --tune head --dataset cifar10 --epochs 5
    """
    import math

    import msgspec

    from naslab.atomic_write import atomic_write
    from naslab.cli.search import data_choice
    from naslab.lab.models import find_model, parse_resolution
    from naslab.lab.training import train as run
    from naslab.metrics import shown_as
    from naslab.package.facts import WEIGHTS_FILE
    from naslab.package.folder import write_package

    found = find_model(model, ledger, parse_resolution(resolution))
    say_idle_strides(found.arch)
    trained = run(
        found,
        dataset=data_choice(dataset, None, "auto", skip_unreadable, channels, task),
        epochs=epochs,
        recipe=recipe,
        seed=seed,
        device=device,
        use_validation=use_validation,
        start_from=start_from,
        pretrained=pretrained,
        tune=tune,
        freeze_norm=freeze_norm,
        layer_decay=layer_decay,
        least_match=least_match,
        max_images=max_images,
        note=say,
        save_to=out / WEIGHTS_FILE,
        ledger=ledger,
        data_dir=data_dir,
        licence=licence,
        report=lambda epoch: say(
            f"epoch {epoch.epoch}/{epochs}: loss {epoch.train_loss:.4f}, validation {epoch.words}, "
            f"{epoch.wall_seconds:.1f} s"
        ),
    )
    write_package(out, trained.facts, f"{model}, trained by naslab; weights.safetensors fits it.", bare)
    value = {
        "model": model,
        "dataset": trained.dataset,
        "epochs": epochs,
        "recipe": trained.recipe,
        "seed": seed,
        **msgspec.structs.asdict(trained.result),
        "folder": str(out),
    }
    atomic_write(out / "result.json", msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    if json:
        print_json(value)
        return
    result = trained.result
    told = [shown_as(name).sentence(value) for name, value in result.test_metrics.items()]
    if math.isfinite(result.test_accuracy):
        told = [f"accuracy {result.test_accuracy:.2f} +- {result.test_accuracy_sem:.2f} %"]
    tell(
        f"test {', '.join(told)} on {result.num_test_images} images of {trained.dataset}, "
        f"{result.wall_seconds:.0f} s on {result.device}"
    )
    say(f"wrote weights.safetensors, network.json, network.py, arch.yaml and result.json to {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(train)
