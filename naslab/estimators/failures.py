"""From an exception to the failure that a study records."""

from __future__ import annotations

import traceback

import torch

from naslab.errors import NaslabError
from naslab.outcome import Failure
from naslab.training.loop import DivergedError, TimedOutError


def failure_of(error: Exception) -> Failure:
    """Why an estimate has no result; only what nobody foresaw comes with its traceback.

    >>> failure_of(DivergedError("the training loss became nan")).reason
    'diverged'
    """
    message = str(error) or type(error).__name__
    if isinstance(error, DivergedError):
        return Failure("diverged", message)
    if isinstance(error, TimedOutError):
        return Failure("timed_out", message)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _is_host_memory(error):
        return Failure("out_of_memory", message.splitlines()[0])
    if isinstance(error, NaslabError):
        return Failure("invalid", message)
    return Failure("error", f"{type(error).__name__}: {message}", "".join(traceback.format_exception(error)))


def _is_host_memory(error: Exception) -> bool:
    """torch's CPU allocator has no exception of its own."""
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)
