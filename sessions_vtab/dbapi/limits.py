"""What limits a connection: one thread at a time, seconds for a statement, what is not allowed."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Final

import apsw

from sessions_vtab.dbapi.errors import ProgrammingError
from sessions_vtab.errors import inherited
from sessions_vtab.vtab.access import Authorizer

_IDLE: Final = 60.0
"""Seconds after which the thread looks whether anybody still has the connection."""
_AGAIN: Final = 0.05
"""Seconds between interrupts: SQLite ignores one that comes before the first step."""


class Turn:
    """Lets one thread at a time use a connection; the same thread may enter again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        """Takes the turn.

        Raises:
            ProgrammingError: another thread is using the connection right now.
        """
        if not self._lock.acquire(blocking=False):
            raise ProgrammingError(
                "Another thread is using this connection. Open one connection per thread"
                " (threadsafety is 1)."
            )

    def __exit__(self, *_: object) -> None:
        """Gives it back."""
        self._lock.release()


class Watch:
    """The thread of a connection that interrupts what takes too long; started when first needed.

    SQLite's progress handler would not do: it is not called while a request is waited for. A timer
    a statement would do worse: it outlives a cursor that is dropped half-read, and hits another.

    Args:
        connection: what is interrupted. Only a weak reference is kept.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = weakref.ref(connection)
        self._changed = threading.Condition()
        self._running: StatementClock | None = None
        self._looks_at = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False
        self._process = os.getpid()

    def enter(self, clock: StatementClock) -> StatementClock | None:
        """A call begins that ``clock`` limits.

        Returns:
            The clock of the call around it, for ``leave``.

        Raises:
            ProgrammingError: this process inherited the connection, and not the thread.
        """
        if os.getpid() != self._process:
            raise ProgrammingError(inherited("This connection"))
        with self._changed:
            outer, self._running = self._running, clock
            if self._thread is None and not self._closed:
                self._looks_at = clock.due
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()
            elif clock.due < self._looks_at:
                self._changed.notify()
        return outer

    def leave(self, outer: StatementClock | None) -> None:
        """The call has ended: from here on it is not interrupted."""
        with self._changed:
            self._running = outer
            if outer is not None:
                self._changed.notify()

    def close(self) -> None:
        """Ends the thread. In a forked process there is none, and its lock may be held."""
        if os.getpid() != self._process:
            return
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _look(self) -> None:
        with self._changed:
            while not self._closed and self._connection() is not None:
                seconds = self._until()
                self._looks_at = time.monotonic() + seconds
                self._changed.wait(seconds)

    def _until(self) -> float:
        """Seconds until it has to look again; interrupts the running call if its time is up."""
        clock, connection = self._running, self._connection()
        if clock is None or connection is None:
            return _IDLE
        left = clock.left()
        if left > 0:
            return left
        clock.fired = True
        connection.interrupt()
        return _AGAIN


class StatementClock:
    """The time that is left to one statement; it runs only while one of its calls does.

    Attributes:
        seconds: what it may take in all.
        fired: it took longer and was interrupted.
        due: when the running call is interrupted (``time.monotonic``).
    """

    def __init__(self, watch: Watch, seconds: float) -> None:
        self.seconds = seconds
        self.fired = False
        self.due = 0.0
        self._watch = watch
        self._left = seconds
        self._outer: StatementClock | None = None

    def left(self) -> float:
        """Seconds until the running call is interrupted."""
        return self.due - time.monotonic()

    def __enter__(self) -> None:
        """A call of the statement begins."""
        self.due = time.monotonic() + self._left
        self._outer = self._watch.enter(self)

    def __exit__(self, *_: object) -> None:
        """It has ended."""
        self._watch.leave(self._outer)
        self._left = self.left()


_NEVER: Final = {
    apsw.SQLITE_ATTACH: "ATTACH (or VACUUM)",
    apsw.SQLITE_DETACH: "DETACH",
    apsw.SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE",
    apsw.SQLITE_DROP_VTABLE: "DROP of a virtual table",
}

_MADE: Final = {
    apsw.SQLITE_CREATE_TABLE: "CREATE TABLE",
    apsw.SQLITE_CREATE_VIEW: "CREATE VIEW",
    apsw.SQLITE_CREATE_INDEX: "CREATE INDEX",
    apsw.SQLITE_CREATE_TRIGGER: "CREATE TRIGGER",
}
"""What TEMP has actions of its own for."""

# Pragmas whose argument says what to show, not what to change.
_SHOWING: Final = frozenset(
    (
        *("table_info", "table_xinfo", "table_list", "index_info", "index_list", "index_xinfo"),
        *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"),
    )
)
# Pragmas that act although they take no argument.
_ACTING: Final = frozenset(
    ("incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint", "data_store_directory")
)


class Guard:
    """An authorizer that denies access outside the sources and changes that others would see.

    That is ATTACH, DETACH, VACUUM, creating, altering and dropping our tables, loading extensions,
    and pragmas that change something: with ATTACH a SELECT reaches every file of the server. TEMP
    tables and views are the user's own.

    Where connections are pooled, tables in ``main`` are refused as well: they would be in one
    connection's memory, and others of the pool would not have them, or have another user's.

    It denies and does not raise: SQLite prints what is raised while VACUUM attaches its copy.

    Args:
        pooled: which connection a user gets is for a pool to say.

    Attributes:
        before: the authorizer that the connection had; it is asked as well.
        refusal: the last thing that was denied, in words.
    """

    def __init__(self, *, pooled: bool = False) -> None:
        self._pooled = pooled
        self.before: Authorizer | None = None
        self.refusal = ""

    def __call__(
        self, action: int, first: str | None, second: str | None, schema: Any, inner: Any
    ) -> int:
        """The authorizer (https://sqlite.org/c3ref/set_authorizer.html)."""
        what = _denied(action, first or "", second)
        if what:
            self.refusal = f"{what} is not allowed on this guarded connection. Nothing was done."
        elif self._pooled and action in _MADE:
            self.refusal = (
                f"{_MADE[action]} {first} is not possible here: it would be in the memory of one"
                " connection of the pool, and the others would not have it. Use CREATE TEMP TABLE"
                " within one connection, an engine with poolclass=StaticPool, or a database of your"
                " own. Nothing was done."
            )
        else:
            if self.before is None:
                return apsw.SQLITE_OK
            return self.before(action, first, second, schema, inner)
        return apsw.SQLITE_DENY


def _denied(action: int, first: str, second: str | None) -> str:
    """What a statement is about to do, if it may not."""
    if action in _NEVER:
        return _NEVER[action]
    if action == apsw.SQLITE_ALTER_TABLE and first != "temp":
        return "ALTER TABLE"
    if action == apsw.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
        return "load_extension()"
    if action == apsw.SQLITE_PRAGMA:
        name = first.lower()
        if name in _ACTING:
            return f"PRAGMA {name}"
        if second is not None and name not in _SHOWING:
            return f"PRAGMA {name} with a value"
    return ""
