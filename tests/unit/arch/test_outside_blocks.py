"""A block of the user's own stands in files and spaces by its name, and everything follows it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import warm_start
from own_searches import own_folder, search
from typer.testing import CliRunner

import naslab
from naslab.arch import Stage
from naslab.cli.main import app
from naslab.errors import SpecError, StudyError

CODE = '''
from naslab.arch import Block
from naslab.arch.block import Width, require_odd
from naslab.arch.plan import seq


class Wide(Block, frozen=True, tag="own_blocks:Wide"):
    """Two convolutions with `inner` channels between them."""

    kernel: int = 3
    inner: Width = 8

    def __post_init__(self):
        require_odd(self.kernel)

    def lower(self, shape, width, stride, context, drop_rate=0.0):
        one = context.conv(shape[0], self.inner, self.kernel, stride)
        return seq(one=one, two=context.conv(self.inner, width or shape[0]))


class Untold(Block, frozen=True):
    pass


def function():
    pass
'''
BLOCK = {"type": "own_blocks:Wide", "kernel": {"choice": [3, 5]}, "inner": {"choice": [4, 8]}}
TEMPLATE = {
    "input": [1, 8, 8],
    "num_classes": 10,
    "stages": [
        {"block": BLOCK, "width": {"choice": [4, 8]}},
        {"block": {"choice": [{"type": "conv"}, {"type": "own_blocks:Wide"}]}, "width": 8, "stride": 2},
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_folder(tmp_path, monkeypatch) as made:
        (made / "own_blocks.py").write_text(CODE, encoding="utf-8")
        yield made


def evaluate(network: torch.nn.Module, trial: naslab.Trial) -> float:
    return float(network(torch.zeros(2, 1, 8, 8)).shape[1])


def test_every_reading_follows_it(folder: Path) -> None:
    space = naslab.SearchSpace(TEMPLATE)
    assert space.size() == 16
    for rank in range(space.size()):
        arch = space.decode(space.genome_at(rank))
        module = naslab.build(arch)
        assert naslab.cost(arch).params == sum(each.numel() for each in module.parameters())
        assert space.contains(arch)
        assert pickle.loads(pickle.dumps(arch)) == arch  # noqa: S301
        naslab.save_arch(arch, "own.yaml")
        assert naslab.load_arch("own.yaml") == arch


def test_scaling_knows_its_widths(folder: Path) -> None:
    space = naslab.SearchSpace(TEMPLATE)
    arch = space.decode(space.sample(np.random.default_rng(0)))
    wider = naslab.scale(arch, width=2.0)
    assert wider.stages[0].block.inner == 2 * arch.stages[0].block.inner  # type: ignore[attr-defined]


def test_a_study_of_it_goes_on_and_knows_its_source(folder: Path) -> None:
    search(evaluate, trials=3, space=naslab.SearchSpace(TEMPLATE, "own"))
    study = search(evaluate, trials=4, space=naslab.SearchSpace(TEMPLATE, "own"))
    assert len({each.candidate.arch_id for each in study.outcomes}) == 4
    assert "own_blocks.Wide" in study.record.made_with
    code = (folder / "own_blocks.py").read_text(encoding="utf-8").replace("inner: Width = 8", "inner: Width = 12")
    (folder / "own_blocks.py").write_text(code, encoding="utf-8")
    with pytest.raises(StudyError, match=r"own_blocks\.Wide changed"):
        search(evaluate, trials=5, space=naslab.SearchSpace(TEMPLATE, "own"))


def test_it_is_exported_without_naslab_and_without_the_users_code(folder: Path) -> None:
    search(evaluate, trials=2, space=naslab.SearchSpace(TEMPLATE, "own"))
    said = CliRunner().invoke(app, ["export", "own:0", "--ledger", "own.db", "--out", "best.py"])
    assert said.exit_code == 0, said.output
    (folder / "own_blocks.py").unlink()
    code = "import torch, best; print(best.network()(torch.zeros(2, 1, 8, 8)).shape)"
    alone = warm_start.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert alone.stdout.strip() == "torch.Size([2, 10])", alone.stderr


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"type": "own_blocks:Wde"}, "block.type: block own_blocks:Wde: module own_blocks .* (did you mean 'Wide'"),
        ({"type": "own_block:Wide"}, "there is no module 'own_block'"),
        ({"type": "own_blocks:Wide", "kernel": 4}, "block.kernel: must be odd and positive, got 4"),
        ({"type": "own_blocks:Wide", "kernl": 3}, "unknown field"),
        ({"type": "own_blocks:Wide", "kernel": "3"}, r"block.kernel: expected `int`, got `str` \(own_blocks:Wide\)"),
        ({"type": "own_blocks:function"}, "must be a class derived from naslab.arch.Block"),
        ({"type": "own_blocks:Untold"}, r"declared as `class Untold\(Block, frozen=True, tag='own_blocks:Untold'\)`"),
        ({"type": "own_bloks"}, "unknown block 'own_bloks'"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(folder: Path, block: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told.replace("(did", r"\(did")):
        naslab.SearchSpace({**TEMPLATE, "stages": [{"block": block, "width": {"choice": [4, 8]}}]})


def test_an_entry_point_names_it_too(folder: Path) -> None:
    info = folder / "wide-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wide\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[naslab.blocks]\nwide_block = own_blocks:Wide\n")
    sys.path.append(str(folder))
    stages = [{"block": {"type": "wide_block", "inner": 4}, "width": {"choice": [4, 8]}}]
    space = naslab.SearchSpace({**TEMPLATE, "stages": stages})
    stage: Stage = space.decode(space.genome_at(0)).stages[0]
    assert type(stage.block).__name__ == "Wide"
