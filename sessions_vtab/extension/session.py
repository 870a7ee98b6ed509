"""One database connection of a host: what SQLite asks of its tables, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import sessions_vtab
from sessions_vtab.contract import times
from sessions_vtab.errors import ReadOnlyError, SessionsError
from sessions_vtab.extension.hosted import (
    Constraint,
    HostedConnection,
    HostedStatements,
    Offered,
    RunFirstError,
)
from sessions_vtab.extension.link import PROTOCOL, RESULT, RUN_FIRST
from sessions_vtab.extension.scan import About, Batch, HostScan
from sessions_vtab.extension.scans import Scans
from sessions_vtab.extension.tables import ConnectedTable, Tables
from sessions_vtab.extension.writes import step, write
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.statements import RunningStatement

__all__ = ["HostSession"]

_READS: Final = 1
_ONLY_READS: Final = 2
_TRANSACTION: Final = 4
_USED: Final = (1 << 64) - 1


class _Filter(NamedTuple):
    """The request to begin a scan: see ``bridge.h``."""

    table: int
    cursor: int
    statement: int
    words: str
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
        self._scans = Scans([])
        self._requests: dict[bytes, Callable[..., Any]] = {
            b"H": self._hello,
            b"C": self._connect,
            b"B": self._best_index,
            b"F": self._filter,
            b"N": self._next,
            b"V": self._key_at,
            b"U": self._update,
            b"T": self._transaction,
            b"Z": self._compare,
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

    def _hello(self, protocol: int, _version: int, _pid: int) -> tuple[Any, ...]:
        if protocol != PROTOCOL:
            raise SessionsError(
                f"The extension speaks protocol {protocol}, and sessions_vtab"
                f" {sessions_vtab.__version__} speaks {PROTOCOL}. Install them together."
            )
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

    def _compare(self, first: str, second: str) -> tuple[int]:
        return (times.compare(first, second),)

    # Reading.

    def _best_index(
        self,
        number: int,
        constraints: tuple[Constraint, ...],
        order: tuple[tuple[int, int], ...],
        used: int,
    ) -> tuple[Any, ...] | None:
        entry = self._tables[number]
        info = Offered(constraints, order, used & _USED)
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
        about = About(statement.number, asked.table, asked.words)
        scan = self._scans.opened(
            asked.cursor, about, partial(self._opened, entry, statement, about)
        )
        scan.begin(asked.columns & _USED, asked.text)
        given: list[Any] = [set(o) if isinstance(o, list) else o for o in asked.arguments]
        plan: tuple[str, Sequence[Any]] = asked.words, given
        if entry.narrowing is not None and scan.text:
            plan = entry.narrowing.plan(*plan, scan.text) or plan
        with self._scans.asking(scan):
            scan.cursor.Filter(0, *plan)
            return scan.first()

    def _opened(self, entry: ConnectedTable, statement: RunningStatement, about: About) -> HostScan:
        return HostScan(entry.table.Open(), statement, about, (entry.width, entry.key))

    def _next(self, cursor: int) -> Batch:
        scan = self._scans[cursor]
        self._statements.current = scan.statement
        return scan.following()

    def _key_at(self, cursor: int, position: int) -> tuple[Any]:
        scan = self._scans[cursor]
        self._statements.current = scan.statement
        return (scan.key_at(position),)

    def _close_scan(self, cursor: int, heir: int) -> None:
        ended = self._scans.close(cursor, heir=bool(heir))
        if ended is not None:
            self._ended(ended)

    def _ended(self, statement: RunningStatement) -> None:
        """A statement reads no more: what its stores hold on to is let go with the last one.

        Also within BEGIN, whose COMMIT a connection that only reads is not told of.
        """
        idle = self._scans.idle
        if idle:
            self._connection.in_transaction = False
        self._statements.ended(statement, idle=idle)

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
