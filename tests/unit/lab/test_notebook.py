"""What a search shows below the cell of a notebook, with a stub in IPython's place."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import synthetic_study as synthetic
from fake_estimators import epoch_record
from msgspec.structs import replace

from naslab.execution.events import (
    Ended,
    EpochEnded,
    Interrupted,
    LinePrinted,
    StudyOpened,
    TrialFinished,
    TrialStarted,
    TrialTaken,
    ignore,
    tell_prints,
)
from naslab.lab import notebook
from naslab.lab.notebook import SearchOutput, in_notebook, notebook_observer
from naslab.study.rungs import Rungs


class Kernel(ModuleType):
    """In IPython's place: `shown` is every state of the one output, as HTML."""

    def __init__(self, has_kernel: bool = True) -> None:
        super().__init__("IPython")
        self.shown: list[str] = []
        self.num_outputs = 0
        shell = SimpleNamespace(kernel=object()) if has_kernel else SimpleNamespace()
        self.get_ipython = lambda: shell
        self.display = ModuleType("IPython.display")
        self.display.display = self._display  # type: ignore[attr-defined]

    def _display(self, value: Any, display_id: bool) -> SimpleNamespace:
        self.num_outputs += 1
        self.shown.append(value._repr_html_())
        return SimpleNamespace(update=lambda again: self.shown.append(again._repr_html_()))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setitem(sys.modules, "IPython", made)
    monkeypatch.setitem(sys.modules, "IPython.display", made.display)
    monkeypatch.setattr(notebook, "UPDATE_SECONDS", 0.0)
    return made


def test_a_search_is_followed_in_one_output(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    view = synthetic.study(name="<img src=x>")
    first, *others = view.outcomes
    show = notebook_observer(tell_prints)
    show(StudyOpened(view.record, view.problem, (first,)))
    assert "1 of 60 trials" in kernel.shown[-1]
    candidate = others[0].candidate
    show(TrialStarted(candidate))
    show(TrialTaken(candidate, "worker-1", "node-<3>"))
    show(EpochEnded(candidate, epoch_record(4)))
    now = kernel.shown[-1]
    assert f"<td>trial {candidate.trial}</td><td>worker-1 on node-&lt;3&gt;</td>" in now
    assert f"epoch 4 of {candidate.fidelity.epochs}, " in now
    show(LinePrinted(candidate, "loss 0.5"))
    assert "loss 0.5" in capsys.readouterr().err
    for number, outcome in enumerate(others, start=2):
        show(TrialFinished(outcome, number, 60))
    assert "59 of 60 trials, about 0:00 min left" in kernel.shown[-2]
    show(Ended(60, 3))
    assert kernel.num_outputs == 1
    assert "Done: 60 finished, 3 failed." in kernel.shown[-1]
    assert kernel.shown[-1].endswith(view._repr_html_())
    assert not any("<img" in shown for shown in kernel.shown)


def test_an_interrupted_search_says_so(kernel: Kernel) -> None:
    view = synthetic.study()
    show = SearchOutput().show
    show(StudyOpened(view.record, view.problem))
    assert "no finished trial yet" in kernel.shown[-1]
    show(Interrupted(2))
    assert "2 in flight; the same call continues" in kernel.shown[-1]


def test_outputs_are_drawn_at_most_so_often(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "UPDATE_SECONDS", 1e6)
    view = synthetic.study()
    show = SearchOutput().show
    show(StudyOpened(view.record, view.problem))
    for number, outcome in enumerate(view.outcomes, start=1):
        show(TrialFinished(outcome, number, 60))
    assert len(kernel.shown) == 1
    show(Ended(60, 0))
    assert len(kernel.shown) == 2


def test_elsewhere_nothing_is_shown(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> None:
    assert in_notebook()
    assert notebook_observer(ignore) is ignore, "who asked for another observer has it"
    monkeypatch.setitem(sys.modules, "IPython", Kernel(has_kernel=False))
    assert notebook_observer(tell_prints) is tell_prints, "IPython in a terminal"
    monkeypatch.delitem(sys.modules, "IPython")
    assert notebook_observer(tell_prints) is tell_prints


def test_with_pauses_every_epoch_is_a_trial(kernel: Kernel) -> None:
    view = synthetic.study()
    record = replace(view.record, trials=5, epochs=4, rungs=Rungs.every_epoch(4))
    notebook_observer(tell_prints)(StudyOpened(record, view.problem, view.outcomes[:1]))
    assert '<progress max="20" value="1">' in kernel.shown[-1]
