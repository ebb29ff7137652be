"""What loading a space costs: one network shows an option of each of its holes, so that few are counted."""

from __future__ import annotations

import pytest
from few_calls import few_calls

from naslab.arch import ArchSpec, Cost, cost
from naslab.errors import SpecError
from naslab.space import SearchSpace, load_space, validation


def test_a_space_of_many_options_is_checked_by_few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ArchSpec] = []

    def counting(arch: ArchSpec) -> Cost:
        seen.append(arch)
        return cost(arch)

    monkeypatch.setattr(validation, "cost", counting)
    space = load_space("darts")
    assert sum(len(hole.options) for hole in space.holes()) > 500
    assert len(seen) < 150


def test_an_option_that_fits_nowhere_is_found_where_others_fit() -> None:
    widths = [{"block": {"type": "conv", "groups": {"choice": [1, 2]}}, "width": {"choice": [4, 8]}} for _ in range(3)]
    bad = {"block": {"type": "conv", "groups": {"choice": [1, 2, 3]}}, "width": {"choice": [4, 8]}}
    template = {"input": [4, 8, 8], "num_classes": 2, "stages": widths}
    assert SearchSpace(template).size() == 4**3
    with pytest.raises(SpecError, match=r"stages\[3\].block.groups.choice\[2\]|groups"):
        SearchSpace({**template, "stages": [*widths, bad]})


def test_a_misspelt_block_is_found_with_little_work() -> None:
    """What a specification may hold is looked up once; for each option that is tried it was 3,000,000 calls."""
    blocks = {"choice": [{"type": "residul"}, {"type": "mbconv"}]}
    template = {"input": [1, 8, 8], "num_classes": 10, "stages": [{"block": blocks, "width": 8}]}
    with few_calls(1_000_000), pytest.raises(SpecError, match="unknown block 'residul'"):
        SearchSpace(template)
