"""Beginnings of learning curves: each score on curves whose ends are known, and what cannot be compared."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from naslab.analysis import curve_agreement as analysis
from naslab.analysis.curve_agreement import (
    CURVE_SCORES,
    CurveLine,
    curve_agreement,
    extrapolated_accuracy,
    extrapolated_log_likelihood,
    training_speed,
)
from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.errors import StudyError
from naslab.estimators.extrapolation import extrapolate
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Fidelity, Outcome

END = 8
NUM_NETWORKS = 12


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """A tenth of them: these intervals are asked to hold a value, not for their ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "NUM_RESAMPLES", 100)
        yield


def curve_of(start: float, slope: float, gap: float = 0.1) -> tuple[EpochRecord, ...]:
    """Losses that fall by `slope` in the logarithm of epochs; the accuracy follows the validation loss."""
    losses = [start - slope * math.log(epoch) for epoch in range(1, END + 1)]
    return tuple(
        EpochRecord(1 + index, loss, loss + gap, 100 * math.exp(-loss - gap), 1.0) for index, loss in enumerate(losses)
    )


def outcome_of(width: int, curve: tuple[EpochRecord, ...]) -> Outcome:
    arch = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=width),), num_classes=10)
    candidate = Candidate(
        trial=width, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(epochs=END), seed=0
    )
    return Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": 1.0}, curve=curve))


@pytest.fixture(scope="module")
def late_bloomers() -> tuple[list[Outcome], dict[str, float]]:
    """Networks of which the best begin worst: their losses cross between the fourth and the last epoch."""
    outcomes = [outcome_of(4 + rank, curve_of(2.2 + 0.1 * rank, 0.2 + 0.06 * rank)) for rank in range(NUM_NETWORKS)]
    return outcomes, {each.candidate.arch_id: -each.estimate.curve[-1].validation_loss for each in outcomes}


@pytest.fixture(scope="module")
def lines(late_bloomers) -> tuple[CurveLine, ...]:
    return curve_agreement(*late_bloomers)


def line_of(lines: tuple[CurveLine, ...], score: str, epochs: int) -> CurveLine:
    return next(line for line in lines if (line.score, line.epochs) == (score, epochs))


def test_a_loss_is_extrapolated_exactly_where_it_falls_in_the_logarithm_of_epochs():
    curve = curve_of(2.3, 0.4)
    for seen in range(2, END):
        assert extrapolated_log_likelihood(curve[:seen], END, ()) == pytest.approx(-curve[-1].validation_loss, rel=1e-9)


def test_the_extrapolated_accuracy_is_the_extrapolated_curve():
    curve, annealing = curve_of(2.3, 0.4), [0.0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1.0]
    seen = [each.validation_accuracy for each in curve[:4]]
    assert extrapolated_accuracy(curve[:4], END, annealing) == extrapolate(seen, END, annealing).quantile(0.5)


def test_training_speed_is_the_area_above():
    assert training_speed(curve_of(2.0, 0.0)[:3], END, ()) == pytest.approx(-6.0)


def test_extrapolating_ranks_late_bloomers_that_levels_rank_backwards(lines):
    assert line_of(lines, "extrapolated loss", 2).tau.value == 1
    assert line_of(lines, "last loss", 2).tau.value == line_of(lines, "training speed", 2).tau.value == -1
    assert line_of(lines, "last loss", END).tau.value == 1
    assert line_of(lines, "extrapolated loss", 2).precision.value == 1


def test_gains_are_over_the_whole_curves_accuracy(lines):
    whole = line_of(lines, "last accuracy", END)
    assert (whole.gain.value, whole.gain.low, whole.gain.high) == (0, 0, 0)
    early = line_of(lines, "last accuracy", 2)
    assert early.gain.value == early.tau.value - whole.tau.value < early.gain.high + 1e-9
    assert msgspec.json.encode([line.row() for line in lines])


def test_only_what_can_be_extrapolated_has_a_line(lines):
    seen = {name: [line.epochs for line in lines if line.score == name] for name in CURVE_SCORES}
    assert seen["last accuracy"] == seen["last loss"] == seen["training speed"] == list(range(1, END + 1))
    assert seen["extrapolated accuracy"] == list(range(3, END))
    assert seen["extrapolated loss"] == list(range(2, END))


def test_networks_without_a_result_or_a_truth_are_left_out(late_bloomers, lines):
    outcomes, truth = late_bloomers
    failed = msgspec.structs.replace(
        outcome_of(99, ()), estimate=Estimate(failure=Failure(reason="diverged", message=""))
    )
    unknown = outcome_of(98, curve_of(1.0, 0.1))
    assert curve_agreement([*outcomes, failed, unknown], truth | {failed.candidate.arch_id: 1.0}) == lines
    assert {line.num_networks for line in lines} == {NUM_NETWORKS}


def test_what_cannot_be_compared_is_refused(late_bloomers):
    outcomes, truth = late_bloomers
    with pytest.raises(StudyError, match="at least 10 networks, got 9"):
        curve_agreement(outcomes[:9], truth)
    stopped = msgspec.structs.replace(
        outcomes[0], estimate=Estimate(measured={"accuracy": 1.0}, curve=outcomes[0].estimate.curve[:3])
    )
    with pytest.raises(StudyError, match=r"one length to be compared, got \[3, 8\] epochs"):
        curve_agreement([stopped, *outcomes[1:]], truth)


def test_intervals_are_those_of_equal_resamples(late_bloomers):
    """Truths by chance: the gain of a score over itself is none, its tau's interval holds the value."""
    outcomes, _ = late_bloomers
    source = np.random.default_rng(3)
    truth = {each.candidate.arch_id: float(source.normal()) for each in outcomes}
    lines = curve_agreement(outcomes, truth, seed=1)
    assert lines == curve_agreement(outcomes, truth, seed=1)
    for line in lines:
        assert line.tau.low <= line.tau.value <= line.tau.high
