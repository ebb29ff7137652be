"""Short trainings of detectors and segmenters: they go on as if they had never stopped, and end where it is clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from annotated_images import write_coco, write_masks
from dense_commands import NETWORK

from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.arch.build import build
from naslab.arch.files import load_arch
from naslab.dense_prediction.fit import fit
from naslab.estimators import dense_run
from naslab.estimators.dense_training import DenseTraining
from naslab.estimators.estimator import Workbench
from naslab.estimators.inheritance import InheritedTraining
from naslab.execution.source import make_candidate
from naslab.study.outcome import Estimate, Fidelity, ToBeat
from naslab.training.checkpoint import load_checkpoint

SEGMENTS: dict[str, Any] = {"task": "segmentation", "kind": "unet", "levels": (2, 4), "channels": 16}
BOXES: dict[str, Any] = {"task": "detection", "kind": "faster_rcnn", "levels": (2, 4), "channels": 8}


@pytest.fixture
def arch(tmp_path: Path) -> ArchSpec:
    (tmp_path / "net.yaml").write_text(NETWORK, encoding="utf-8")
    return load_arch(tmp_path / "net.yaml")


def training(folder: Path, how: dict[str, Any], **more: Any) -> DenseTraining:
    """A training on a data set that is written into `folder`, with its checkpoints there."""
    name = f"masks:{write_masks(folder / 'set')}" if how is SEGMENTS else f"coco:{write_coco(folder / 'set')}"
    return DenseTraining(data=name, **how, checkpoints=str(folder / "blobs"), **more)


def estimated(how: Any, arch: ArchSpec, fidelity: Fidelity, **more: Any) -> Estimate:
    candidate = msgspec.structs.replace(make_candidate(arch, 0, 1, 0, "search"), fidelity=fidelity, **more)
    found: Estimate = how.estimate(candidate, Workbench(device="cpu"))
    assert found.failure is None, found.failure
    return found


@pytest.mark.parametrize("task", [SEGMENTS, BOXES])
def test_a_rung_goes_on_as_if_the_training_had_never_stopped(task: dict[str, Any], tmp_path: Path, arch: Any) -> None:
    how = training(tmp_path, task)
    straight = estimated(how, arch, Fidelity(epochs=4))
    first = estimated(how, arch, Fidelity(epochs=3, schedule_epochs=4))
    with torch.random.fork_rng():
        torch.rand(7)  # whatever else was drawn in between
        second = estimated(how, arch, Fidelity(epochs=4), start_from=first.weights_sha256)
    assert second.measured == straight.measured
    assert [each.train_loss for each in second.curve] == [each.train_loss for each in straight.curve]
    assert second.notes["epochs_before"] == 3
    ends = [load_checkpoint(each.weights_sha256, tmp_path / "blobs").tensors for each in (straight, second)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert second.curve[3].wall_seconds > second.curve[2].wall_seconds
    assert "from_scratch" in estimated(how, arch, Fidelity(epochs=1), start_from=first.weights_sha256).notes


def begun_with(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The tensors that each training begins with, in the order of the trainings."""
    seen: list[dict[str, torch.Tensor]] = []

    def noted(module: torch.nn.Module, *arguments: Any, **given: Any) -> Any:
        seen.append({name: value.clone() for name, value in module.state_dict().items()})
        return fit(module, *arguments, **given)

    monkeypatch.setattr(dense_run, "fit", noted)
    return seen


@pytest.mark.parametrize(("task", "body"), [(SEGMENTS, "body."), (BOXES, "backbone.body.")])
def test_a_child_begins_with_the_network_that_its_parent_was_left_with(
    task: dict[str, Any], body: str, tmp_path: Path, arch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = training(tmp_path, task)
    parent = estimated(how, arch, Fidelity(epochs=1))
    left = load_checkpoint(parent.weights_sha256, tmp_path / "blobs").weights()
    seen = begun_with(monkeypatch)
    origin = {"operator": "mutate", "parents": [3], "inherits": 3, "ancestor_epochs": 1}
    begun: dict[str, Any] = {"start_from": parent.weights_sha256, "origin": origin}
    child = estimated(InheritedTraining(training=how), arch, Fidelity(epochs=1), **begun)
    names = [name for name in left if name.startswith(body)]
    assert len(names) >= 10
    assert all(torch.equal(seen[0][name], left[name]) for name in names)
    own = build(arch, 0).state_dict()
    weight = "stage0.0.conv.weight"
    assert not torch.equal(seen[0][body + weight], own[weight])
    assert (child.notes["inherited"]["from"], len(child.curve)) == (3, 1)
    wider = msgspec.structs.replace(arch, stages=(arch.stages[0], Stage(block=ConvBlock(), width=10, stride=2)))
    assert estimated(InheritedTraining(training=how), wider, Fidelity(epochs=1), **begun).notes["inherited"]["widened"]


def test_images_are_normalised_as_the_weights_were_learned(tmp_path: Path, arch: Any) -> None:
    how = training(tmp_path, SEGMENTS, mean=(10.0, 20.0, 30.0), deviation=(51.0, 51.0, 51.0))
    facts = how.facts_of(arch, how.data_on(Workbench(device="cpu")))
    assert facts.mean == pytest.approx((10 / 255, 20 / 255, 30 / 255))
    assert facts.deviation == pytest.approx((0.2,) * 3)


def test_a_training_ends_where_a_finished_detector_that_costs_no_more_is_better(tmp_path: Path, arch: Any) -> None:
    how = training(tmp_path, SEGMENTS, stop_early=0.9)
    own = how.whole_cost(arch, 2)["detector_macs"]
    free = estimated(how, arch, Fidelity(epochs=3))
    assert [set(each.values) for each in free.curve] == [{"mean_iou", "pixel_accuracy"}] * 3
    assert "stopped" not in free.notes

    def against(macs: float) -> Estimate:
        beat = ToBeat(({"mean_iou": 1.9, "detector_macs": macs},), {"mean_iou": (0.0, 2.0)})
        return estimated(how, arch, Fidelity(epochs=16), to_beat=beat)

    hopeless = against(own)
    assert 3 <= len(hopeless.curve) < 16
    stopped = hopeless.notes["stopped"]
    assert (stopped["after_epochs"], stopped["to_beat"]["detector_macs"]) == (len(hopeless.curve), own)
    assert hopeless.measured["mean_iou"] == stopped["objectives"]["mean_iou"]["extrapolated"]
    assert len(against(own + 1).curve) == 16
