"""Made-up priors of tables: scores that agree with the results, that turn them round, or that have nothing of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from naslab.bench.table import TableDomain
from naslab.errors import UnknownNameError

PriorKind = Literal["right", "inverted", "shuffled"]
PRIOR_KINDS: tuple[PriorKind, ...] = ("right", "inverted", "shuffled")


def with_made_prior(domain: TableDomain, kind: str, agreement: float = 0.8, seed: int = 0) -> TableDomain:
    """The table `domain` with one made-up score of each row, of a `kind`, drawn by `seed`.

    `right` scores have the correlation `agreement` with the first objective, `inverted` ones its negative; `shuffled`
    ones are the right ones of other rows. Raises `UnknownNameError` for another kind.

    >>> from naslab.bench.made_table import make_table
    >>> with_made_prior(make_table(), "shuffled").prior.names
    ('shuffled',)
    """
    if kind not in PRIOR_KINDS:
        raise UnknownNameError("kind of made-up prior", kind, PRIOR_KINDS)
    rng = np.random.default_rng([seed, 31])
    results = -domain.losses[:, 0]
    results = (results - results.mean()) / results.std()
    scores = agreement * results + np.sqrt(1 - agreement**2) * rng.standard_normal(len(results))
    made = {"right": scores, "inverted": -scores, "shuffled": rng.permutation(scores)}[kind]
    return domain.scored((kind,), made[:, None])
