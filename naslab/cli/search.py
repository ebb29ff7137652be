"""`naslab search`: search a space on real data."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from naslab.cli.help_text import Command, completing
from naslab.cli.needs import is_dense
from naslab.cli.options import (
    KIND_CHOICES,
    ChannelsOption,
    DataDirOption,
    DatasetOption,
    GpusOption,
    Kind,
    MaxImagesOption,
    MemoryOption,
    RayAddressOption,
    SearchExecutorOption,
    SkipUnreadableOption,
    SpaceArgument,
    TaskOption,
    TimeoutOption,
    WorkersOption,
    search_option,
    workers_of,
)
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say
from naslab.lab.search_options import DEFAULT_EPOCHS

if TYPE_CHECKING:
    from naslab.dense_prediction.tasks import DenseTask
    from naslab.study.data_choice import DataChoice
    from naslab.study.task import Task


def search(
    space: SpaceArgument,
    strategy: Annotated[str, search_option("strategy", autocompletion=completing("strategies"))] = "auto",
    trials: Annotated[int, search_option("trials", min=1)] = 50,
    hours: Annotated[float | None, search_option("hours")] = None,
    objectives: Annotated[str | None, search_option("objectives", show_default="accuracy,macs")] = None,
    limit: Annotated[list[str] | None, search_option("limit", of="limits")] = None,
    operators: Annotated[str | None, search_option("operators", of="limits")] = None,
    prefer: Annotated[list[str] | None, search_option("prefer")] = None,
    seed: Annotated[int, search_option("seed", min=0)] = 0,
    deterministic: Annotated[bool, search_option("deterministic", "--deterministic")] = False,
    dataset: DatasetOption = None,
    max_images: MaxImagesOption = None,
    validation: Annotated[float | None, search_option("validation", of="dataset", show_default="0.2")] = None,
    storage: Annotated[Literal["auto", "memory", "stream"], search_option("storage", of="dataset")] = "auto",
    skip_unreadable: SkipUnreadableOption = False,
    channels: ChannelsOption = None,
    task: TaskOption = None,
    resolution: Annotated[str | None, search_option("resolution")] = None,
    data_dir: DataDirOption = None,
    epochs: Annotated[int | None, search_option("epochs", min=1, show_default=str(DEFAULT_EPOCHS))] = None,
    recipe: Annotated[
        str | None,
        search_option(
            "recipe", show_default="short; with --pretrained fine-tune", autocompletion=completing("recipes")
        ),
    ] = None,
    rungs: Annotated[str | None, search_option("rungs")] = None,
    keep: Annotated[str, search_option("keep", of="rungs")] = "1/3",
    pause: Annotated[bool, search_option("pause", "--pause")] = False,
    stop_early: Annotated[float | None, search_option("stop_early")] = None,
    inherit: Annotated[bool, search_option("inherit", "--inherit")] = False,
    pretrained: Annotated[str | None, search_option("pretrained")] = None,
    least_match: Annotated[float, search_option("least_match", min=0, max=1)] = 0.9,
    keep_channels: Annotated[Literal["largest", "first"], search_option("keep_channels")] = "largest",
    baseline: Annotated[list[str] | None, search_option("baseline", of="baselines")] = None,
    estimator: Annotated[str | None, search_option("estimator", autocompletion=completing("estimators"))] = None,
    kind: Annotated[Kind | None, search_option("kind", of="estimator", metavar=KIND_CHOICES)] = None,
    levels: Annotated[str | None, search_option("levels", of="estimator")] = None,
    head_channels: Annotated[int | None, search_option("head_channels", of="estimator", min=4)] = None,
    prior: Annotated[str | None, search_option("prior")] = None,
    pool: Annotated[int, search_option("pool", min=2)] = 1000,
    executor: SearchExecutorOption = "local",
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = None,
    ray_address: RayAddressOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="Tell finished trials to another program, too: {loggers}; may be repeated.", rich_help_panel="Study"
        ),
    ] = None,
    study: Annotated[str | None, search_option("study")] = None,
    accept_changes: Annotated[bool, search_option("accept_changes", "--accept-changes")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Search a space and print the Pareto front. The same command run again continues the study.

    Example: naslab search mixed_cifar --dataset cifar10 --trials 100 --epochs 3 --limit 'macs<=50e6'

    Example: naslab search around_resnet50 --pretrained torchvision --inherit --dataset cifar10 --resolution 64

    Example: naslab search mixed_cifar --task detection --dataset coco:photos --levels 4,8 --limit 'macs<=2G'
    """
    from naslab.analysis.facts import foreseen_words
    from naslab.analysis.latency_load import disturbed_words
    from naslab.analysis.pauses import pause_counts
    from naslab.analysis.preferred_part import num_preferred, preferred_words
    from naslab.analysis.prior import prior_table, prior_words
    from naslab.cli.pareto import front_rows, print_front
    from naslab.cli.progress import Display
    from naslab.execution.events import each_of
    from naslab.lab.detector_search import detector_estimator
    from naslab.lab.problems import operators_limit
    from naslab.lab.reading import pareto_front
    from naslab.lab.search import search as run
    from naslab.loggers.registry import open_logger
    from naslab.study.rungs import Rungs

    data: str | DataChoice | None = None
    if is_dense(task):
        estimator = detector_estimator(cast("DenseTask", task), dataset, kind, levels, head_channels)
    else:
        data = data_choice(
            dataset, max_images, storage, skip_unreadable, channels, cast("Task | None", task), validation
        )
    with Display(quiet=json) as display, ExitStack() as opened:
        loggers = [opened.enter_context(open_logger(name)) for name in log or ()]
        view = run(
            space,
            dataset=data,
            resolution=resolution,
            max_images=max_images,
            strategy=strategy,
            trials=trials,
            hours=hours,
            epochs=epochs,
            objectives=None if objectives is None else [each.strip() for each in objectives.split(",") if each.strip()],
            limits=(*(limit or ()), *([] if operators is None else [operators_limit(operators)])),
            prefer=prefer,
            workers=workers_of(executor, workers, gpus_per_worker, ray_address, timeout, memory),
            ledger=ledger,
            study=study,
            seed=seed,
            deterministic=deterministic,
            recipe=recipe,
            data_dir=data_dir,
            baselines=baseline or (),
            rungs=None if rungs is None else Rungs.parse(rungs, keep),
            pause=pause,
            stop_early=stop_early,
            inherit=inherit,
            pretrained=pretrained,
            least_match=least_match,
            keep_channels=keep_channels,
            estimator=estimator,
            prior=prior,
            pool=pool,
            accept_changes=accept_changes,
            on_event=each_of(display.show, *(logger.show for logger in loggers)),
        )
    table = pareto_front(view)
    told = disturbed_words(view.outcomes)
    if told:
        say(f"note: {told}")
    paused = pause_counts(view.outcomes, view.record.epochs) if pause else None
    if paused is not None:
        say(paused.words)
    ranked = prior_table(view)
    for line in () if ranked is None else prior_words(ranked):
        say(line)
    if preferred := preferred_words(table, view.problem.preferences):
        say(preferred)
    for metric, words in foreseen_words(view).items():
        say(f"{metric}: {words}")
    if json:
        complete = sum(outcome.is_complete for outcome in view.outcomes)
        infeasible = sum(outcome.is_infeasible for outcome in view.outcomes)
        print_json(
            {
                "study": view.record.name,
                "trials": len(view.outcomes) - infeasible,
                "networks": len({outcome.candidate.arch_id for outcome in view.outcomes}),
                "complete": complete,
                "failed": len(view.outcomes) - complete - infeasible,
                "infeasible": infeasible,
                **({} if paused is None else {"pauses": paused._asdict()}),
                **({} if ranked is None else {"prior": ranked}),
                **({"preferred": num_preferred(table, view.problem.preferences)} if preferred else {}),
                **front_rows(view, table),
            }
        )
        return
    print_front(table, title=f"Pareto front of {view.record.name}")
    say(f"see it: naslab report {view.record.name} --ledger {ledger} --out report.html")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(search)


def data_choice(
    dataset: str | None,
    max_images: int | None = None,
    storage: Literal["auto", "memory", "stream"] = "auto",
    skip_unreadable: bool = False,
    channels: int | None = None,
    task: Task | None = None,
    validation: float | None = None,
) -> str | DataChoice | None:
    """The data that the options ask for: the bare name of `dataset`, or none, where only that is given.

    Else a choice of `max_images` of it, with its `storage`, whether files are left out (`skip_unreadable`), the
    `channels` that images get, the `task` of its labels, and the share of `validation` images. Raises
    `typer.BadParameter` where these are given without a data set, for channels that are not 1 or 3, and for a share
    that is not between 0 and 1.
    """
    if storage == "auto" and not skip_unreadable and channels is None and task is None and validation is None:
        return dataset
    if dataset is None:
        raise typer.BadParameter("--storage, --skip-unreadable, --channels, --task and --validation need a --dataset")
    if validation is not None and not 0 < validation < 1:
        raise typer.BadParameter(f"--validation must be between 0 and 1, got {validation}")
    if channels not in (None, 1, 3):
        raise typer.BadParameter(f"--channels must be 1 (grey) or 3 (coloured), got {channels}")
    from naslab.study.data_choice import VALIDATION_FRACTION, DataChoice

    return DataChoice(
        name=dataset,
        max_images=max_images,
        storage=storage,
        skip_unreadable=skip_unreadable,
        channels=channels,  # type: ignore[arg-type]
        task=task,
        validation_fraction=VALIDATION_FRACTION if validation is None else validation,
    )
