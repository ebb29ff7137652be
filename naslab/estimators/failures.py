"""From an exception to the failure that a study records."""

from __future__ import annotations

from naslab.errors import DivergedError, NaslabError, TimedOutError
from naslab.outside import users_traceback
from naslab.passwords import without_passwords
from naslab.study.outcome import Failure
from naslab.training.halving import is_out_of_memory


def failure_of(error: Exception | SystemExit) -> Failure:
    """The failure to record for an error; one that is not naslab's own comes with its traceback.

    A program that a user's code ends (`sys.exit`) is an error of the candidate as any other.

    Of that the lines of a user's code, where there are any (`naslab.outside.users_traceback`).

    >>> failure_of(DivergedError("the training loss became nan")).reason, failure_of(MemoryError()).reason
    ('diverged', 'out_of_memory')
    """
    message = without_passwords(str(error)) or type(error).__name__
    if isinstance(error, DivergedError):
        return Failure("diverged", message)
    if isinstance(error, TimedOutError):
        return Failure("timed_out", message)
    if isinstance(error, NaslabError):
        return Failure("invalid", message)
    trace = without_passwords(users_traceback(error))
    if is_out_of_memory(error):
        return Failure("out_of_memory", message.splitlines()[0], trace)
    return Failure("error", f"{type(error).__name__}: {message}", trace)
