"""The parts of the live page as HTML: those of the report, and who trains what now. All texts are escaped."""

from __future__ import annotations

import math
import time
from typing import Any

import msgspec

from naslab.analysis.curves import epoch_value
from naslab.analysis.facts import budget_words
from naslab.analysis.front import front_point
from naslab.analysis.pace import Pace
from naslab.analysis.ranking import score_of
from naslab.arch.summary import describe_arch
from naslab.errors import StudyError, counted
from naslab.figures.candidates import candidate_table
from naslab.figures.front import hover_lines
from naslab.figures.markup import Markup, element, join, table
from naslab.figures.report import core_sections, later_sections, section_block
from naslab.figures.report_sections import duration, headline
from naslab.figures.style import metric_words
from naslab.ledger.ledger import Ledger
from naslab.ledger.news import StudyLine, read_candidates
from naslab.ledger.running import RunningTrial
from naslab.live.watch import StudyWatch
from naslab.metrics import MACS, shown_as
from naslab.passwords import without_passwords
from naslab.study.outcome import Candidate

MOST_ANCESTORS = 30
WIDTH, HEIGHT = 160, 36
"""Pixels of the small picture of a curve."""


def left_words(found: Pace) -> str:
    """The time left in words, with the interval that holds about 95 %.

    >>> left_words(Pace(360.0, 600.0, 480.0, 720.0))
    '10 min 0 s (8 min 0 s to 12 min 0 s)'
    """
    if math.isnan(found.seconds_left):
        return "not known yet"
    return f"{duration(found.seconds_left)} ({duration(found.low)} to {duration(found.high)})"


def study_row(line: StudyLine, watch: StudyWatch) -> dict[str, Any]:
    """A study of the list as JSON values in words."""
    found = watch.pace()
    is_going = watch.state == "running"
    return {
        "id": line.study_id,
        "name": without_passwords(line.name),
        "state": watch.state,
        "strategy": watch.record.strategy,
        "budget": budget_words(watch.record),
        "done": watch.num_done,
        "trials": watch.record.num_asked,
        "rate": "" if math.isnan(found.per_hour) or not is_going else f"{found.per_hour:.3g} an hour",
        "left": left_words(found) if is_going else "",
        "failures": ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in watch.reasons.most_common()),
    }


def now_block(watch: StudyWatch, ledger: Ledger) -> Markup:
    """Who trains what now: a row for each trial in flight, with its epoch, its curve and the line it must beat."""
    running = watch.running
    if watch.state != "running":
        words = {"finished": "Finished: every trial asked for is there."}.get(
            watch.state, "Stopped: nobody drives this study. The command of its last run continues it."
        )
        return element("p", words, attributes={"class": "note"})
    found = watch.pace()
    lead = element(
        "p",
        f"{watch.driver} has {watch.num_done} of {counted(watch.record.num_asked, 'trial')}, "
        f"{len(running)} in flight; time left: {left_words(found)}.",
    )
    if not running:
        return lead
    candidates = read_candidates(ledger, watch.study_id, [each.trial for each in running])
    metric = score_of(watch.record)
    rows = []
    for each in running:
        candidate = candidates.get(each.trial)
        if candidate is not None:
            rows.append(_now_row(candidate, each, metric))
    columns = ["trial", "worker", "epoch", shown_as(metric).column, "curve", "to beat", "running for", "expected end"]
    return join([lead, table("In flight now", [*columns, "network"], rows, numeric=(2, 3), is_stacked=True)])


def _now_row(candidate: Candidate, running: RunningTrial, metric: str) -> list[str]:
    epochs = running.epochs
    spent = max(0.0, time.time() - running.started)
    total = candidate.fidelity.epochs
    values = [epoch_value(epoch, metric) for epoch in epochs]
    known = [value for value in values if math.isfinite(value)]
    done = epochs[-1].epoch if epochs else 0
    left = math.nan
    if epochs:
        trained = min(spent, epochs[-1].wall_seconds) or spent
        left = (total - done) * trained / len(epochs) - (spent - trained)
    return [
        _trial_link(candidate.trial),
        f"{running.worker} on {running.node}" if running.worker else "waits for one",
        f"{done} of {total}" if epochs else f"0 of {total}",
        f"{known[-1]:.4g}" if known else "-",
        _spark(known, candidate.accuracy_to_beat),
        "-" if candidate.accuracy_to_beat is None else f"{candidate.accuracy_to_beat:.4g}",
        duration(spent),
        "-" if math.isnan(left) else f"in {duration(max(0.0, left))}",
        "; ".join(describe_arch(candidate.arch)),
    ]


def _spark(values: list[float], to_beat: float | None) -> Markup:
    """A curve as a small picture, the line that it must beat dashed."""
    if not values:
        return Markup("")
    every = [*values, *([] if to_beat is None else [to_beat])]
    low, high = min(every), max(every)
    room = (high - low) or 1.0

    def at(value: float) -> float:
        return round(HEIGHT - 3 - (value - low) / room * (HEIGHT - 6), 1)

    step = (WIDTH - 8) / max(1, len(values) - 1)
    points = " ".join(f"{4 + index * step:.1f},{at(value)}" for index, value in enumerate(values))
    shapes = [element("polyline", attributes={"points": points, "class": "curve"})]
    last = {"cx": f"{4 + (len(values) - 1) * step:.1f}", "cy": str(at(values[-1])), "r": "3", "class": "last"}
    shapes.append(element("circle", attributes=last))
    if to_beat is not None:
        place = str(at(to_beat))
        line = {"x1": "0", "x2": str(WIDTH), "y1": place, "y2": place, "class": "beat"}
        shapes.append(element("line", attributes=line))
    box = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "spark", "role": "img", "aria-label": f"up to {high:.4g}"}
    return element("svg", *shapes, attributes=box)


def core_blocks(watch: StudyWatch, ledger: str) -> dict[str, Markup]:
    """The headline, the front, progress and failures as the report has them, by name; `ledger` is its place."""
    try:
        tables = watch.tables(is_core=True)
    except StudyError as error:
        return {"headline": _without_front(watch, str(error))}
    whole = msgspec.structs.replace(tables.front, num_left_out=watch.compared.num_compared - len(tables.front.points))
    found = {"headline": join(headline(tables.view, whole, tables.progress, tables.failures))}
    of_front = msgspec.structs.replace(tables.front, num_failed=0)  # which its section does not tell
    made_of = (of_front, len(watch.others), watch.record)
    before = watch.front_kept
    sections = core_sections(tables, ledger, before[1] if before is not None and before[0] == made_of else None)
    watch.front_kept = (made_of, sections[0])
    found |= {each.name: section_block(each) for each in sections}
    if len(tables.view.outcomes) < len(watch.outcomes):
        words = (
            f"Drawn: the front and {len(tables.view.outcomes):,} of "
            f"{counted(len(watch.outcomes), 'trial', form=',')}, evenly chosen."
        )
        words += " More is being read." if watch.has_more else ""
        found["thinned"] = element("p", words, attributes={"class": "note"})
    return found


def told_since(watch: StudyWatch, blocks: dict[str, Markup], version: int) -> dict[str, Markup]:
    """Those of the `blocks` of a study that changed behind a `version` that a page has; all of them behind 0."""
    for name, block in blocks.items():
        if name not in watch.kept_blocks or watch.kept_blocks[name][0] != block:
            watch.kept_blocks[name] = (block, watch.version)
    return {name: block for name, block in blocks.items() if watch.kept_blocks[name][1] > version}


def later_blocks(watch: StudyWatch) -> dict[str, Markup]:
    """The sections that are read less often, by name: rungs, curves, choices, family and facts."""
    try:
        tables = watch.tables()
    except StudyError:
        return {}
    found = {each.name: section_block(each) for each in later_sections(tables)}
    return found | {"workers": workers_block(watch)}


def believed_blocks(watch: StudyWatch) -> dict[str, Markup]:
    """What a surrogate believes of the study, by the name of its section; empty where nothing is known yet."""
    try:
        found = watch.believed()
    except StudyError:
        return {}
    return {} if found is None else {found.name: section_block(found)}


def workers_block(watch: StudyWatch) -> Markup:
    """What each worker did: a row with its device, trials, time and last trial; nothing where none has a name."""
    rows: dict[str, list[Any]] = {}
    for each in watch.outcomes:
        name = each.estimate.worker
        if not name:
            continue
        row = rows.setdefault(name, [each.estimate.device, 0, 0, 0.0, each])
        row[1] += 1
        row[2] += not each.is_complete
        row[3] += each.estimate.wall_seconds
        row[4] = each
    if not rows:
        return Markup("")
    now = time.time()
    cells = [
        [
            *(name, device, str(count), str(failed), duration(spent), _trial_link(last.candidate.trial)),
            f"{duration(max(0.0, now - last.finished))} ago",
        ]
        for name, (device, count, failed, spent, last) in sorted(rows.items())
    ]
    columns = ["worker", "device", "trials", "failed", "time spent", "last trial", "finished"]
    return join([element("h2", "Workers"), table("Who trained what", columns, cells, (2, 3), is_stacked=True)])


def _without_front(watch: StudyWatch, why: str) -> Markup:
    return join([element("h1", watch.record.name), element("p", f"No front yet: {why}", attributes={"class": "lead"})])


def candidate_rows(watch: StudyWatch) -> dict[str, Any]:
    """The candidate table: columns, and a value in each for every trial that is shown; and the trials of the front."""
    return {**candidate_table(watch.view().outcomes, watch.problem), "front": watch.front_trials()}


def trial_block(watch: StudyWatch, ledger: Ledger, trial: int) -> Markup | None:
    """A network: what is known of it, its stages, and its ancestors; `None` where there is no such trial."""
    found = read_candidates(ledger, watch.study_id, [trial]).get(trial)
    if found is None:
        return None
    parts = [element("h2", f"Trial {trial}")]
    outcome = next(iter(watch.whole([trial])), None)
    if outcome is not None and outcome.estimate.failure is not None:
        failure = outcome.estimate.failure
        parts.append(element("p", f"{failure.reason.replace('_', ' ')}: {failure.message}"))
    if outcome is not None:
        parts.append(element("ul", *(element("li", line) for line in hover_lines(front_point(outcome)))))
    else:
        parts.append(element("p", metric_words(MACS.name, found.cost.macs)))
    stages = [element("li", words) for words in describe_arch(found.arch)]
    parts += [element("ol", *stages, attributes={"class": "stages"})]
    where = {"href": f"/study/{watch.study_id}/trial/{trial}/diagram", "target": "_blank", "rel": "noopener"}
    parts.append(element("p", element("a", "Diagram of the network", attributes=where)))
    parts.append(_lineage(found, watch, ledger))
    return join(parts)


def _lineage(candidate: Candidate, watch: StudyWatch, ledger: Ledger) -> Markup:
    """A table of where a network came from: its parents, theirs, and so on, generation by generation."""
    rows: list[list[str]] = []
    seen: set[int] = set()
    generation, wave = 0, {candidate.trial: candidate}
    metric = score_of(watch.record)
    while wave and len(rows) < MOST_ANCESTORS:
        done = {each.candidate.trial: each for each in watch.whole(wave)}
        for trial, each in sorted(wave.items()):
            seen.add(trial)
            value = done[trial].value(metric) if trial in done else math.nan
            made = str(each.origin.get("operator", "-"))
            changed = str(each.origin.get("mutation", each.origin.get("change", "")))
            rows.append(
                [
                    _trial_link(trial),
                    str(generation),
                    f"{made} {changed}".strip(),
                    ", ".join(map(str, _parents(each))) or "-",
                    f"{value:.4g}" if math.isfinite(value) else "-",
                ]
            )
        above = {parent for each in wave.values() for parent in _parents(each)} - seen
        wave = read_candidates(ledger, watch.study_id, sorted(above))
        generation += 1
    columns = ["network", "generations back", "made by", "parents", shown_as(metric).column]
    return table("Lineage", columns, rows, numeric=(1, 4), is_stacked=True)


def _parents(candidate: Candidate) -> list[int]:
    given = candidate.origin.get("parents", [])
    listed = given if isinstance(given, list | tuple) else []
    before = candidate.origin.get("from")
    return [each for each in (*listed, before) if isinstance(each, int)]


def _trial_link(trial: int) -> Markup:
    return element("button", f"trial {trial}", attributes={"type": "button", "data-trial": str(trial)})
