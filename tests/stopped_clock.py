"""Time that passes when a test says so."""

from __future__ import annotations


class StoppedClock:
    """Stands for the module `time` in a module that only reads its clock.

    A pool of workers whose clock stands waits for the next event however long that takes; nothing in it times out.
    """

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = thread_time = process_time = monotonic
