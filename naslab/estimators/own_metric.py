"""Metrics from outside: a user's function of a network, or of a network and its description, that returns a number."""

from __future__ import annotations

import inspect
import math
import numbers
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from naslab.errors import SpecError, UnknownNameError
from naslab.estimators.estimator import Workbench
from naslab.metrics import is_declared, metrics
from naslab.outside import OutsideError, find_outside, name_of, require_takes, source_of
from naslab.study.outcome import Candidate

WHAT = "metric"


class ReturnedNoNumberError(SpecError):
    """A metric's function that returned what is no finite number."""


class OwnMetric(NamedTuple):
    """A user's metric: the `name` that its values are kept under, its `function`, and whether that takes the ArchSpec.

    `source` is the hash of each definition that it consists of.
    """

    name: str
    function: Callable[..., Any]
    takes_arch: bool
    source: dict[str, str]

    def measure(self, candidate: Candidate, bench: Workbench) -> dict[str, float]:
        """Its value for the untrained network of `candidate` on the device of `bench`, by its name.

        Raises `ReturnedNoNumberError` for what is no finite number, and whatever the function raises.
        """
        from naslab.arch.build import build

        network = build(candidate.arch, seed=candidate.seed).eval().to(bench.device)
        value = self.function(network, candidate.arch) if self.takes_arch else self.function(network)
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number and getattr(value, "shape", None) == ():
            value, is_number = value.item(), True
        if not is_number or not math.isfinite(value):
            raise ReturnedNoNumberError(self.name, f"must return a finite number, got {value!r}")
        return {self.name: float(value)}


def own_metric(given: str | Callable[..., Any]) -> OwnMetric:
    """The metric that `given` is or names, as `package.module:name`; its values are kept under the function's name.

    Raises `UnknownNameError` for a text that names none, `OutsideError` where it leads nowhere, to no function of a
    network, or to one whose name is a metric of naslab.
    """
    found = find_outside(given, WHAT, "naslab.metrics") if isinstance(given, str) else given
    if found is None:
        known = [row.name for row in metrics() if row.stage == "before training"]
        raise UnknownNameError(WHAT, str(given), known, "one of your own is a function, as my_code:name")
    called = name_of(found)
    name = called.rpartition(":")[2].rpartition(".")[2]
    if is_declared(name) or not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise OutsideError(WHAT, called, f"'{name}' is a metric of naslab's own: give the function another name")
    takes_arch = _takes_two(found)
    require_takes(found, WHAT, *(("network", "arch") if takes_arch else ("network",)))
    return OwnMetric(name, found, takes_arch, source_of(found))


def _takes_two(found: object) -> bool:
    try:
        inspect.signature(found).bind("network", "arch")  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
