"""`naslab calibrate`: how far estimators can be trusted on a space, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, TimeoutOption, print_json, print_table, say

if TYPE_CHECKING:
    from naslab.analysis.calibration import CalibrationTable
    from naslab.execution.events import Event

DEFAULT_ESTIMATORS = "layers,activations,naswot,ensemble,short:epochs=1"


def calibrate(
    space: Annotated[str, typer.Argument(help="A shipped space (see `naslab spaces`) or a YAML file.")],
    estimators: Annotated[
        str, typer.Option(help="Names with commas, each with options: short:epochs=1,images=5000,naswot,ensemble.")
    ] = DEFAULT_ESTIMATORS,
    reference: Annotated[
        str, typer.Option(help="table: the known results of the space; a CSV of such; full: training to the end.")
    ] = "table",
    sample: Annotated[int, typer.Option(help="Distinct networks to judge by.")] = 100,
    dataset: Annotated[
        str | None,
        typer.Option(help="digits, fashion_mnist, cifar10, cifar100 or image_folder:PATH; by default the space's own."),
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(min=2, help="Use this many of the data set's training images only.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the reference `full`.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write the figure to this self-contained HTML file.")] = None,
    executor: Annotated[Literal["local", "ray"], typer.Option(help="Worker processes here, or Ray actors.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Estimates at once; by default one a core or GPU.")] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of a GPU for each worker; 0 keeps to the CPU.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="An existing Ray cluster, as host:port or 'auto'.")] = None,
    timeout: TimeoutOption = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    study: Annotated[
        str | None, typer.Option(help="The studies' common name; by default SPACE-DATASET-calibration-SEED.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample, of the weights and of the batches.")] = 0,
    data_dir: Annotated[str | None, typer.Option(help="Folder of the data sets and tables; else NASLAB_DATA.")] = None,
    json: JsonOption = False,
) -> None:
    """Rank a sample of a space by each estimator and by a reference. The same command run again continues.

    Example: naslab calibrate nas_bench_macro --estimators naswot,ensemble,short:epochs=1 --sample 150 --out trust.html
    """
    from naslab.execution.workers import Workers
    from naslab.lab.calibration import calibrate as run

    if out is not None:
        from naslab.atomic_write import require_writable

        require_writable(out)
    table = run(
        space,
        estimators,
        reference=reference,
        sample=sample,
        dataset=dataset,
        max_images=max_images,
        epochs=epochs,
        seed=seed,
        workers=Workers(
            kind=executor,
            count=workers,
            gpus_per_worker=gpus_per_worker,
            address=ray_address,
            timeout_seconds=timeout,
        ),
        ledger=ledger,
        study=study,
        data_dir=data_dir,
        on_event=tell,
    )
    if json:
        print_json(table.rows())
    else:
        print_calibration(table)
    if out is not None:
        from naslab.figures.calibration import write_calibration

        write_calibration([table], out, f"How far estimators can be trusted on {table.space}")
        say(f"wrote {out}")


def tell(event: Event) -> None:
    """A line as each estimator begins, and at each tenth of its networks."""
    from naslab.execution.events import StudyOpened, TrialFinished

    if isinstance(event, StudyOpened):
        say(f"{event.record.name}: {len(event.outcomes)} of {event.record.trials} networks are there")
    elif isinstance(event, TrialFinished):
        failure = event.outcome.estimate.failure
        if failure is not None:
            say(f"  network {event.outcome.candidate.trial} failed: {failure.message}")
        if event.number == event.total or event.number % max(1, event.total // 10) == 0:
            say(f"  {event.number} of {event.total}")


def print_calibration(table: CalibrationTable) -> None:
    """The table for people."""
    rows = [
        (
            line.name,
            line.num_networks,
            line.num_failed,
            line.tau.words(),
            line.rho.words(),
            line.top_tau.words(),
            line.top_rho.words(),
            line.precision.words(),
            line.wall_seconds,
            line.device_seconds,
        )
        for line in table.lines
    ]
    heads = ("estimator", "networks", "failed", "tau", "rho", "tau, top", "rho, top", "precision", "wall s", "device s")
    title = (
        f"{table.space} on {table.dataset}, reference {table.reference}: {table.num_networks} networks, the top "
        f"{table.num_top} are the best tenth; 90 % intervals"
    )
    print_table(heads, rows, title=title)
    for line in table.lines:
        if line.problem:
            say(f"{line.name} {line.problem}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(calibrate)
