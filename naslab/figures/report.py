"""The report of a study: one HTML file that opens offline, everything in it read from the ledger."""

from __future__ import annotations

from pathlib import Path

import msgspec

from naslab.analysis.convergence import Convergence, converged, converged_in_part
from naslab.analysis.curves import CurveTable, learning_curves
from naslab.analysis.facts import FactTable, facts
from naslab.analysis.failures import FailureTable, failures
from naslab.analysis.family import FamilyTable, family, rescaled_family
from naslab.analysis.front import FrontTable, front, of_whole
from naslab.analysis.importance import ImportanceTable, importance
from naslab.analysis.preferences import PreferenceTable, preferences
from naslab.analysis.prior import PriorTable, prior_table
from naslab.analysis.progress import ProgressTable, of_all, progress
from naslab.analysis.ranking import score_goal
from naslab.analysis.reference import reference_point
from naslab.analysis.rungs import RungTable, rung_table
from naslab.analysis.scaling_law import LawTable, family_law
from naslab.analysis.study import StudyView
from naslab.atomic_write import atomic_write
from naslab.figures.candidates import candidates_section
from naslab.figures.convergence import converged_section
from naslab.figures.family_section import rescaled_section
from naslab.figures.front import MOST_DOTS
from naslab.figures.law_section import law_section
from naslab.figures.markup import Markup, element, join
from naslab.figures.page import page
from naslab.figures.prior_section import prior_section
from naslab.figures.report_sections import (
    choices_section,
    curves_section,
    facts_section,
    failures_section,
    front_section,
    headline,
    importance_section,
    progress_section,
)
from naslab.figures.rungs import rungs_section
from naslab.figures.section import Section
from naslab.ledger.location import locate


class ReportTables(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report shows of a study: its `view`, and a table for each section.

    `importance` is `None` where too few networks are known, `rungs` for a search without rungs,
    `convergence` where too few trials finished, `law` without a family of several sizes or numbers of images.
    """

    view: StudyView
    front: FrontTable
    progress: ProgressTable
    curves: CurveTable
    preferences: PreferenceTable
    importance: ImportanceTable | None
    family: FamilyTable
    baselines: FamilyTable
    failures: FailureTable
    facts: FactTable
    rungs: RungTable | None = None
    convergence: Convergence | None = None
    law: LawTable | None = None
    prior: PriorTable | None = None


def report_tables(view: StudyView) -> ReportTables:
    """The tables of a study; raises `StudyError` where no trial of it is complete."""
    reference = reference_point(view.problem, view.outcomes)
    table = of_whole(front(view.outcomes, view.problem.objectives, reference), view.whole)
    trials = {point.trial for point in table.front}
    score = score_goal(view.record)
    many = view.whole is not None or len(view.outcomes) > MOST_DOTS
    course = progress(view.outcomes, reference, view.runs, score.metric, score.maximise, only_growth=many)
    if view.whole is not None:
        course = of_all(course, view.whole)
    return ReportTables(
        view=view,
        front=table,
        progress=course,
        curves=learning_curves(view.outcomes, trials, score.metric),
        preferences=preferences(view.outcomes, trials, view.problem.space.holes()),
        importance=importance(view.outcomes, view.problem.objectives[0], view.problem.space),
        family=rescaled_family(view),
        baselines=family(view.baselines, score.metric),
        failures=failures(view.outcomes, view.whole),
        facts=facts(view),
        convergence=converged(view.outcomes, view.problem, reference)
        if view.whole is None
        else converged_in_part(course, view.whole.num_outcomes),
        prior=prior_table(view),
        rungs=None if view.record.rungs is None else rung_table(view.outcomes, view.record.rungs, score.metric),
        law=family_law(view),
    )


def write_report(view: StudyView, path: Path, ledger: str) -> None:
    """Write the report of a study, whole or not at all; `ledger` is named in the commands it shows.

    Raises `StudyError` where no trial is complete, `NaslabError` where the file cannot be written.
    """
    tables = report_tables(view)
    atomic_write(path, page(f"{view.record.name}: naslab report", report_body(tables, str(locate(ledger)))))


def report_body(tables: ReportTables, ledger: str) -> Markup:
    """The body of the report: results first, the command, machine and versions that made them last.

    `ledger` is named in the commands it shows. Sections without content are left out.
    """
    view = tables.view
    front_part, course, *failed = core_sections(tables, ledger)
    *middle, last = later_sections(tables)
    table = candidates_section(view.outcomes, view.problem)
    shown = [front_part, course, *middle, *failed, table, last]
    return join(
        [
            element("header", *headline(view, tables.front, tables.progress, tables.failures), _contents(shown)),
            element("main", *(section_block(each) for each in shown)),
            element("footer", element("p", "Made by naslab from the study's ledger; this file loads nothing else.")),
        ]
    )


def core_sections(tables: ReportTables, ledger: str, made: Section | None = None) -> list[Section]:
    """The front, the progress and, where anything failed, the failures; `ledger` is named in commands.

    `made` is the section of the front where it was made before, of the same tables.
    """
    sections = (
        made or front_section(tables.view, tables.front, tables.baselines, tables.family, ledger),
        progress_section(tables.progress),
        failures_section(tables.failures),
    )
    return [section for section in sections if section is not None]


def later_sections(tables: ReportTables) -> list[Section]:
    """Rungs, curves, choices, the family and its law, as far as there are such, and the facts last."""
    sections = (
        converged_section(tables.convergence, tables.front),
        prior_section(tables.prior),
        rungs_section(tables.rungs),
        curves_section(tables.curves),
        choices_section(tables.preferences),
        importance_section(tables.importance),
        rescaled_section(tables.family, tables.baselines),
        law_section(tables.law),
        facts_section(tables.facts),
    )
    return [section for section in sections if section is not None]


def _contents(sections: list[Section]) -> Markup:
    links = [element("a", each.title, attributes={"href": f"#{each.name}"}) for each in sections]
    return element("nav", *links, attributes={"aria-label": "Sections"})


def section_block(section: Section) -> Markup:
    """A section with its heading, as it stands in the page."""
    title = element("h2", section.title, attributes={"id": f"{section.name}-heading"})
    attributes = {"id": section.name, "aria-labelledby": f"{section.name}-heading"}
    return element("section", title, section.body, attributes=attributes)
