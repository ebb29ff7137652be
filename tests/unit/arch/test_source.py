"""Networks written as source: they run without naslab and give the same logits with the same weights."""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from naslab.arch import ArchSpec, MBConv, Stage, StochasticDepth
from naslab.arch.build import build
from naslab.arch.source import network_source
from naslab.errors import SpecError
from naslab.zoo import model

MODELS = (
    "efficientnet_b0",
    "resnet20_cifar",
    "nfnet_f0",
    "densenet_40_12",
    "shufflenet_v2_x1_0",
    "googlenet",
    "nasnet_a_mobile",
    "fractalnet20",
    "convnext_tiny",
)


def made_from(source: str, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """Run the source where naslab cannot be imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == "naslab"]:
        monkeypatch.setitem(sys.modules, name, None)
    space: dict[str, Any] = {"__name__": "taken_home"}
    exec(compile(source, "network.py", "exec"), space)
    network: torch.nn.Module = space["network"]()
    monkeypatch.undo()
    return network


@pytest.mark.parametrize("name", MODELS)
def test_the_written_network_is_the_built_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arch = model(name, num_classes=7, resolution=32 if name.endswith(("cifar", "40_12", "20")) else 64)
    built = build(arch, seed=3).eval()
    written = made_from(network_source(built, f"{name}."), monkeypatch).eval()
    written.load_state_dict(built.state_dict())
    images = torch.randn(2, *arch.input, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(written(images), built(images))


def test_what_only_training_uses_is_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = ArchSpec(
        input=(3, 8, 8),
        stages=(Stage(block=MBConv(), width=8, repeats=3),),
        num_classes=2,
        stochastic_depth=StochasticDepth(rate=0.3),
    )
    built = build(arch, seed=0)
    written = made_from(network_source(built, "Small."), monkeypatch)
    assert str(written) == str(built)


def test_a_title_cannot_leave_its_docstring(tmp_path: Path) -> None:
    arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=8),), num_classes=2)
    hostile = 'x"""\nraise SystemExit("ran")\n"""\\'
    path = tmp_path / "network.py"
    path.write_text(network_source(build(arch), hostile))
    exec(compile(path.read_text(), str(path), "exec"), {"__name__": "taken_home"})
    assert "raise SystemExit" in path.read_text()


class Offset(nn.Module):
    """A learned value for each channel; `extra_repr` does not print how many."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(channels, 1, 1))


class PrintedOffset(Offset):
    """The same, printed as the call that makes it."""

    def extra_repr(self) -> str:
        return f"{self.value.shape[0]}"


class AsideOffset(Offset):
    """The same, printed with words that are no Python."""

    def extra_repr(self) -> str:
        return f"{self.value.shape[0]} channels"


def test_a_module_that_does_not_print_as_its_call_is_refused() -> None:
    assert "PrintedOffset(4)" in network_source(nn.Sequential(OrderedDict(offset=PrintedOffset(4))), "Printed.")
    for kind, printed in ((Offset, "Offset()"), (AsideOffset, "AsideOffset(4 channels)")):
        with pytest.raises(SpecError, match=re.escape(f"{kind.__name__} prints as '{printed}', which is not the call")):
            network_source(nn.Sequential(OrderedDict(offset=kind(4))), "Unprinted.")


class Rooted(nn.Module):
    """Reads a name of its file that no written file has."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps ** len(MODELS)


def test_classes_come_with_those_they_derive_from(monkeypatch: pytest.MonkeyPatch) -> None:
    source = network_source(nn.Sequential(OrderedDict(offset=PrintedOffset(4))), "Printed.")
    assert [*made_from(source, monkeypatch).state_dict()] == ["offset.value"]


def test_a_module_that_reads_what_the_file_lacks_is_refused() -> None:
    with pytest.raises(SpecError, match="the class Rooted uses 'MODELS', which the written file does not define"):
        network_source(nn.Sequential(OrderedDict(rooted=Rooted())), "Rooted.")
