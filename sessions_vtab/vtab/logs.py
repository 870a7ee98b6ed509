"""What a connection sent, and what came of it: the tables ``http_requests`` and ``writes``.

And the audit file: who wrote what, when, and what came of it. Off unless a path is given. One JSON
object a line, one line for each row written and each call of a function that acts, with no values
and no bodies: what was stored is the service's to say. Lines are appended whole and unbuffered,
each when its outcome is known, so that several processes may share a file.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import stat
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar, Final, Self

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import (
    Backend,
    Context,
    Outcome,
    OutcomeState,
    Resource,
    Routine,
    Source,
)
from sessions_vtab.contract.capability import AccessPath, Capability
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.errors import ConfigurationError, StoreError, UnsupportedError, inherited

LOGS: Final = "sessions_vtab_logs"
"""Name of the source behind ``http_requests`` and ``writes``."""

_TEXT, _INTEGER, _REAL = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.REAL
_TIME, _JSON = ColumnType.TIME, ColumnType.JSON

HTTP_REQUESTS = Table(
    "http_requests",
    (
        Column("statement", _INTEGER, "Number of the statement within the connection."),
        Column("source", _TEXT, "Source that sent it."),
        Column("table", _TEXT, "Table or function it was for."),
        Column("method", _TEXT, "HTTP method."),
        Column("url", _TEXT, "URL without secrets."),
        Column("status", _INTEGER, "HTTP status; NULL if there was no response."),
        Column("attempt", _INTEGER, "Number of the attempt, from 1."),
        Column("elapsed_ms", _REAL, "Milliseconds until the response was read."),
        Column("bytes", _INTEGER, "Size of the response body in bytes."),
        Column("rows", _INTEGER, "Number of rows in the response."),
        Column("error", _TEXT, "Error message."),
    ),
    "One row per HTTP request of this connection; the last 10 000 are kept.",
    hidden=(Column("number", _INTEGER, "Sequence number of the request; key of the row."),),
    key="number",
    example="SELECT method, url, status FROM http_requests ORDER BY number DESC LIMIT 5",
)

WRITES = Table(
    "writes",
    (
        Column("statement", _INTEGER, "Number of the statement within the connection."),
        Column("row", _INTEGER, "Position of the row within the statement, from 1."),
        Column("source", _TEXT, "Source it was for."),
        Column("table", _TEXT, "Table it was for."),
        Column("action", _TEXT, "insert, update or delete."),
        Column("key", _TEXT, "Name of the row, as far as the statement gave it."),
        Column(
            "outcome", _TEXT, "sent, failed, unknown, skipped, not sent, sent although rolled back."
        ),
        Column("http_status", _INTEGER, "HTTP status of the response."),
        Column("error", _TEXT, "Error message."),
        Column("answer_key", _TEXT, "Name returned by the server."),
        Column("started", _TIME, "Time at which sending began."),
        Column("elapsed_ms", _REAL, "Milliseconds until the response was read."),
    ),
    "One row per row written by this connection, with its outcome; the last 10 000 are kept,"
    " and all of the last transaction.",
    hidden=(Column("number", _INTEGER, "Sequence number of the outcome; key of the row."),),
    key="number",
    example="SELECT key, outcome, error FROM writes WHERE outcome <> 'sent'",
)

DRY_RUN = Table(
    "dry_run",
    (
        Column("source", _TEXT, "Source it is for."),
        Column("table", _TEXT, "Table it is for."),
        Column("action", _TEXT, "insert, update or delete."),
        Column("method", _TEXT, "HTTP method, or the action on the store."),
        Column("url", _TEXT, "URL without secrets, or the row's name in the store."),
        Column("body", _JSON, "JSON body."),
    ),
    "One row per request that a write would have sent.",
    key="url",
)


_KEPT: Final = 10_000


class Log(Resource):
    """The last rows of one kind, as a table.

    Args:
        table: whose columns they have.
        trimmed: it grows until ``trim`` is called; else the oldest row goes with each new one.
    """

    capability = Capability((AccessPath("log"),), rows=100, remote=False)

    def __init__(self, table: Table, *, trimmed: bool = False) -> None:
        self.table = table
        self._names = table.names
        self._rows: deque[Row] = deque(maxlen=None if trimmed else _KEPT)
        self._numbers = count(1)

    def add(self, values: Mapping[str, Value]) -> None:
        """Appends a row; columns that are not named are NULL."""
        numbered = {**values, "number": next(self._numbers)}
        self._rows.append(tuple(map(numbered.get, self._names)))

    def trim(self) -> None:
        """Forgets all but the last rows."""
        while len(self._rows) > _KEPT:
            self._rows.popleft()

    def last(self, column: str) -> Value:
        """What the last row has in a column; None without rows."""
        return self._rows[-1][self.table.positions[column]] if self._rows else None

    def clear(self) -> None:
        """Forgets all rows."""
        self._rows.clear()

    def amend(self, change: Callable[[dict[str, Value]], None]) -> None:
        """Lets ``change`` edit each row, given as column name to value."""
        for index, row in enumerate(self._rows):
            values = dict(zip(self.table.names, row, strict=True))
            change(values)
            self._rows[index] = tuple(values.values())

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:  # noqa: ARG002
        """All rows, as they were when the scan began."""
        yield list(self._rows)


_connections = count(1)

_LINE: Final = 512
"""Bytes that a line takes at most, but for unusual names; for the look at what the disk has free.
"""
_LONGEST_KEY: Final = 1_000


class Audit:
    """Appends to one file; opened at once, so that a path that cannot be written is told first.

    Args:
        path: the file; made with mode 0600 if it is not there. Nothing but a regular file will do:
            a pipe would wait for a reader, and a device keeps no line.

    Raises:
        ConfigurationError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = -1
        self._path = os.path.expanduser(os.fspath(path))  # noqa: PTH111  # No error without home.
        try:
            self._file = _opened(self._path)
        except OSError as error:
            raise ConfigurationError(
                f"The audit file {self._path} cannot be written: {error.strerror}."
            ) from None
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise ConfigurationError(
                f"The audit file {self._path} must be a regular file, not a device or a pipe."
            )
        # SQL numbers statements by connection, of which a process may have several.
        self._process = os.getpid()
        about = {"process": self._process, "connection": next(_connections)}
        self._about = {"user": _user(), **about}
        self._broken: OSError | None = None
        self._measured = hasattr(os, "fstatvfs")

    def add(self, line: Mapping[str, Any]) -> None:
        """Appends a line about a write that has happened; a failure to do so only warns."""
        key = line.get("key")
        cut = {} if key is None else {"key": key[:_LONGEST_KEY]}
        whole = {"time": times.to_rfc3339(times.now()), **self._about, **line, **cut}
        data = json.dumps(whole, separators=(",", ":")).encode() + b"\n"
        try:
            self._append(data)
        except OSError as error:
            self._broken = error
            _tell(
                f"The audit file {self._path} could not be written: {error.strerror}. It"
                f" lacks this line: {data.decode().rstrip()}"
            )

    def require(self, lines: int = 1) -> None:
        """Before something is written.

        Raises:
            StoreError: an earlier line could not be appended, or the disk has no room for these.
            UnsupportedError: this process inherited the connection, whose lines name another.
        """
        if os.getpid() != self._process:
            raise UnsupportedError(inherited(f"The audit file {self._path}"))
        if self._broken is not None:
            raise StoreError(
                f"The audit file {self._path} cannot be written ({self._broken.strerror}), so"
                " this connection sends nothing more. Free some space and connect again."
            )
        if self._measured and _free(self._file) < lines * _LINE:
            raise StoreError(
                f"The disk of the audit file {self._path} has no room for {lines} more"
                f" {'line' if lines == 1 else 'lines'},"
                " so nothing was sent. Free some space first."
            )

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close

    def _append(self, data: bytes) -> None:
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _opened(path: str) -> int:
    # Without O_NONBLOCK, opening a pipe would wait for a reader; for a file it changes nothing.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    return os.open(path, flags, 0o600)


def _tell(message: str) -> None:
    """Warns. Raised, it would end the sending and lose the outcomes of the rows that follow."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        sys.stderr.write(f"{message}\n")


def _free(file: int) -> int:
    found = os.fstatvfs(file)
    return found.f_bavail * found.f_frsize


def _user() -> str | None:
    """The user as the system knows it: the environment, which ``getpass`` asks first, may lie."""
    if sys.platform == "win32":
        return getpass.getuser()
    import pwd  # noqa: PLC0415  # Not on every platform.

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # No name for this user id, as in some containers.
        return str(os.geteuid())


class Logs:
    """Both logs of a connection, and its audit file if it has one."""

    def __init__(self, audit: Audit | None = None) -> None:
        self.requests = Log(HTTP_REQUESTS)
        # Who goes on with a bulk write that stopped half-way needs all of its rows.
        self.writes = Log(WRITES, trimmed=True)
        self._audit = audit

    @property
    def audited(self) -> bool:
        """Whether there is an audit file."""
        return self._audit is not None

    def require_audit(self, lines: int = 1) -> None:
        """Before something is written: raises StoreError if the audit file cannot take it."""
        if self._audit is not None:
            self._audit.require(lines)

    def audit(self, **line: Any) -> None:
        """Adds a line to the audit file, if there is one."""
        if self._audit is not None:
            self._audit.add(line)

    def wrote(self, source: str, outcome: Outcome) -> None:
        """Adds a row to ``writes``, and a line to the audit file."""
        write = outcome.write
        self.writes.add(
            {
                "statement": write.statement,
                "row": write.row,
                "source": source,
                "table": write.table,
                "action": write.action.value,
                "key": write.key or _given_key(write.values),
                "outcome": outcome.state.value,
                "http_status": outcome.http_status,
                "error": None if outcome.error is None else str(outcome.error),
                "answer_key": outcome.key,
                "started": times.to_text(times.now()),
                "elapsed_ms": outcome.elapsed_ms,
            }
        )
        self.audit(
            statement=write.statement,
            row=write.row,
            source=source,
            table=write.table,
            action=write.action.value,
            key=outcome.key or write.key or _given_key(write.values),
            outcome=outcome.state.value,
            http_status=outcome.http_status,
            **failure(outcome.error),
        )

    def rolled_back(self, statements: set[int]) -> None:
        """Marks the sent writes of statements that SQLite rolled back afterwards."""

        def mark(row: dict[str, Value]) -> None:
            if row["statement"] in statements and row["outcome"] == OutcomeState.SENT.value:
                row["outcome"] = OutcomeState.SENT_THEN_ROLLED_BACK.value
                names = ("statement", "row", "source", "table", "action", "outcome", "http_status")
                self.audit(
                    **{name: row[name] for name in names}, key=row["answer_key"], **failure(None)
                )

        self.writes.amend(mark)


class LogsBackend(Backend):
    """The logs in the form of a backend, so that they are read like any other table."""

    name: ClassVar[str] = "logs"
    routines: Mapping[str, Routine] = {}

    def __init__(self, logs: Logs) -> None:
        tables = (logs.requests, logs.writes)
        self.resources = {log.table.name: log for log in tables}

    @classmethod
    def open(cls, source: Source) -> Self:  # noqa: ARG003
        """Empty logs."""
        return cls(Logs())

    def describe(self) -> str:
        """Says that it is the connection's memory."""
        return "this connection's memory"


def failure(error: BaseException | None) -> dict[str, str | None]:
    """What the audit file says of an error: its class, and no word of a service or of the user."""
    said = getattr(error, "brief", "")
    return {"error": None if error is None else type(error).__name__, "message": said or None}


def without_values(outcome: Outcome) -> Outcome:
    """What the logs need of an outcome, for as long as its transaction is open."""
    key = outcome.write.key or _given_key(outcome.write.values)
    write = replace(outcome.write, key=key, values={})
    return replace(outcome, write=write, row=None, response=None)


def _given_key(values: Mapping[str, Value]) -> str | None:
    """What a new row says about itself: its name, or the id of its session."""
    given = values.get("name") or values.get("session_name") or values.get("session_id")
    return given if isinstance(given, str) else None
