"""Connections that the thread which drives a study keeps: taking one of the pool each time took much of a trial."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine


class KeptConnections:
    """The connections of one ledger that threads keep between their transactions: one an engine.

    An engine stands for a kind of transaction (`naslab.ledger.engine.writing`), so that nothing is set anew where one
    kind follows another. A connection on which anything went wrong is given back to its pool, which sets it right.

    >>> from sqlalchemy import create_engine
    >>> engine, connections = create_engine("sqlite://"), KeptConnections()
    >>> with connections.keeping():
    ...     with connections.begin(engine) as one:
    ...         pass
    ...     with connections.begin(engine) as other:
    ...         pass
    >>> one is other, other.closed
    (True, True)
    """

    def __init__(self) -> None:
        self._of_thread: dict[int, dict[Engine, Connection]] = {}
        self._may: dict[int, Callable[[], None]] = {}

    @contextmanager
    def keeping(self, may: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Within the block this thread keeps its connections; one within another changes nothing.

        Before each new one `may` is called, which raises where nothing may be written.
        """
        thread = threading.get_ident()
        if thread in self._of_thread:
            yield
            return
        self._of_thread[thread], self._may[thread] = {}, may
        try:
            yield
        finally:
            del self._may[thread]
            for connection in self._of_thread.pop(thread).values():
                connection.close()

    def forget(self) -> None:
        """Make the connections of this thread anew when they are next asked for: their server was away."""
        kept = self._of_thread.get(threading.get_ident(), {})
        while kept:
            _, connection = kept.popitem()
            connection.invalidate()
            connection.close()

    @contextmanager
    def begin(self, engine: Engine) -> Iterator[Connection]:
        """A transaction of `engine`, committed when the block ends, on the connection that this thread keeps, if any.

        A thread that keeps some has one transaction of an engine at a time.
        """
        kept = self._of_thread.get(threading.get_ident())
        if kept is None:
            with engine.begin() as connection:
                yield connection
            return
        if engine not in kept:
            self._may[threading.get_ident()]()
            kept[engine] = engine.connect()
        connection = kept[engine]
        try:
            with connection.begin():
                yield connection
        except BaseException:
            del kept[engine]
            connection.close()
            raise
