"""Metrics from outside that are measured on the untrained network: a user's function that returns a number."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from naslab.arch.spec import ArchSpec
from naslab.errors import UnknownNameError
from naslab.estimators.estimator import Workbench
from naslab.estimators.trial import number
from naslab.metrics import Metric, is_declared, metrics
from naslab.outside import OutsideError, find_outside, name_of, require_takes, source_of
from naslab.study.outcome import Candidate

if TYPE_CHECKING:
    from torch import nn

WHAT = "metric"


class OwnMetric(NamedTuple):
    """A user's metric: the `name` that its values are kept under, and the function that measures it.

    `function` takes a module, its description and the device that it is on. `source` is the hash of each definition
    that it consists of.
    """

    name: str
    function: Callable[[nn.Module, ArchSpec, str], Any]
    source: dict[str, str]

    def measure(self, candidate: Candidate, bench: Workbench) -> dict[str, float]:
        """Its value for the untrained network of `candidate` on the device of `bench`, by its name.

        Raises `ReturnedError` for what is no finite number, and whatever the function raises.
        """
        from naslab.arch.build import build

        network = build(candidate.arch, seed=candidate.seed).eval().to(bench.device)
        return {self.name: number(self.name, self.function(network, candidate.arch, bench.device))}


def own_metric(given: str | Metric | Callable[..., Any]) -> OwnMetric:
    """The metric that `given` is or names, as `package.module:name`: a row with `measure`, or a function.

    A function takes a network, or a network and its `ArchSpec`; its values are kept under its own name. Raises
    `UnknownNameError` for a text that names none, `OutsideError` where it leads nowhere, to a row without `measure`, to
    no function of a network, or to one whose name is a metric of naslab.
    """
    found = find_outside(given, WHAT, "naslab.metrics") if isinstance(given, str) else given
    if found is None:
        known = [row.name for row in metrics() if row.stage == "before training"]
        raise UnknownNameError(WHAT, str(given), known, "one of your own is a function, as my_code:name")
    if isinstance(found, Metric):
        if found.measure is None:
            raise OutsideError(WHAT, str(given), f"the row of {found.name} has no function 'measure': give it one")
        return OwnMetric(found.name, found.measure, source_of(found.measure))
    called = name_of(found)
    name = called.rpartition(":")[2].rpartition(".")[2]
    if is_declared(name) or not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise OutsideError(WHAT, called, f"'{name}' is a metric of naslab's own: give the function another name")
    takes_arch = _takes_two(found)
    require_takes(found, WHAT, *(("network", "arch") if takes_arch else ("network",)))

    def measure(network: nn.Module, arch: ArchSpec, _: str) -> Any:
        return found(network, arch) if takes_arch else found(network)

    return OwnMetric(name, measure, source_of(found))


def _takes_two(found: object) -> bool:
    try:
        inspect.signature(found).bind("network", "arch")  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
