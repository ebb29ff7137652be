"""Latencies on a quiet machine, told on one that is not: which passes count, and how many processes are started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from naslab.errors import NaslabError
from naslab.targets import measuring, process
from naslab.targets.pace import LEAST_PASSES, BestPace, PacedPasses
from naslab.targets.process import Answer, Job
from naslab.targets.target import Deployed, Target
from naslab.zoo import model

NETWORKS = [Deployed("first", model("lenet5")), Deployed("second", model("lenet5"))]


def test_passes_at_a_good_pace_alone_count() -> None:
    passes = PacedPasses()
    passes.add([2.0] * LEAST_PASSES + [1.0] * 50, [1.0] * LEAST_PASSES + [1.5] * 50)
    assert passes.latency_ms(BestPace(1.0)) == 2.0
    assert not passes.lacks(BestPace(1.0))
    assert passes.lacks(BestPace(0.5))
    assert passes.latency_ms(BestPace(0.5)) == 1.0  # too few are near it, so all count


def test_the_pace_is_seen_around_every_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    paces = iter([1.0, 3.0] * 100)
    monkeypatch.setattr(process, "pace_ms", lambda: next(paces))
    monkeypatch.setattr(process, "import_module", lambda name: SimpleNamespace(start=lambda file, target: list))
    found = process.answer(Job(Target("torch"), "a file", passes=3, seconds=0.0, most_passes=2, is_paced=True))
    assert not found.error
    assert len(found.paces_ms) == len(found.core_times_ms) >= 3
    assert set(found.paces_ms) == {3.0}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files that each process was asked to time; the second network is never timed at a good pace."""
    seen: list[list[str]] = []

    def answers(jobs: Sequence[Job]) -> list[Answer]:
        names = [Path(job.file).parent.name for job in jobs]
        seen.append(names)
        made = {"0": Answer(core_times_ms=(4.0,) * 20, paces_ms=(1.0,) * 20)}
        return [made.get(name, Answer(core_times_ms=(6.0, 9.0), paces_ms=(2.0, 2.0))) for name in names]

    home = SimpleNamespace(prepare=lambda deployed, target, folder: folder / "network.onnx")
    monkeypatch.setattr(measuring, "import_module", lambda name: home)
    monkeypatch.setattr(measuring, "_answers", answers)
    return seen


def test_processes_are_started_for_those_that_lack_passes(asked: list[list[str]]) -> None:
    best = BestPace()
    first, second = measuring.quiet_latencies(NETWORKS, Target("torch"), best)
    assert first == 4.0
    assert 6.0 <= second < 6.5
    assert best.least_ms == 1.0
    more = measuring.MOST_PROCESSES - measuring.LEAST_PROCESSES
    assert asked == [["0", "1"]] * measuring.LEAST_PROCESSES + [["1"]] * more


def test_a_network_that_cannot_be_run_is_named(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_answers", lambda jobs: [Answer(error="no memory") for _ in jobs])
    with pytest.raises(NaslabError, match="the target torch cannot run first: no memory"):
        measuring.quiet_latencies(NETWORKS, Target("torch"), BestPace())
