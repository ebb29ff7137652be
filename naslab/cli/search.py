"""`naslab search`: search a space on real data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, TimeoutOption, print_json, say
from naslab.metrics import DEFAULT_OBJECTIVES, OWN_METRICS, in_words

if TYPE_CHECKING:
    from naslab.study.data_choice import DataChoice

LIMITABLE = in_words(row.name for row in OWN_METRICS if row.is_limitable)


def search(
    space: Annotated[str, typer.Argument(help="A shipped space (see `naslab spaces`) or a YAML file.")],
    strategy: Annotated[
        str, typer.Option(help="How candidates are chosen; auto says what it took and why.")
    ] = "evolution",
    dataset: Annotated[
        str | None,
        typer.Option(help="digits, fashion_mnist, cifar10, cifar100 or image_folder:PATH; by default the space's own."),
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(min=2, help="Use this many of the data set's training images only.")
    ] = None,
    storage: Annotated[
        Literal["auto", "memory", "stream"],
        typer.Option(help="Hold the images in memory, or read each batch from disk; auto streams what is too large."),
    ] = "auto",
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave image files out that cannot be read.")
    ] = False,
    trials: Annotated[int, typer.Option(min=1, help="Candidates in all, over every run of the study.")] = 50,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of short training for each candidate.")] = 4,
    recipe: Annotated[
        str, typer.Option(help="short, full, paper-resnet, paper-efficientnet or a YAML or JSON file of its fields.")
    ] = "short",
    rungs: Annotated[
        str | None,
        typer.Option(
            help="Epochs of each rung, as 1,3,9: the best of each are trained on. Takes the place of --epochs."
        ),
    ] = None,
    keep: Annotated[str, typer.Option(help="The share of each rung that is trained on to the next.")] = "1/3",
    stop_early: Annotated[
        float | None,
        typer.Option(help="End a training that will not reach the front at its cost with this confidence, as 0.95."),
    ] = None,
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Candidates begin with the weights of the networks they were made from.")
    ] = False,
    estimator: Annotated[
        str | None,
        typer.Option(
            help="In place of training: supernet:path=FILE, weights of `naslab supernet`, or predictor:study=NAME, "
            "which predicts what another study of the ledger would measure."
        ),
    ] = None,
    objectives: Annotated[
        str,
        typer.Option(help=f"Comma-separated: {', '.join(row.name for row in OWN_METRICS)}."),
    ] = ",".join(DEFAULT_OBJECTIVES),
    limit: Annotated[
        list[str] | None,
        typer.Option(help=f"A hard limit met before training, as 'macs<=50e6', of {LIMITABLE}; may be repeated."),
    ] = None,
    executor: Annotated[Literal["local", "ray"], typer.Option(help="Worker processes here, or Ray actors.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Candidates at once; by default one a core or GPU.")
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of a GPU for each worker; 0 keeps to the CPU, by default a GPU if any."),
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="An existing Ray cluster, as host:port or 'auto'.")] = None,
    timeout: TimeoutOption = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="The study's name; by default SPACE-STRATEGY-SEED.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the strategy, of the weights and of the batches.")] = 0,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of the data sets; else NASLAB_DATA, else a download.")
    ] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(help="A zoo network to train with the same recipe; may be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Search a space and print the Pareto front. The same command run again continues the study.

    Example: naslab search mixed_cifar --dataset cifar10 --trials 100 --epochs 3 --limit 'macs<=50e6'
    """
    from naslab.cli.pareto import print_front
    from naslab.cli.progress import Display
    from naslab.execution.workers import Workers
    from naslab.lab.search import pareto_front
    from naslab.lab.search import search as run
    from naslab.study.rungs import Rungs

    with Display(quiet=json) as display:
        view = run(
            space,
            dataset=data_choice(dataset, max_images, storage, skip_unreadable),
            max_images=max_images,
            strategy=strategy,
            trials=trials,
            epochs=epochs,
            objectives=[name.strip() for name in objectives.split(",") if name.strip()],
            limits=limit or (),
            workers=Workers(
                kind=executor,
                count=workers,
                gpus_per_worker=gpus_per_worker,
                address=ray_address,
                timeout_seconds=timeout,
            ),
            ledger=ledger,
            study=study,
            seed=seed,
            recipe=recipe,
            data_dir=data_dir,
            baselines=baseline or (),
            rungs=None if rungs is None else Rungs.parse(rungs, keep),
            stop_early=stop_early,
            inherit=inherit,
            estimator=estimator,
            on_event=display.show,
        )
    table = pareto_front(view)
    if json:
        complete = sum(outcome.is_complete for outcome in view.outcomes)
        print_json(
            {
                "study": view.record.name,
                "trials": len(view.outcomes),
                "networks": len({outcome.candidate.arch_id for outcome in view.outcomes}),
                "complete": complete,
                "failed": len(view.outcomes) - complete,
                **table.rows(),
            }
        )
        return
    print_front(table, title=f"Pareto front of {view.record.name}")
    say(f"see it: naslab report {view.record.name} --ledger {ledger} --out report.html")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(search)


def data_choice(
    dataset: str | None, max_images: int | None, storage: Literal["auto", "memory", "stream"], skip_unreadable: bool
) -> str | DataChoice | None:
    """The data that the options ask for; a bare name, or none, where only that is given."""
    if storage == "auto" and not skip_unreadable:
        return dataset
    if dataset is None:
        raise typer.BadParameter("--storage and --skip-unreadable need a --dataset")
    from naslab.study.data_choice import DataChoice

    return DataChoice(name=dataset, max_images=max_images, storage=storage, skip_unreadable=skip_unreadable)
