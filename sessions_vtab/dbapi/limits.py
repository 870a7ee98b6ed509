"""What limits a connection: one thread at a time, seconds for a statement, what is not allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import apsw

from sessions_vtab.connection import Connection
from sessions_vtab.dbapi.errors import ProgrammingError
from sessions_vtab.vtab.access import Authorizer


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


class StatementClock:
    """The time that is left to one statement; it runs only while one of its calls does.

    A timer would outlive a cursor that is dropped half-read, and hit another statement.

    Args:
        connection: what is interrupted.
        seconds: what the statement may take in all.

    Attributes:
        seconds: the same.
        fired: it took longer and was interrupted.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.seconds = seconds
        self.fired = False
        self._connection = connection
        self._left = seconds
        self._due = 0.0

    def left(self) -> float:
        """Seconds until the running call is interrupted."""
        return self._due - time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block with one call of the statement."""
        self._due = time.monotonic() + self._left
        try:
            with self._connection.alarmed(self._look):
                yield
        finally:
            self._left = self.left()

    def _look(self) -> bool:
        # Again and again: SQLite ignores an interrupt that comes before the first step.
        if self.left() <= 0:
            self.fired = True
            self._connection.interrupt()
        return False


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
