"""The process behind the loadable extension: it serves the tables to SQLite connections elsewhere.

PROTOTYPE. ``sessions_vtab.c`` starts it, passes one socket for each database connection over file descriptor
3, and describes the messages. Each connection has a thread, and sources of its own. The tables are
those of ``vtab.table`` and ``vtab.function``: what APSW would call is called here with what SQLite
said on the other side (``_IndexInfo``, ``_HostConnection``), so that planning, look-ahead, memo and
unit of work are the same.
"""

# mypy: ignore-errors
# ruff: noqa: C901, E501, F401, I001, PLR0913, PLR0917, S302
# The prototype: it is taken apart into modules with a subject each.

from __future__ import annotations

import array
import contextlib
import marshal
import os
import re
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import Any, Final

import apsw

import sessions_vtab
from sessions_vtab import registry
from sessions_vtab.config import load
from sessions_vtab.extension.served import (
    _Catalog,
    _Function,
    _HostConnection,
    _IndexInfo,
    _Narrowing,
    _Scan,
    _Statements,
)
from sessions_vtab.errors import (
    ReadOnlyError,
    SessionsError,
    StoppedError,
    UnknownNameError,
    UnsupportedError,
)
from sessions_vtab.contract.declare import declare_function
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract import times
from sessions_vtab.contract.source import Source
from sessions_vtab.sql.catalog import OurTable
from sessions_vtab.sql.effects import mentioned
from sessions_vtab.sql.front_door import FrontDoor
from sessions_vtab.sql.lexer import name_of, tokenize
from sessions_vtab.sql.shapes import partners
from sessions_vtab.vtab.costly_cursor import CostlyCursor
from sessions_vtab.vtab.cursor import ScanCursor
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.logs import LogsBackend
from sessions_vtab.vtab.statements import Statement
from sessions_vtab.vtab.modules import SourceModule

__all__ = ["main"]

PROTOCOL: Final = 1
_HEAD: Final = struct.Struct("<IB3x")
_FIRST, _MOST, _FLUSH = 64, 2048, 0.05
"""Rows of the first batch and of the largest, and seconds after which a batch goes out."""
_READS: Final = 1
_ONLY_READS: Final = 2
_TRANSACTION: Final = 4
_LOGS: Final = "sessions_vtab_logs"


def main(descriptor: int) -> None:
    """Serves connections until the process on the other side ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.closerange(descriptor + 1, 4096)
    control = socket.socket(fileno=descriptor)
    while True:
        data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(4))
        if not data:
            # Also with threads that wait for a service: nobody wants their answers any more.
            os._exit(0)
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                (one,) = array.array("i", raw[:4])
                link = _Link(socket.socket(fileno=one))
                threading.Thread(target=_serve, args=(link,), daemon=True).start()


def _serve(link: _Link) -> None:
    session = _Session(link)
    try:
        while True:
            kind, payload = link.read()
            if kind == b"K":
                continue  # It came too late: the answer is on its way.
            try:
                answer = session.handle(kind, marshal.loads(payload))
            except Exception as error:  # noqa: BLE001  # Everything is SQLite's to report.
                if kind in b"DX":
                    continue
                link.write(b"E", _code(error), _text(error))
            else:
                if kind not in b"DX":
                    link.write(b"R", *answer)
    except (OSError, EOFError):
        return
    finally:
        session.close()
        link.close()


class _Link:
    """The socket of one connection."""

    def __init__(self, one: socket.socket) -> None:
        self._socket = one
        self._poll = select.poll()
        self._poll.register(one, select.POLLIN)

    def read(self) -> tuple[bytes, bytes]:
        size, kind = _HEAD.unpack(self._exactly(_HEAD.size))
        return bytes((kind,)), self._exactly(size)

    def write(self, kind: bytes, *values: Any) -> None:
        # None alone is an answer too (B: no plan).
        payload = marshal.dumps(None if values == (None,) and kind == b"R" else values, 2)
        self._socket.sendall(_HEAD.pack(len(payload), kind[0]) + payload)

    def waiting(self) -> bool:
        """Whether something came while a request is answered: a cancel, or the end."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


class _Session:
    """One database connection of the host."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._connection = _HostConnection(link)
        self._tables: dict[int, Any] = {}
        self._numbers = count(1)
        self._scans: dict[int, _Scan] = {}
        self._offers: dict[tuple[int, str], Any] = {}
        self._names: dict[int, str] = {}
        self._parked: dict[tuple[int, int, str], list[_Scan]] = {}
        self._statements: dict[int, Statement] = {}
        self._sources: dict[str, OpenSource] = {}
        self._host: Host

    def handle(self, kind: bytes, request: Any) -> tuple[Any, ...]:
        match kind:
            case b"F":
                return self._filter(*request)
            case b"N":
                return self._next(*request)
            case b"X":
                return self._close_scan(*request)
            case b"B":
                return self._best_index(*request)
            case b"U":
                return self._update(*request)
            case b"T":
                return self._hook(*request)
            case b"Z":
                return (times.compare(*request),)
            case b"C":
                return self._connect(*request)
            case b"D":
                self._tables.pop(request[0], None)
                return ()
            case b"H":
                return self._hello(*request)
        raise SessionsError(f"unknown request {kind!r}")

    def close(self) -> None:
        for scan in self._scans.values():
            with contextlib.suppress(Exception):
                scan.cursor.Close()
        for source in self._sources.values():
            source.backend.close()

    def _hello(self, protocol: int, _version: int, _pid: int) -> tuple[Any, ...]:
        if protocol != PROTOCOL:
            raise SessionsError(
                f"the extension speaks protocol {protocol}, sessions_vtab"
                f" {sessions_vtab.__version__} speaks {PROTOCOL}: install them together"
            )
        configuration = load(None, None, None, None)
        for one in configuration.sources.values():
            self._sources[one.name] = OpenSource(one, registry.backend_class(one.backend).open(one))
        # Queries of strangers reach this too (Datasette): writing is asked for by the owner.
        writable = (
            configuration.writable_extension or os.environ.get("SESSIONS_VTAB_WRITABLE") == "1"
        )
        host: Any = Host(self._connection, _Statements(), self._sources, read_only=not writable)  # type: ignore[arg-type]
        logs = LogsBackend(host.logs)
        host.sources[_LOGS] = OpenSource(Source(_LOGS, logs.name), logs)
        host.installing = True
        host.sets = True
        self._host = host
        self._module = SourceModule(host)
        default = self._default = self._sources[configuration.default]
        made: list[tuple[str, str, str, str, int]] = []
        for source in self._sources.values():
            before = "" if source is default else f"{source.name}_"
            made += (
                ("temp", before + one, source.name, one, 0) for one in source.backend.resources
            )
        made += (("temp", one, _LOGS, one, 0) for one in logs.resources)
        for source in self._sources.values():
            made += ((source.name, one, source.name, one, 0) for one in source.backend.resources)
        routines = {one for source in self._sources.values() for one in source.backend.routines}
        made += (("", one, "", one, 1) for one in sorted(routines))
        self._narrowing = _Narrowing(
            host,
            _Catalog(
                {
                    (schema.lower(), name.lower()): OurTable(
                        resource.table, resource.capability, source
                    )
                    for schema, name, source, table, kind in made
                    if not kind
                    for resource in (host.sources[source].backend.resources[table],)
                }
            ),
        )
        return sessions_vtab.__version__, made

    def _connect(
        self, schema: str, name: str, source: str, table_name: str, kind: int
    ) -> tuple[Any, ...]:
        number = next(self._numbers)
        if kind:
            having = [one for one in self._sources.values() if name in one.backend.routines]
            self._tables[number] = _Function(self._host, having, self._default, name)
            return number, declare_function(FUNCTIONS[name]), -1, int(FUNCTIONS[name].effect)
        if source not in self._host.sources:
            known = ", ".join(self._sources)
            raise SessionsError(f"there is no source {source}; the configuration has {known}")
        if table_name not in self._host.sources[source].backend.resources:
            raise SessionsError(f"the source {source} has no table {table_name}")
        sql, table = self._module.Connect(self._connection, "", schema, name, source, table_name)
        self._tables[number] = table
        self._names[number] = name.lower()
        return number, sql, table.key, 1

    def _best_index(self, table: int, constraints: Any, order: Any, used: int) -> tuple[Any, ...]:
        one = self._tables[table]
        kept = range(len(constraints))
        if hasattr(one, "resource"):
            # Tools ask whether hidden columns are NULL (Datasette's facets): they are, as SQLite
            # finds out by itself. In the product's own shell that is an error: somebody erred.
            columns = one.resource.table.columns
            kept = [
                place
                for place, (column, op, *_) in enumerate(constraints)
                if op == apsw.SQLITE_INDEX_CONSTRAINT_EQ
                or not 0 <= column < len(columns)
                or not columns[column].parameter
            ]
        info = _IndexInfo([constraints[place] for place in kept], order, used & (1 << 64) - 1)
        if not one.BestIndexObject(info):
            return (None,)
        if hasattr(one, "resource"):
            self._offers[table, info.idxStr or ""] = (
                [constraints[place] for place in kept],
                order,
                used & (1 << 64) - 1,
                info,
            )
        uses = [(0, 0, 0)] * len(constraints)
        for place, use in zip(kept, info.uses, strict=True):
            uses[place] = tuple(use)
        return (tuple(uses), *info.answer())

    def _statement(self, serial: int, readonly: bool, text: str | None = None) -> Statement:
        statement = self._statements.get(serial)
        if statement is None:
            statement = Statement(serial, text or "", readonly)
            self._statements[serial] = statement
            self._host.statements.count += 1
            for old in [one for one in self._statements if one < serial - 64]:
                self._statements.pop(old).forget()
            for about in [one for one in self._parked if one[0] < serial - 64]:
                for scan in self._parked.pop(about):
                    scan.cursor.Close()
        elif text and not statement.text:
            statement.text = text
        self._host.statements.told(statement)
        return statement

    def _filter(
        self,
        table: int,
        number: int,
        serial: int,
        words: str,
        mask: int,
        arguments: tuple[Any, ...],
        positions: tuple[Any, ...],
        flags: int,
        text: str | None,
    ) -> tuple[Any, ...]:
        statement = self._statement(serial, bool(flags & _READS), text)
        self._connection.in_transaction = bool(flags & _TRANSACTION)
        acts = getattr(self._tables[table], "acts", "")
        if flags & _ONLY_READS and acts:
            raise ReadOnlyError(
                f"{acts}() acts, and this connection is read-only. Nothing was sent."
            )
        for other, position in positions:
            if other in self._scans:
                self._scans[other].stands_at(position)
        scan = self._scans.get(number)
        if scan is None:
            scan = self._scans[number] = self._opened(table, words, statement)
        scan.begin(mask)
        given = [set(one) if isinstance(one, list) else one for one in arguments]
        cursors = self._host.cursors
        # The look-ahead of the others sees this scan where SQLite stands; its own is no other.
        cursors[:] = [scan.cursor if one is scan else one for one in cursors]
        try:
            if text and hasattr(self._tables[table], "resource"):
                scan.text = text
            narrower = None
            if scan.text and (table, words) in self._offers:
                offer = self._offers[table, words]
                narrower = self._narrowing.scan(
                    self._tables[table], self._names[table], offer, given, scan.text
                )
            scan.cursor.Filter(0, *(narrower or (words, given)))
            return scan.batch()
        finally:
            cursors[:] = [scan if one is scan.cursor else one for one in cursors]

    def _opened(self, table: int, words: str, statement: Statement) -> _Scan:
        """A scan for a cursor that SQLite has opened.

        Before 3.45 SQLite opens one for each run of a correlated subquery: it goes on with the
        memo and the look-ahead of the one before.
        """
        about = (statement.number, table, words)
        parked = self._parked.get(about)
        if not parked:
            return _Scan(self._tables[table].Open(), statement, about)
        scan = parked.pop()
        if isinstance(scan.cursor, CostlyCursor):
            self._host.cursors.append(scan)  # type: ignore[arg-type]
        return scan

    def _next(self, number: int) -> tuple[Any, ...]:
        scan = self._scans[number]
        self._host.statements.told(scan.statement)
        scan.cursor.Next()
        return scan.batch()

    def _close_scan(self, number: int, heir: int) -> tuple[Any, ...]:
        scan = self._scans.pop(number)
        if heir:
            self._parked.setdefault(scan.about, []).append(scan)
            cursors = self._host.cursors
            cursors[:] = [one for one in cursors if one is not scan]
            return ()
        if any(one.statement is scan.statement for one in self._scans.values()):
            cursors = self._host.cursors
            cursors[:] = [scan.cursor if one is scan else one for one in cursors]
            scan.cursor.Close()
            return ()
        done = [key for key in self._parked if key[0] == scan.statement.number]
        for one in (scan, *(two for key in done for two in self._parked.pop(key))):
            cursors = self._host.cursors
            cursors[:] = [one.cursor if two is one else two for two in cursors]
            one.cursor.Close()
        if scan.statement.readonly:
            self._statements.pop(scan.statement.number, None)
            scan.statement.forget()
        return ()

    def _update(
        self, table: int, serial: int, conflict: int, text: str | None, values: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        one = self._tables[table]
        self._statement(serial, readonly=False)
        if text and any(token.upper == "RETURNING" for token in tokenize(text)):
            # SQLite answers it with what the statement said: NULL for every id the server makes.
            raise UnsupportedError(
                f"RETURNING cannot be answered here: SELECT from {one.title} afterwards, call a"
                " function, or use sessions_vtab.connect(). Nothing was sent."
            )
        self._connection.conflict = conflict
        if len(values) == 1:
            one.UpdateDeleteRow(values[0])
            return ()
        fields = tuple(apsw.no_change if value is ... else value for value in values[2:])
        if values[0] is None:
            one.UpdateInsertRow(None, fields)
        else:
            new = values[0] if fields[one.key] is apsw.no_change else fields[one.key]
            one.UpdateChangeRow(values[0], new, fields)
        return ()

    def _hook(self, table: int, hook: str, level: int, serial: int) -> tuple[Any, ...]:
        one = self._tables[table]
        if hook == "b" or serial in self._statements:
            self._statement(serial, readonly=False)
        match hook:
            case "b":
                one.Begin()
            case "s":
                one.Sync()
            case "c":
                one.Commit()
            case "r":
                one.Rollback()
            case "S":
                one.Savepoint(level)
            case "L":
                one.Release(level)
            case "R":
                one.RollbackTo(level)
        return ()


def _code(error: BaseException) -> int:
    if isinstance(error, StoppedError | apsw.InterruptError):
        return apsw.SQLITE_INTERRUPT
    return int(apsw.SQLITE_ERROR)


def _text(error: BaseException) -> str:
    notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, SessionsError):
        return f"{error}{notes}"
    if isinstance(error, StoppedError | apsw.InterruptError):
        return "interrupted"
    return f"{type(error).__name__}: {error}{notes}"
