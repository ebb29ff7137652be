"""Which choices the front favours: how often an option is taken on the front, against all candidates.

A front holds few networks, so a difference of shares says little by itself. `chance` is how often a front of that size
drawn blindly from the candidates would differ at least as much in that direction (hypergeometric tail, one side).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from math import comb
from typing import Any

import msgspec

from naslab.analysis.front import highest_fidelity
from naslab.space.genome import Hole
from naslab.study.outcome import Outcome

LEAST_FRONT = 5
"""A front of fewer networks does not tell what it favours from chance."""


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """An option of a hole: how many networks take it, of those in which the hole is active.

    `place` is the hole for people: `stages[0].mbconv.kernel` for `stages[0].block.choice[1].kernel`.
    """

    hole: str
    place: str
    option: int
    label: str
    num_taken: int
    num_active: int
    num_taken_on_front: int
    num_active_on_front: int

    @property
    def share(self) -> float:
        """The option's share among all candidates in which the hole is active."""
        return self.num_taken / self.num_active

    @property
    def share_on_front(self) -> float:
        """The option's share among the front's networks in which the hole is active."""
        return self.num_taken_on_front / self.num_active_on_front

    @property
    def difference(self) -> float:
        """The share on the front less the share among all: above 0 the front favours the option."""
        return self.share_on_front - self.share

    @property
    def chance(self) -> float:
        """The probability that a blind draw of as many networks differs at least as much in this direction.

        >>> Preference(hole="h", place="h", option=0, label="a", num_taken=2, num_active=4, num_taken_on_front=2,
        ...            num_active_on_front=2).chance == 1 / 6
        True
        """
        drawn, taken = self.num_active_on_front, self.num_taken
        others = self.num_active - taken
        seen = self.num_taken_on_front
        tail = range(seen, drawn + 1) if self.difference >= 0 else range(seen + 1)
        return sum(comb(taken, hits) * comb(others, drawn - hits) for hits in tail) / comb(self.num_active, drawn)


class PreferenceTable(msgspec.Struct, frozen=True):
    """Every option that some candidate took, hole by hole; holes that no network of the front has are left out."""

    preferences: tuple[Preference, ...]
    num_candidates: int
    num_front: int

    def strongest(self, count: int) -> tuple[Preference, ...]:
        """The options that chance explains least, from the most favoured to the most shunned."""
        chosen = sorted(self.preferences, key=lambda each: (each.chance, -abs(each.difference), each.hole, each.option))
        chosen = [each for each in chosen if each.difference][:count]
        return tuple(sorted(chosen, key=lambda each: (-each.difference, each.hole, each.option)))

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one an option."""
        return [
            {
                **msgspec.to_builtins(each),
                "share": each.share,
                "share_on_front": each.share_on_front,
                "chance": each.chance,
            }
            for each in self.preferences
        ]


def preferences(outcomes: Sequence[Outcome], front_trials: Collection[int], holes: Sequence[Hole]) -> PreferenceTable:
    """How often each option of a space's holes is taken among complete outcomes, and on the front.

    A network counts once, and only where the space made it.
    """
    searched = [each for each in highest_fidelity(outcomes) if each.candidate.genome.genes]
    on_front = [each for each in searched if each.candidate.trial in front_trials]
    taken, taken_on_front = _counts(searched), _counts(on_front)
    found: list[Preference] = []
    for hole in holes:
        num_active = sum(taken[hole.path, option] for option in range(len(hole.options)))
        num_active_on_front = sum(taken_on_front[hole.path, option] for option in range(len(hole.options)))
        if num_active_on_front == 0:
            continue
        found.extend(
            Preference(
                hole=hole.path,
                place=place_in_words(hole.path, holes),
                option=option,
                label=label,
                num_taken=taken[hole.path, option],
                num_active=num_active,
                num_taken_on_front=taken_on_front[hole.path, option],
                num_active_on_front=num_active_on_front,
            )
            for option, label in enumerate(hole.labels)
            if taken[hole.path, option]
        )
    return PreferenceTable(tuple(found), num_candidates=len(searched), num_front=len(on_front))


def place_in_words(path: str, holes: Sequence[Hole]) -> str:
    """A hole's path with the options that it lies in by their names.

    >>> block = Hole(path="stages[0].block", options=({"type": "conv"}, {"type": "mbconv"}))
    >>> place_in_words("stages[0].block.choice[1].kernel", (block,))
    'stages[0].mbconv.kernel'
    """
    for hole in sorted(holes, key=lambda each: len(each.path), reverse=True):
        inside, option, rest = path.removeprefix(hole.path).partition("]")
        if path.startswith(hole.path) and inside.startswith(".choice[") and option:
            outer = place_in_words(hole.path, holes).rpartition(".")[0]
            name = hole.labels[int(inside.removeprefix(".choice["))]
            return f"{outer}.{name}{rest}" if outer else f"{name}{rest}"
    return path


def _counts(outcomes: Sequence[Outcome]) -> Counter[tuple[str, int]]:
    return Counter((gene.hole, gene.option) for each in outcomes for gene in each.candidate.genome.genes)
