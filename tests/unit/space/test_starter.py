"""A first space for data of a size: its widths meet a budget, its file is the space."""

from __future__ import annotations

import json
from statistics import median

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made_studies import naslab

from naslab.arch import cost, decode_arch
from naslab.errors import SpecError
from naslab.space import SearchSpace, load_space
from naslab.space.starter import starter_space
from naslab.study.problem import Limit

ARCH = "{{input: [1, 8, 8], num_classes: 10, activation: {}, stem: [], stages: [{{block: {{type: conv}}, width: 8}}]}}"


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.sampled_from([8, 28, 32, 64, 97]), st.sampled_from([1, 3, 13]), st.sampled_from([2, 10]))
def test_the_text_is_the_space_and_half_of_it_is_within_the_budget(side: int, channels: int, classes: int) -> None:
    free = starter_space((channels, side, side + 3), classes)
    budget = 0.6 * free.median_macs
    starter = starter_space((channels, side, side + 3), classes, budget)
    assert budget / 4 < starter.median_macs <= budget
    space = SearchSpace(yaml.safe_load(starter.text))
    assert space.template == starter.space.template
    assert f"{space.size():,} networks" in starter.text.splitlines()[0]
    rng = np.random.default_rng(1)
    drawn = [cost(space.decode(space.sample(rng))) for _ in range(40)]
    assert 0.5 * budget / 4 < median(each.macs for each in drawn) < 1.5 * budget


def test_every_activation_that_the_file_names_is_one() -> None:
    text = starter_space((1, 8, 8), 10).text
    line = next(line for line in text.splitlines() if line.startswith("activation: "))
    named = [line.split()[1], *line.partition("# or ")[2].split(", ")]
    assert {"relu", "hardswish", "gelu"} <= set(named)
    for each in named:
        assert decode_arch(yaml.safe_load(ARCH.format(each))).activation == each


@pytest.mark.parametrize(("side", "stages"), [(8, 2), (32, 3), (224, 5)])
def test_stages_halve_the_map_until_it_is_small(side: int, stages: int) -> None:
    template = starter_space((3, side, side), 10).space.template
    assert len(template["stages"]) == stages
    halved = template["stem"][0]["stride"] * 2 ** (stages - 1)
    assert 4 <= side / halved <= 8


def test_a_budget_below_the_smallest_space_is_refused() -> None:
    with pytest.raises(SpecError, match=r"half of the smallest such space is above it: it is at least [\d,]+"):
        starter_space((3, 32, 32), 10, 1000)


def test_the_command_writes_a_file_that_is_searched(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = naslab(tmp_path, "init", "mine.yaml", "--dataset", "digits", "--target-macs", "300k", "--json")
    assert json.loads(told.out)["median_macs"] <= 300_000
    assert load_space("mine.yaml").template["input"] == [1, 8, 8]
    assert "is there already" in naslab(tmp_path, "init", "mine.yaml", "--dataset", "digits").refusal()
    proposed = naslab(tmp_path, "init", "within.yaml", "--dataset", "digits", "--target-macs", "300K")
    assert proposed.err.strip().endswith("--limit 'macs<=300K'")
    assert Limit.parse("macs<=300K") == Limit.parse("macs<=300e3")
    for bad in ("none", "-3", "1e999"):
        assert (
            "must be a number above 0, as 50M" in naslab(tmp_path, "init", "other.yaml", "--target-macs", bad).refusal()
        )
    assert not (tmp_path / "other.yaml").exists()
