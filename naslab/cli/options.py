"""Options that several commands share, and those of a search as `SearchOptions` defines them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

import typer

from naslab.cli.help_text import completing
from naslab.errors import shown
from naslab.lab.search_options import TOLD

if TYPE_CHECKING:
    from naslab.execution.workers import Workers


def search_option(name: str, *declarations: str, of: str = "", **rules: Any) -> Any:
    """The command's parameter `name`, its help and panel those of the search option `of`, by default of that name.

    `declarations` are its flags, where they do not follow from the name; `rules` are typer's, such as `min`.
    """
    told = TOLD[of or name]
    return typer.Option(*declarations, help=told.parts(of or name)[name], rich_help_panel=told.panel, **rules)


def count_or_auto(text: str) -> int | Literal["auto"]:
    """A number of workers, or `auto`. Raises `typer.BadParameter` for anything else."""
    from naslab.reading import whole_number

    if text == "auto":
        return "auto"
    number = whole_number(text)
    if number is None:
        raise typer.BadParameter(f"must be a whole number or 'auto', got '{shown(text)}'")
    return number


MODEL_HELP = (
    "A zoo name, an architecture file, a folder of naslab train, STUDY:TRIAL, STUDY:best, or STUDY:best@LIMITS as "
    "'mystudy:best@macs<=5M,accuracy>=90'."
)
ModelArgument = Annotated[str, typer.Argument(help=MODEL_HELP, autocompletion=completing("models"))]
SpaceArgument = Annotated[str, typer.Argument(help=TOLD["space"].help, autocompletion=completing("spaces"))]

DatasetOption = Annotated[str | None, search_option("dataset", autocompletion=completing("datasets"))]
StudyDatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="{datasets}; by default a study's own.",
        rich_help_panel="Data",
        autocompletion=completing("datasets"),
    ),
]
SkipUnreadableOption = Annotated[bool, search_option("skip_unreadable", "--skip-unreadable", of="dataset")]
ChannelsOption = Annotated[int | None, search_option("channels", of="dataset", min=1, max=3)]
AnyTask: TypeAlias = Literal[
    "classification",
    "multilabel",
    "regression",
    "detection",
    "instance_segmentation",
    "keypoints",
    "segmentation",
]
Kind: TypeAlias = Literal["faster_rcnn", "mask_rcnn", "keypoint_rcnn", "unet", "fcn", "deeplabv3"]
TASK_CHOICES, KIND_CHOICES = (" | ".join(get_args(each)) for each in (AnyTask, Kind))
"""The names as a help writes them, with room between them, where lines are folded."""
TaskOption = Annotated[AnyTask | None, search_option("task", of="dataset", metavar=TASK_CHOICES)]
MaxImagesOption = Annotated[int | None, search_option("max_images", min=2)]
DataDirOption = Annotated[str | None, search_option("data_dir")]

EpochsOption = Annotated[int, typer.Option(min=1, help="Epochs of training.", rich_help_panel="Training")]
RecipeOption = Annotated[str, search_option("recipe", autocompletion=completing("recipes"))]
PretrainedOption = Annotated[
    str | None,
    typer.Option(
        help="Weights to begin with: torchvision, timm:NAME, a file of either or of naslab, a trained folder, "
        "STUDY:TRIAL.",
        rich_help_panel="Training",
    ),
]
LeastMatchOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Refuse weights of which a smaller share of tensors fits.", rich_help_panel="Training"
    ),
]
TuneOption = Annotated[
    str | None,
    typer.Option(
        help=(
            "What is trained of a pretrained network: head, last:K (stages), gradual:N (a stage more every N epochs), "
            "all, or scratch without the weights."
        ),
        rich_help_panel="Training",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="A torch device, or auto.", rich_help_panel="Training")]

SearchExecutorOption = Annotated[Literal["local", "ray", "ledger"], search_option("executor", of="workers")]
ExecutorOption = Annotated[Literal["local", "ray"], search_option("executor", of="workers")]
WorkersOption = Annotated[Any, search_option("workers", parser=count_or_auto, metavar="NUMBER|auto")]
GpusOption = Annotated[float | None, search_option("gpus_per_worker", of="workers", min=0, max=1)]
RayAddressOption = Annotated[str | None, search_option("ray_address", of="workers")]
TimeoutOption = Annotated[float | None, search_option("timeout", of="workers")]
MemoryOption = Annotated[str | None, search_option("memory", of="workers")]

LicenceOption = Annotated[
    str | None, typer.Option(help="What others may do with the network, for its facts.", rich_help_panel="Output")
]
OutOption = Annotated[
    Path | None, typer.Option(help="Write the figure to this self-contained HTML file.", rich_help_panel="Output")
]


def workers_of(
    executor: Literal["local", "ray", "ledger"],
    workers: int | Literal["auto"] | None,
    gpus_per_worker: float | None,
    ray_address: str | None,
    timeout: float | None,
    memory: str | None,
) -> Workers:
    """The workers that `executor`, `workers`, `gpus_per_worker`, `ray_address`, `timeout` and `memory` ask for.

    `timeout` is in seconds, `memory` in bytes, as `4G`. Raises `typer.BadParameter` for a memory that is no number.
    """
    from naslab.execution.workers import Workers

    return Workers(
        kind=executor,
        count=workers,
        gpus_per_worker=gpus_per_worker,
        address=ray_address,
        timeout_seconds=timeout,
        memory_bytes=None if memory is None else _bytes_of(memory),
    )


def _bytes_of(text: str) -> int:
    from naslab.study.problem import read_number

    try:
        return int(read_number(text.strip().removesuffix("B")))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"--memory must be a number of bytes, as 4G or 500M, got '{shown(text)}'") from None
