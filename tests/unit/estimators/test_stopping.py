"""Trainings end early where they will not reach the accuracy to beat, and only there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import pytest
import torch
from fake_estimators import numbered_candidate

from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.estimators.stopping import StopRule
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, EpochRecord, Fidelity, ToBeat
from naslab.study.recipe import Recipe, default_recipe

CONSTANT = Recipe(schedule="constant")
FLAT = (40.0, 60.0, 67.0, 69.5, 70.5, 71.0)


def curve(accuracies: tuple[float, ...]) -> list[EpochRecord]:
    return [EpochRecord(epoch, 1.0, 1.0, accuracy, 0.1) for epoch, accuracy in enumerate(accuracies, start=1)]


def rule(
    accuracy_to_beat: float | None,
    confidence: float | None = 0.95,
    fidelity: Fidelity = Fidelity(epochs=20),  # noqa: B008
) -> StopRule:
    candidate = msgspec.structs.replace(numbered_candidate(0), fidelity=fidelity, accuracy_to_beat=accuracy_to_beat)
    return StopRule(candidate, CONSTANT, confidence)


def test_a_curve_far_below_its_bar_is_stopped_and_one_near_it_is_not() -> None:
    assert rule(accuracy_to_beat=95.0)(curve(FLAT))
    assert not rule(accuracy_to_beat=73.0)(curve(FLAT))
    assert not rule(accuracy_to_beat=60.0)(curve(FLAT))


def test_nothing_is_stopped_without_a_bar_a_confidence_or_enough_epochs() -> None:
    assert not rule(accuracy_to_beat=None)(curve(FLAT))
    assert not rule(accuracy_to_beat=99.0, confidence=None)(curve(FLAT))
    assert not rule(accuracy_to_beat=100.0)(curve(FLAT[:2]))
    assert not rule(accuracy_to_beat=99.0, fidelity=Fidelity(epochs=6))(curve(FLAT))


def test_a_rate_that_will_fall_must_have_begun_to() -> None:
    candidate = msgspec.structs.replace(numbered_candidate(0), fidelity=Fidelity(epochs=20), accuracy_to_beat=99.9)
    stepped = StopRule(candidate, Recipe(schedule="step", step_at=(0.5,)), 0.9)
    flat = tuple(40 + epoch / 10 for epoch in range(15))
    assert not any(stepped(curve(flat[:epochs])) for epochs in range(10))
    assert stepped(curve(flat))
    assert StopRule(candidate, CONSTANT, 0.9)(curve(flat[:9]))


def test_a_rung_is_judged_by_the_end_of_the_schedule() -> None:
    rising = curve((40.0, 55.0, 62.0, 66.0, 69.0, 71.0))
    of_a_rung = rule(accuracy_to_beat=80.0, fidelity=Fidelity(epochs=7, schedule_epochs=100))
    alone = rule(accuracy_to_beat=80.0, fidelity=Fidelity(epochs=7))
    assert alone(rising)
    assert not of_a_rung(rising)


def test_the_note_says_what_was_extrapolated_and_against_what() -> None:
    stopped = rule(accuracy_to_beat=95.0)
    assert stopped(curve(FLAT))
    note, measured = stopped.note(curve(FLAT)), stopped.measured(curve(FLAT))
    assert (note["after_epochs"], note["of_epochs"], note["accuracy_to_beat"]) == (6, 20, 95.0)
    assert (
        note["extrapolated_low"]
        < note["extrapolated_accuracy"]
        == measured["accuracy"]
        < note["extrapolated_high"]
        < 95
    )
    assert note["seen_accuracy"] == 71.0
    assert 0 < measured["accuracy_sem"] < 10


def test_a_stopped_training_is_an_estimate_with_its_extrapolated_accuracy(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arch = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=2, stride=4),), num_classes=10)
    candidate = Candidate(
        trial=0, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(epochs=12), seed=0
    )
    how = ShortTraining(
        data=DataChoice(name="digits", max_images=200),
        recipe=msgspec.structs.replace(default_recipe("digits"), learning_rate=1e-3),
        checkpoints=str(tmp_path / "blobs"),
        stop_early=0.9,
    )
    threads = torch.get_num_threads()
    bench = Workbench(device="cpu")
    how.prepare(bench)
    hopeless = how.estimate(msgspec.structs.replace(candidate, accuracy_to_beat=99.9), bench)
    free = how.estimate(candidate, bench)
    torch.set_num_threads(threads)
    assert 3 <= len(hopeless.curve) < 12 == len(free.curve)
    assert "stopped" not in free.notes
    assert hopeless.failure is None
    assert hopeless.notes["stopped"]["after_epochs"] == len(hopeless.curve)
    assert hopeless.measured["accuracy"] == pytest.approx(hopeless.notes["stopped"]["extrapolated_accuracy"])
    assert msgspec.json.decode(msgspec.json.encode(hopeless), type=type(hopeless)) == hopeless


RANGES = {"f1": (0.0, 1.0), "error": (2.5, 0.0)}
BETTER = {"f1": 0.9, "error": 0.3}


def of_two(f1: Sequence[float], error: Sequence[float]) -> tuple[EpochRecord, ...]:
    pairs = zip(f1, error, strict=True)
    return tuple(EpochRecord(1 + at, 0, 0, math.nan, 0, {"f1": a, "error": b}) for at, (a, b) in enumerate(pairs))


def rule_of_two(*points: dict[str, float], confidence: float = 0.9) -> StopRule:
    candidate = msgspec.structs.replace(
        numbered_candidate(0), fidelity=Fidelity(epochs=20), to_beat=ToBeat(points, RANGES)
    )
    return StopRule(candidate, CONSTANT, confidence)


WORSE_F1, WORSE_ERROR = [0.30, 0.31, 0.312, 0.313, 0.313, 0.313], [2.0, 1.9, 1.88, 1.87, 1.87, 1.87]
FINE_F1, FINE_ERROR = [0.6, 0.8, 0.88, 0.91, 0.93, 0.94], [0.8, 0.5, 0.3, 0.25, 0.22, 0.2]


def test_several_objectives_end_a_training_where_one_network_is_better_in_each() -> None:
    assert rule_of_two(BETTER)(of_two(WORSE_F1, WORSE_ERROR))
    assert not rule_of_two(BETTER)(of_two(FINE_F1, WORSE_ERROR))
    assert not rule_of_two(BETTER)(of_two(WORSE_F1, FINE_ERROR))
    better_in_one_each = ({"f1": 0.9, "error": 2.4}, {"f1": 0.1, "error": 0.3})
    assert not rule_of_two(*better_in_one_each)(of_two(WORSE_F1, WORSE_ERROR))
    assert rule_of_two(*better_in_one_each, BETTER)(of_two(WORSE_F1, WORSE_ERROR))


def test_what_is_worse_than_anything_before_is_stopped_too() -> None:
    far = of_two([each - 5 for each in WORSE_F1], [each + 50 for each in WORSE_ERROR])
    assert rule_of_two(BETTER)(far)


def test_an_epoch_that_does_not_say_an_objective_ends_nothing() -> None:
    curve = of_two(WORSE_F1, WORSE_ERROR)
    silent = msgspec.structs.replace(curve[2], values={"f1": 0.3})
    assert not rule_of_two(BETTER)((*curve[:2], silent, *curve[3:]))


def test_the_note_says_of_each_objective_what_was_seen_and_what_was_to_beat() -> None:
    stopped = rule_of_two({"f1": 0.35, "error": 1.7}, BETTER)
    curve = of_two(WORSE_F1, WORSE_ERROR)
    assert stopped(curve)
    note = stopped.note(curve)
    assert note["to_beat"] == BETTER
    assert (note["after_epochs"], note["of_epochs"]) == (6, 20)
    for metric, last in (("f1", 0.313), ("error", 1.87)):
        told = note["objectives"][metric]
        assert told["seen"] == last
        assert told["low"] < told["extrapolated"] < told["high"]
        assert told["low"] < last < told["high"]
    assert stopped.measured(curve)["error"] == pytest.approx(1.87, abs=0.3)


def test_one_objective_of_a_known_range_is_stopped_as_accuracy_is() -> None:
    shares = [{"f1": each / 100} for each in FLAT]
    seen = tuple(EpochRecord(1 + at, 0, 0, math.nan, 0, each) for at, each in enumerate(shares))
    for accuracy in (60.0, 73.0, 80.0, 95.0):
        to_beat = ToBeat(({"f1": accuracy / 100},), {"f1": (0.0, 1.0)})
        candidate = msgspec.structs.replace(numbered_candidate(0), fidelity=Fidelity(epochs=20), to_beat=to_beat)
        assert StopRule(candidate, CONSTANT, 0.9)(seen) == rule(accuracy_to_beat=accuracy)(curve(FLAT))
