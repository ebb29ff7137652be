"""Reading a study: its outcomes, its Pareto front, pictures and the report; nothing is run or changed.

study = naslab.open_study("digits_demo-evolution-0")
naslab.write_report(study, "report.html")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from naslab.analysis.front import FrontTable, front
from naslab.analysis.ranking import score_of
from naslab.analysis.reference import reference_point
from naslab.analysis.study import StudyView, read_study
from naslab.ledger.ledger import Ledger
from naslab.metrics import MACS
from naslab.study.problem import Objective

if TYPE_CHECKING:
    import plotly.graph_objects as go


def open_study(name: str, ledger: str | Path = "naslab.db") -> StudyView:
    """The study `name` of `ledger` (a file or a database URL) as it is now.

    Raises `UnknownNameError` with the nearest names, and `LedgerError` where the ledger cannot be read.

    >>> import naslab
    >>> len(naslab.open_study("mystudy", "naslab.db").outcomes)  # doctest: +SKIP
    """
    with Ledger.open(ledger, create=False) as opened:
        return read_study(opened, name)


def pareto_front(study: StudyView, objectives: Sequence[str] | None = None) -> FrontTable:
    """The front of `study` in its own objectives or in others, with the hypervolume and its reference point.

    `objectives` are names of metrics. Raises `StudyError` where no outcome has every objective.

    >>> import naslab
    >>> [point.label for point in naslab.pareto_front(naslab.open_study("mystudy")).front]  # doctest: +SKIP
    """
    own = {goal.metric: goal for goal in study.problem.objectives}
    named = own if objectives is None else objectives
    goals = tuple(own[name] if name in own else Objective.named(name) for name in named)
    return front(study.outcomes, goals, reference_point(study.problem, study.outcomes, goals))


def front_figure(study: StudyView, x: str = MACS.name, y: str | None = None) -> go.Figure:
    """The Pareto front of `study` as a Plotly figure, its baselines and family beside it.

    `x` and `y` are names of metrics, with a direction (`f1:max`) where nobody declared them; `y` is by default
    accuracy, or the score of the estimator that the study ranks by. Raises `StudyError` where no outcome has both.

    >>> import naslab
    >>> naslab.front_figure(naslab.open_study("mystudy"), x="params").show()  # doctest: +SKIP
    """
    from naslab.analysis.family import family
    from naslab.figures.front import front_figure as draw

    up = y or score_of(study.record)
    goals = (up,) if y is None and up == x else (up, x)
    found = pareto_front(study, goals)
    drawn = [goal.metric for goal in found.objectives]
    return draw(found, drawn[-1], drawn[0], family(study.baselines), family(study.family))


def write_report(study: StudyView, path: str | Path, ledger: str | Path = "naslab.db") -> None:
    """Write everything about `study` into one HTML file that opens offline.

    `ledger` is what the report names as the study's place.

    >>> import naslab
    >>> naslab.write_report(naslab.open_study("mystudy"), "report.html")  # doctest: +SKIP
    """
    from naslab.figures.report import write_report as write

    write(study, Path(path), str(ledger))
