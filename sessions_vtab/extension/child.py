"""The process behind the loadable extension: serves the tables to the connections of its host.

The extension starts it and passes one socket for each database connection over file descriptor 3.
Each connection has a thread, and sources of its own.
"""

from __future__ import annotations

import array
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import apsw

import sessions_vtab
from sessions_vtab.contract import times
from sessions_vtab.errors import ReadOnlyError, SessionsError, UnsupportedError
from sessions_vtab.extension.hosted import (
    ERROR,
    PROTOCOL,
    RESULT,
    RUN_FIRST,
    Constraint,
    HostedConnection,
    HostedStatements,
    Offered,
    RunFirstError,
    SocketLink,
    decoded,
    reported,
)
from sessions_vtab.extension.scans import About, Batch, HostScan, Scans
from sessions_vtab.extension.tables import Tables
from sessions_vtab.sql.lexer import TokenKind, tokenize
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.statements import RunningStatement
from sessions_vtab.vtab.table import SourceTable

_DESCRIPTORS: Final = 4096
_UNANSWERED: Final = (b"D", b"X")
_CANCEL: Final = b"K"


def main(descriptor: int) -> None:
    """Serves connections until the host ends.

    Args:
        descriptor: of the socket that the others come over.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the host had open: a pipe of its own would stay open with this process.
    os.closerange(descriptor + 1, _DESCRIPTORS)
    control = socket.socket(fileno=descriptor)
    while True:
        data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
        if not data:
            # Also with threads that wait for a service: nobody wants their answers any more.
            os._exit(0)
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                (one,) = array.array("i", raw)
                link = SocketLink(socket.socket(fileno=one))
                threading.Thread(target=serve, args=(link,), daemon=True).start()


def serve(link: SocketLink) -> None:
    """Answers the requests of one connection until its host closes it."""
    session = HostSession(link.waiting)
    try:
        while True:
            kind, payload = link.read()
            if kind != _CANCEL:  # That came too late: the answer is on its way.
                _answer(link, session, kind, payload)
    except (OSError, EOFError):
        return
    finally:
        session.close()
        link.close()


def _answer(link: SocketLink, session: HostSession, kind: bytes, payload: bytes) -> None:
    try:
        answer = session.answer(kind, decoded(payload))
    except Exception as error:  # noqa: BLE001  # Everything is SQLite's to report.
        answer = ERROR, reported(error)
    if kind not in _UNANSWERED:
        link.write(*answer)


_READS: Final = 1
_ONLY_READS: Final = 2
_TRANSACTION: Final = 4
_USED: Final = (1 << 64) - 1


class _Filter(NamedTuple):
    """The request to begin a scan: see ``bridge.h``."""

    table: int
    cursor: int
    statement: int
    plan_text: str
    columns: int
    arguments: tuple[Any, ...]
    positions: tuple[tuple[int, int], ...]
    flags: int
    text: str | None


class HostSession:
    """Answers the requests of one connection; ``bridge.h`` lists them.

    Args:
        stopped: whether the host has sent something while a request is being answered.
    """

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._connection = HostedConnection(stopped)
        self._statements = HostedStatements()
        self._served: Tables | None = None
        self._version = 0
        self._scans = Scans([])
        self._requests: dict[bytes, Callable[..., Any]] = {
            b"H": self._hello,
            b"C": self._connect,
            b"B": self._best_index,
            b"F": self._filter,
            b"N": lambda cursor: self._scan(cursor).following(),
            b"V": lambda cursor, position: (self._scan(cursor).key_at(position),),
            b"U": self._update,
            b"T": self._transaction,
            b"Z": lambda first, second: (times.compare(first, second),),
            b"D": self._forget,
            b"X": self._close_scan,
        }

    def answer(self, kind: bytes, request: Any) -> tuple[bytes, Any]:
        """Kind and value of the answer to a request.

        Raises:
            Exception: whatever is to be reported as the statement's error.
        """
        asked = self._requests.get(kind)
        if asked is None:
            raise SessionsError(f"The extension asks for {kind!r}, which is not known.")
        try:
            return RESULT, asked(*request)
        except RunFirstError as first:
            return RUN_FIRST, (first.sql,)

    def close(self) -> None:
        """Ends what is being read, and closes the sources; unsent writes are lost."""
        self._scans.close_all()
        if self._served is not None:
            self._served.close()

    # The connection.

    def _hello(self, protocol: int, version: int, _pid: int) -> tuple[Any, ...]:
        if protocol != PROTOCOL:
            raise SessionsError(
                f"The extension speaks protocol {protocol}, and sessions_vtab"
                f" {sessions_vtab.__version__} speaks {PROTOCOL}. Install them together."
            )
        self._version = version
        self._served = tables = Tables(self._connection, self._statements)
        self._scans = Scans(tables.host.cursors)
        return sessions_vtab.__version__, tables.entries

    @property
    def _tables(self) -> Tables:
        if self._served is None:
            raise SessionsError("The extension has not said which protocol it speaks.")
        return self._served

    def _connect(self, schema: str, name: str, source: str, table: str, kind: int) -> Any:
        tables = self._tables
        number = (
            tables.connect_function(name) if kind else tables.connect(schema, name, source, table)
        )
        made = tables[number]
        return number, made.declaration, made.key, int(made.direct_only)

    def _forget(self, number: int) -> None:
        self._tables.forget(number)

    # Reading.

    def _best_index(
        self,
        number: int,
        constraints: tuple[Constraint, ...],
        order: tuple[tuple[int, int], ...],
        distinct: int,
        used: int,
    ) -> tuple[Any, ...] | None:
        entry = self._tables[number]
        info = Offered(constraints, order, distinct, used & _USED, self._version)
        if isinstance(entry.table, FunctionTable):
            return info.answer() if entry.table.BestIndexObject(info) else None
        planned = entry.table.planned(info)
        if planned is None:
            return None
        if entry.narrowing is not None:
            entry.narrowing.promised(*planned)
        return info.answer()

    def _filter(self, *request: Any) -> Batch:
        asked = _Filter(*request)
        entry = self._tables[asked.table]
        self._connection.in_transaction = bool(asked.flags & _TRANSACTION)
        reads = bool(asked.flags & _READS)
        statement = self._tell(asked.statement, reads=reads, text=asked.text)
        if entry.acts and asked.flags & _ONLY_READS:
            raise ReadOnlyError(
                f"{entry.acts}() has side effects, but this connection is read-only. Nothing was"
                " sent."
            )
        self._scans.stand(asked.positions)
        about = About(statement.number, asked.table, asked.plan_text)
        scan = self._scans.opened(
            asked.cursor,
            about,
            lambda: HostScan(entry.table.Open(), statement, about, (entry.width, entry.key)),
        )
        scan.begin(asked.columns & _USED, asked.text)
        given: list[Any] = [set(o) if isinstance(o, list) else o for o in asked.arguments]
        plan: tuple[str, Sequence[Any]] = asked.plan_text, given
        if entry.narrowing is not None and scan.text:
            plan = entry.narrowing.plan(*plan, scan.text) or plan
        with self._scans.asking(scan):
            scan.cursor.Filter(0, *plan)
            return scan.batch()

    def _scan(self, cursor: int) -> HostScan:
        """An open scan, whose statement is the present one from now on."""
        scan = self._scans[cursor]
        self._statements.current = scan.statement
        return scan

    def _close_scan(self, cursor: int, heir: int) -> None:
        ended, idle = self._scans.close(cursor, heir=bool(heir)), self._scans.idle
        if ended is None:
            return
        # What its stores hold on to is let go with the last one, also within BEGIN, whose COMMIT a
        # connection that only reads is not told of.
        if idle:
            self._connection.in_transaction = False
        self._statements.ended(ended, idle=idle)

    # Writing.

    def _update(
        self, number: int, serial: int, conflict: int, text: str | None, values: tuple[Any, ...]
    ) -> tuple[()]:
        self._tell(serial, reads=False, text=text)
        self._connection.conflict = conflict
        write(self._tables[number].table, values, text or "")
        return ()

    def _transaction(self, number: int, hook: str, level: int, serial: int) -> tuple[()]:
        if serial:
            self._tell(serial, reads=False, text=None)
        if hook == "b":
            self._connection.in_transaction = bool(level)
        step(self._tables[number].table, hook, level)
        if hook in {"c", "r"}:
            self._statements.transaction_ended(self._scans.statements)
            if self._scans.idle:
                self._connection.in_transaction = False
        return ()

    def _tell(self, serial: int, *, reads: bool, text: str | None) -> RunningStatement:
        return self._statements.tell(serial, self._scans.statements, reads=reads, text=text)


_STEPS: Final = {"b": "Begin", "s": "Sync", "c": "Commit", "r": "Rollback"}
_LEVELS: Final = {"S": "Savepoint", "L": "Release", "R": "RollbackTo"}


def write(table: SourceTable | FunctionTable, values: tuple[Any, ...], text: str) -> None:
    """Writes one row.

    Args:
        table: a table of a source.
        values: as ``xUpdate`` has them (https://sqlite.org/vtab.html#xupdate); Ellipsis for a
            column that an UPDATE does not set.
        text: of the statement, with its first row; else empty.

    Raises:
        SessionsError: the row was refused.
    """
    if not isinstance(table, SourceTable):
        raise UnsupportedError("Functions have no rows to write.")
    if any(one.kind is TokenKind.WORD and one.upper == "RETURNING" for one in tokenize(text)):
        # SQLite answers it with what the statement gives: NULL for all that the server sets.
        raise UnsupportedError(
            f"RETURNING is not supported here. SELECT from {table.title} afterwards, call a"
            " function, or use sessions_vtab.connect(). Nothing was sent."
        )
    if len(values) == 1:
        table.UpdateDeleteRow(values[0])
        return
    old, _, *fields = (apsw.no_change if value is ... else value for value in values)
    if old is None:
        table.UpdateInsertRow(None, tuple(fields))
        return
    new = old if fields[table.key] is apsw.no_change else fields[table.key]
    table.UpdateChangeRow(old, new, tuple(fields))


def step(table: SourceTable | FunctionTable, hook: str, level: int) -> None:
    """Passes on a step of the transaction.

    Args:
        table: the table that takes part in it.
        hook: which, as a letter: see ``bridge.h``.
        level: of a savepoint.
    """
    if hook in _STEPS:
        getattr(table, _STEPS[hook])()
    else:
        getattr(table, _LEVELS[hook])(level)
