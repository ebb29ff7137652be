"""A policy-gradient controller: Williams 1992 (REINFORCE), as in Zoph and Le 2017, arXiv 1611.01578, without a network.

A softmax for every choice instead of a recurrent controller: the factorised policy of Bender et al. 2020 (TuNAS,
arXiv 2008.06120), which learns from hundreds of networks rather than tens of thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.domain import Space
from naslab.strategies.outcome_history import OutcomeHistory, order_of
from naslab.strategies.strategy import Proposal

WINDOW = 64
"""The reward of an outcome is the share of as many outcomes before it that it beats."""
BASELINE_DECAY = 0.9


class Reinforce:
    """Samples a policy over the choices of `space` and moves it along the gradient of the reward after every outcome.

    `learning_rate` is the length of a step, in logits per unit of advantage; `entropy_weight` weighs the entropy of the
    policy in what is climbed. Raises `SpecError` where the first is not above 0 or the second is negative.

    The reward is the outcome's place among the last 64, from 0 to 1, so that scales and outliers do not matter; for
    several objectives the place is by non-dominated rank, then by crowding. A moving mean of rewards is the baseline,
    and an entropy bonus keeps every option in play. The policy is a function of the outcomes told, in order.
    """

    def __init__(self, space: Space, learning_rate: float = 0.6, entropy_weight: float = 0.02) -> None:
        require(learning_rate > 0, "learning_rate", f"must be above 0, got {learning_rate:g}")
        require(entropy_weight >= 0, "entropy_weight", f"must be at least 0, got {entropy_weight:g}")
        self._space = space
        self._learning_rate = learning_rate
        self._entropy_weight = entropy_weight
        self._logits = {hole.path: np.zeros(len(hole.options)) for hole in space.holes()}
        self._baseline = 0.5
        self._num_read = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Genomes drawn from the policy."""
        self._read(history)
        chances = {path: np.cumsum(softmax(logits)) for path, logits in self._logits.items()}

        def choose(hole: Hole) -> int:
            drawn = int(np.searchsorted(chances[hole.path], rng.random(), side="right"))
            return min(drawn, len(hole.options) - 1)

        for _ in count():
            yield Proposal(self._space.fill(choose), {"operator": "policy"})

    def probabilities(self, history: OutcomeHistory) -> dict[str, NDArray[np.float64]]:
        """The policy after a history: the probability of every option of every choice, where that is active."""
        self._read(history)
        return {path: softmax(logits) for path, logits in self._logits.items()}

    def _read(self, history: OutcomeHistory) -> None:
        losses = history.told.columns(len(history.told)).losses
        for number, observation in enumerate(history.told[self._num_read :], start=self._num_read + 1):
            window = losses[max(0, number - WINDOW) : number]
            if len(window) > 1:
                place = int(np.flatnonzero(order_of(window) == len(window) - 1)[0])
                self._learn(observation.genome, 1.0 - place / (len(window) - 1))
        self._num_read = len(losses)

    def _learn(self, genome: Genome, reward: float) -> None:
        """A step along the gradient of advantage times log probability, and of the entropy of each active choice."""
        advantage = reward - self._baseline
        self._baseline += (1.0 - BASELINE_DECAY) * advantage
        for gene in genome.genes:
            logits = self._logits[gene.hole]
            chance = softmax(logits)
            surprise = -np.log(chance)
            step = -advantage * chance
            step[gene.option] += advantage
            step += self._entropy_weight * chance * (surprise - chance @ surprise)
            logits += self._learning_rate * step


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities of options of these `logits`, both of shape (options,).

    >>> softmax(np.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    raised = np.exp(logits - logits.max())
    return np.asarray(raised / raised.sum())
