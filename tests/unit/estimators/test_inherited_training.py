"""Short training that begins with a parent's weights."""

from __future__ import annotations

import msgspec
import pytest

from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, Stage
from naslab.estimators.estimator import Workbench
from naslab.estimators.inheritance import InheritedTraining
from naslab.estimators.short_training import ShortTraining
from naslab.execution.source import make_candidate
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate
from naslab.study.recipe import default_recipe


def network(width: int, repeats: int = 1) -> ArchSpec:
    block = InvertedBottleneck(expansion=2)
    return ArchSpec(
        input=(1, 8, 8),
        stem=(Stage(block=ConvBlock(), width=8),),
        stages=(Stage(block=block, width=width, repeats=repeats, stride=2),),
        num_classes=10,
    )


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(device="cpu")


@pytest.fixture
def training(tmp_path) -> InheritedTraining:
    recipe = msgspec.structs.replace(default_recipe("digits"), learning_rate=0.1)
    data = DataChoice(name="digits", max_images=400)
    return InheritedTraining(training=ShortTraining(data=data, recipe=recipe, checkpoints=str(tmp_path)))


def candidate(arch: ArchSpec, parent: Estimate | None = None, epochs: int = 2) -> Candidate:
    made = make_candidate(arch, 1, epochs, 0, "search", origin={"operator": "mutate", "parents": [0]})
    if parent is None:
        return made
    origin = {**made.origin, "inherits": 0, "ancestor_epochs": 6}
    return msgspec.structs.replace(made, start_from=parent.weights_sha256, origin=origin)


def test_a_child_begins_where_its_parent_ended(training, bench) -> None:
    parent = training.estimate(candidate(network(12), epochs=6), bench)
    assert parent.failure is None
    alone = training.estimate(candidate(network(16, 2)), bench)
    child = training.estimate(candidate(network(16, 2), parent), bench)
    assert child.failure is None
    note = child.notes["inherited"]
    assert (note["from"], note["ancestor_epochs"], note["is_preserved"]) == (0, 6, True)
    assert note["widened"] > 0
    assert note["deepened"] > 0
    assert note["fresh"] == 0
    assert child.curve[0].train_loss < 0.75 * alone.curve[0].train_loss
    assert len(child.curve) == 2
    assert child.weights_sha256 not in ("", parent.weights_sha256)


def test_an_inherited_estimate_is_a_function_of_its_candidate(training, bench) -> None:
    parent = training.estimate(candidate(network(12), epochs=1), bench)
    one, again = (training.estimate(candidate(network(16), parent, epochs=1), bench) for _ in range(2))
    assert one.measured == again.measured
    assert one.weights_sha256 != ""
    assert one.curve[0].train_loss == again.curve[0].train_loss


def test_without_a_parent_it_is_short_training(training, bench) -> None:
    inherited = training.estimate(candidate(network(12), epochs=1), bench)
    plain = training.training.estimate(candidate(network(12), epochs=1), bench)
    assert inherited.measured == plain.measured
    assert "inherited" not in inherited.notes


def test_a_lost_checkpoint_costs_the_start_not_the_estimate(training, bench) -> None:
    lost = Estimate(weights_sha256="0" * 64)
    estimate = training.estimate(candidate(network(12), lost, epochs=1), bench)
    plain = training.training.estimate(candidate(network(12), epochs=1), bench)
    assert estimate.failure is None
    assert estimate.measured == plain.measured
    assert "restore it" in estimate.notes["from_scratch"]
    assert "inherited" not in estimate.notes
