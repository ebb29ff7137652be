"""The first networks of a search: far from each other, some of them from those that a prior says most of.

Of as many networks drawn from the space, or from those of the best scores, the one farthest from all that was proposed
comes first. A prior whose scores have nothing of the results draws as chance does, so that the first networks are as
good with it as without.

With several objectives, scores are those of the first one that is to be measured, and known ones have normal scores of
their own; each network is chosen by a weighting of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.space import Genome
from naslab.strategies.candidates import Catalogue
from naslab.strategies.domain import Space
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.priors import normal_scores

Vector = NDArray[np.float64]

BY_CHANCE_EVERY = 3
"""One in so many first networks is drawn by chance: a prior that misleads must not have all of them."""
PROMISING, PROMISING_SHARE, MOST_PROMISING_SHARE = 32, 0.01, 0.1
"""How many of the networks left are promising, ties aside: a hundredth; of fewer than 3,200 32, at most a tenth."""
START_DRAWS = 32
"""How many networks are drawn, of which the farthest from others is proposed."""


def is_by_chance(number: int) -> bool:
    """Whether the first network of a `number`, from 0, is drawn by chance.

    >>> [is_by_chance(number) for number in range(4)]
    [False, False, True, False]
    """
    return number % BY_CHANCE_EVERY == BY_CHANCE_EVERY - 1


def farthest_first(drawn: Sequence[Genome], space: Space, history: OutcomeHistory) -> list[Genome]:
    """The genomes `drawn` of `space`, those farthest from all of `history` that was proposed first."""
    known = [each.genome for each in history.told] + list(history.pending.values())
    if not (known and drawn):
        return list(drawn)
    codes, others = (np.array([space.encode(each) for each in group]) for group in (drawn, known))
    nearest = ((codes[:, None] - others[None]) ** 2).sum(axis=2).min(axis=1)
    return [drawn[index] for index in np.argsort(-nearest, kind="stable")]


def promising(catalogue: Catalogue, history: OutcomeHistory, rng: np.random.Generator) -> list[Genome]:
    """At most `START_DRAWS` networks of the `catalogue` of the best scores that `history` has not seen, best first.

    They are drawn by `rng`, the best among them, which also weighs several objectives.
    """
    standing = catalogue.standing
    unseen = np.flatnonzero(standing.is_unseen(history.seen))
    if not len(unseen):
        return []
    scores = _scores(catalogue, rng)[unseen]
    is_best = scores >= np.sort(scores)[-num_promising(len(unseen))]  # ties, too: a coarse score tells no more
    best = unseen[is_best][np.argsort(-scores[is_best], kind="stable")]
    taken = 1 + np.sort(rng.permutation(len(best) - 1)[: START_DRAWS - 1])
    return [standing.genomes[row] for row in best[[0, *taken]]]


def num_promising(count: int) -> int:
    """How many of a `count` of networks are promising, one at least.

    >>> [num_promising(count) for count in (5, 72, 1_000, 10_000)]
    [1, 7, 32, 100]
    """
    return max(1, int(PROMISING_SHARE * count), min(PROMISING, int(MOST_PROMISING_SHARE * count)))


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
