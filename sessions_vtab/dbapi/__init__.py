"""DB-API 2.0 (PEP 249) over the sources' tables.

::

    from sessions_vtab import dbapi

    with dbapi.connect("vertex://my-project/us-central1/42") as db:
        cursor = db.cursor()
        cursor.execute("SELECT session_id FROM sessions WHERE user_id = ?", ["ann"])
        rows = cursor.fetchall()

A transaction begins with the first INSERT, UPDATE or DELETE and ends with ``commit()``, which sends
what is queued for remote sources, or ``rollback()``, which sends nothing. Functions that act, such
as ``append_event(..)``, act at once, inside a transaction too. Times come as the UTC text that the
tables hold, with ``connect(.., datetimes=True)`` as ``datetime``; both are taken as parameters. A
connection is used by one thread at a time; ``interrupt()`` may be called from any.

Here is the connection; besides:

* `cursor`, `types`, `errors`: what else PEP 249 asks for
* `arrow`: rows as Arrow
* `limits`: one thread at a time, time limits, and what people behind a BI tool cannot do
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import apsw

from sessions_vtab import connection as engine
from sessions_vtab.config import SourceLike
from sessions_vtab.contract.backend import Source
from sessions_vtab.dbapi import errors
from sessions_vtab.dbapi.cursor import Cursor
from sessions_vtab.dbapi.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004  # The name PEP 249 gives it.
    translated,
)
from sessions_vtab.dbapi.limits import Guard, StatementClock, Turn
from sessions_vtab.dbapi.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "sqlite_version",
    "sqlite_version_info",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 1
"""Threads may share the module, but not connections."""
paramstyle = "qmark"
"""``?``; ``:name`` with a mapping is taken as well."""

sqlite_version = apsw.sqlite_lib_version()
"""Version of the SQLite inside, as in the module ``sqlite3``."""
sqlite_version_info = tuple(map(int, sqlite_version.split(".")))


class Connection:
    """A connection to one or more sources, as PEP 249 has it.

    Attributes:
        driver: the ``sessions_vtab.Connection`` behind it; ``driver_connection`` and ``apsw`` are
            other names of it.
        guard: what keeps people who only look from more; None if nothing does.
        turn: held while a thread uses the connection.
        timeout: seconds a statement may take; time between the calls that fetch its rows does not
            count. None for ever.
        datetimes: whether times are fetched as ``datetime`` in UTC; otherwise as text.
        max_rows: rows a statement may give before it is an error; None for any number.
    """

    # PEP 249, "Optional DB API Extensions": so that code with a connection needs no module.
    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(
        self,
        driver: engine.Connection,
        *,
        autocommit: bool = False,
        timeout: float | None = None,
        max_rows: int | None = None,
        datetimes: bool = False,
        guard: Guard | None = None,
    ) -> None:
        self.driver = driver
        self.guard = guard
        if guard is not None:
            guard.before, driver.authorizer = driver.authorizer, guard
        self.timeout = timeout
        self.max_rows = max_rows
        self.datetimes = datetimes
        self._autocommit = autocommit
        self._closed = False
        self.turn = Turn()
        self._cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()
        # What its sources hold, files and sockets, would stay open otherwise.
        self._forgotten = weakref.finalize(self, driver.close)
        self._forgotten.atexit = False

    def cursor(self) -> Cursor:
        """A new cursor."""
        self.require_open()
        cursor = Cursor(self)
        self._cursors.add(cursor)
        return cursor

    def execute(self, operation: str, parameters: Any = None) -> Cursor:
        """A new cursor that has executed a statement (an extension, as in ``sqlite3``)."""
        return self.cursor().execute(operation, parameters)

    def executemany(self, operation: str, seq_of_parameters: Iterable[Any]) -> Cursor:
        """A new cursor that has executed a statement for each set of parameters."""
        return self.cursor().executemany(operation, seq_of_parameters)

    def commit(self) -> None:
        """Sends what is queued and ends the transaction; without one, nothing happens.

        Raises:
            OperationalError: some writes failed; the table ``writes`` has one row for each. The
                transaction is over: what was sent stays.
        """
        self.require_open()
        with self.turn, translated():
            self._end("COMMIT")

    def rollback(self) -> None:
        """Discards queued writes and rolls back the local store; sends nothing."""
        self.require_open()
        with self.turn, translated():
            self._end("ROLLBACK")

    def close(self) -> None:
        """Closes the connection; what is not committed is lost. May be called twice."""
        with self.turn, translated():
            if self._closed:
                return
            for cursor in list(self._cursors):
                cursor.close()
            self._closed = True
            try:
                self._end("ROLLBACK")
            finally:
                self._forgotten()

    def interrupt(self) -> None:
        """Ends the statements that are running, with OperationalError; from any thread."""
        self.require_open()
        with translated():
            self.driver.interrupt()

    def clock(self) -> StatementClock | None:
        """What measures the time of a new statement; None without a limit."""
        return None if self.timeout is None else StatementClock(self.driver, self.timeout)

    def stopped(self, by: Cursor) -> None:
        """Ends all half-read statements after an interrupt, because SQLite interrupts them all.

        As long as one of them is open, SQLite also interrupts whatever is executed next.
        """
        for cursor in list(self._cursors):
            if cursor is not by:
                cursor.stop()

    def clear_logs(self) -> None:
        """Empties the tables ``http_requests`` and ``writes``."""
        self.require_open()
        with self.turn:
            self.driver.clear_logs()

    def begin(self) -> None:
        """Begins a transaction unless one is open or every statement is its own."""
        if not (self._autocommit or self.driver.in_transaction):
            apsw.Cursor(self.driver).execute("BEGIN")

    @property
    def driver_connection(self) -> engine.Connection:
        """The ``sessions_vtab.Connection`` behind it."""
        return self.driver

    apsw = driver_connection

    @property
    def in_transaction(self) -> bool:
        """Whether something may be waiting for ``commit`` or ``rollback``."""
        self.require_open()
        return self.driver.in_transaction

    @property
    def autocommit(self) -> bool:
        """Whether every statement is a transaction of its own."""
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        """Turning it on commits what is open."""
        if value:
            self.commit()
        self._autocommit = value

    def require_open(self) -> None:
        """Raises ProgrammingError once the connection is closed."""
        if self._closed:
            raise ProgrammingError("The connection is closed.")

    def _end(self, how: str) -> None:
        # Not by a bare cursor: what the statement rewriter knows of names may end with a ROLLBACK.
        if self.driver.in_transaction:
            self.driver.execute(how)

    def __repr__(self) -> str:
        """What it is connected to, or that it is closed."""
        shown = (
            "closed" if self._closed else repr(self.driver)[len("<sessions_vtab.Connection ") : -1]
        )
        return f"<sessions_vtab.dbapi.Connection {shown}>"

    def __enter__(self) -> Self:
        """Itself."""
        self.require_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commits, or rolls back after an error; the connection stays open, as in ``sqlite3``."""
        if kind is None:
            self.commit()
        else:
            self.rollback()


def connect(  # noqa: PLR0913  # Each is a setting of its own.
    url: str | None = None,
    *,
    sources: Mapping[str, SourceLike] | Sequence[str | Source] | None = None,
    default: str | None = None,
    config: str | os.PathLike[str] | None = None,
    read_only: bool = False,
    dry_run: bool = False,
    audit: str | os.PathLike[str] | None = None,
    autocommit: bool = False,
    guarded: bool = False,
    pooled: bool = False,
    timeout: float | None = None,
    max_rows: int | None = None,
    datetimes: bool = False,
) -> Connection:
    """A connection to one or more sources.

    Args:
        url: one source, such as ``vertex://PROJECT/LOCATION/ENGINE``; see ``config``.
        sources: further sources.
        default: name of the source whose tables need no prefix.
        config: the configuration file.
        read_only: refuse every write and every function with an effect.
        dry_run: writes answer with the requests they would make, and make none.
        audit: a file that every write is noted in; otherwise the configuration file's ``audit``.
        autocommit: every statement is a transaction of its own.
        guarded: refuse ATTACH, DETACH, virtual tables, extensions, and pragmas that change
            something.
        pooled: the connection is one of a pool: where it is guarded, tables of the user's own must
            be TEMP, because the other connections would not have them.
        timeout: seconds a statement may take, without the time between the calls that fetch its
            rows. Not a commit: what it has sent could not be taken back.
        max_rows: rows a statement may give; one more is an OperationalError, nothing is cut off
            silently.
        datetimes: fetch the values of time columns as ``datetime`` in UTC, with six digits of the
            second. Otherwise, and for expressions such as ``max(create_time)``, they are text.

    Raises:
        InterfaceError: naming the setting that is wrong.
        OperationalError: a credential is missing, or the store cannot be opened.
    """
    with translated():
        driver = engine.connect(
            url,
            sources=sources,
            default=default,
            config=config,
            read_only=read_only,
            dry_run=dry_run,
            audit=audit,
        )
    return Connection(
        driver,
        autocommit=autocommit,
        timeout=timeout,
        max_rows=max_rows,
        datetimes=datetimes,
        guard=Guard(pooled=pooled) if guarded else None,
    )
