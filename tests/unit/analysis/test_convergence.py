"""Did it converge: the last third's gain, and expected gains beside what came."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from naslab.analysis.convergence import Convergence, Expected, converged
from naslab.analysis.front import front
from naslab.analysis.reference import reference_point
from naslab.execution.source import make_candidate
from naslab.figures.convergence import converged_section
from naslab.space import load_space
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Estimate, Fidelity, Outcome
from naslab.study.problem import Objective, Problem
from naslab.study.recipe import Recipe

GOALS = (Objective.named("accuracy"), Objective.named("macs"))
PROBLEM = Problem(load_space("nas_bench_macro"), GOALS, DataChoice("cifar10"), Recipe())


def outcomes(count: int) -> list[Outcome]:
    """Networks whose accuracy grows with their cost and with one choice."""
    rng = np.random.default_rng(0)
    made = []
    for trial in range(count):
        genome = PROBLEM.space.sample(rng)
        candidate = make_candidate(PROBLEM.space.decode(genome), trial, 1, 0, "search", genome)
        accuracy = (
            50 + 20 * np.log10(candidate.cost.macs / 1e7) + 5 * (genome.genes[0].option == 1) + rng.normal(0, 0.3)
        )
        estimate = Estimate(measured={"accuracy": float(accuracy)})
        made.append(Outcome(candidate=candidate, estimate=estimate, finished=float(trial)))
    return made


@pytest.fixture(scope="module")
def found() -> Convergence:
    done = outcomes(40)
    made = converged(done, PROBLEM, reference_point(PROBLEM, done))
    assert made is not None
    return made


def test_what_is_expected_stands_beside_what_came(found: Convergence) -> None:
    done = outcomes(40)
    reference = reference_point(PROBLEM, done)
    shares = [front(done[:count], GOALS, reference).hypervolume_share for count in (10, 20, 40, 27)]
    assert [(each.num_told, each.num_again) for each in found.record] == [(10, 10), (20, 20)]
    came = [each.came for each in found.record]
    assert came == pytest.approx([shares[1] - shares[0], shares[2] - shares[1]])
    assert found.last_third == pytest.approx((shares[2] - shares[3]) / shares[2])
    assert found.again is not None
    assert 0 <= found.again.low <= found.again.mean <= found.again.high < 1 - shares[2]


def test_what_comes_next_was_not_tried_and_gains_most_first(found: Convergence) -> None:
    tried = {each.candidate.genome for each in outcomes(40)}
    gains = [each.gain for each in found.foreseen]
    assert gains == sorted(gains, reverse=True)
    assert not tried & {each.genome for each in found.foreseen}
    assert {float(each.deviations[1]) for each in found.foreseen} == {0.0}
    assert all(each.deviations[0] > 0 for each in found.foreseen)


def test_the_words_tell_the_record_as_it_is(found: Convergence) -> None:
    record = (Expected(8, 8, 0.02, 0.01, 0.03, 0.015), Expected(16, 16, 0.02, 0.01, 0.03, 0.05))
    told = found._replace(record=record).words
    assert "after 8 it expected 2 (1 to 3) of 8 more, and 1.5 came" in told
    assert "1 of 2 lay within" in told
    assert "no record yet" in found._replace(record=()).words
    assert " As many again (40 more) may gain " in found.words
    assert " 128 more may gain " in found._replace(again=Expected(500, 128, 0.02, 0.01, 0.03)).words
    assert " points of what an ideal network would dominate" in found.words


def test_few_networks_and_other_fronts_say_only_what_came() -> None:
    done = outcomes(12)
    few = converged(done, PROBLEM, reference_point(PROBLEM, done))
    assert few is not None
    assert few.again is None
    assert "12 networks teach a model too little, 16 may: what more trials would gain is not known." in few.words
    goals = (*GOALS, Objective.named("params"))
    three = Problem(PROBLEM.space, goals, PROBLEM.data, PROBLEM.recipe)
    other = converged(outcomes(20), three, reference_point(three, outcomes(20)))
    assert other is not None
    assert "asked of two objectives, and here are 3" in other.words
    assert converged(done[:2], PROBLEM, reference_point(PROBLEM, done)) is None
    assert converged_section(None, front(done, GOALS)) is None


def test_predictions_of_a_lower_rung_stand_beside_the_front_of_that_rung() -> None:
    done = outcomes(20)
    best = max(done, key=lambda each: each.value("accuracy"))
    promoted = msgspec.structs.replace(best.candidate, trial=20, fidelity=Fidelity(epochs=9))
    longer = Outcome(candidate=promoted, estimate=Estimate(measured={"accuracy": 99.0}), finished=20.0)
    every = [*done, longer]
    corner = reference_point(PROBLEM, every)
    made = converged(every, PROBLEM, corner)
    assert made is not None
    assert made.lower is not None
    assert {point.trial for point in made.lower.front} <= set(range(20))
    assert made.words.startswith("Compared after 1 epoch")
    section = converged_section(made, front(every, GOALS, corner))
    assert section is not None
    assert "front so far after 1 epoch" in section.body
    assert "± for 90 %, after 1 epoch" in section.body
    plain = converged(done, PROBLEM, corner)
    assert plain is not None
    assert plain.lower is None


def test_the_section_draws_predictions_beside_the_front(found: Convergence) -> None:
    section = converged_section(found, front(outcomes(40), GOALS))
    assert section is not None
    assert "predicted, not tried" in section.body
    proposals = section.body.partition("What the surrogate would try next")[2]
    assert {">predicted accuracy (%)<", ">predicted macs<"} <= set(re.findall(r">predicted [^<]*<", proposals))
    cells = re.findall(r"<td[^>]*data-label=\"predicted [^>]*>([^<]*)<", proposals)
    assert len(cells) == 2 * min(5, len(found.foreseen))
    assert all(re.fullmatch(r"[\d.]+ ± [\d.]+|[\d,]+", each) for each in cells)
    assert found.words.partition(".")[0] in section.body
