"""Which rule and rounding `naslab rescale` goes by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from naslab.cli.output import say
from naslab.errors import SpecError, UnknownNameError

if TYPE_CHECKING:
    from naslab.lab.models import Model
    from naslab.scaling import Compound, Rounding
    from naslab.scaling.coefficients import Coefficients
    from naslab.scaling.tables import Table

DEFAULT = "efficientnet"


class Chosen(NamedTuple):
    """A scaling rule by its `name`: a formula, `compound`, or a `table`, the other one being `None`.

    `rounding` makes widths, depths and resolutions whole. Without `scale_stem` or `scale_head` the stem's or the head's
    width stays as it is.
    """

    name: str
    compound: Compound | None
    table: Table | None
    rounding: Rounding
    scale_stem: bool = True
    scale_head: bool = True

    def keeping(self, stem: bool, head: bool) -> Chosen:
        """The rule that leaves the width of the `stem` or the `head` as it is.

        Raises `typer.BadParameter` for a table, which says itself what becomes of them.
        """
        if self.table is not None and (stem or head):
            raise typer.BadParameter(f"the rule '{self.name}' is a table with its own stem and head: leave --keep out")
        return self._replace(scale_stem=not stem, scale_head=not head)


def chosen_rule(
    found: Model,
    name: str | None,
    coefficients: str | None,
    alpha: float | None,
    beta: float | None,
    gamma: float | None,
    max_resolution: int | None,
    rounding: str | None,
    ledger: str,
) -> Chosen:
    """The rule called `name`, by default EfficientNet's, or that of fitted `coefficients`.

    `coefficients` is a file of `naslab fit-scaling`, or its study in `ledger`. `alpha`, `beta` and `gamma` take the
    place of the rule's own where they are given. No side of the input of the model `found` grows beyond
    `max_resolution` pixels. `rounding` is by name, by default EfficientNet's, or that of the fitted coefficients.
    Raises `UnknownNameError` for an unknown rule or rounding, `SpecError` for a `max_resolution` below the model's own,
    and `typer.BadParameter` for options that exclude each other.
    """
    import msgspec

    from naslab.scaling import ROUNDINGS, RULES, TABLES

    if coefficients is not None and name is not None:
        raise typer.BadParameter("--coefficients is a rule itself: leave --rule out")
    if name is not None and name not in RULES and name not in TABLES:
        raise UnknownNameError("rule", name, [*RULES, *TABLES])
    if rounding is not None and rounding not in ROUNDINGS:
        raise UnknownNameError("rounding", rounding, ROUNDINGS)
    given = {key: value for key, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)) if value is not None}
    if name in TABLES:
        if given or max_resolution is not None:
            raise typer.BadParameter(f"the rule '{name}' is a table: it takes no coefficients and no --max-resolution")
        return Chosen(name, None, TABLES[name], ROUNDINGS[rounding or DEFAULT])
    compound, how = RULES[name or DEFAULT], rounding or DEFAULT
    if coefficients is not None:
        fitted = fitted_coefficients(coefficients, found, ledger)
        compound, how = fitted.compound, rounding or fitted.rounding
    compound = msgspec.structs.replace(compound, **given)
    if max_resolution is not None:
        compound = msgspec.structs.replace(compound, most_resolution=resolution_cap(found, max_resolution))
    return Chosen(name or coefficients or DEFAULT, compound, None, ROUNDINGS[how])


def fitted_coefficients(text: str, found: Model, ledger: str) -> Coefficients:
    """The coefficients of the file `text`, or of the study of `naslab fit-scaling` of that name in `ledger`.

    Says on stderr where they were fitted to another model than `found`.
    """
    from naslab.scaling.coefficients import load_coefficients

    if Path(text).suffix in (".yaml", ".yml", ".json") or Path(text).is_file():
        fitted = load_coefficients(Path(text))
    else:
        from naslab.analysis.scaling_fit import fit_of_study
        from naslab.lab.reading import open_study
        from naslab.lab.scaling import coefficients_of

        fitted = coefficients_of(fit_of_study(open_study(text, ledger)))
    if fitted.model and fitted.model != found.name:
        say(f"note: these coefficients were fitted to {fitted.model}, not to {found.name}")
    return fitted


def resolution_cap(found: Model, pixels: int) -> float:
    """The largest factor of the resolution that keeps the longer side of the model's input at or below `pixels`.

    Raises `SpecError` where the model's own side is longer.
    """

    side = max(found.arch.input[1:])
    if pixels < side:
        raise SpecError("max_resolution", f"must be at least the model's own {side}, got {pixels}")
    return pixels / side
