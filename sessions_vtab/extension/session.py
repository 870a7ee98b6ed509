"""One database connection of a host: its sources and tables, and what SQLite asks of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple

import sessions_vtab
from sessions_vtab.config import load
from sessions_vtab.connection import close_sources, open_sources
from sessions_vtab.contract import times
from sessions_vtab.contract.declare import declare_function
from sessions_vtab.errors import (
    ConfigurationError,
    ReadOnlyError,
    SessionsError,
    UnknownNameError,
)
from sessions_vtab.extension.created import created, functions_of
from sessions_vtab.extension.hosted import (
    Connection,
    Constraint,
    Offered,
    RunFirstError,
    Statements,
)
from sessions_vtab.extension.link import PROTOCOL, RESULT, RUN_FIRST
from sessions_vtab.extension.narrowing import Narrowing
from sessions_vtab.extension.scan import About, Batch, Scan
from sessions_vtab.extension.scans import Scans
from sessions_vtab.extension.writes import step, write
from sessions_vtab.sql.catalog import OurTable
from sessions_vtab.vtab.audit import Audit
from sessions_vtab.vtab.calling import named_source
from sessions_vtab.vtab.contents import add_logs
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.modules import SourceModule
from sessions_vtab.vtab.statements import RunningStatement
from sessions_vtab.vtab.table import SourceTable

__all__ = ["Session"]

_READS: Final = 1
_ONLY_READS: Final = 2
_TRANSACTION: Final = 4
_USED: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A connected table.

    Attributes:
        table: the table or function.
        shape: how many columns it has, and the place of its key; -1: none.
        acts: the function's name, if it has side effects.
        narrowing: None where reading costs nothing.
    """

    table: SourceTable | FunctionTable
    shape: tuple[int, int]
    acts: str = ""
    narrowing: Narrowing | None = None


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


class Session:
    """Answers the requests of one connection; ``bridge.h`` lists them.

    Args:
        stopped: whether the host has sent something while a request is being answered.
    """

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._connection = Connection(stopped)
        self._statements = Statements()
        self._tables: dict[int, _Entry] = {}
        self._numbers = count(1)
        self._sources: dict[str, OpenSource] = {}
        self._audit: Audit | None = None
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
        close_sources(self._sources.values())
        if self._audit is not None:
            self._audit.close()

    # The connection.

    def _hello(self, protocol: int, _version: int, _pid: int) -> tuple[Any, ...]:
        if protocol != PROTOCOL:
            raise SessionsError(
                f"The extension speaks protocol {protocol}, and sessions_vtab"
                f" {sessions_vtab.__version__} speaks {PROTOCOL}. Install them together."
            )
        configuration = load()
        # Statements of strangers reach this too (Datasette): the owner allows writing.
        said = os.environ.get("SESSIONS_VTAB_WRITABLE")
        writable = configuration.writable_extension if said is None else said == "1"
        self._sources = open_sources(configuration.sources.values(), read_only=not writable)
        if writable and configuration.audit is not None:
            self._audit = Audit(configuration.audit)
        self._host = host = Host(
            self._connection,
            self._statements,
            self._sources,
            read_only=not writable,
            audit=self._audit,
        )
        host.installing = True
        host.lenient_parameters = True
        self._scans = Scans(host.cursors)
        self._module = SourceModule(host)
        self._default = self._sources[configuration.default]
        return sessions_vtab.__version__, created(self._sources, self._default, add_logs(host))

    def _connect(self, schema: str, name: str, source: str, table: str, kind: int) -> Any:
        number = next(self._numbers)
        if kind:
            return number, *self._function(number, name)
        known = self._host.sources.get(source)
        if known is None:
            raise ConfigurationError(
                f"No source is named {source}. The configuration has {', '.join(self._sources)}."
            )
        if table not in known.backend.resources:
            raise UnknownNameError(f"The source {source} has no table {table}.")
        sql, made = self._module.Connect(self._connection, "", schema, name, source, table)
        resource = made.resource
        narrowing = None
        if resource.capability.costly:
            ours = OurTable(resource.table, resource.capability, source)
            narrowing = Narrowing(self._host, made, name, ours)
        width = len(resource.table.columns)
        self._tables[number] = _Entry(made, (width, made.key), narrowing=narrowing)
        return number, sql, made.key, 1

    def _function(self, number: int, name: str) -> tuple[str, int, int]:
        function, having = functions_of(self._sources, self._default, name)

        def source() -> OpenSource:
            text = self._statements.current.text
            return named_source(text, name, having, self._default.name)

        table = FunctionTable(self._host, function, name, source)
        width = len(function.results) + len(function.parameters)
        self._tables[number] = _Entry(table, (width, -1), name if function.effect else "")
        return declare_function(function), -1, int(function.effect)

    def _forget(self, number: int) -> None:
        self._tables.pop(number, None)

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

    def _opened(self, entry: _Entry, statement: RunningStatement, about: About) -> Scan:
        return Scan(entry.table.Open(), statement, about, entry.shape)

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
