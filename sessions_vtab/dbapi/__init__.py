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

* `connection`, `cursor`, `types`, `errors`: what PEP 249 asks for
* `arrow`: rows as Arrow
* `limits`: one thread at a time, time limits, and what people behind a BI tool cannot do
"""

from __future__ import annotations

import apsw

from sessions_vtab.dbapi.connection import Connection, connect
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
)
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
