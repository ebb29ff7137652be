"""A network that was brought under a budget, beside the others that were trained for as long."""

from __future__ import annotations

from typing import Any

import msgspec


class ShrunkNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a comparison, made and trained in a `way`: its costs, and its test accuracy in per cent.

    `sem` is the binomial standard error, `validation` the validation accuracy, `probe` that of a linear probe before it
    was trained, not known of weights that are not inherited. One whose training diverged has the reason, `failure`, in
    the place of accuracies.
    """

    way: str
    arch_id: str
    macs: int
    params: int
    accuracy: float | None
    sem: float | None
    validation: float | None
    probe: float | None = None
    failure: str = ""


class ShrinkTable(msgspec.Struct, frozen=True, kw_only=True):
    """`model` with the weights of `source` under a budget of `target` macs, each way trained for `epochs` epochs.

    `macs` and `params` are those of the whole network, `scored` how many networks under the budget were looked at.
    `networks` are the shrunk one, the uniformly scaled one and the shrunk one from nothing.
    """

    model: str
    source: str
    dataset: str
    target: float
    macs: int
    params: int
    scored: int
    epochs: int
    seed: int
    networks: tuple[ShrunkNetwork, ...]

    def rows(self) -> dict[str, Any]:
        """The table as JSON values."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told
