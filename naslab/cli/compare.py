"""`naslab compare`: strategies on a table of known results, where nothing is trained."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naslab.cli.fit_scaling import require_figure_name
from naslab.cli.help_text import Command, completing
from naslab.cli.output import JsonOption, print_json, print_table, say
from naslab.errors import SpecError, UnknownNameError, counted
from naslab.metrics import ACCURACY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from naslab.bench.cluster import Cluster
    from naslab.bench.compare import Comparison
    from naslab.bench.standing import Spread, Standing
    from naslab.bench.table import TableDomain

DATA_TABLES = ("nas_bench_macro", "nas_bench_201")
"""Of `naslab.bench.named_tables`, which loads what this file need not: those of the data folder."""
SHIPPED_TABLES = ("fashion_mixed",)
"""Those that come with naslab."""
_EITHER = " or ".join(DATA_TABLES)
_SHIPPED = " or ".join(SHIPPED_TABLES)


def compare(
    table: Annotated[
        str,
        typer.Option(
            help=f"A CSV file with a header, {_SHIPPED} of naslab, or {_EITHER} of the data folder.",
            rich_help_panel="Table",
        ),
    ],
    knobs: Annotated[
        str,
        typer.Option(
            help="Columns that make a network what it is, comma-separated; numbers are ordered.",
            rich_help_panel="Table",
        ),
    ] = "",
    objectives: Annotated[
        str, typer.Option(help="Columns to make large; regret is of the first.", rich_help_panel="Table")
    ] = ACCURACY.name,
    minimise: Annotated[str, typer.Option(help="Those of the objectives to make small.", rich_help_panel="Table")] = "",
    features: Annotated[
        str | None,
        typer.Option(
            help="Columns known before training, such as macs; a model may learn from them. Proxies, as naswot, "
            "synflow and ensemble, are a prior.",
            rich_help_panel="Table",
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(help="Column that trainings take time in proportion to.", rich_help_panel="Table"),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help=f"Folder of {_EITHER}; else NASLAB_DATA.", rich_help_panel="Table")
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            help="Names, comma-separated: {strategies}, or auto, the one that a search takes by itself.",
            rich_help_panel="Searches",
            autocompletion=completing("strategies"),
        ),
    ] = "random,evolution,bayes",
    trials: Annotated[int, typer.Option(help="Evaluations of each search.", rich_help_panel="Searches")] = 200,
    seeds: Annotated[
        int, typer.Option(help="Searches of each strategy: the seeds 0, 1, ...", rich_help_panel="Searches")
    ] = 20,
    target: Annotated[
        float | None,
        typer.Option(
            help="First objective's value to reach; by default that of the best 0.1 %.", rich_help_panel="Searches"
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Point that hypervolumes are measured from, as accuracy=90,macs=5e7, a value of each objective; from "
            "a table's worst values any search soon has all of it, so name what is barely of use.",
            show_default="the worst value of each in the table",
            rich_help_panel="Searches",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="Searches side by side; by default one a core.", rich_help_panel="Searches"),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Simulated workers on a virtual clock.", rich_help_panel="Simulation")
    ] = 1,
    training_seconds: Annotated[
        float, typer.Option(help="Virtual seconds of a training on average.", rich_help_panel="Simulation")
    ] = 60.0,
    straggler_rate: Annotated[
        float,
        typer.Option(help="Share of trainings that take ten times as long.", rich_help_panel="Simulation"),
    ] = 0.0,
    failure_rate: Annotated[
        float, typer.Option(help="Share of trainings that fail on the way.", rich_help_panel="Simulation")
    ] = 0.0,
    noise: Annotated[
        float,
        typer.Option(help="Standard deviation added to every result that is told.", rich_help_panel="Simulation"),
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the curves to this self-contained HTML file.", rich_help_panel="Output"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare strategies on a table of known results: regret, rank, hypervolume, evaluations to the top, ask time.

    Example: naslab compare --table nas_bench_macro --strategies random,local,bayes --trials 100 --seeds 20
    """
    from naslab.bench.cluster import Cluster
    from naslab.bench.compare import compare as run
    from naslab.bench.processes import num_cores
    from naslab.lab.models import SEEDS

    require_figure_name(out)
    SEEDS.taken("seeds", seeds)
    cluster = Cluster(workers, training_seconds, 0.3, straggler_rate, 10.0, failure_rate, noise)
    aims = (names(objectives), names(minimise))
    domain = read_table(table, names(knobs), *aims, None if features is None else names(features), duration, data_dir)
    if reference is not None:
        domain.reference = parse_reference(reference, domain)
    chosen = list(dict.fromkeys(resolved(name, domain, trials) for name in names(strategies)))
    count = processes if processes is not None else max(1, min(num_cores(), seeds * len(chosen)))
    found = run(domain, chosen, trials, seeds, cluster, target, count, progress_line(trials, json))
    if out is not None:
        from naslab.figures.compare import write_curves

        write_curves(found, title(table, domain), out)
    if json:
        print_json(summary(table, domain, found, trials, cluster) | {"figure": None if out is None else str(out)})
        return
    show(table, domain, found, cluster)
    if out is not None:
        say(f"wrote {out}")


def names(text: str) -> list[str]:
    """The names of a comma-separated list; none of an empty text.

    >>> names("macs, params")
    ['macs', 'params']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def resolved(name: str, domain: TableDomain, trials: int) -> str:
    """The strategy of that `name`; for `auto` the one for so many `trials` on `domain`, which a line says."""
    from naslab.strategies.choosing import AUTO, choose_by_size

    if name != AUTO:
        return name
    choice = choose_by_size(domain.space.size(), domain.num_objectives, trials, needs_model=domain.prior is not None)
    say(f"{AUTO} is {choice.name}: {choice.reason}")
    return choice.name


def parse_reference(text: str, domain: TableDomain) -> NDArray[np.float64]:
    """The losses of a reference point, shape (objectives,), from a text as `accuracy=90,macs=5e7`.

    Raises `SpecError` for an objective of `domain` that is missing or no finite number, and for a point that no network
    of the table is better than in every objective; `UnknownNameError` for another name.
    """
    import numpy as np

    from naslab.analysis.reference import asked_reference

    values = asked_reference(text, domain.objectives)
    losses = {each.metric: each.loss(values[each.metric]) for each in domain.objectives}
    point = np.array(list(losses.values()))
    if not (domain.losses < point).all(axis=1).any():
        raise SpecError("reference", "no network of the table is better in every objective: choose a worse point")
    return point


def read_table(
    table: str,
    knobs: Sequence[str],
    objectives: Sequence[str],
    minimise: Sequence[str],
    features: Sequence[str] | None,
    duration: str | None,
    data_dir: Path | None,
) -> TableDomain:
    """The table of the file `table`, or the known one of that name in the folder `data_dir`.

    `knobs` are the columns that make a network what it is, `objectives` those to aim at, of which those of `minimise`
    are to be small. `features` are known before training, `duration` is the column that trainings take time in
    proportion to. The known table has knobs and directions of its own, and features where none are given. Raises
    `UnknownNameError` for a table and for columns that are not there and for a name of `minimise` that is no objective,
    `SpecError` where an option does not go with the known table or its folder is not said, and `DataError` where a
    table cannot be read.
    """
    from naslab.bench.named_tables import NAMED_TABLES
    from naslab.bench.table_file import load_table

    for name in minimise:
        if name not in objectives:
            raise UnknownNameError("objective to minimise", name, objectives)
    known = NAMED_TABLES.get(table)
    if known is None and not Path(table).suffix and not Path(table).exists():
        raise UnknownNameError("table", table, NAMED_TABLES, "or name a CSV file that is there")
    if known is None:
        return load_table(Path(table), knobs, objectives, minimise, features or (), duration)
    if knobs:
        raise SpecError("knobs", f"{table} has knobs of its own: leave --knobs out")
    if ACCURACY.name in minimise:
        raise SpecError("minimise", f"the accuracy of {table} is made large, its costs small")
    folder = data_dir if data_dir is not None else os.environ.get("NASLAB_DATA")
    if folder is None and table in SHIPPED_TABLES:
        folder = Path()
    if folder is None:
        raise SpecError("table", f"{table} is read from the data folder: set NASLAB_DATA or --data-dir to it")
    return known.load(Path(folder), objectives, known.costs if features is None else features, duration)


def progress_line(trials: int, quiet: bool) -> Callable[[str, Standing], None]:
    """What writes a line to stderr as each strategy is done, unless `quiet`; one more where the table ran out.

    `trials` are the evaluations that each search was to make.
    """

    def tell(name: str, standing: Standing) -> None:
        if not quiet:
            say(f"{name}: {counted(standing.seeds, 'search', 'searches')}, {standing.cpu_seconds:.1f} s of CPU time")
        if standing.is_exhausted:
            say(f"note: {name} ended before {trials} evaluations: it had proposed every network of the table")

    return tell


def title(table: str, domain: TableDomain) -> str:
    """The table in words."""
    aims = ", ".join(f"{each.metric} {'up' if each.maximise else 'down'}" for each in domain.objectives)
    return f"{Path(table).stem}: {counted(domain.num_networks, 'network', form=',')}, {aims}"


def summary(table: str, domain: TableDomain, found: Comparison, trials: int, cluster: Cluster) -> dict[str, Any]:
    """The comparison as values for JSON.

    `found` is what `trials` evaluations a search found on `domain`, which was read from `table`; `cluster` is the
    simulated workers. `rows` in the result counts the rows of the table, `networks` the distinct networks in it.
    """
    return {
        "table": table,
        "rows": domain.space.size(),
        "networks": domain.num_networks,
        "objectives": domain.objectives,
        "trials": trials,
        "cluster": cluster,
        "target": found.target,
        "reference_point": found.reference,
        "strategies": found.strategies,
    }


def show(table: str, domain: TableDomain, found: Comparison, cluster: Cluster) -> None:
    """Print the comparison as tables for people: figures as mean ± standard error (median) over seeds, if several.

    `found` is what the searches found on `domain`, which was read from `table`, with the simulated workers `cluster`.
    """
    standings = found.strategies
    first = domain.objectives[0].metric
    several = any(each.seeds > 1 for each in standings.values())
    figures = "figures are mean ± standard error (median) over seeds" if several else "figures are of one seed"
    say(f"{title(table, domain)}; {figures}")
    show_spreads(f"regret of {first} after", {name: each.regret for name, each in standings.items()})
    show_spreads("rank of the best found after", {name: each.rank for name, each in standings.items()})
    if domain.num_objectives > 1:
        reference = ", ".join(f"{metric} {value:.6g}" for metric, value in found.reference.items())
        say(f"hypervolume: the share of the whole table's, up to {reference}; objectives as they are, not scaled")
        show_spreads("share of the hypervolume after", {name: each.hypervolume for name, each in standings.items()})
    say(f"top: the best 0.1 % of the table; target: {first} {found.target:.6g}; - where most seeds never get there")
    rows = [
        (name, s.seeds, s.evaluations_to_top, s.seconds_to_target, percent(s.utilisation), words(s.wasted), s.ask_ms)
        for name, s in standings.items()
    ]
    print_table(
        ("strategy", "seeds", "evaluations to top", "seconds to target", "workers busy", "wasted", "ms an ask"),
        rows,
        title=f"{counted(cluster.workers, 'simulated worker')}, medians over seeds",
    )


def show_spreads(heading: str, spreads: dict[str, dict[str, Spread]]) -> None:
    """Print a row for each strategy and a column for each number of evaluations, under `heading`."""
    budgets = list(dict.fromkeys(budget for each in spreads.values() for budget in each))
    rows = [(name, *(words(each.get(budget)) for budget in budgets)) for name, each in spreads.items()]
    print_table(("strategy", *budgets), rows, title=heading)


def words(spread: Spread | None) -> str:
    """A figure over seeds in words: mean ± standard error (median), of one seed the figure; `-` for none."""
    if spread is None:
        return "-"
    return spread.words(".4g", ".2g") + ("" if spread.sem is None else f" ({spread.median:.4g})")


def percent(share: float | None) -> str:
    """A share in per cent; `-` for none."""
    return "-" if share is None else f"{share:.1%}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(compare)
