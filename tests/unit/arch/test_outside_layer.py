"""A layer from outside, of which only counting and building are declared: nothing raises, nothing is guessed."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import warm_start
from space_to_depth import SpaceToDepth, SpaceToDepthBlock

import naslab
from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost, layer_costs, lower, uncounted_layers
from naslab.arch.build import build, module_of
from naslab.arch.declaration import Declaration, Layer, declare, words_of
from naslab.arch.diagram import diagram
from naslab.arch.kept import kept_values, unknown_memory
from naslab.arch.plan import Conv, Flatten
from naslab.arch.source import network_source
from naslab.errors import SpecError
from naslab.execution.admission import Admission
from naslab.execution.source import make_candidate
from naslab.execution.worker import Ready
from naslab.execution.workers import Workers
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training.inheritance import inherit
from naslab.training.inheritance.channels import channels_after, counted_channels
from naslab.training.memory import WorkerMemory, tell_unknown, training_memory
from naslab.training.supernet.bank import make_bank
from naslab.training.supernet.sharing import shared_tensors

TESTS = Path(__file__).parents[2]
SHARED_IMPORT = "from naslab.arch.blocks.shuffle import ShuffleUnit, SplitShuffleUnit\n"


def network(width: int = 8, stem: int = 6) -> ArchSpec:
    """A network with the layer between two convolutions."""
    return ArchSpec(
        input=(3, 8, 8),
        stem=(Stage(block=ConvBlock(), width=stem),),
        stages=(Stage(block=SpaceToDepthBlock(), width=width),),  # type: ignore[arg-type]
        num_classes=4,
    )


def test_it_is_counted_built_listed_drawn_and_named() -> None:
    arch = network()
    module = build(arch, seed=0).eval()
    assert sum(each.numel() for each in module.parameters()) == cost(arch).params
    assert module(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    (row,) = (row for row in layer_costs(arch) if row.kind == "SpaceToDepth")
    assert (row.in_shape, row.out_shape) == ((6, 8, 8), (24, 4, 4))
    assert uncounted_layers(arch)["SpaceToDepth"] == 1
    assert arch_id(arch) != arch_id(network(width=9))
    assert words_of(SpaceToDepth(4)) == "SpaceToDepth factor 4"
    assert "SpaceToDepth factor 2" in {box.words for box in diagram(arch).leaves()}


def test_its_class_is_written_beside_the_network() -> None:
    module = build(network(), seed=1).eval()
    space: dict[str, Any] = {"__name__": "taken_home"}
    exec(compile(network_source(module, "From outside."), "network.py", "exec"), space)
    again = space["network"]().eval()
    again.load_state_dict(module.state_dict())
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(again(images), module(images))


def test_its_memory_is_unknown_and_nothing_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    arch = network()
    assert kept_values(lower(arch), arch.input) is None
    assert unknown_memory(lower(arch)) == ("SpaceToDepth",)
    tell_unknown.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert training_memory(arch, Recipe(batch_size=8)) is None
        assert training_memory(network(12), Recipe(batch_size=8)) is None
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the training memory of networks with SpaceToDepth is not known"
    ]
    memory = WorkerMemory(Recipe(), DataChoice(name="digits"))
    unknown = make_candidate(arch, 0, 1, 0, "search")
    plain = msgspec.structs.replace(arch, stages=arch.stem)
    known = make_candidate(plain, 1, 1, 0, "search")
    assert memory.candidate_bytes(unknown, "cuda") is None
    gpu = Ready("cuda:0", "host/first", 2**40)
    assert Admission(memory).room_for(unknown, gpu, [(gpu, known)]) == 0.0
    assert Admission(memory).room_for(known, gpu, [(gpu, unknown)]) == 0.0
    assert Admission(memory).room_for(known, gpu, [(gpu, known)]) > 0.0


def test_workers_are_not_packed_by_what_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naslab.execution.workers.visible_gpus", lambda: 1)
    monkeypatch.setattr("naslab.execution.workers.gpu_memory", lambda: 2**36)
    memory = WorkerMemory(Recipe(), DataChoice(name="digits"))
    candidate = make_candidate(network(), 0, 1, 0, "search")
    assert Workers().packed(memory, [candidate]) == Workers()


def test_its_channels_are_counted_or_refused() -> None:
    assert channels_after(SpaceToDepth(3), 5) == 45
    assert counted_channels(Conv(4, 7, (5, 5)), 4) == 7
    with pytest.raises(SpecError, match="how many channels Flatten makes of 5 follows from no count"):
        counted_channels(Flatten(), 5)


@pytest.mark.parametrize("stem", [6, 10])
def test_inheritance_starts_it_afresh_and_says_so(stem: int) -> None:
    parent, child = network(), network(stem=stem)
    weights, inherited = inherit(parent, build(parent, 1).state_dict(), child)
    reasons = [line for line in inherited.broken if "space" in line]
    assert reasons == ["stage0.0.space: started afresh: SpaceToDepth does not declare how its weights are transferred"]
    assert inherited.fresh == ()  # it has no weights
    build(child, 2).load_state_dict(weights)


def test_a_supernet_shares_what_is_beside_it() -> None:
    arch = network()
    module = build(arch, seed=0)
    assert {row.name for row in shared_tensors(arch)} == set(dict(module.named_parameters()))
    logits = make_bank([arch], seed=0).run(arch, torch.zeros(4, 3, 8, 8))
    assert logits.shape == (4, 4)


class Shift(Layer, frozen=True):
    """A learned value added to each channel, which does not say so."""

    channels: int


def _count_shift(layer: Shift, shape: tuple[int, int, int], keep: bool) -> tuple[object, ...]:
    return shape, layer.channels, 0, 0, 2 * shape[0] * shape[1] * shape[2], (0, 0, 0, 1, 1)


declare(Shift, Declaration(count=_count_shift))  # type: ignore[arg-type]


def test_a_supernet_refuses_weights_that_are_not_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpaceToDepthBlock, "lower", lambda self, shape, *rest: Shift(shape[0]))
    with pytest.raises(SpecError, match=r"stage0\.0: Shift has other weights than it declares: give Declaration"):
        shared_tensors(network(width=71))


def test_a_layer_that_nobody_builds_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^the builder does not know the layer Shift$"):
        module_of(Shift(3))


def test_a_search_with_two_workers_runs_to_its_end(tmp_path: Path) -> None:
    """In a copy of naslab whose only change is the block's line in the union of blocks."""
    package = tmp_path / "naslab"
    shutil.copytree(Path(naslab.__file__).parent, package)
    union = package / "arch" / "blocks" / "__init__.py"
    text = union.read_text(encoding="utf-8")
    assert SHARED_IMPORT in text
    text = text.replace(SHARED_IMPORT, SHARED_IMPORT + "from space_to_depth import SpaceToDepthBlock\n")
    union.write_text(text.replace("    | Cell\n", "    | Cell\n    | SpaceToDepthBlock\n"), encoding="utf-8")
    spaces = Path(naslab.__file__).parents[1] / "search_spaces"
    if spaces.is_dir():
        shutil.copytree(spaces, tmp_path / "search_spaces")
    program = "import sys, warm_start, outside_search as own; warm_start.workers_start_warm(); own.main(*sys.argv[1:])"
    done = warm_start.run(
        [sys.executable, "-c", program, str(tmp_path), "4"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(TESTS)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    where, *outcomes = done.stdout.splitlines()
    assert where == str(package / "__init__.py")
    assert len(outcomes) == 4
    assert all(line.startswith("None SpaceToDepthBlock(") for line in outcomes)
