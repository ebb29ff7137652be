"""The display of a run in a terminal: it fits its width and names the nodes."""

from __future__ import annotations

import socket
from io import StringIO

import pytest
import synthetic_study as synthetic
from fake_estimators import epoch_record
from rich.console import Console
from rich.live import Live

from naslab.cli.progress import Display
from naslab.execution.events import EpochEnded, StudyOpened, TrialFinished, TrialsReached, TrialStarted, TrialTaken


@pytest.mark.parametrize("width", [60, 200])
def test_every_line_fits_the_terminal_and_nodes_are_named(width: int) -> None:
    view = synthetic.study()
    written = StringIO()
    display = Display()
    display._console = Console(file=written, width=width, force_terminal=True, color_system=None, highlight=False)
    display._live = Live(console=display._console, auto_refresh=False, transient=True)
    first, second, third, *_ = view.outcomes
    display.show(StudyOpened(view.record, view.problem))
    display.show(TrialStarted(first.candidate))
    display.show(TrialFinished(first, 1, 60))
    for each, node in ((second, "node-2"), (third, socket.gethostname())):
        display.show(TrialStarted(each.candidate))
        display.show(TrialTaken(each.candidate, "worker-1", node))
        display.show(EpochEnded(each.candidate, epoch_record(2)))
    status = display._status()
    assert f"#{second.candidate.trial} 52.0 % on node-2" in status
    assert f"#{third.candidate.trial} 52.0 %" in status
    assert socket.gethostname() not in status, "this machine goes without saying"
    assert " left" in status
    with display._console.capture() as captured:
        display._console.print(display._live.renderable)
    lines = [*captured.get().splitlines(), *written.getvalue().splitlines()]
    assert lines
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("finished", "told"),
    [
        (1, "1 trial is finished already, 0 asked for: nothing new is begun"),
        (20, "20 trials are finished already, 0 asked for: nothing new is begun"),
    ],
)
def test_more_finished_trials_than_asked_for_are_told_in_a_line(finished: int, told: str) -> None:
    assert Display(quiet=True)._line(TrialsReached(finished, 0)) == told
