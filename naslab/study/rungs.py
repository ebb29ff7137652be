"""Rungs: how long networks are trained before the best of them are trained on."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from naslab.arch.block import require
from naslab.arguments import refuse_wrong_fields
from naslab.errors import SpecError, counted
from naslab.study.outcome import Fidelity


class Rungs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`epochs` at each rung, ascending, and the share `keep` of a rung's networks that goes on to the next.

    Every rung is a part of the last one's schedule, so that a network that goes on is trained as if it had never
    stopped. Li et al. 2018 (arXiv 1810.05934) keep 1/eta and multiply the epochs by eta. Where `keep` is `None` no
    share goes on: every epoch is a rung, and after each the expected gain decides which network does
    (`naslab.strategies.pausing`). Raises `SpecError` where epochs do not ascend, or are not every one of a search that
    pauses, and where the share is not between 0 and 1.

    >>> Rungs((1, 3, 9)).fidelity(1)
    Fidelity(epochs=3, images=None, resolution=None, width=None, schedule_epochs=9)
    """

    epochs: tuple[int, ...]
    keep: float | None = 1 / 3

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        ascends = all(low < high for low, high in pairwise(self.epochs))
        told = ", ".join(map(str, self.epochs)) or "nothing"
        is_ladder = len(self.epochs) >= 2 and self.epochs[0] >= 1 and ascends
        require(is_ladder, "rungs", f"must be two or more ascending numbers of epochs like 1,3,9, got {told}")
        if self.keep is None:
            is_every = self.epochs == tuple(range(1, self.epochs[-1] + 1))
            require(is_every, "rungs", f"must be every epoch, as 1,2,3, where no share is kept, got {told}")
        else:
            require(0 < self.keep < 1, "keep", f"must be a share between 0 and 1 like 1/3, got {self.keep:g}")

    @classmethod
    def every_epoch(cls, epochs: int) -> Rungs:
        """A rung after each of so many `epochs`, where the expected gain decides which network is trained on.

        Raises `SpecError` below 2.

        >>> Rungs.every_epoch(3)
        Rungs(epochs=(1, 2, 3), keep=None)
        """
        require(epochs >= 2, "pause", f"needs trainings of 2 epochs and more to pause between, got {epochs}")
        return cls(tuple(range(1, epochs + 1)), None)

    @classmethod
    def parse(cls, text: str, keep: str = "1/3") -> Rungs:
        """Rungs as written on the command line: `text` such as 1,3,9, and `keep` as a fraction or a number.

        Raises `SpecError` for text of another form, and what `Rungs` raises.

        >>> Rungs.parse("1,3,9", "1/3") == Rungs((1, 3, 9))
        True
        """
        try:
            epochs = tuple(int(part) for part in text.split(","))
        except ValueError:
            raise SpecError("rungs", f"must be epochs like 1,3,9, got '{text}'") from None
        try:
            over, _, under = keep.partition("/")
            share = float(over) / float(under or 1)
        except (ValueError, ZeroDivisionError):
            raise SpecError("keep", f"must be a share like 1/3 or 0.25, got '{keep}'") from None
        return cls(epochs, share)

    @property
    def top(self) -> int:
        """The number of the last rung; the first is 0."""
        return len(self.epochs) - 1

    def fidelity(self, rung: int) -> Fidelity:
        """The epochs and the schedule that a network is trained for at `rung`, 0 the first."""
        return Fidelity(epochs=self.epochs[rung], schedule_epochs=self.epochs[-1])

    def rung_of(self, fidelity: Fidelity) -> int | None:
        """The number of the rung that trains at `fidelity`, `None` where none does."""
        for rung in range(len(self.epochs)):
            if self.fidelity(rung) == fidelity:
                return rung
        return None

    @property
    def pauses(self) -> bool:
        """Whether the expected gain decides after each rung which network goes on, in place of a share."""
        return self.keep is None

    def __str__(self) -> str:
        if self.keep is None:
            return f"each paused after every one of {counted(self.epochs[-1], 'epoch')}"
        return f"rungs of {', '.join(map(str, self.epochs))} epochs, {self.keep:.3g} of each going on"
