"""The sections of a report, each made from tables."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from naslab.analysis.choice import ChoiceTable, choices_of
from naslab.analysis.curves import CurveTable
from naslab.analysis.facts import FactTable
from naslab.analysis.failures import FailureTable
from naslab.analysis.family import FamilyTable
from naslab.analysis.front import FrontPoint, FrontTable
from naslab.analysis.importance import LEAST_EXPLAINED, ImportanceTable
from naslab.analysis.latency_load import disturbed_words
from naslab.analysis.pauses import pause_counts
from naslab.analysis.preferences import LEAST_FRONT, PreferenceTable
from naslab.analysis.preferred_part import preferred_words
from naslab.analysis.progress import ProgressTable
from naslab.analysis.ranking import has_trained, ranking_words, score_goal
from naslab.analysis.study import StudyView
from naslab.analysis.trials import later_metrics
from naslab.errors import counted
from naslab.figures.curves import curves_figure
from naslab.figures.front import metric_cell, plain_front_figure, thinned
from naslab.figures.importance import importance_figure
from naslab.figures.markup import Markup, element, join, table
from naslab.figures.page import figure_block
from naslab.figures.preferences import MOST_SHOWN, preferences_figure
from naslab.figures.progress import plain_progress_figure
from naslab.figures.section import Section
from naslab.figures.style import metric_words
from naslab.metrics import ACCURACY, LATENCY, MACS, SHOWN_METRICS, Metric, shown_as

RETRAINING_FACTOR = 10
"""A network of the front is retrained for this many times the search's epochs by the command beside it."""


def headline(
    view: StudyView, found: FrontTable, course: ProgressTable, failed: FailureTable
) -> tuple[Markup, Markup, Markup]:
    """The study's name, what it was after, and the figures that a reader wants first, as three elements.

    Of the study in `view`: the best network, the front's size and hypervolume from the table `found`, the time
    searching from `course`, the numbers of trials and failures from `failed`.
    """
    goal = score_goal(view.record)
    score = goal.metric
    best = min(found.points, key=lambda point: (_last(goal.loss(point.value(score))), point.value(MACS.name)))
    limits = "".join(f", {limit}" for limit in view.problem.limits)
    limits += "".join(f", preferred {each}" for each in view.problem.preferences)
    goals = ", ".join(f"{each.metric} {'up' if each.maximise else 'down'}" for each in found.objectives)
    lead = f"{view.record.strategy} search of {view.problem.space.name or 'a space'} on {view.problem.data.name}: "
    tiles = [
        (f"best {score}", *_best_words(best, score)),
        (
            "front",
            counted(len(found.front), "network"),
            f"of {len(found.points) + found.num_left_out} that were measured",
        ),
        ("hypervolume", f"{100 * found.hypervolume_share:.2f} %", "of what an ideal network would dominate"),
        ("trials", *_trials_words(view, failed)),
        ("failed", str(failed.num_failed), ", ".join(group.reason for group in failed.groups) or "nothing went wrong"),
        ("time searching", duration(course.search_seconds[-1]), _runs(len(view.runs))),
    ]
    items = [
        element("div", element("dt", name), element("dd", value, element("small", note))) for name, value, note in tiles
    ]
    return (
        element("h1", view.record.name),
        element("p", f"{lead}{goals}{limits}{_ranking(view)}", attributes={"class": "lead"}),
        element("dl", *items, attributes={"class": "headline"}),
    )


def front_section(
    view: StudyView, found: FrontTable, baselines: FamilyTable, members: FamilyTable, ledger: str
) -> Section:
    """The figure of the front and a table of its networks, each with the command that trains it for longer.

    `found` is the front of the study in `view`; `baselines` and the rescaled `members` are drawn beside it. `ledger` is
    named in the commands.
    """
    rules = "; ".join(
        f"{metric_words(goal.metric, value)} ({rule})" if value else f"no {goal.metric} at all"
        for goal, value, rule in zip(found.objectives, found.reference.values, found.reference.rules, strict=True)
    )
    has_accuracy = any(math.isfinite(point.value(ACCURACY.name)) for point in found.points)
    bars = "Bars are one standard error of the validation accuracy. " if has_accuracy else ""
    choices = choices_of(found, view.problem.limits)
    note = (
        f"Every dot is a measured candidate{_ranking(view)}; hover for its architecture. {bars}"
        f"The hypervolume is the part dominated of the box from {rules}, to the ideal. "
        f"{choices.test if choices else ''} {_thinned_words(found)}"
    ).rstrip()
    if len(found.objectives) > 2:
        note += (
            f" The front is of {counted(len(found.objectives), 'objective')} and two are drawn: a network that seems "
            "beaten here is better in another."
        )
    if told := preferred_words(found, view.problem.preferences):
        note += f" {told[0].upper()}{told[1:]}; the search trained others, too, and ranked them behind."
    along, up = (choices.along, choices.up) if choices else (None, None)
    bounds = (view.problem.limits, view.problem.preferences)
    drawn = plain_front_figure(found, along, up, baselines, members, choices, *bounds)
    parts = [figure_block(drawn, "front-figure", note, height=520, level="")]
    if choices is not None and choices.takes:
        parts.append(_takes_block(choices, found))
    shown = [row for row in SHOWN_METRICS if row != ACCURACY or has_accuracy]
    names = [row.name for row in SHOWN_METRICS]
    goals = [goal.metric for goal in found.objectives]
    extra = [name for name in dict.fromkeys((*goals, *later_metrics(view.outcomes))) if name not in names]
    columns = ["network", *(row.column for row in shown), *extra, "architecture", "train it for longer"]
    rows = [_front_row(point, view, shown, extra, ledger) for point in found.front]
    caption = "The networks of the front, in the order of the last objective"
    parts.append(table(caption, columns, rows, numeric=range(1, 3 + has_accuracy + len(extra)), is_stacked=True))
    if found.num_left_out:
        text = (
            f"Of the networks that the front dominates {len(found.dominated):,} were read, spread over the search, and "
            f"{found.num_left_out:,} were not; the front, its hypervolume and the progress are those of all. What the "
            "front favours is told of the networks that were read."
        )
        parts.append(element("p", text, attributes={"class": "note"}))
    if found.num_lower:
        text = (
            f"{counted(found.num_lower, 'network')} stayed at a lower fidelity than the "
            f"{counted(found.points[0].epochs, 'epoch')} that "
            "others reached; they are not compared with them and not shown."
        )
        parts.append(element("p", text, attributes={"class": "note"}))
    if found.num_unmeasured:
        text = (
            f"{counted(found.num_unmeasured, 'complete trial')} without an objective "
            f"{'is' if found.num_unmeasured == 1 else 'are'} not shown."
        )
        parts.append(element("p", text, attributes={"class": "note"}))
    if LATENCY.name in extra and (told := disturbed_words(view.outcomes)):
        parts.append(element("p", f"{told}.", attributes={"class": "note"}))
    return Section("front", "Pareto front", join(parts))


def _thinned_words(found: FrontTable) -> str:
    """How many dominated networks are drawn, where not all are."""
    drawn, count = len(thinned(found.dominated)), len(found.dominated) + found.num_left_out
    return f"Of {count:,} dominated networks {drawn:,} are drawn, evenly chosen; the front is whole." * (drawn < count)


def _takes_block(choices: ChoiceTable, found: FrontTable) -> Markup:
    """The networks to take, each with why."""
    labels = {point.trial: point.label for point in found.front}
    sentences: dict[int, list[str]] = {}
    for trial, words in choices.advice:
        sentences.setdefault(trial, []).append(words)
    items = [element("li", element("b", labels[trial]), ": ", "; ".join(words)) for trial, words in sentences.items()]
    return element("div", element("h3", "Take this one"), element("ul", *items), attributes={"class": "takes"})


def progress_section(course: ProgressTable) -> Section:
    """Two figures of the best score and hypervolume: over finished candidates, and over time."""
    note = (
        "Hypervolume: the part of the box between the reference point and the ideal that the front dominates. "
        "Markers are candidates that made it grow."
    )
    pair = element(
        "div",
        figure_block(plain_progress_figure(course, "candidates"), "progress-candidates", note),
        figure_block(plain_progress_figure(course, "time"), "progress-time"),
        attributes={"class": "pair"},
    )
    return Section("progress", "Progress", pair)


def curves_section(curves: CurveTable) -> Section | None:
    """The learning curves of the front's networks; `None` where none was kept."""
    if not curves.curves:
        return None
    note = "Dark lines are cheap networks, bright ones costly."
    if curves.num_without:
        note += f" {counted(curves.num_without, 'network')} of the front kept no curve."
    return Section("curves", "Learning curves", figure_block(curves_figure(curves), "curves-figure", note, level=""))


def choices_section(table_: PreferenceTable) -> Section | None:
    """Which options the front favours; `None` where no network of the front came from the space."""
    if not table_.preferences:
        return None
    if table_.num_front < LEAST_FRONT:
        words = (
            f"Not known: a front of {counted(table_.num_front, 'network')} is too few to tell "
            f"what it favours from chance; at least {LEAST_FRONT} are asked for."
        )
        return Section("choices", "What the front favours", element("p", words, attributes={"class": "note"}))
    shown = table_.strongest(MOST_SHOWN)
    note = (
        f"The {len(shown)} options of {len(table_.preferences)} that chance explains least, among {table_.num_front} "
        f"networks of the front and {counted(table_.num_candidates, 'candidate')}. Shares are of the networks "
        "in which the choice "
        "is open. Chance: how often as many networks drawn blindly differ at least as much; with so many options some "
        "differ by chance alone."
    )
    rows = [
        [
            f"{each.place}: {each.label}",
            f"{each.num_taken_on_front} of {each.num_active_on_front}",
            f"{each.num_taken} of {each.num_active}",
            f"{100 * each.difference:+.0f}",
            f"{each.chance:.2g}",
        ]
        for each in shown
    ]
    columns = ["choice", "on the front", "of all", "difference (points)", "chance"]
    details = element(
        "details",
        element("summary", "The counts"),
        table("Options with their counts", columns, rows, numeric=range(1, 5), is_stacked=True),
    )
    body = join([figure_block(preferences_figure(table_), "choices-figure", note, level=""), details])
    return Section("choices", "What the front favours", body)


def importance_section(found: ImportanceTable | None) -> Section | None:
    """Which choices matter to the first objective, and how far to trust that; `None` without a table."""
    if found is None:
        return None
    title = f"Which choices matter to {found.metric}"
    if not found.is_known:
        words = (
            f"Not known. A Gaussian process that learned {found.metric} from the choices of {found.num_networks} "
            f"networks does not predict those left out (it explains {100 * found.calibration.explained:.0f} % of their "
            f"variance, and at least {100 * LEAST_EXPLAINED:.0f} % are asked for), so what it says of choices is not "
            "shown."
        )
        return Section("importance", title, element("p", words, attributes={"class": "note"}))
    coverage = " and ".join(f"{share:.0f} % for {aim} %" for aim, share in found.calibration.coverage.items())
    note = (
        f"A Gaussian process learned {found.metric} from the choices of "
        f"{counted(found.num_networks, 'network')}. A bar is the "
        f"share of its predictions' variance that a choice carries, by shuffling it between networks; choices that "
        f"work together count more than once. Networks left out in turn: {100 * found.calibration.explained:.0f} % of "
        f"their variance is predicted, and intervals hold {coverage}."
    )
    drawn = figure_block(importance_figure(found), "importance-figure", note, level="")
    return Section("importance", title, drawn)


def failures_section(failed: FailureTable) -> Section:
    """A table of failed trials by reason, or a line that none failed."""
    if not failed.groups:
        return Section("failures", "Failures", element("p", f"None of {counted(failed.num_outcomes, 'trial')} failed."))
    rows = [
        [group.reason.replace("_", " "), str(group.count), _some(group.trials), group.message]
        for group in failed.groups
    ]
    caption = f"{failed.num_failed} of {counted(failed.num_outcomes, 'trial')} failed"
    body = table(caption, ["reason", "trials", "which", "what the first one said"], rows, numeric=[1], is_stacked=True)
    return Section("failures", "Failures", body)


def facts_section(known: FactTable) -> Section:
    """A table for each topic: command, seed, budget, machine, versions, data and recipe."""
    parts = []
    for topic in known.topics:
        rows = [
            [fact.name, element("code", fact.value) if fact.name in ("command", "versions") else fact.value]
            for fact in known.facts
            if fact.topic == topic
        ]
        parts.append(table(topic.capitalize(), ["fact", "value"], rows))
    return Section("facts", "Facts", element("div", *parts, attributes={"class": "columns"}))


def retrain_command(view: StudyView, trial: int, ledger: str) -> str:
    """The command that trains the network of `trial` for `RETRAINING_FACTOR` times the study's epochs.

    The study is that of `view`; `ledger` is named in the command.
    """
    epochs = RETRAINING_FACTOR * view.record.epochs
    model = shlex.quote(f"{view.record.name}:{trial}")
    return f"naslab train {model} --ledger {shlex.quote(ledger)} --epochs {epochs}"


def duration(seconds: float) -> str:
    """A time span for people.

    >>> duration(42.4), duration(605), duration(7380)
    ('42 s', '10 min 5 s', '2 h 3 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _front_row(
    point: FrontPoint, view: StudyView, shown: Sequence[Metric], extra: Sequence[str], ledger: str
) -> list[str]:
    values = [metric_cell(row, point) for row in shown]
    found = [point.value(metric) for metric in extra]
    others = [f"{value:,.4g}" if math.isfinite(value) else "not measured" for value in found]
    return [point.label, *values, *others, _stages(point), _command(retrain_command(view, point.trial, ledger))]


def _stages(point: FrontPoint) -> Markup:
    return element("ol", *(element("li", stage) for stage in point.stages), attributes={"class": "stages"})


def _command(text: str) -> Markup:
    words = join((element("span", word) for word in text.split(" ")), " ")
    button = element("button", "Copy", attributes={"type": "button", "class": "copy", "aria-label": f"Copy: {text}"})
    return element("div", button, element("code", words), attributes={"class": "command"})


def _trials_words(view: StudyView, failed: FailureTable) -> tuple[str, str]:
    """How many trials there are of how many asked for, and how long each trained; rungs count networks."""
    waiting = f", {view.num_in_flight} in flight" if view.num_in_flight else ""
    if view.record.rungs is None:
        spent = f"{counted(view.record.epochs, 'epoch')} each" if has_trained(view.record) else "nothing was trained"
        return f"{failed.num_outcomes:,} of {view.record.trials:,}", f"{spent}{waiting}"
    num_networks = len({each.candidate.arch_id for each in view.outcomes})
    if view.whole is not None:
        num_networks = view.whole.num_networks
    if view.record.rungs.pauses:
        counts = pause_counts(view.outcomes, view.record.epochs)
        num_epochs, words = counts.num_epochs, counts.words
        if view.whole is not None:  # of the networks that were not read it is not known how far they were trained
            num_epochs, words = view.whole.num_outcomes, f"{counted(num_networks, 'network')} begun"
        return f"{num_epochs} of {counted(view.record.num_asked, 'epoch')}", f"{words}{waiting}"
    epochs = ", ".join(map(str, view.record.rungs.epochs))
    return (
        f"{num_networks} of {counted(view.record.trials, 'network')}",
        f"{counted(failed.num_outcomes, 'training')} of {epochs} epochs{waiting}",
    )


def _some(trials: Sequence[int], most: int = 12) -> str:
    return ", ".join(str(trial) for trial in trials[:most]) + (", ..." if len(trials) > most else "")


def _runs(count: int) -> str:
    return "in one run" if count <= 1 else f"in {counted(count, 'run')}"


def _ranking(view: StudyView) -> str:
    """How the networks were ranked where it was not by the study's own training."""
    words = ranking_words(view.record)
    return f"; {words}" if words else ""


def _best_words(point: FrontPoint, score: str) -> tuple[str, str]:
    """The score of a network, and beside it its error, name and cost."""
    row = shown_as(score, maximise=True)
    value, error = point.value(score), point.metrics.get(row.standard_error)
    if not math.isfinite(value):
        return "not measured", ""
    spread = "" if error is None else f"± {row.number(error)}, "
    macs = MACS.sentence(point.value(MACS.name))
    return f"{row.number(value)} {row.unit}".rstrip(), f"{spread}{point.label}, {macs}"


def _last(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
