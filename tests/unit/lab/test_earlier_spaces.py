"""Studies in spaces of a zoo network that an earlier version wrote otherwise go on in the space that they have."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from in_process import workers_in_process

from naslab.arch.blocks import MBConv
from naslab.errors import StudyError
from naslab.lab.search import search
from naslab.space import SearchSpace
from naslab.zoo import model

ASKED = {
    "zoo": "mobilenet_v3_small",
    "resolution": 16,
    "num_classes": 10,
    "in_channels": 1,
    "holes": {"stages[1].block.kernel": {"choice": [3, 5]}, "stages[3].width": {"choice": [24, 40]}},
}


def as_before() -> dict[str, Any]:
    """The template with inner widths as expansions of the zoo's widths before."""
    template = copy.deepcopy(SearchSpace(ASKED).template)
    widths = [stage.width for stage in model("mobilenet_v3_small").stages]
    for stage, before in zip(template["stages"], [16, *widths], strict=False):
        stage["block"]["expansion"] = stage["block"].pop("hidden") / before
    return template


def run(space: Any, trials: int, folder: Path) -> Any:
    options: dict[str, Any] = {"estimator": "synflow", "dataset": "digits", "max_images": 100, "study": "mb"}
    with workers_in_process():
        return search(SearchSpace(space), trials=trials, ledger=folder / "l.db", seed=0, **options)


def test_a_study_of_an_earlier_zoo_goes_on_in_its_space(tmp_path: Path) -> None:
    run(as_before(), 1, tmp_path)
    view = run(ASKED, 2, tmp_path)
    assert view.problem.space.template == as_before()
    blocks = [stage.block for outcome in view.outcomes for stage in outcome.candidate.arch.stages]
    assert len(view.outcomes) == 2
    assert all(isinstance(block, MBConv) and block.hidden is None for block in blocks)


def test_another_space_of_the_same_network_is_refused(tmp_path: Path) -> None:
    run(as_before(), 1, tmp_path)
    other = {**ASKED, "holes": {"stages[1].block.kernel": {"choice": [3, 7]}}}
    with pytest.raises(StudyError, match="made with another space"):
        run(other, 2, tmp_path)


def test_a_hole_for_the_expansion_takes_the_place_of_the_zoos_inner_width() -> None:
    space = SearchSpace({**ASKED, "holes": {"stages[*].block.expansion": {"choice": [3, 6]}}})
    assert space.size() == 2**11
