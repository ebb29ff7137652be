"""Reading a study: its outcomes, its Pareto front, pictures and the report; nothing is run or changed.

study = naslab.open_study("digits_demo-evolution-0")
naslab.write_report(study, "report.html")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from naslab.analysis.front import FrontTable, front
from naslab.analysis.reference import reference_point
from naslab.analysis.study import StudyView, read_study
from naslab.ledger.ledger import Ledger
from naslab.study.problem import Objective

if TYPE_CHECKING:
    import plotly.graph_objects as go


def open_study(name: str, ledger: str | Path = "naslab.db") -> StudyView:
    """A study as its ledger has it now."""
    with Ledger.open(ledger, create=False) as opened:
        return read_study(opened, name)


def pareto_front(study: StudyView, objectives: Sequence[str] | None = None) -> FrontTable:
    """The front of a study in its own objectives or in others, with the hypervolume and its reference point."""
    goals = study.problem.objectives if objectives is None else tuple(map(Objective.named, objectives))
    return front(study.outcomes, goals, reference_point(study.problem, study.outcomes, goals))


def front_figure(study: StudyView, x: str = "macs", y: str = "accuracy") -> go.Figure:
    """The Pareto front of a study as a Plotly figure, its baselines and family beside it."""
    from naslab.analysis.family import family
    from naslab.figures.front import front_figure as draw

    return draw(pareto_front(study, (y, x)), x, y, family(study.baselines), family(study.family))


def write_report(study: StudyView, path: str | Path, ledger: str | Path = "naslab.db") -> None:
    """Everything about a study in one HTML file that opens offline."""
    from naslab.figures.report import write_report as write

    write(study, Path(path), str(ledger))
