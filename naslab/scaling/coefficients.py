"""Fitted coefficients as a file: what was found, for which network, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from naslab.arch.block import Spec
from naslab.arch.files import decode, encode
from naslab.atomic_write import atomic_write, json_content
from naslab.errors import NaslabError, SpecError, UnknownNameError, shown
from naslab.reading import read_values
from naslab.scaling.compound import Compound
from naslab.scaling.grid import require_product
from naslab.scaling.rounding import ROUNDINGS, Rounding


class Coefficients(Spec, frozen=True):
    """A fitted rule, with the network and the data that it was fitted on.

    `alpha`, `beta` and `gamma` are those of a `Compound`; `budget_ratio` is by what a step of phi was to multiply macs,
    and `rounding` the name of the rounding used. `model` and `arch_id` name the baseline, `study` the study of the fit,
    `dataset`, `epochs` and `seeds` its trainings. `intervals` are those of alpha, beta and gamma at 90 %, by name.

    Raises `SpecError` where alpha * beta^2 * gamma^2 misses `budget_ratio` by more than 10 per cent, for the family
    would not grow as it says, and `UnknownNameError` for an unknown rounding.

    >>> Coefficients(alpha=1.5, beta=1.2, gamma=1.2)
    Traceback (most recent call last):
    naslab.errors.SpecError: coefficients 1.5, 1.2, 1.2: alpha * beta^2 * gamma^2 is 3.11, must be within 10% of 2
    """

    alpha: float
    beta: float
    gamma: float
    budget_ratio: float = 2.0
    rounding: str = "plain"
    model: str = ""
    arch_id: str = ""
    study: str = ""
    dataset: str = ""
    epochs: int | None = None
    seeds: int | None = None
    intervals: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise UnknownNameError("rounding", self.rounding, ROUNDINGS)
        require_product(self.compound, self.budget_ratio)

    @property
    def compound(self) -> Compound:
        """The rule that the coefficients make."""
        return Compound(alpha=self.alpha, beta=self.beta, gamma=self.gamma)

    @property
    def rounds(self) -> Rounding:
        """The rounding that the rule was fitted with."""
        return ROUNDINGS[self.rounding]


def save_coefficients(coefficients: Coefficients, path: Path) -> None:
    """Write a coefficients file: JSON for `.json`, YAML otherwise. A crash leaves no half-written file."""
    values: dict[str, Any] = encode(coefficients)
    text = json_content(coefficients) if path.suffix == ".json" else yaml.safe_dump(values, sort_keys=False)
    atomic_write(path, text)


def load_coefficients(path: Path) -> Coefficients:
    """Read a coefficients file; a `NaslabError` names the file, the field and the rule that it breaks."""
    data = read_values(path)
    if not isinstance(data, dict):
        raise NaslabError(f"{path}: must hold alpha, beta and gamma, got {shown(data)}")
    try:
        return decode(data, Coefficients)
    except (SpecError, UnknownNameError) as error:
        raise NaslabError(f"{path}: {error}") from None
