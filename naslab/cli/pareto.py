"""`naslab pareto`: the front of a study, as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say, tell
from naslab.errors import counted
from naslab.garbage import spare_last_look
from naslab.metrics import ACCURACY, LATENCY, OWN_METRICS, SHOWN_METRICS, shown_as

if TYPE_CHECKING:
    from naslab.analysis.front import FrontTable
    from naslab.analysis.study import StudyView


KNOWN = ", ".join(row.name for row in OWN_METRICS)
FEW_SAMPLED = 400
"""Trials of very many that are read beside the front where no picture shows them: they tell what was measured later."""


def pareto(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    x: Annotated[
        str | None,
        typer.Option(
            help=f"The metric along the x axis: {KNOWN}.", show_default="the study's own second objective, else macs"
        ),
    ] = None,
    y: Annotated[
        str | None,
        typer.Option(
            help="The metric along the y axis, with its direction where naslab does not know it, as f1:max.",
            show_default=f"{ACCURACY.name}, or the score of the study's estimator",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Only networks within this bound, as 'accuracy>=90' or 'macs<=5M'; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the picture to this self-contained HTML file.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """The Pareto front of a study: what no other candidate beats in any metric, and the hypervolume under it.

    Without --x and --y it is that of the study's own objectives, all of them. Of more than 8,000 trials the picture has
    a sample of those that the front dominates; for --json, which lists them all, every trial is read.

    Example: naslab pareto mystudy --x params --out front.html
    """
    from naslab.analysis.choice import choices_of
    from naslab.analysis.latency_load import disturbed_words
    from naslab.analysis.trials import later_metrics
    from naslab.lab.reading import front_figure, pareto_front

    limits = limit or ()
    view, metrics = _read(study, ledger, x, y, limits, all_of_it=json, has_picture=out is not None)
    table = pareto_front(view, metrics, limits=limits)
    named = [goal.metric for goal in table.objectives]
    if out is not None:
        from naslab.figures.write import write_figure

        write_figure(front_figure(view, x, y, limits=limits), out)
        say(f"wrote {out}")
    told = disturbed_words(view.outcomes) if LATENCY.name in named else ""
    if told:
        say(f"note: {'' if view.whole is None else 'of the trials that were read '}{told}")
    marks = choices_of(table, view.problem.limits)
    advice = () if marks is None else marks.advice
    if json:
        print_json(front_rows(view, table))
    else:
        print_front(table, f"Pareto front of {study}: {' against '.join(named)}", later_metrics(view.outcomes), advice)
    spare_last_look()


def _read(
    study: str, ledger: str, x: str | None, y: str | None, limits: Sequence[str], all_of_it: bool, has_picture: bool
) -> tuple[StudyView, list[str]]:
    """The study, and the metrics of its front: those of the axes, or its own objectives.

    Unless `all_of_it` is asked for, of very many trials those that the front needs are read, and a sample.
    """
    from naslab.analysis.ranking import score_of
    from naslab.analysis.study import problem_of, read_study
    from naslab.analysis.thinned import read_thinned
    from naslab.lab.reading import objectives_named, second_objective
    from naslab.ledger.ledger import Ledger

    with Ledger.open(ledger, create=False) as opened:
        record = opened.study(study)
        problem = problem_of(record)
        up = y or score_of(record)
        across = x or second_objective(problem, up)
        metrics = [goal.metric for goal in problem.objectives]
        if x is not None or y is not None or up not in metrics:
            metrics = [up] if y is None and up == across else [up, across]
        if all_of_it:
            return read_study(opened, study), metrics
        goals = objectives_named(problem, metrics)
        sample = None if has_picture else FEW_SAMPLED
        return read_thinned(opened, study, goals, sample, with_progress=False, limits=limits), metrics


def front_rows(view: StudyView, table: FrontTable) -> dict[str, Any]:
    """The front of a study as values for JSON; `epochs` is null where its estimator trains nothing."""
    from naslab.analysis.ranking import has_trained

    rows = table.rows()
    if not has_trained(view.record):
        for row in (*rows["front"], *rows["dominated"]):
            row["epochs"] = None
    return rows


def print_front(
    table: FrontTable, title: str, more: Sequence[str] = (), advice: Sequence[tuple[int, str]] = ()
) -> None:
    """The front of `table` as a table called `title`, `more` metrics in it, with hypervolume and reference point.

    `advice` are trials to take and why, told below it.
    """
    metrics = [objective.metric for objective in table.objectives]
    others = [name for name in (*(row.name for row in SHOWN_METRICS), *more) if name not in metrics]
    if not any(math.isfinite(point.value(ACCURACY.name)) for point in table.points):
        others = [name for name in others if name != ACCURACY.name]
    print_table(
        ("trial", *metrics, *others, "network"),
        [
            (
                point.label,
                *(shown_as(name).cell(point.value(name)) for name in metrics + others),
                "; ".join(point.stages),
            )
            for point in table.front
        ],
        title=title,
    )
    corner = ", ".join(f"{metric} {value:g}" for metric, value in zip(metrics, table.reference.values, strict=True))
    tell(f"hypervolume {100 * table.hypervolume_share:.2f} % of the box between {corner} and the ideal")
    for trial, words in advice:
        tell(f"take trial {trial}: {words}")
    if table.num_lower:
        tell(
            f"{counted(table.num_lower, 'network')} stayed below {counted(table.points[0].epochs, 'epoch')} and "
            f"{'is' if table.num_lower == 1 else 'are'} not compared"
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(pareto)
