"""Coefficients files: there and back, and refused with the file's name, the field and the rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from naslab.errors import NaslabError
from naslab.scaling import PLAIN, PYCLS, Compound
from naslab.scaling.coefficients import Coefficients, load_coefficients, save_coefficients

FITTED = Coefficients(
    alpha=1.15,
    beta=1.2,
    gamma=1.1,
    rounding="pycls",
    model="resnet20_cifar",
    study="fit",
    dataset="cifar10",
    epochs=10,
    seeds=3,
    intervals={"alpha": (1.0, 1.3)},
)


@pytest.mark.parametrize("name", ["found.yaml", "found.json"])
def test_there_and_back(tmp_path: Path, name: str) -> None:
    save_coefficients(FITTED, tmp_path / name)
    assert load_coefficients(tmp_path / name) == FITTED
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert FITTED.compound == Compound(alpha=1.15, beta=1.2, gamma=1.1)
    assert FITTED.rounds == PYCLS


def test_three_numbers_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "hand.yaml"
    path.write_text("{alpha: 1.2, beta: 1.1, gamma: 1.15}", encoding="utf-8")
    assert load_coefficients(path).compound == Compound()
    assert load_coefficients(path).rounds == PLAIN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{alpha: 1.5, beta: 1.5, gamma: 1}", r"coefficients 1\.5, 1\.5, 1: alpha \* beta\^2 \* gamma\^2 is 3\.375"),
        ("{alpha: 1.2, beta: 1.1}", "misses the required field gamma"),
        ("{alpha: 1.2, beta: 1.1, gamma: 1.15, delta: 2}", "unknown field 'delta'"),
        ("{alpha: 1.2, beta: 1.1, gamma: 1.15, rounding: pycl}", "unknown rounding 'pycl' \\(did you mean 'pycls'"),
        ("{alpha: -1, beta: 1.1, gamma: 1.15}", "alpha: must be above 0"),
        ("{alpha: one, beta: 1.1, gamma: 1.15}", "alpha: expected float"),
        ("[1.2, 1.1, 1.15]", "must hold alpha, beta and gamma"),
        ("{alpha: 1.2", "is not YAML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NaslabError, match=message) as error:
        load_coefficients(path)
    assert str(path) in str(error.value)
