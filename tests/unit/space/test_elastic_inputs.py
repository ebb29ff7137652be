"""Spaces whose networks choose their resolution: counted, costed exactly, fitted to data, searched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_searches import own_folder, search

import naslab
from naslab.arch import cost
from naslab.errors import SpecError
from naslab.lab.models import sizes_of
from naslab.space import SearchSpace, load_space

OFA = load_space("once_for_all_mobilenet_v3")
SIDES = tuple(range(128, 225, 4))


def test_once_for_all_chooses_among_25_resolutions() -> None:
    elastic = OFA.for_data(3, 1000, sizes_of("128:224:4"))
    assert elastic.inputs == tuple((3, side, side) for side in SIDES)
    assert elastic.size() == 25 * OFA.size() == 25 * (9**2 + 9**3 + 9**4) ** 5
    rng = np.random.default_rng(0)
    drawn = [elastic.decode(elastic.sample(rng)) for _ in range(40)]
    assert len({arch.input for arch in drawn}) > 10
    for arch in drawn[:5]:
        fixed = OFA.for_data(3, 1000, arch.input[1:])
        genome = fixed.genome_of(arch)
        assert genome is not None
        assert cost(fixed.decode(genome)) == cost(arch)
        assert elastic.decode(elastic.genome_of(arch) or genome) == arch


@pytest.mark.parametrize(
    ("given", "shapes"),
    [
        ([1, {"choice": [8, 12], "name": "r"}, {"choice": [8, 12], "name": "r"}], ((1, 8, 8), (1, 12, 12))),
        ({"choice": [[1, 8, 8], [1, 8, 16]]}, ((1, 8, 8), (1, 8, 16))),
        ([1, 8, {"choice": [8, 16]}], ((1, 8, 8), (1, 8, 16))),
    ],
)
def test_holes_of_the_input_are_read_and_fitted_to_other_channels(given: object, shapes: object) -> None:
    plain = load_space("digits_demo")
    space = SearchSpace(plain.template | {"input": given})
    assert space.inputs == shapes
    assert space.size() == 2 * plain.size()
    fitted = space.for_data(3, 7)
    assert [each[1:] for each in fitted.inputs] == [each[1:] for each in space.inputs]
    assert {each[0] for each in fitted.inputs} == {3}
    assert fitted.decode(fitted.genome_at(0)).num_classes == 7


@pytest.mark.parametrize("text", ["128:224", "224:128:4", "a:b:c", "128,x", "96,96", "96,"])
def test_a_wrong_list_of_sizes_is_refused_by_name(text: str) -> None:
    with pytest.raises(SpecError, match=r"resolution|size"):
        load_space("digits_demo").for_data(1, 10, sizes_of(text))


def evaluate(network: object, trial: naslab.Trial) -> float:
    return trial.arch.input[1] / 100


def test_a_search_chooses_resolutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    with own_folder(tmp_path, monkeypatch):
        given = {"space": load_space("digits_demo"), "resolution": "8,12,16x24"}
        study = search(evaluate, trials=8, strategy="random", **given)
        again = search(evaluate, trials=9, strategy="random", **given)
    assert {each.candidate.arch.input for each in again.outcomes} >= {(1, 8, 8), (1, 12, 12), (1, 16, 24)}
    assert len(again.outcomes) == len(study.outcomes) + 1


def test_a_supernet_wants_one_size(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    space = load_space("digits_demo").for_data(1, 10, [(8, 8), (12, 12)])
    with pytest.raises(SpecError, match=r"resolution: .*one size, those of the space are 8x8 and 12x12"):
        naslab.train_supernet(space, tmp_path / "net.safetensors", dataset="digits", epochs=1)
