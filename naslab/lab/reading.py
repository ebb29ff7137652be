"""Reading a study: its outcomes, its Pareto front, pictures and the report; nothing is run or changed.

study = naslab.open_study("digits_demo-auto-0")
naslab.write_report(study, "report.html")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from naslab.analysis.family import family, rescaled_family
from naslab.analysis.front import FrontTable, front, of_whole
from naslab.analysis.ranking import score_of
from naslab.analysis.reference import reference_point
from naslab.analysis.study import StudyView
from naslab.analysis.thinned import read_thinned
from naslab.analysis.within_limits import within_limits
from naslab.arguments import many, optional, path, takes, text
from naslab.lab.models import LEDGER, NAMES, STUDY, find_study
from naslab.ledger.ledger import Ledger
from naslab.metrics import MACS
from naslab.study.problem import Objective, Problem

if TYPE_CHECKING:
    import plotly.graph_objects as go

LIMITS = many(text("a limit, as 'accuracy>=90'"))


@takes(name=text("the name of a study"), ledger=LEDGER)
def open_study(name: str, ledger: str | Path = "naslab.db") -> StudyView:
    """The study `name` of `ledger` (a file or a database URL) as it is now.

    Raises `UnknownNameError` with the nearest names, and `LedgerError` where the ledger cannot be read.

    >>> import naslab
    >>> len(naslab.open_study("mystudy", "naslab.db").outcomes)  # doctest: +SKIP
    """
    return find_study(name, ledger)


@takes(study=STUDY, objectives=optional(NAMES), ledger=LEDGER, limits=LIMITS)
def pareto_front(
    study: StudyView | str,
    objectives: Sequence[str] | str | None = None,
    ledger: str | Path = "naslab.db",
    limits: Sequence[str] = (),
) -> FrontTable:
    """The front of `study` in its own objectives or in others, with the hypervolume and its reference point.

    `study` is a study, or the name of one of `ledger`; `objectives` are names of metrics. `limits` such as
    `"accuracy>=90"` or `"macs<=5M"`, on anything that its trials have, leave the other networks out. Raises
    `StudyError` where no outcome has every objective, or none meets the limits.

    >>> import naslab
    >>> [point.label for point in naslab.pareto_front(naslab.open_study("mystudy")).front]  # doctest: +SKIP
    """
    view = find_study(study, ledger)
    goals = view.problem.objectives if objectives is None else objectives_named(view.problem, objectives)
    failed = [each for each in view.outcomes if not each.is_complete]
    within = within_limits(view.outcomes, limits)
    table = front([*failed, *within], goals, reference_point(view.problem, view.outcomes, goals))
    is_counted = view.whole is not None and view.whole.limits == tuple(limits)
    return of_whole(table, view.whole) if is_counted else table


def objectives_named(problem: Problem, names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives on metrics of these `names`, in the direction that `problem` has them in if it has.

    Raises as `Objective.named`.
    """
    own = {goal.metric: goal for goal in problem.objectives}
    return tuple(own[name] if name in own else Objective.named(name) for name in names)


@takes(
    study=STUDY,
    x=optional(text("the name of a metric")),
    y=optional(text("the name of a metric")),
    ledger=LEDGER,
    limits=LIMITS,
)
def front_figure(
    study: StudyView | str,
    x: str | None = None,
    y: str | None = None,
    ledger: str | Path = "naslab.db",
    limits: Sequence[str] = (),
) -> go.Figure:
    """The Pareto front of `study` as a Plotly figure, its baselines and family beside it.

    `study` is a study, or the name of one of `ledger`. `x` and `y` are names of metrics, with a direction (`f1:max`)
    where nobody declared them; `x` is by default the study's own second objective, else macs,
    `y` accuracy, or the score of the estimator that the study ranks by. `limits` such as `"accuracy>=90"` leave other
    networks out. Raises `StudyError` where no outcome has both.

    >>> import naslab
    >>> naslab.front_figure(naslab.open_study("mystudy"), x="params").show()  # doctest: +SKIP
    """
    from naslab.analysis.choice import choices_of
    from naslab.figures.front import front_figure as draw

    view = find_study(study, ledger)
    up = y or score_of(view.record)
    across = x or second_objective(view.problem, up)
    goals = (up,) if y is None and up == across else (up, across)
    found = pareto_front(view, goals, limits=limits)
    drawn = [goal.metric for goal in found.objectives]
    marks = choices_of(found, view.problem.limits)
    beside = (family(view.baselines), rescaled_family(view))
    bounds = (view.problem.limits, view.problem.preferences)
    return draw(found, drawn[-1], drawn[0], *beside, marks, *bounds)


def second_objective(problem: Problem, first: str) -> str:
    """The objective of `problem` to draw against `first`: the next one of its own, macs where there is none."""
    name = first.partition(":")[0]
    return next((goal.metric for goal in problem.objectives if goal.metric != name), MACS.name)


@takes(study=STUDY, path=path(), ledger=LEDGER)
def write_report(study: StudyView | str, path: str | Path, ledger: str | Path = "naslab.db") -> None:
    """Write everything about `study` into one HTML file that opens offline.

    `study` is a study, or the name of one of `ledger`, which the report names as its place.

    >>> import naslab
    >>> naslab.write_report(naslab.open_study("mystudy"), "report.html")  # doctest: +SKIP
    """
    from naslab.figures.report import write_report as write

    write(_in_part(study, ledger) if isinstance(study, str) else study, Path(path), str(ledger))


def _in_part(study: str, ledger: str | Path) -> StudyView:
    with Ledger.open(ledger, create=False) as opened:
        return read_thinned(opened, study)
