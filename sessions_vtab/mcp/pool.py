"""Connections, and the threads that their statements run in.

The protocol has no session that a connection could belong to: since 2026-07-28 each HTTP request
stands alone, and over standard input a client may send several at once. So each call borrows a
connection, and nothing of it is left there for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from sessions_vtab import dbapi

_T = TypeVar("_T")

_MOST: Final = 8
"""Statements at a time; further calls wait."""
_AGAIN: Final = 0.05
"""Seconds between interrupts: SQLite ignores one that comes before the first step."""


class ConnectionPool:
    """Connections that are opened when they are needed, and used by one call at a time."""

    def __init__(self, connect: Callable[[], dbapi.Connection]) -> None:
        self._connect = connect
        self._free: list[dbapi.Connection] = []
        self._places: anyio.Semaphore | None = None

    def first(self) -> dbapi.Connection:
        """A connection for the first call, opened now, so that wrong settings are known early.

        Raises:
            dbapi.Error: naming the setting.
        """
        self._free.append(self._connect())
        return self._free[-1]

    async def run(self, work: Callable[[dbapi.Connection], _T]) -> _T:
        """What a function returns for a free connection, called in a thread.

        Cancelling it interrupts the statement, and waits until the thread is done with it.
        """
        if self._places is None:  # It belongs to an event loop.
            self._places = anyio.Semaphore(_MOST)
        async with self._places:
            # The last one back is the first one out: its HTTP connections are still open.
            loan = _Loan(self._free.pop() if self._free else None, self._connect)
            try:
                return await anyio.to_thread.run_sync(loan.run, work, abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    await loan.stop()
                raise
            finally:
                # Here, and not in the thread: an interrupt must not reach the next user of it.
                if loan.connection is not None:
                    self._free.append(loan.connection)

    def close(self) -> None:
        """Closes the free connections; none is in use once the server has stopped."""
        self._places = None
        while self._free:
            self._free.pop().close()


class _Loan:
    """The use of one connection.

    Attributes:
        connection: the free one; None until one is opened, and for one that could not be kept.
    """

    def __init__(
        self, connection: dbapi.Connection | None, connect: Callable[[], dbapi.Connection]
    ) -> None:
        self.connection = connection
        self._connect = connect
        self._cancelled = self._running = False

    def run(self, work: Callable[[dbapi.Connection], _T]) -> _T:
        """Calls the function, in a thread, and removes what it left in the connection."""
        # In this order, and in the other in ``stop``: so one of the two sees the other.
        self._running = True
        try:
            if self._cancelled:
                raise dbapi.OperationalError("The call was cancelled before it began.")
            if self.connection is None:
                self.connection = self._connect()
            try:
                return work(self.connection)
            finally:
                self._clean(self.connection)
        finally:
            self._running = False

    async def stop(self) -> None:
        """Interrupts the statement until the thread has ended."""
        self._cancelled = True
        while self._running:
            if self.connection is not None:
                with suppress(dbapi.Error):
                    self.connection.interrupt()
            await anyio.sleep(_AGAIN)

    def _clean(self, connection: dbapi.Connection) -> None:
        try:
            connection.rollback()
            connection.clear_logs()
        except dbapi.Error:
            self.connection = None
            connection.close()
