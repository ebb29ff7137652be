"""A local worker's process: what runs between its start and its end."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from naslab.errors import WorkerError

if TYPE_CHECKING:
    from naslab.execution.worker import Said
    from naslab.study.outcome import EpochRecord

START = "import sys; sys.path[:] = sys.argv[3:]; from naslab.execution.worker_process import main; main()"
"""The program of a worker process; its arguments are two file descriptors and the driver's module search path."""


def main() -> None:
    """Serve the driver at the other end of a connection until it closes."""
    channel_fd, lifeline_fd = int(sys.argv[1]), int(sys.argv[2])
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_watchdog(lifeline_fd, channel_fd)
    channel: Connection[Any, Any] = Connection(channel_fd)
    try:
        serve(channel)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the driver has left


def leave_watchdog(lifeline_fd: int, channel_fd: int) -> None:
    """Fork a process that outwaits the driver and then ends this one's whole process group.

    A process of its own, since it must also act while this one is deep in native code, and also end what this one
    started. The lifeline's other end is held by the driver alone and closes with it, however it dies.
    """
    if os.fork() != 0:
        os.close(lifeline_fd)
        return
    os.close(channel_fd)
    os.read(lifeline_fd, 1)
    os.killpg(0, signal.SIGKILL)


def serve(channel: Connection[Any, Any]) -> None:
    """Prepare the estimator that the driver sends, then estimate candidate after candidate."""
    from naslab.execution.worker import Ready, Refused, Said, load_worker

    placement, payload = channel.recv(), channel.recv_bytes()
    try:
        worker = load_worker(payload, placement)
    except WorkerError as error:
        channel.send(Refused(error))
        return
    answer = worker.prepare()
    channel.send(answer)
    is_usable = isinstance(answer, Ready)
    one_at_a_time = threading.Lock()  # a training's threads print

    def send(message: EpochRecord | Said) -> None:
        with one_at_a_time:
            channel.send(message)

    while is_usable:
        done = worker.estimate(channel.recv(), send, lambda text: send(Said(text)))
        channel.send(done)
        is_usable = done.is_usable
