"""`naslab compare-studies`: fronts and hypervolumes of studies side by side, with bands over seeds."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say, tell
from naslab.errors import SpecError

if TYPE_CHECKING:
    from naslab.bench.study_groups import StudyComparison

MARKS = 4
"""How many moments of a search the tables tell hypervolumes at."""


def compare_studies(
    groups: Annotated[
        list[str],
        typer.Argument(help="Two or more studies; those with commas between them are seeds of one search: A1,A2 B."),
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            help="Point that hypervolumes are measured from, as accuracy=90,macs=50M, a value of each objective.",
            show_default="the worst of the studies' own",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "--html", help="Write the picture to this self-contained HTML file.", rich_help_panel="Output"
        ),
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Compare studies of equal objectives: fronts, and hypervolumes over candidates and over seconds.

    A group may be named: ours=A1,A2. Its numbers are means over its studies with standard errors, its bands too. Raises
    `SpecError` for a picture that is no HTML file.

    Example: naslab compare-studies random-0,random-1,random-2 bayes-0,bayes-1,bayes-2 --html compared.html
    """
    from naslab.lab.comparing import compare_studies as run

    if out is not None and out.suffix not in (".html", ".htm"):
        raise SpecError("out", f"must end in .html, got '{out}'")
    found = run(groups, ledger, reference)
    title = " against ".join(each.label for each in found.groups)
    if out is not None:
        from naslab.figures.study_comparison import write_study_comparison

        write_study_comparison(found, title, out)
        say(f"wrote {out}")
    if json:
        print_json(found.rows() | {"figure": None if out is None else str(out)})
        return
    _show(found, title)


def _show(found: StudyComparison, title: str) -> None:
    from naslab.metrics import shown_as

    first = shown_as(found.objectives[0].metric, found.objectives[0].maximise)
    rows = [
        (
            each.label,
            len(each.studies),
            ", ".join(map(str, dict.fromkeys(each.trials))),
            each.num_failed,
            ", ".join(str(len(table.front)) for table in each.fronts),
            each.num_on_common_front,
            *(figure.words(".4g", ".2g") for figure in (each.hypervolume, each.best, each.seconds)),
        )
        for each in found.groups
    ]
    heads = ("trials", "failed", "front", "of the common front", "hypervolume", f"best {first.column}", "seconds")
    print_table(("group", "studies", *heads), rows, title=title)
    count = max(len(each.over_candidates.mean) for each in found.groups)
    places = sorted({max(1, round(count * part / MARKS)) for part in range(1, MARKS + 1)})
    print_table(
        ("group", *map(str, places)),
        [
            (each.label, *(_at(each.over_candidates.mean, each.over_candidates.high, place - 1) for place in places))
            for each in found.groups
        ],
        title="hypervolume after finished candidates",
    )
    times = [found.moments[-1] * part / MARKS for part in range(1, MARKS + 1)]
    spots = [bisect_right(found.moments, each) - 1 for each in times]  # from one moment to the next nothing changes
    print_table(
        ("group", *(f"{each:.4g} s" for each in times)),
        [
            (each.label, *(_at(each.over_seconds.mean, each.over_seconds.high, spot) for spot in spots))
            for each in found.groups
        ],
        title="hypervolume after seconds of searching",
    )
    corner = ", ".join(
        f"{goal.metric} {value:g} ({rule})"
        for goal, value, rule in zip(found.objectives, found.reference.values, found.reference.rules, strict=True)
    )
    error = "; ± is a standard error over studies" if any(len(each.studies) > 1 for each in found.groups) else ""
    tell(f"hypervolumes are shares of the box between {corner} and the ideal{error}")
    for note in found.notes:
        say(f"note: {note}")


def _at(mean: list[float], high: list[float], index: int) -> str:
    if index < 0:
        return "0"
    error = high[index] - mean[index]
    return f"{mean[index]:.4f}" if error == 0 else f"{mean[index]:.4f} ± {error:.2g}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare-studies", cls=Command)(compare_studies)
