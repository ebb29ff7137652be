"""Clocks of machines that are far off, as they are told."""

from __future__ import annotations

from naslab.errors import counted

CLOCK_SECONDS = 60.0
"""How far a machine's clock may be off until it is told."""


def clock_words(name: str, clock: float, sent: float, received: float, than: str = "the driver") -> list[str]:
    """What is said of the `clock` of the node `name`, which was read between `sent` and `received` by that of `than`.

    All three are seconds since 1970. There is one line, or none where the clock is right.

    >>> clock_words("spot-7", clock=4700.0, sent=1000.0, received=1002.0)
    ['the clock of node spot-7 is 62 minutes ahead of the driver: set it']
    >>> clock_words("spot-7", clock=990.0, sent=1000.0, received=1002.0)
    []
    """
    off = clock - received if clock > received else min(0.0, clock - sent)
    if abs(off) <= CLOCK_SECONDS:
        return []
    minutes = counted(round(abs(off) / 60), "minute", form=",")
    return [f"the clock of node {name} is {minutes} {'ahead of' if off > 0 else 'behind'} {than}: set it"]
