"""`naslab calibrate`: how far estimators can be trusted on a space, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import (
    DataDirOption,
    DatasetOption,
    ExecutorOption,
    GpusOption,
    MaxImagesOption,
    MemoryOption,
    OutOption,
    RayAddressOption,
    SpaceArgument,
    TimeoutOption,
    WorkersOption,
    workers_of,
)
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say
from naslab.errors import SpecError, counted

if TYPE_CHECKING:
    from naslab.analysis.calibration import CalibrationTable
    from naslab.execution.events import Event

DEFAULT_ESTIMATORS = "layers,activations,naswot,ensemble,short:epochs=1"


def calibrate(
    space: SpaceArgument,
    estimators: Annotated[
        str,
        typer.Option(
            help="Names with commas, each with options as in short:epochs=1,images=5000,naswot: {estimators}.",
            rich_help_panel="Estimates",
        ),
    ] = DEFAULT_ESTIMATORS,
    reference: Annotated[
        str,
        typer.Option(
            help="table: the known results of the space; a CSV of such; full: training to the end.",
            rich_help_panel="Estimates",
        ),
    ] = "table",
    epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of the reference `full`.", rich_help_panel="Estimates")
    ] = 20,
    sample: Annotated[int, typer.Option(help="Distinct networks to judge by.", rich_help_panel="Estimates")] = 100,
    target: Annotated[
        str | None,
        typer.Option(
            help="Learn the latency in this target instead, and write it to --out FILE.json.", rich_help_panel="Latency"
        ),
    ] = None,
    known: Annotated[
        int, typer.Option(min=1, help="Distinct networks to learn the latency from.", rich_help_panel="Latency")
    ] = 200,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the sample, of the weights and of the batches.", rich_help_panel="Estimates"),
    ] = 0,
    dataset: DatasetOption = None,
    max_images: MaxImagesOption = None,
    data_dir: DataDirOption = None,
    executor: ExecutorOption = "local",
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = None,
    ray_address: RayAddressOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="The studies' common name; by default SPACE-DATASET-calibration-SEED.", rich_help_panel="Study"
        ),
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Rank a sample of a space by each estimator and by a reference. The same command run again continues.

    With --target it learns the latency of a runtime from measured networks, to be aimed at and bounded as
    latency_ms@predicted:FILE.json.

    Example: naslab calibrate nas_bench_macro --estimators naswot,ensemble,short:epochs=1 --sample 150 --out trust.html
    """
    if target is not None:
        calibrate_latency(space, target, out, known, sample, seed, json)
        return
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
        workers=workers_of(executor, workers, gpus_per_worker, ray_address, timeout, memory),
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


def calibrate_latency(
    space: str, target: str, out: Path | None, known: int, sample: int, seed: int, json: bool
) -> None:
    """Learn the latency in `target` from `known` networks of `space`, judge it by `sample` others, write it to `out`.

    `seed` draws the networks; with `json` how right it is is printed as a value. Raises `SpecError` without `out`.
    """
    from naslab.lab.latency import calibrate_latency as run

    if out is None:
        raise SpecError("out", "--target writes what it learned: name a file, as --out latency.json")

    def told(done: int, total: int) -> None:
        say(f"  {done} of {total}")

    model = run(space, target, out, known=known, sample=sample, seed=seed, on_network=told)
    judged = model.judged
    assert judged is not None
    if json:
        print_json({"target": f"predicted:{out}", "num_known": len(model.known), "judged": judged})
        return
    rows = [(name, getattr(judged, name)) for name in judged.__struct_fields__]
    print_table(
        (f"{model.space} in {target}", ""), rows, title=f"predicted:{out}, from {counted(len(model.known), 'network')}"
    )


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
        f"{table.space} on {table.dataset}, reference {table.reference}: "
        f"{counted(table.num_networks, 'network')}, the top "
        f"{table.num_top} are the best tenth; 90 % intervals"
    )
    print_table(heads, rows, title=title)
    for line in table.lines:
        if line.problem:
            say(f"{line.name} {line.problem}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(calibrate)
