"""The first networks of a search with a prior: the best by the prior that tell something new, and some by chance.

Before anything is known of the networks the scores decide, as far as scores are to be trusted, and how far a network
lies from those that were proposed. A process of unit variance with the kernel to expect stands for what is not known:

| symbol | name in code | what it is |
|---|---|---|
| b | `TRUST` | the correlation to expect of a prior's scores with what is measured |
| z | `scores` | mean normal score of a network over the names of the prior |
| v | `left` | variance of the process at the network, given those that were proposed: 1 far from all, 0 beside one |
| | `worth` | b z + sqrt(1 - b^2) sqrt(v), an upper confidence bound |

With several objectives, z is that of the first one that is to be measured, and known ones have normal scores of their
own; each network is chosen by a weighting of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from naslab.space import Genome
from naslab.strategies.candidates import Catalogue
from naslab.strategies.gaussian_process import Posterior, typical_kernel
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.priors import normal_scores

Vector = NDArray[np.float64]

TRUST = 0.7
BY_CHANCE_EVERY = 3
"""One in so many first networks is drawn by chance: a prior that misleads must not have all of them."""
MOST = 64


def is_by_chance(number: int) -> bool:
    """Whether the first network of a `number`, from 0, is drawn by chance.

    >>> [is_by_chance(number) for number in range(4)]
    [False, False, True, False]
    """
    return number % BY_CHANCE_EVERY == BY_CHANCE_EVERY - 1


def promising(catalogue: Catalogue, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Genome]:
    """Networks of the `catalogue` by what its prior says and how new they are after `history`, best first.

    `rng` weighs several objectives.
    """
    standing = catalogue.standing
    known = [each.genome for each in history.told] + list(history.pending.values())
    kernel = typical_kernel(catalogue.parts())
    posterior = Posterior(kernel, catalogue.inputs_of(known), standing.inputs) if known else None
    left = np.ones(len(standing.genomes)) if posterior is None else np.maximum(posterior.left, 0.0)
    worth = TRUST * _scores(catalogue, rng) + np.sqrt((1 - TRUST**2) * left)
    worth = np.where(standing.is_unseen(history.seen), worth, -np.inf)
    for row in np.argsort(-worth, kind="stable")[:MOST]:
        if worth[row] > -np.inf:
            yield standing.genomes[row]


def _scores(catalogue: Catalogue, rng: np.random.Generator) -> Vector:
    """How good the standing candidates are by what is known, in normal scores: shape (networks,)."""
    standing = catalogue.standing
    scores = np.asarray(standing.inputs[:, catalogue.score_columns].mean(axis=1))
    measured = [objective for objective, is_known in enumerate(catalogue.is_known) if not is_known]
    if len(catalogue.is_known) == 1 or not measured:
        return scores
    columns = [
        normal_scores(-losses) if is_known else scores if objective == measured[0] else np.zeros(len(scores))
        for objective, (losses, is_known) in enumerate(zip(standing.known_losses.T, catalogue.is_known, strict=True))
    ]
    weights = rng.dirichlet(np.ones(len(columns)))
    return np.asarray(np.stack(columns, axis=1) @ weights / np.linalg.norm(weights))
