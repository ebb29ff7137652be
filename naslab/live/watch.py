"""StudyWatch: one study followed in memory. A poll reads the rows that are new; tables come from `naslab.analysis`."""

from __future__ import annotations

import gc
import math
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Any

import msgspec

from naslab.analysis.convergence import converged
from naslab.analysis.curves import learning_curves
from naslab.analysis.facts import FactTable, facts
from naslab.analysis.failures import failures
from naslab.analysis.family import family, rescaled_family
from naslab.analysis.front import FrontTable, comparable, front, losses_of
from naslab.analysis.pace import Pace, pace
from naslab.analysis.preferences import preferences
from naslab.analysis.progress import Course, ProgressTable, search_seconds, seconds_until
from naslab.analysis.ranking import score_goal
from naslab.analysis.reference import ReferencePoint, reference_point
from naslab.analysis.rungs import rung_table
from naslab.analysis.scaling_law import LawTable, family_law
from naslab.analysis.study import StudyView, problem_of
from naslab.arch.cost import Cost
from naslab.errors import StudyError
from naslab.figures.convergence import converged_section
from naslab.figures.report import ReportTables
from naslab.figures.section import Section
from naslab.ledger.ledger import Ledger
from naslab.ledger.news import Cursor, News, last_run, num_measured, read_news, read_outcomes, study_row_of
from naslab.ledger.record import RunRecord
from naslab.ledger.running import ProgressRow, RunningTrial, is_start, running_trials
from naslab.live.compared import ComparedNetworks
from naslab.metrics import is_described
from naslab.pareto import is_non_dominated
from naslab.study.outcome import Outcome

MOST_WHOLE = 1200
"""Up to as many networks a study is shown whole."""
MOST_OF_LARGE = 400
"""Half to all of as many networks of a larger one are told beside its front, evenly chosen."""
MOST_DRAWN = 200
"""Half to all of as many are drawn with its front, which is drawn again whenever it has changed."""
MOST_AT_FIRST = 1000
"""Outcomes that are read before a study is shown for the first time."""
MOST_AT_ONCE = 10_000
"""Outcomes of the rest that are read at once."""
REASKED = 1.1
"""A surrogate is asked again what it believes when there are as many times the outcomes."""
POLL_SECONDS = 0.4
"""How old what was read may be before the ledger is asked again."""
MEASURED_SECONDS = 5.0
"""How often a study that nobody drives is asked whether more was measured of its finished trials."""
_VERSIONS = count(time.time_ns() // 1_000_000)
"""Versions only grow, those of other studies and of a server that is started again included.

So a page that meets another study at its address, or another server, takes it for news."""


class StudyReplacedError(StudyError):
    """What was read of a study holds no longer: another one has its key, or more was measured of its trials."""


class StudyWatch:
    """The study with the key `study_id` of `ledger` as far as it was read; safe to use from several threads.

    `version` grows with every change; epochs of trials in flight are none. Raises `StudyError` where the study is gone;
    `poll` raises `StudyReplacedError` where it is to be followed anew.
    """

    def __init__(self, ledger: Ledger, study_id: int) -> None:
        self._ledger = ledger
        self.study_id = study_id
        self.lock = threading.RLock()
        self._reading = threading.Lock()
        self.version = next(_VERSIONS)
        self.driver = ""
        self.outcomes: list[Outcome] = []
        self.others: list[Outcome] = []
        self.runs: tuple[RunRecord, ...] = ()
        self._cursor = Cursor()
        self._rows: list[ProgressRow] = []
        self._asked = 0.0
        self.last_run = -1
        self._row: tuple[str, int, str] | None = None
        self._num_read = 0
        self._num_later: int | None = None
        self._measured_at = 0.0
        self._whole: dict[int, Outcome] = {}
        self._front: list[Outcome] = []
        self._failed: list[Outcome] = []
        self.num_done = 0
        """How many trials count: networks of the search, those out of bounds and higher rungs left out."""
        self.reasons: Counter[str] = Counter()
        """How many trials failed, by reason."""
        self._places: dict[int, int] = {}
        self._ends = array("d")
        self._begun = math.inf
        self._front_made: tuple[Any, FrontTable] | None = None
        self.kept_blocks: dict[str, tuple[str, int]] = {}
        """Sections as they were last told to pages, with the version of their last change."""
        self.front_kept: tuple[Any, Section] | None = None
        """The section of the front as it was last made, with what it was made of."""
        self._course: Course | None = None
        self._reference: ReferencePoint | None = None
        self.has_more = False
        """Whether the ledger holds more outcomes than were read so far."""
        self._law: tuple[tuple[int, int], LawTable | None] = ((0, 0), None)
        self._believed: Section | None = None
        self._believed_at = (-1, "")
        self.record = ledger.study(self._require_row()[0])
        self.problem = problem_of(self.record)
        self.compared = ComparedNetworks(self.problem.objectives)

    @property
    def running(self) -> list[RunningTrial]:
        """The trials in flight, by trial."""
        return running_trials(self._rows, self.record.name)

    @property
    def num_read(self) -> int:
        """How many outcomes were read, those of every role."""
        return len(self.outcomes) + len(self.others)

    @property
    def state(self) -> str:
        """`running` while a process drives it; else `finished` or `stopped`."""
        if self.driver:
            return "running"
        rungs = self.record.rungs
        spare = 0 if rungs is None or not rungs.pauses else self.record.epochs - 1  # too few to train a network in
        return "finished" if self.num_done + spare >= self.record.num_asked else "stopped"

    def pace(self) -> Pace:
        """How fast it goes and how long the rest may take."""
        rungs = self.record.rungs
        last = self.outcomes[-60 * (1 if rungs is None or rungs.pauses else len(rungs.epochs)) :]
        ended = zip(last, search_seconds(last, self.runs), strict=True)
        seconds = [moment for each, moment in ended if self._is_counted(each)]
        return pace(seconds, max(0, self.record.num_asked - self.num_done))

    def poll(self, waits: bool = True) -> int:
        """Read what is new, unless that was done a moment ago; the version.

        Where another thread reads at this moment it `waits` for it, or leaves it at what was read before.
        """
        if not self._reading.acquire(blocking=waits):
            return self.version
        try:
            return self._poll()
        finally:
            self._reading.release()

    def _poll(self) -> int:
        with self.lock:
            if time.monotonic() - self._asked < POLL_SECONDS:
                return self.version
            self._asked = time.monotonic()
            self._read_study()
            names = [goal.metric for goal in self.problem.objectives]
        needs_networks = any(is_described(name) and name not in Cost.__struct_fields__ for name in names)
        most = MOST_AT_ONCE if self._cursor.outcome else MOST_AT_FIRST
        news = read_news(self._ledger, self.study_id, self._cursor, needs_networks, most)  # meanwhile others may look
        with self.lock:
            had_more, self.has_more = self.has_more, len(news.outcomes) == most
            if self.has_more:
                self._asked = -math.inf  # the next to ask reads on
            elif had_more:
                self.version = next(_VERSIONS)  # the page says that it is still read
            if self.has_more or had_more:
                gc.freeze()  # what was read stays: each look for garbage would go through all of it
            if news.cursor == self._cursor:
                self._require_all_measured()
            else:
                self._take(news)
            return self.version

    def _take(self, news: News) -> None:
        """Take up what is new."""
        self._cursor = news.cursor
        before = {row[0] for row in self._rows}
        self._num_read += sum(math.isfinite(x) for each in news.outcomes for x in each.estimate.measured.values())
        self._follow(news.progress, {each.candidate.trial for each in news.outcomes})
        if news.outcomes or before != {row[0] for row in self._rows}:
            self.version = next(_VERSIONS)
        new = [each for each in news.outcomes if each.candidate.role == "search"]
        self.others += [each for each in news.outcomes if each.candidate.role != "search"]
        self.outcomes += new
        self._add(new)

    def poll_whole(self) -> None:
        """Read all that is new, in parts."""
        self.poll()
        while self.has_more:
            self.poll()

    def whole(self, trials: Iterable[int]) -> list[Outcome]:
        """The whole outcomes of these trials, each read once."""
        wanted = list(trials)
        missing = [trial for trial in wanted if trial not in self._whole]
        self._whole |= read_outcomes(self._ledger, self.study_id, missing)
        return [self._whole[trial] for trial in wanted if trial in self._whole]

    def view(self, most: int = MOST_OF_LARGE) -> StudyView:
        """The study as the report takes it; of a large one the front and at `most` so many networks beside it."""
        with self.lock:
            shown = self._shown(most)
            beside = self.whole(each.candidate.trial for each in self.others)
            return StudyView(
                record=self.record,
                problem=self.problem,
                outcomes=tuple(self.whole(shown)),
                family=tuple(each for each in beside if each.candidate.role == "family"),
                baselines=tuple(each for each in beside if each.candidate.role == "baseline"),
                runs=self.runs,
                num_in_flight=len(self._rows and self.running),
            )

    def front_table(self, view: StudyView) -> FrontTable:
        """The front; what is counted is counted over all outcomes. `StudyError` where there is none yet."""
        corner = self._corner()
        failed = sum(not each.is_infeasible for each in self._failed)
        lower = self.compared.num_lower
        made_of = (tuple(each.candidate.trial for each in view.outcomes), corner.values, lower)
        if self._front_made is None or self._front_made[0] != made_of:
            table = front(view.outcomes, self.problem.objectives, corner)
            self._front_made = (made_of, msgspec.structs.replace(table, num_lower=lower))
        return msgspec.structs.replace(self._front_made[1], num_failed=failed)

    def front_trials(self) -> list[int]:
        """The trials on the front."""
        return [each.candidate.trial for each in self._front]

    def progress_table(self) -> ProgressTable:
        """The progress over all outcomes, at the places where it grew."""
        with self.lock:
            course = self._course_so_far()
            seconds = seconds_until(self._ends, self.runs, self._begun)
            return course.table(seconds, only_growth=len(self.outcomes) > MOST_WHOLE)

    def tables(self, is_core: bool = False) -> ReportTables:
        """What the report shows but the importance of choices, which takes long.

        With `is_core` it is only what changes with every outcome: front, progress, failures and the networks beside.
        """
        with self.lock:
            view = self.view(MOST_DRAWN if is_core else MOST_OF_LARGE)
            table = self.front_table(view)
            trials = {point.trial for point in table.front}
            score = score_goal(self.record).metric
            rungs = None if is_core else self.record.rungs
            failed = msgspec.structs.replace(failures(self._failed), num_outcomes=len(self.outcomes))
            return ReportTables(
                view=view,
                front=table,
                progress=self.progress_table(),
                curves=learning_curves([] if is_core else view.outcomes, trials, score),
                preferences=preferences([] if is_core else view.outcomes, trials, self.problem.space.holes()),
                importance=None,
                family=rescaled_family(view),
                baselines=family(view.baselines, score),
                failures=failed,
                facts=FactTable(()) if is_core else facts(view),
                rungs=None if rungs is None else rung_table(self.outcomes, rungs, score),
                law=None if is_core else self._law_of(view),
            )

    def _law_of(self, view: StudyView) -> LawTable | None:
        """The scaling law of a study, fitted anew where there is another training that may be of it."""
        counts = (len(view.family), len(view.outcomes) if view.record.trials <= MOST_WHOLE else 0)
        if counts != self._law[0]:
            self._law = (counts, family_law(view))
        return self._law[1]

    def believed(self) -> Section | None:
        """Whether the search converged and what a surrogate would try next, of a moment not long ago.

        It is asked anew when the outcomes have grown by a tenth, and when the search ends; meanwhile others may read.
        `StudyError` where there is no front yet.
        """
        with self.lock:
            count, state = len(self.outcomes), self.state
            if count == self._believed_at[0] or (count < REASKED * self._believed_at[0] and state == "running"):
                return self._believed
            outcomes, problem, corner = tuple(self.outcomes), self.problem, self._corner()
            table = self.front_table(self.view())
        found = converged_section(converged(outcomes, problem, corner), table)
        with self.lock:
            self._believed, self._believed_at = found, (count, state)
        return found

    def _read_study(self) -> None:
        """Take up another name, total, run or driver; `StudyReplacedError` where another study has the key."""
        row = self._require_row()
        run, driver = last_run(self._ledger, self.study_id), self._ledger.drivers().get(self.study_id, "")
        if (row, run, driver) == (self._row, self.last_run, self.driver):
            return
        record = self._ledger.study(row[0])
        if record.created != self.record.created:
            raise StudyReplacedError("another study has this number now")
        self.runs = tuple(self._ledger.runs(row[0]))
        self.record, self.problem = record, problem_of(record)
        self._row, self.last_run, self.driver = row, run, driver
        self.version = next(_VERSIONS)

    def _require_row(self) -> tuple[str, int, str]:
        found = study_row_of(self._ledger, self.study_id)
        if found is None:
            raise StudyError("this study is no longer in the ledger")
        return found

    def _require_all_measured(self) -> None:
        """Raise `StudyReplacedError` where more was measured of trials that were read; for when there is no news."""
        if self.driver or time.monotonic() - self._measured_at < MEASURED_SECONDS:
            return
        self._measured_at = time.monotonic()
        later = num_measured(self._ledger, self.study_id) - self._num_read
        if self._num_later is not None and later != self._num_later:
            raise StudyReplacedError("more was measured of this study")
        self._num_later = later

    def _follow(self, rows: list[ProgressRow], finished: set[int]) -> None:
        """Take up new rows of progress: a start takes away what a trial did before, an outcome all of it."""
        for row in rows:
            if is_start(row):
                self._rows = [each for each in self._rows if each[0] != row[0]]
            self._rows.append(row)
        self._rows = [each for each in self._rows if each[0] not in finished]

    def _is_counted(self, outcome: Outcome) -> bool:
        """Whether an outcome is one of the trials asked for: with rungs networks on the first, with pauses epochs."""
        rungs = self.record.rungs
        is_counted = rungs is None or rungs.pauses or rungs.rung_of(outcome.candidate.fidelity) == 0
        return is_counted and not outcome.is_infeasible

    def _add(self, new: list[Outcome]) -> None:
        if not new:
            return
        self.num_done += sum(map(self._is_counted, new))
        self._failed += [each for each in new if not each.is_complete]
        self.reasons.update(each.estimate.failure.reason for each in new if each.estimate.failure is not None)
        goals = self.problem.objectives
        for each in new:
            self._places[each.candidate.trial] = len(self._places)
            self._ends.append(each.finished)
            self._begun = min(self._begun, each.finished - each.estimate.wall_seconds)
            self.compared.add(each)
        compared = comparable([*self._front, *new])
        self._front = [each for each in compared if all(abs(each.value(g.metric)) < float("inf") for g in goals)]
        if self._front:
            kept = is_non_dominated(losses_of(self._front, goals))
            self._front = [each for each, is_kept in zip(self._front, kept, strict=True) if is_kept]
        highest = max((each.candidate.fidelity for each in new if each.is_complete), default=None)
        course = self._course
        if course is not None and (highest is None or (course.highest is not None and highest <= course.highest)):
            course.add_all(new)
        else:
            self._course = None
        if not self._is_fixed():
            self._reference = self._course = None

    def _is_fixed(self) -> bool:
        """Whether the reference point is the same whatever is measured."""
        corner = self._reference
        return corner is not None and not any("outcomes" in rule or "outcome" in rule for rule in corner.rules)

    def _corner(self) -> ReferencePoint:
        if self._reference is None:
            self._reference = reference_point(self.problem, self.outcomes)
        return self._reference

    def _course_so_far(self) -> Course:
        if self._course is None:
            if not self.outcomes:
                raise StudyError("the study has no finished trial yet; run its search, or wait for the first one")
            highest = max((each.candidate.fidelity for each in self.outcomes if each.is_complete), default=None)
            goal = score_goal(self.record)
            self._course = Course(self._corner(), highest, goal.metric, goal.maximise)
            self._course.add_all(self.outcomes)
        return self._course

    def _shown(self, most: int) -> list[int]:
        """The trials that are shown, in the order finished: all, or at `most` so many evenly chosen and the front."""
        if len(self.outcomes) <= MOST_WHOLE:
            return [each.candidate.trial for each in self.outcomes]
        step, most = 1, min(MOST_WHOLE, most)
        while len(self.outcomes) > step * most:
            step *= 2  # so the networks that are shown stay the same while a study grows
        kept = {each.candidate.trial for each in (*self._front, *self.outcomes[::step])}
        return sorted(kept, key=self._places.__getitem__)
