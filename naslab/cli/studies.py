"""`naslab studies`: what a ledger holds; studies renamed, deleted and put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, ask, print_json, print_table, say
from naslab.errors import SpecError, StudyError, UnknownNameError, counted
from naslab.garbage import spare_last_look, uncollected
from naslab.metrics import ACCURACY, is_described, shown_as

if TYPE_CHECKING:
    from naslab.ledger.ledger import Ledger
    from naslab.study.problem import Objective

ACTIONS = {"rename": "OLD NEW", "delete": "NAME...", "merge": "A B... --into C"}
"""What can be done to studies, and the names that each takes."""


def studies(
    action: Annotated[
        str | None,
        typer.Argument(help="rename OLD NEW, delete NAME, or merge A B --into C; by default studies are listed."),
    ] = None,
    names: Annotated[list[str] | None, typer.Argument(help="The studies.")] = None,
    into: Annotated[str | None, typer.Option(help="The new study that outcomes are merged into.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """The studies of a ledger: trials finished and asked for, failures, the best of what networks are ranked by.

    They are renamed by `naslab studies rename OLD NEW` and deleted, checkpoints and all, by `naslab studies delete
    NAME`, unless they are being driven. `naslab studies merge A B --into C` puts the outcomes of studies of one problem
    into a new one, every network once; A and B stay. Raises `UnknownNameError` for another action, and `SpecError` for
    names that do not fit it.

    Example: naslab studies merge monday tuesday --into both
    """

    given = list(names or ())
    if action is None:
        _list(ledger, json)
        spare_last_look()
        return
    if action not in ACTIONS:
        raise UnknownNameError("action", action, ACTIONS, "naslab studies alone lists them")
    fits = {"rename": len(given) == 2, "delete": bool(given), "merge": len(given) >= 2 and into is not None}
    if not fits[action]:
        said = " ".join([*given, *([] if into is None else ["--into", into])]) or "nothing"
        raise SpecError("", f"it is written naslab studies {action} {ACTIONS[action]}, got {said}")
    if action == "rename":
        _rename(given[0], given[1], ledger, json)
    elif action == "delete":
        _delete(list(dict.fromkeys(given)), yes, ledger, json)
    else:
        assert into is not None
        _merge(given, into, ledger, json)


@uncollected()
def _list(ledger: str, json: bool) -> None:
    from naslab.analysis.ranking import score_goal
    from naslab.analysis.study import problem_names
    from naslab.ledger.ledger import Ledger
    from naslab.ledger.many import count_searched
    from naslab.study.problem import Objective

    rows: list[dict[str, Any]] = []
    with Ledger.open(ledger, create=False) as opened:
        for name in opened.study_names():
            record = opened.study(name)
            named, counts, goal = problem_names(record), count_searched(opened, name), score_goal(record)
            rows.append(
                {
                    "name": name,
                    "space": named.space,
                    "dataset": named.dataset,
                    "strategy": record.strategy,
                    "finished": counts.finished,
                    "trials": record.num_asked,
                    "failed": sum(counts.failed.values()),
                    f"best_{ACCURACY.name}": _best(opened, name, Objective.of_score(ACCURACY.name)),
                    "best": {"metric": goal.metric, "value": _best(opened, name, goal)},
                }
            )
    if json:
        print_json(rows)
        return
    columns = ("name", "space", "dataset", "strategy", "finished", "trials", "failed")
    print_table(
        (*columns, "best"),
        [(*(row[column] for column in columns), _best_words(row["best"])) for row in rows],
    )


def _best(ledger: Ledger, study: str, goal: Objective) -> float | None:
    """The best value of a metric among the complete outcomes of a search; nothing where none has it."""
    from naslab.ledger.many import best_measured, has_columns

    if has_columns(goal.metric, is_described(goal.metric)):
        return best_measured(ledger, study, goal.metric, goal.maximise)
    found = (each.value(goal.metric) for each in ledger.outcomes(study, "search") if each.is_complete)
    return min(filter(math.isfinite, found), key=goal.loss, default=None)


def _best_words(best: dict[str, Any]) -> str:
    return "-" if best["value"] is None else shown_as(best["metric"]).sentence(best["value"])


def _rename(old: str, new: str, ledger: str, json: bool) -> None:
    from naslab.lab.studies import rename_study

    rename_study(old, new, ledger)
    _tell({"study": new, "was": old}, f"study '{old}' is '{new}'", json)


def _delete(names: Sequence[str], yes: bool, ledger: str, json: bool) -> None:
    from naslab.lab.studies import delete_study
    from naslab.ledger.ledger import Ledger

    with Ledger.open(ledger, create=False) as opened:
        counts = {name: opened.num_outcomes(name) for name in names}
        for name in names:
            with opened.claim(name):  # one that is being driven is refused before anything is asked or deleted
                pass
    if not yes:
        _ask(
            ", ".join(f"study '{name}' with {counted(count, 'finished trial')}" for name, count in counts.items()),
            ledger,
        )
    done = [delete_study(name, ledger) for name in names]
    rows = [{"study": each.name, "outcomes": each.num_outcomes} for each in done]
    _tell({"deleted": rows}, f"deleted {', '.join(each.name for each in done)}", json)


def _ask(what: str, ledger: str) -> None:
    """Ask whether to go on, on stderr where somebody sits there. Raises `StudyError` unless the answer is yes."""

    question = f"delete {what} from {ledger}?"
    if ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise StudyError(f"{question} Nothing was deleted: answer y, or give --yes")


def _merge(names: Sequence[str], into: str, ledger: str, json: bool) -> None:
    from naslab.lab.studies import merge_studies

    merged = merge_studies(names, into, ledger)
    value = {"study": into, "merged": [msgspec.structs.asdict(each) for each in merged]}
    told = ", ".join(f"{each.num_outcomes} of {each.name}" for each in merged)
    left = sum(each.num_left_out for each in merged)
    twice = f"; {left} that others had are there once" if left else ""
    _tell(
        value,
        f"study '{into}' holds {counted(sum(each.num_outcomes for each in merged), 'outcome')}: {told}{twice}",
        json,
    )


def _tell(value: dict[str, Any], words: str, json: bool) -> None:
    if json:
        print_json(value)
    else:
        say(words)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(studies)
