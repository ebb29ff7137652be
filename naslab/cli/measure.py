"""`naslab measure`: latency, size and memory of a network where it will run; a metric for networks of a study."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.help_text import Command, completing
from naslab.cli.options import MODEL_HELP, DataDirOption
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say
from naslab.metrics import LATENCY, shown_as

MeasureDatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="{datasets}; by default that of a trained MODEL.",
        rich_help_panel="Data",
        autocompletion=completing("datasets"),
    ),
]


def measure(
    model: Annotated[
        str,
        typer.Argument(
            help=f"{MODEL_HELP} With --metric a study, or some of its networks as STUDY:front.",
            autocompletion=completing("models"),
        ),
    ],
    metric: Annotated[
        str | None,
        typer.Option(
            help="A metric to add to the finished networks of a study, measured before training, as "
            f"{LATENCY.name}; or a function of your own of the network that returns a number, as my_code:flatness.",
            rich_help_panel="Networks of a study",
        ),
    ] = None,
    target: Annotated[str, typer.Option(help="{targets}.", rich_help_panel="Target")] = "torch",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.", rich_help_panel="Measuring")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.", rich_help_panel="Target")] = 1,
    most_spread: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Refuse an interquartile range above this share of the median; by default 0.25.",
            rich_help_panel="Measuring",
        ),
    ] = None,
    resolution: Annotated[
        str | None, typer.Option(help="Input size: 224, or height x width as 224x160.", rich_help_panel="Target")
    ] = None,
    device: Annotated[
        str, typer.Option(help="A torch device for --metric, or auto.", rich_help_panel="Networks of a study")
    ] = "auto",
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Measure anew what has the --metric already.", rich_help_panel="Networks of a study"
        ),
    ] = False,
    dataset: MeasureDatasetOption = None,
    data_dir: DataDirOption = None,
    accuracy: Annotated[
        bool,
        typer.Option(
            "--accuracy/--no-accuracy",
            help="Tell the accuracy of a trained network in the target, too.",
            rich_help_panel="Data",
        ),
    ] = True,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Time a network in a target, in a process of its own on cores of its own: warm-up, then many passes.

    Of a trained network the accuracy as it runs there is told, too, and of which images.

    With --metric the networks of a study are measured one after the other and the values kept in its ledger, where
    every command finds them; what is interrupted goes on when the same command is given again.

    Example: naslab measure trained --target onnxruntime-int8 --threads 1 --json
    """
    from naslab.lab.measuring import measure as run
    from naslab.lab.models import parse_resolution
    from naslab.targets.measuring import NOTED_LOAD

    if metric is not None:
        _measure_study(model, metric, ledger, device, threads, again, json)
        return
    found = run(
        model,
        target,
        threads=threads,
        batch=batch,
        most_spread=most_spread,
        resolution=parse_resolution(resolution),
        dataset=dataset,
        data_dir=data_dir,
        accuracy=accuracy,
        ledger=ledger,
    )
    if found.other_load is not None and found.other_load > NOTED_LOAD:
        say(f"other processes kept {found.other_load:.1f} cores busy meanwhile: an idle machine is faster")
    if json:
        print_json(found)
        return
    names = [name for name in found.__struct_fields__ if getattr(found, name) is not None]
    print_table((model, ""), [(name, getattr(found, name)) for name in names])


def _measure_study(study: str, metric: str, ledger: str, device: str, threads: int, again: bool, json: bool) -> None:
    from naslab.lab.study_measuring import NetworkMeasured, measure_study

    told: set[str] = set()

    def report(done: NetworkMeasured, number: int, count: int) -> None:
        name = f"trial {done.trials[0]}"
        if done.failure:
            say(f"{name}: {done.failure} ({number}/{count})")
            if done.traceback and done.failure not in told:
                say(done.traceback.rstrip("\n"))
            told.add(done.failure)
        elif done.is_new and done.value is not None:
            say(f"{name}: {done.value:.4g} ({number}/{count})")

    found = measure_study(study, metric, ledger, device=device, threads=threads, again=again, report=report)
    if json:
        print_json(found.rows())
        return
    row = shown_as(found.metric)
    values = [(each.trials, None if each.value is None else row.cell(each.value)) for each in found.networks]
    rows = [(", ".join(map(str, trials)), value) for trials, value in values]
    print_table(("trial", row.column), rows, title=f"{row.label} of {study}")
    had = sum(not each.is_new for each in found.networks)
    say(f"measured {found.num_measured}, {had} had it already, {found.num_failed} failed")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(measure)
