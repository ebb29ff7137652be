"""Learning rates over a training, as factors of the recipe's own."""

from __future__ import annotations

import math
from functools import lru_cache

from naslab.study.recipe import Recipe

PEAK_AT = 0.25
"""The share of a one-cycle training after which the learning rate is highest."""
RESOLUTION = 100
"""Places of an epoch at which `annealing` looks."""


def rate_factor(recipe: Recipe, step: int, steps_an_epoch: int, epochs: int) -> float:
    """The factor of the learning rate at `step` (from 0) by the schedule of `recipe`, from 0 to 1.

    The training has `epochs` of `steps_an_epoch` steps. Of the schedule `plateau` this is the warm-up alone: the rest
    follows from the validation losses (`Plateau`). Sources of the schedules stand at `naslab.study.recipe.Recipe`.

    >>> [round(rate_factor(Recipe(schedule="cosine"), step, 4, 1), 2) for step in range(4)]
    [1.0, 0.85, 0.5, 0.15]
    """
    total = steps_an_epoch * epochs
    if recipe.schedule == "one_cycle":
        place = (step + 1) / (total + 1)  # neither end of the triangle, where nothing is learnt
        return place / PEAK_AT if place < PEAK_AT else (1 - place) / (1 - PEAK_AT)
    warmup = min(recipe.warmup_epochs * steps_an_epoch, total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    share = (step - warmup) / (total - warmup)
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * share)) / 2
    if recipe.schedule == "step":
        return recipe.step_factor ** sum(step / total >= place for place in recipe.step_at)
    if recipe.schedule == "exponential":
        return float(recipe.step_factor ** math.floor(step / total / recipe.step_every + 1e-9))
    return 1.0


@lru_cache(maxsize=64)
def annealing(recipe: Recipe, epochs: int) -> tuple[float, ...]:
    """The share by which the learning rate has fallen from its highest so far at the end of each of `epochs`.

    From 0 (as high as ever) to 1 (nothing left), rounded to two digits.

    >>> annealing(Recipe(schedule="one_cycle"), 4)
    (0.0, 0.33, 0.66, 1.0)
    """
    highest, falls = 0.0, []
    for epoch in range(epochs):
        factors = [rate_factor(recipe, epoch * RESOLUTION + step, RESOLUTION, epochs) for step in range(RESOLUTION)]
        highest = max(highest, *factors)
        falls.append(round(1 - factors[-1] / highest, 2))
    return tuple(falls)


class Plateau:
    """The factor of the schedule `plateau`: times `step_factor` after `patience` epochs without a lower loss.

    It stays 1 for recipes with another schedule.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.factor = 1.0
        self._recipe = recipe
        self._lowest = math.inf
        self._waited = 0

    @property
    def state(self) -> tuple[float, float, int]:
        """The factor, the lowest loss so far and the epochs waited since: all that later factors depend on."""
        return self.factor, self._lowest, self._waited

    @state.setter
    def state(self, state: tuple[float, float, int]) -> None:
        self.factor, self._lowest, self._waited = state

    def after_epoch(self, validation_loss: float) -> None:
        """Count in an epoch's validation loss, in nats."""
        if self._recipe.schedule != "plateau":
            return
        self._waited = 0 if validation_loss < self._lowest else self._waited + 1
        self._lowest = min(self._lowest, validation_loss)
        if self._waited >= self._recipe.patience:
            self.factor *= self._recipe.step_factor
            self._waited = 0
