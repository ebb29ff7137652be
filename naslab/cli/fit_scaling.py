"""`naslab fit-scaling`: the coefficients of a network's own compound rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import (
    DataDirOption,
    EpochsOption,
    ExecutorOption,
    GpusOption,
    MaxImagesOption,
    MemoryOption,
    ModelArgument,
    OutOption,
    RayAddressOption,
    StudyDatasetOption,
    TimeoutOption,
    WorkersOption,
    workers_of,
)
from naslab.cli.output import (
    DEFAULT_LEDGER,
    JsonOption,
    LedgerOption,
    print_json,
    print_table,
    quantity,
    say,
    tell,
)
from naslab.errors import NaslabError, SpecError, counted
from naslab.metrics import MACS, PARAMS

if TYPE_CHECKING:
    from naslab.analysis.scaling_fit import CompoundFit
    from naslab.scaling import Compound


def fit_scaling(
    model: ModelArgument,
    budget_ratio: Annotated[
        float, typer.Option(help="How many times the model's macs each candidate has.", rich_help_panel="Candidates")
    ] = 2.0,
    points: Annotated[int, typer.Option(help="Candidates, spread over the grid.", rich_help_panel="Candidates")] = 16,
    step: Annotated[
        float, typer.Option(help="Step of the coefficients on the grid.", rich_help_panel="Candidates")
    ] = 0.05,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            help="A candidate by hand instead, as '1.2,1.1,1.15'; may be repeated.", rich_help_panel="Candidates"
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="By what share exact macs may miss the budget.", rich_help_panel="Candidates")
    ] = 0.05,
    rounding: Annotated[str, typer.Option(help="{roundings}.", rich_help_panel="Candidates")] = "plain",
    resolution: Annotated[
        str | None,
        typer.Option(help="The model's input size: 32, or height x width.", rich_help_panel="Candidates"),
    ] = None,
    dataset: StudyDatasetOption = None,
    max_images: MaxImagesOption = None,
    data_dir: DataDirOption = None,
    epochs: EpochsOption = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each candidate.", rich_help_panel="Training")] = 3,
    executor: ExecutorOption = "local",
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = None,
    ray_address: RayAddressOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    study: Annotated[
        str | None, typer.Option(help="The study's name; by default MODEL-scaling.", rich_help_panel="Study")
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    save_to: Annotated[
        Path | None,
        typer.Option(help="The coefficients file; by default STUDY.yaml.", rich_help_panel="Output"),
    ] = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Fit depth, width and resolution coefficients by training ways to spend one budget. Run again, it continues.

    Example: naslab fit-scaling resnet20_cifar --budget-ratio 2 --dataset cifar10 --epochs 10 --out surface.html
    """
    from naslab.cli.progress import Display
    from naslab.lab.models import find_model, parse_resolution
    from naslab.lab.scaling import coefficients_of, fit_compound
    from naslab.scaling.coefficients import save_coefficients

    by_hand = [parse_coefficients(text) for text in grid or ()]
    require_figure_name(out)
    with Display(quiet=json) as display:
        fit = fit_compound(
            find_model(model, ledger, parse_resolution(resolution)),
            dataset=dataset,
            max_images=max_images,
            budget_ratio=budget_ratio,
            epochs=epochs,
            seeds=seeds,
            step=step,
            points=points,
            tolerance=tolerance,
            rounding=rounding,
            grid=by_hand,
            workers=workers_of(executor, workers, gpus_per_worker, ray_address, timeout, memory),
            ledger=ledger,
            study=study,
            data_dir=data_dir,
            on_event=display.show,
        )
    path = save_to or Path(f"{fit.study}.yaml")
    save_coefficients(coefficients_of(fit), path)
    if out is not None:
        from naslab.figures.scaling_fit import surface_figure
        from naslab.figures.write import write_figure

        write_figure(surface_figure(fit), out)
    if json:
        print_json(fit_value(fit, path, out))
        return
    show_fit(fit)
    say(f"wrote {path}" + (f" and {out}" if out is not None else ""))
    say(f"use it: naslab rescale {model} --coefficients {path} --phi 1 2 3")


def parse_coefficients(text: str) -> Compound:
    """The coefficients alpha, beta and gamma of a text; raises `SpecError` where it is not three numbers with commas.

    >>> parse_coefficients("1.2,1.1,1.15").beta
    1.1
    """
    from naslab.scaling import Compound

    try:
        alpha, beta, gamma = (float(part) for part in text.split(","))
    except ValueError:
        raise SpecError("grid", f"must be alpha,beta,gamma like 1.2,1.1,1.15, got '{text}'") from None
    return Compound(alpha=alpha, beta=beta, gamma=gamma)


def require_figure_name(out: Path | None) -> None:
    """Raise `NaslabError` where `out` does not end in .html or .htm: before anything is trained."""

    if out is not None and out.suffix not in (".html", ".htm"):
        raise NaslabError(f"cannot write a page as '{out.suffix or out}': give a file that ends in .html")


def fit_value(fit: CompoundFit, path: Path, out: Path | None) -> dict[str, Any]:
    """The fit as values for JSON, with the coefficients file `path` and the figure `out`."""
    best = fit.best
    return {
        "study": fit.study,
        "model": fit.model,
        "dataset": fit.dataset,
        "epochs": fit.epochs,
        "budget_ratio": fit.ratio,
        "rounding": fit.rounding,
        "alpha": best.compound.alpha,
        "beta": best.compound.beta,
        "gamma": best.compound.gamma,
        "product": best.compound.growth,
        "macs_ratio": best.macs_ratio,
        "error": best.error,
        "baseline_errors": list(fit.base_errors),
        "intervals": fit.intervals,
        "noise_sd": fit.noise_sd,
        "warnings": list(fit.warnings),
        "points": fit.rows(),
        "file": str(path),
        "figure": None if out is None else str(out),
    }


def show_fit(fit: CompoundFit) -> None:
    """Print the points as a table, the best first, then the coefficients with their intervals."""
    print_table(
        ("alpha", "beta", "gamma", "product", "x macs", MACS.name, PARAMS.name, "error %", "sem", "wins"),
        [
            (
                point.compound.alpha,
                point.compound.beta,
                point.compound.gamma,
                round(point.compound.growth, 3),
                round(point.macs_ratio, 3),
                quantity(point.macs),
                quantity(point.params),
                f"{point.error:.2f}",
                "-" if point.sem != point.sem else f"{point.sem:.2f}",
                "-" if share != share else f"{share:.0%}",
            )
            for point, share in zip(fit.points, fit.win_shares, strict=True)
        ],
        title=f"{fit.ratio:g} x the macs of {fit.model} on {fit.dataset}, {counted(fit.epochs, 'epoch')}",
    )
    parts = []
    for name in ("alpha", "beta", "gamma"):
        value = f"{name} {getattr(fit.compound, name):g}"
        if fit.intervals is not None:
            low, high = fit.intervals[name]
            value += f" ({low:g} to {high:g})"
        parts.append(value)
    tell(", ".join(parts) + (", 90% bootstrap intervals over seeds" if fit.intervals is not None else ""))
    for warning in fit.warnings:
        say(f"note: {warning}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(fit_scaling)
