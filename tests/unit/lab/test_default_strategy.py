"""The default strategy: what it is, and where a study of the default of before is."""

from __future__ import annotations

from pathlib import Path

import naslab
from naslab.execution.events import Event, StrategyChosen
from naslab.lab.search_options import SearchOptions


def reasons_of(ledger: Path, trials: int, **words: str) -> tuple[str, list[str]]:
    """The name of the study of a search by a proxy, and why its strategy was chosen."""
    events: list[Event] = []
    study = naslab.search(
        "digits_demo",
        dataset="digits",
        estimator="params",
        objectives=["params", "macs"],
        trials=trials,
        workers=1,
        ledger=ledger,
        on_event=events.append,
        **words,
    )
    return study.record.name, [event.reason for event in events if isinstance(event, StrategyChosen)]


def test_a_search_leaves_the_choice_to_naslab(tmp_path: Path) -> None:
    assert SearchOptions(space="digits_demo").strategy == "auto"
    name, [reason] = reasons_of(tmp_path / "l.db", 2)
    assert name == "digits_demo-auto-0"
    assert "of before" not in reason
    assert reasons_of(tmp_path / "l.db", 3) == (name, ["the study was begun with it"])


def test_a_study_of_the_default_of_before_is_told(tmp_path: Path) -> None:
    assert reasons_of(tmp_path / "l.db", 2, strategy="evolution") == ("digits_demo-evolution-0", [])
    name, [reason] = reasons_of(tmp_path / "l.db", 2)
    assert name == "digits_demo-auto-0"
    assert reason.endswith("; digits_demo-evolution-0, of the default of before, goes on by --study")
    assert reasons_of(tmp_path / "l.db", 3, study="digits_demo-evolution-0") == (
        "digits_demo-evolution-0",
        ["the study was begun with it"],
    )
