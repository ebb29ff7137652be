"""Other packages at work without what they say of their own parts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO


@contextmanager
def quiet_packages() -> Iterator[None]:
    """Without warnings, log lines up to warnings and printed lines, for the block; settings are left as they were.

    >>> with quiet_packages():
    ...     warnings.warn("deprecated within another package", stacklevel=1)
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
