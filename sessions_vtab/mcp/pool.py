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

__all__ = ["ConnectionPool"]

_T = TypeVar("_T")

_MOST: Final = 8
"""Statements at a time; further calls wait."""
_AGAIN: Final = 0.05
"""Seconds between interrupts: SQLite ignores one that comes before the first step."""


class ConnectionPool:
    """Connections that are opened when they are needed, and used by one call at a time.

    Args:
        connect: opens one.
    """

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
        loan = _Loan(self._free, self._connect)
        async with self._places:
            try:
                return await anyio.to_thread.run_sync(loan.run, work, abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    loan.cancelled = True
                    while loan.running:
                        loan.interrupt()
                        await anyio.sleep(_AGAIN)
                raise

    def close(self) -> None:
        """Closes the free connections; none is in use once the server has stopped."""
        self._places = None
        while self._free:
            self._free.pop().close()


class _Loan:
    """The use of one connection.

    Attributes:
        cancelled: nobody waits for it any more.
        running: its thread is at work.
    """

    def __init__(
        self, free: list[dbapi.Connection], connect: Callable[[], dbapi.Connection]
    ) -> None:
        self.cancelled = self.running = False
        self._free = free
        self._connect = connect
        self._connection: dbapi.Connection | None = None

    def run(self, work: Callable[[dbapi.Connection], _T]) -> _T:
        """Borrows a connection, calls the function, and gives the connection back."""
        self.running = True
        try:
            # The last one back is the first one out: its HTTP connections are still open.
            self._connection = connection = self._free.pop() if self._free else self._connect()
            try:
                if self.cancelled:
                    raise dbapi.OperationalError("The call was cancelled before it began.")
                return work(connection)
            finally:
                self._give_back(connection)
        finally:
            self.running = False

    def _give_back(self, connection: dbapi.Connection) -> None:
        try:
            connection.rollback()
            connection.clear_logs()
        except dbapi.Error:
            connection.close()
        else:
            self._free.append(connection)

    def interrupt(self) -> None:
        """Stops the statement; may be called from any thread, and more than once."""
        if self._connection is not None:
            with suppress(dbapi.Error):
                self._connection.interrupt()
