"""Of any study that is read in part the front is that of all of it: ties, repeats, gaps and rungs among them."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from synthetic_study import network, outcome, problem, study

from naslab.analysis import thinned
from naslab.analysis.front import FrontTable
from naslab.analysis.study import StudyView, read_study
from naslab.analysis.thinned import read_thinned
from naslab.arch import ArchSpec
from naslab.errors import NaslabError, UnknownNameError
from naslab.lab.reading import pareto_front
from naslab.ledger import Ledger
from naslab.study.outcome import Failure, Outcome
from naslab.study.problem import Limit, Objective

GOALS = ("accuracy", "macs", "latency_ms", "params")
LIMITS = ("accuracy>=1", "accuracy<=2", "latency_ms>=2", "macs<=300k", "activations<=6k", "f1>=1")
NETWORKS = [network([(block, width, 0)] * 3) for block in range(3) for width in range(2)]
REASONS = (None, None, None, Failure("infeasible", "too slow"), Failure("worker_died", "it was killed"))
VALUES = st.sampled_from([None, math.nan, math.inf, 0.0, 1.0, 2.0, 3.0])
"""Few values, so that many are equal; some are missing or no numbers."""


@st.composite
def trials(draw: st.DrawFn) -> list[Outcome]:
    """Up to 14 finished trials of six networks."""
    found = []
    for trial in range(draw(st.integers(0, 14))):
        told = {"accuracy": draw(VALUES), "latency_ms": draw(VALUES)}
        made = outcome(
            2 * trial,
            draw(st.sampled_from(NETWORKS)),
            None,
            finished=1e9 + draw(st.integers(0, 20)),
            epochs=draw(st.sampled_from([1, 4, 4])),
        )
        measured = {name: value for name, value in told.items() if value is not None}
        estimate = msgspec.structs.replace(made.estimate, measured=measured, failure=draw(st.sampled_from(REASONS)))
        found.append(msgspec.structs.replace(made, estimate=estimate))
    return found


def table_of(view: StudyView, goals: list[str], limits: list[str]) -> FrontTable | str:
    """The front of a study within limits, or why there is none."""
    try:
        return pareto_front(view, goals, limits=limits)
    except UnknownNameError:
        return "unknown"
    except NaslabError as error:
        is_said = any(each.is_complete for each in view.outcomes)
        return str(error).rpartition(";")[0] if is_said else "none complete"


FAILED = outcome(0, NETWORKS[0], None, finished=1e9)


def measured(trial: int, arch: ArchSpec, accuracy: float) -> Outcome:
    return outcome(trial, arch, accuracy, finished=1e9 + trial)


TRAINED_AGAIN = [
    measured(0, NETWORKS[5], 2.0),
    measured(2, NETWORKS[5], 1.0),
    measured(4, NETWORKS[4], 1.0),
    measured(6, NETWORKS[0], 3.0),
    measured(8, NETWORKS[2], 0.0),
]
"""Only the later outcome of the first network counts, and the third dominates that."""


@pytest.mark.slow
@example(done=TRAINED_AGAIN, goals=["accuracy", "macs"], limits=[], sample=1, with_progress=False, num_in_flight=0)
@example(done=[FAILED], goals=["accuracy", "macs"], limits=[], sample=2, with_progress=True, num_in_flight=0)
@settings(max_examples=60)
@given(
    done=trials(),
    goals=st.lists(st.sampled_from(GOALS), min_size=1, unique=True),
    limits=st.just([]) | st.lists(st.sampled_from(LIMITS), max_size=2, unique=True),
    sample=st.integers(0, 3),
    with_progress=st.booleans(),
    num_in_flight=st.integers(0, 2),
)
def test_the_front_is_that_of_all(
    done: list[Outcome], goals: list[str], limits: list[str], sample: int, with_progress: bool, num_in_flight: int
) -> None:
    wanted = tuple(Objective.named(each) for each in goals)
    asked = problem(objectives=wanted, limits=(Limit.parse("macs<=1e9"), Limit.parse("params<=1e9")))
    record = msgspec.structs.replace(study(0).record, problem=msgspec.to_builtins(asked))
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder, "studies.db")) as ledger:
        ledger.enter_finished(record, (), done)
        begun = [outcome(2 * trial + 1, NETWORKS[0], None).candidate for trial in range(num_in_flight)]
        ledger.start(record.name, begun)
        whole = read_study(ledger, record.name)
        with patch.object(thinned, "MOST_READ", -1):
            part = read_thinned(ledger, record.name, wanted, sample, with_progress, limits)
    assert part.num_in_flight == whole.num_in_flight == num_in_flight
    few, every = table_of(part, goals, limits), table_of(whole, goals, limits)
    if isinstance(every, str) or isinstance(few, str):
        assert few == every
        return
    assert few.front == every.front
    assert (few.hypervolume, few.reference) == (every.hypervolume, every.reference)
    assert len(few.points) + few.num_left_out == len(every.points)
    for name in ("num_failed", "num_unmeasured", "num_lower"):
        assert getattr(few, name) == getattr(every, name), name
