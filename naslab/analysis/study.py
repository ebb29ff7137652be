"""StudyView: a study as its ledger has it, read once, for tables and figures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from naslab.analysis.whole_study import WholeStudy
from naslab.errors import StudyError, counted
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.ledger.scores import Score, scores_of
from naslab.metrics import shown_as
from naslab.study.outcome import Outcome
from naslab.study.problem import Problem

if TYPE_CHECKING:
    import pandas


MOST_ROWS = 20
"""Networks of the front that a notebook shows."""


class StudyView(msgspec.Struct, frozen=True, kw_only=True):
    """A study at one moment, read whole from its ledger.

    `record` is how it was asked for and `problem` what it is after. `outcomes` are those of its search in the order
    finished; `family` and `baselines` those of networks trained beside it. `runs` are the times that it was driven,
    `num_in_flight` how many candidates are being trained. Where only a part of very many outcomes was read, `whole`
    counts all (`naslab.analysis.thinned`). `scores` are those of its prior.

    >>> import naslab
    >>> study = naslab.open_study("digits", ledger="studies.db")  # doctest: +SKIP
    >>> max(outcome.value("accuracy") for outcome in study.outcomes if outcome.is_complete)  # doctest: +SKIP
    98.6
    """

    record: StudyRecord
    problem: Problem
    outcomes: tuple[Outcome, ...] = ()
    family: tuple[Outcome, ...] = ()
    baselines: tuple[Outcome, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    num_in_flight: int = 0
    whole: WholeStudy | None = None
    scores: tuple[Score, ...] = ()

    def _repr_html_(self) -> str:
        """The study in a notebook: what it is after, how far it is, and its front as a table."""
        from naslab.analysis.front import front  # which reads views
        from naslab.analysis.reference import reference_point

        goals = ", ".join(f"{each.metric} {'up' if each.maximise else 'down'}" for each in self.problem.objectives)
        done = len(self.outcomes)
        lead = f"{self.record.strategy}, {goals}; {done} of {counted(self.record.num_asked, 'trial')}"
        head = f"<p><b>{escape(self.record.name)}</b>: {escape(lead)}</p>"
        try:
            reference = reference_point(self.problem, self.outcomes)
            table = front(self.outcomes, self.problem.objectives, reference)
        except StudyError as error:
            return f"{head}<p>{escape(str(error))}</p>"
        names = [each.metric for each in table.objectives]
        columns = ("network", *(shown_as(name).column for name in names), "architecture")
        heads = "".join(f"<th>{escape(name)}</th>" for name in columns)
        left = ' style="text-align: left"'  # notebooks set all cells to the right, words too
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td{style}>{escape(text)}</td>"
                for style, text in (
                    (left, point.label),
                    *(("", shown_as(name).number(point.value(name))) for name in names),
                    (left, "; ".join(point.stages)),
                )
            )
            + "</tr>"
            for point in table.front[:MOST_ROWS]
        )
        share = f"{100 * table.hypervolume_share:.2f} %"
        return f"{head}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><p>hypervolume {share}</p>"

    def frame(self) -> pandas.DataFrame:
        """The finished trials as a pandas frame, a row each (`naslab.analysis.trials.trial_rows`).

        Raises `StudyError` where pandas is not installed.

        >>> import naslab
        >>> naslab.open_study("digits", ledger="studies.db").frame().query("state == 'complete'")  # doctest: +SKIP
        """
        from naslab.analysis.trials import trial_rows  # which reads views

        try:
            import pandas
        except ImportError:
            raise StudyError("a frame needs pandas: pip install 'naslab[pandas]'; naslab table does without") from None
        return pandas.DataFrame(trial_rows(self))


def read_study(ledger: Ledger, name: str) -> StudyView:
    """The study `name` of `ledger`, with everything that a report shows.

    Raises `UnknownNameError` with the nearest studies, and `StudyError` where the study's problem is not one that this
    program reads.
    """
    record = ledger.study(name)
    problem = problem_of(record)
    return StudyView(
        record=record,
        problem=problem,
        outcomes=tuple(ledger.outcomes(name, role="search")),
        family=tuple(ledger.outcomes(name, role="family")),
        baselines=tuple(ledger.outcomes(name, role="baseline")),
        runs=tuple(ledger.runs(name)),
        num_in_flight=len(ledger.in_flight(name)),
        scores=tuple(scores_of(ledger, name)) if record.prior else (),
    )


class ProblemNames(NamedTuple):
    """What the search `space` and the `dataset` of a study's problem are called."""

    space: str
    dataset: str


class _Named(msgspec.Struct):
    name: str = ""


class _NamedParts(msgspec.Struct):
    space: _Named
    data: _Named


def problem_names(record: StudyRecord) -> ProblemNames:
    """The names in the problem of a study's `record`, without the space, which takes a tenth of a second to make.

    Raises `StudyError` where there are none.
    """
    try:
        found = msgspec.convert(record.problem, _NamedParts)
    except msgspec.ValidationError as error:
        raise _unreadable(record, error) from None
    return ProblemNames(found.space.name, found.data.name)


def problem_of(record: StudyRecord) -> Problem:
    """The problem of a study's `record`; raises `StudyError` where it is not one that this program reads."""
    try:
        problem = msgspec.convert(record.problem, Problem)
        return msgspec.structs.replace(problem, data=problem.data.as_stored())
    except msgspec.ValidationError as error:
        raise _unreadable(record, error) from None


def _unreadable(record: StudyRecord, error: msgspec.ValidationError) -> StudyError:
    return StudyError(
        f"the problem of study '{record.name}' cannot be read ({error}); another version of naslab made it, "
        "use that one"
    )
