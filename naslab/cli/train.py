"""`naslab train`: one network to the end, and the one reading of the test set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naslab.cli.help_text import Command, completing
from naslab.cli.needs import is_dense
from naslab.cli.options import (
    KIND_CHOICES,
    MODEL_HELP,
    TASK_CHOICES,
    AnyTask,
    ChannelsOption,
    DataDirOption,
    DeviceOption,
    EpochsOption,
    Kind,
    LeastMatchOption,
    LicenceOption,
    MaxImagesOption,
    PretrainedOption,
    SkipUnreadableOption,
    StudyDatasetOption,
    TuneOption,
    search_option,
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
from naslab.errors import SpecError, counted

if TYPE_CHECKING:
    from naslab.dense_prediction.fit import DenseEpoch
    from naslab.lab.seeds import SeedTable
    from naslab.study.outcome import EpochRecord


TrainTaskOption = Annotated[
    AnyTask | None,
    typer.Option(
        help="What is learned, where labels do not say it themselves.", rich_help_panel="Data", metavar=TASK_CHOICES
    ),
]
KindOption = Annotated[
    Kind | None,
    typer.Option(
        help="What stands on the network in detection and segmentation.",
        rich_help_panel="Training",
        metavar=KIND_CHOICES,
    ),
]
LevelsOption = Annotated[
    str | None,
    typer.Option(
        help="The strides of the network's maps that it stands on: 4,8,16,32; 16 for fcn and deeplabv3.",
        rich_help_panel="Training",
    ),
]
HeadChannelsOption = Annotated[
    int | None, typer.Option(min=4, help="Channels of its heads, 256.", rich_help_panel="Training")
]


def train(
    model: Annotated[
        str,
        typer.Argument(
            help=f"{MODEL_HELP} STUDY:front trains every network of a front, in a folder each.",
            autocompletion=completing("models"),
        ),
    ],
    dataset: StudyDatasetOption = None,
    data_dir: DataDirOption = None,
    skip_unreadable: SkipUnreadableOption = False,
    channels: ChannelsOption = None,
    task: TrainTaskOption = None,
    kind: KindOption = None,
    levels: LevelsOption = None,
    head_channels: HeadChannelsOption = None,
    use_validation: Annotated[
        bool, typer.Option("--use-validation", help="Train on the validation images too.", rich_help_panel="Data")
    ] = False,
    max_images: MaxImagesOption = None,
    epochs: EpochsOption = 20,
    recipe: Annotated[
        str | None,
        search_option(
            "recipe",
            show_default="full; with --pretrained, --quantize fine-tune, of a head probe",
            autocompletion=completing("recipes"),
        ),
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
    quantize: Annotated[
        str | None,
        typer.Option(
            help="int8: fine-tune a trained network as it computes in 8 bits, and say what that gains.",
            rich_help_panel="Training",
        ),
    ] = None,
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

    A --task of detection, instance_segmentation, keypoints or segmentation has a --dataset coco:DIR, voc:DIR, yolo:DIR
    or masks:DIR, and trains torchvision heads on the maps of the network; the folder is one for naslab predict. Its
    --recipe is a file of fields of naslab.DenseRecipe, as learning_rate: 3.0e-3 and boxes: 64.

    Example: naslab train trained --quantize int8 --epochs 5 --out trained-int8

    Example: naslab train efficientnet_b0 --pretrained torchvision --tune head --dataset cifar10 --epochs 5

    Example: naslab train mobilenet_v2 --task detection --dataset coco:photos --epochs 20 --out found
    """
    if is_dense(task):
        given = {
            "task": task,
            "kind": kind,
            "levels": levels,
            "channels": head_channels,
            "dataset": dataset,
            "out": out,
            "epochs": epochs,
            "recipe": recipe,
            "resolution": resolution,
            "seed": seed,
            "device": device,
            "pretrained": pretrained,
            "least_match": least_match,
            "freeze_norm": freeze_norm,
            "max_images": max_images,
            "ledger": ledger,
        }
        _train_detector(model, given, json)
        return
    from naslab.cli.search import data_choice
    from naslab.lab.models import find_model, is_front, parse_resolution
    from naslab.lab.seeds import settle, train_seeds, train_to_folder

    asked = data_choice(dataset, None, "auto", skip_unreadable, channels, task)  # type: ignore[arg-type]
    size = parse_resolution(resolution)
    shared: dict[str, Any] = {
        "dataset": asked,
        "recipe": recipe,
        "epochs": epochs,
        "device": device,
        "use_validation": use_validation,
        "start_from": start_from,
        "pretrained": pretrained,
        "tune": tune,
        "quantize": quantize,
        "freeze_norm": freeze_norm,
        "layer_decay": layer_decay,
        "least_match": least_match,
        "max_images": max_images,
        "ledger": ledger,
        "data_dir": data_dir,
        "licence": licence,
        "bare": bare,
    }
    if seeds is not None or is_front(model):

        def report(name: str, number: int, epoch: EpochRecord) -> None:
            say(f"{name}, seed {number}: {_words(epoch, epochs)}")

        table = train_seeds(model, seeds or 1, out, seed=seed, resolution=size, **shared, report=report, note=say)
        _show_seeds(table, model, out, json)
        return
    found = find_model(model, ledger, size)
    say_idle_strides(found.arch)
    how = settle(found, **shared)
    value = train_to_folder(out, found, seed, how, lambda epoch: say(_words(epoch, epochs)), say)
    if json:
        print_json(value)
        return
    _tell_training(value, out)


def _tell_training(value: dict[str, Any], out: Path) -> None:
    """Tell what the result file of a training says: the test metrics, what quantising gained, the files in `out`."""

    from naslab.lab.seeds import test_metrics
    from naslab.metrics import ACCURACY, shown_as

    told = [shown_as(name).sentence(each) for name, each in test_metrics(value).items()]
    if math.isfinite(value["test_accuracy"]):
        error = value[f"test_{ACCURACY.standard_error}"]
        told = [f"{ACCURACY.name} {value['test_accuracy']:.2f} +- {error:.2f} %"]
    tell(
        f"test {', '.join(told)} on {counted(value['num_test_images'], 'image')} of {value['dataset']}, "
        f"{value['wall_seconds']:.0f} s on {value['device']}"
    )
    if "int8" in value:
        told_int8 = value["int8"]
        gain = f"{told_int8.gain:+.2f} +- {told_int8.gain_sem:.2f} over quantising it as it was"
        tell(
            f"in {told_int8.target} {told_int8.accuracy:.2f} % of "
            f"{counted(told_int8.num_images, 'validation image')}, {gain}"
        )
        say(f"wrote {told_int8.file} to {out}")
    say(f"wrote weights.safetensors, network.json, network.py, arch.yaml and result.json to {out}")


def _words(epoch: EpochRecord, epochs: int) -> str:
    done = f"epoch {epoch.epoch}/{epochs}: loss {epoch.train_loss:.4f}"
    return f"{done}, validation {epoch.words}, {epoch.wall_seconds:.1f} s"


def _train_detector(model: str, given: dict[str, Any], json: bool) -> None:
    """Train a detector or segmenter as the options say, and tell of it."""
    from naslab.lab.detector_training import train_detector
    from naslab.metrics import MACS
    from naslab.reading import whole_number

    if (levels := given["levels"]) is not None:
        strides = [whole_number(each.strip()) for each in levels.split(",")]
        if None in strides:
            raise SpecError("levels", f"must be strides with commas between them, as 4,8,16,32, got '{levels}'")
        given = {**given, "levels": strides}
    given = {name: value for name, value in given.items() if value is not None or name not in ("channels",)}

    def report(epoch: DenseEpoch) -> None:
        parts = ", ".join(f"{name} {value:.3f}" for name, value in epoch.losses.items())
        say(f"epoch {epoch.epoch}/{given['epochs']}: loss {epoch.loss:.4f} ({parts}), {epoch.wall_seconds:.1f} s")

    result = train_detector(model, **given, report=report, note=say)
    if json:
        print_json(result)
        return
    told = ", ".join(f"{name} {100 * value:.1f} %" for name, value in result["metrics"].items())
    macs = result["cost"][MACS.name]
    tell(
        f"{told} on {counted(result['num_test_images'], 'image')} ({result['tested_on']}), {macs:,} macs an image, "
        f"{result['wall_seconds']:.0f} s on {result['device']}"
    )
    say(f"wrote weights.safetensors, detector.json and result.json to {result['folder']}")


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
        title=f"{model} on {table.dataset}, {counted(table.epochs, 'epoch')}: mean ± standard error over seeds",
    )
    runs = [(each.model, run) for each in table.networks for run in each.runs]
    for name, run in runs:
        if run.failure:
            say(f"{name}, seed {run.seed}: {run.failure}")
    had = sum(not run.is_new for _, run in runs)
    say(f"{counted(len(runs), 'training')} in {out}, a folder each" + (f"; {had} were done before" if had else ""))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(train)
