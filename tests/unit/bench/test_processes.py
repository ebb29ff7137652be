"""An interrupt does not find a pool half way through taking work."""

from __future__ import annotations

import signal
import threading

import pytest

from naslab.bench.processes import interrupts_deferred


def test_an_interrupt_is_raised_behind_the_block() -> None:
    done = []

    def interrupted() -> None:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["the rest of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_is_raised_and_errors_pass() -> None:
    with interrupts_deferred():
        pass
    with pytest.raises(ValueError, match="its own"), interrupts_deferred():
        raise ValueError("its own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_leave_the_handler_alone() -> None:
    seen = []

    def look() -> None:
        with interrupts_deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
