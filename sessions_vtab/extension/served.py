"""What the tables ask of APSW, answered with what the extension said."""

# mypy: ignore-errors
# ruff: noqa: ARG002, F401, F821, I001, N802
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
from sessions_vtab.vtab.calling import named_source
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.logs import LogsBackend
from sessions_vtab.vtab.statements import Statement
from sessions_vtab.vtab.modules import SourceModule


_FIRST, _MOST, _FLUSH = 64, 2048, 0.05


class _HostConnection:
    """What the tables ask of an ``apsw.Connection``, answered for the connection of the host."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self.conflict = 0
        self.directonly = False
        self.in_transaction = False

    def trace_v2(self, *_: object, **__: object) -> None:
        """Statements are told by the extension."""

    def vtab_config(self, option: int, *_: object) -> None:
        self.directonly = self.directonly or option == apsw.SQLITE_VTAB_DIRECTONLY

    def vtab_on_conflict(self) -> int:
        return self.conflict

    def last_insert_rowid(self) -> int:
        return 0

    @property
    def is_interrupted(self) -> bool:
        return self._link.waiting()


class _Statements:
    """As ``vtab.statements.StatementTracker``, told by the extension instead of by a trace.

    The extension delivers every ``xRollbackTo``, so nothing has to be undone when one fails.
    """

    def __init__(self) -> None:
        self.current = Statement(0)
        self.count = 0

    @property
    def writer(self) -> Statement:
        return self.current

    def preparing(self) -> None:
        return

    def follow(self, *_: object) -> None:
        return

    def run(self, sql: str, values: Any = ()) -> Any:
        raise SessionsError(f"not here: {sql}")

    def restart(self) -> None:
        return

    @contextlib.contextmanager
    def unnumbered(self) -> Iterator[None]:
        yield

    def told(self, statement: Statement) -> None:
        self.current = statement


class _IndexInfo:
    """``apsw.IndexInfo`` over what the extension said."""

    def __init__(self, constraints: Sequence[Any], order: Sequence[Any], used: int) -> None:
        self._constraints = constraints
        self._order = order
        self.nConstraint, self.nOrderBy = len(constraints), len(order)
        self.colUsed = {bit for bit in range(64) if used >> bit & 1}
        self.uses = [[0, 0, 0] for _ in constraints]
        self.idxStr: str | None = ""
        self.orderByConsumed = False
        self.estimatedCost, self.estimatedRows = 1e6, 25
        self.idxFlags = 0
        self.get_aConstraint_iColumn = lambda i: constraints[i][0]
        self.get_aConstraint_op = lambda i: constraints[i][1]
        self.get_aConstraint_usable = lambda i: bool(constraints[i][2])
        self.get_aConstraintUsage_in = lambda i: bool(constraints[i][3])
        self.get_aConstraint_collation = lambda i: constraints[i][4] or "BINARY"
        self.get_aConstraint_rhs = lambda i: constraints[i][5]
        self.get_aOrderBy_iColumn = lambda i: order[i][0]
        self.get_aOrderBy_desc = lambda i: bool(order[i][1])

    def set_aConstraintUsage_argvIndex(self, index: int, value: int) -> None:
        self.uses[index][0] = value

    def set_aConstraintUsage_omit(self, index: int, value: bool) -> None:
        self.uses[index][1] = int(value)

    def set_aConstraintUsage_in(self, index: int, value: bool) -> None:
        self.uses[index][2] = int(value)

    def answer(self) -> tuple[Any, ...]:
        return (
            self.idxStr or "",
            int(bool(self.orderByConsumed)),
            float(self.estimatedCost),
            int(self.estimatedRows),
            int(bool(self.idxFlags & apsw.SQLITE_INDEX_SCAN_UNIQUE)),
        )


class _Scan:
    """A cursor whose rows travel in batches, and an ``Outer`` that stands where SQLite does.

    The cursor is ahead of SQLite by up to a batch. The extension says with each xFilter how many
    rows SQLite has taken of every open scan, so that the look-ahead of a join starts from there.
    """

    def __init__(self, cursor: Any, statement: Statement, about: tuple[int, int, str]) -> None:
        self.cursor = cursor
        self.statement = statement
        self.about = about
        self.text = ""
        self._costly = isinstance(cursor, CostlyCursor)
        self._rowwise = not isinstance(cursor, ScanCursor)

    def begin(self, mask: int) -> None:
        """A new scan of the same occurrence."""
        self._columns = [place for place in range(63) if mask >> place & 1]
        self._pick = itemgetter(*self._columns) if self._columns else lambda _: ()
        self._size = _FIRST
        self._sent: list[Any] = []
        self._start = 0
        self._at = -1

    # As an Outer (vtab.look_ahead).

    @property
    def row(self) -> Any:
        place = self._at - self._start
        return self._sent[place] if 0 <= place < len(self._sent) else ()

    def upcoming(self, column: int, *, further: bool) -> Iterator[Any]:
        place = self._at - self._start
        for row in self._sent[place + 1 :]:
            yield row[column]
        if self.cursor is not None and not self.cursor.Eof():
            yield self.cursor.row[column]
            yield from self.cursor.upcoming(column, further=further)

    def stands_at(self, position: int) -> None:
        self._at = position

    def batch(self) -> tuple[int, list[Any]]:
        """The next rows: of one page where reading costs requests, and not for long."""
        cursor = self.cursor
        self._start += len(self._sent)
        self._sent = rows = []
        if self._rowwise:
            while not cursor.Eof():
                rows.append([cursor.Column(place) for place in range(self._columns[-1] + 1)])
                cursor.Next()
            return 1, self._picked(rows)
        deadline = time.monotonic() + _FLUSH
        while not cursor.Eof():
            rows.append(cursor.row)
            if (
                len(rows) >= self._size
                or self._page_ends()
                or (len(rows) & 15 == 0 and time.monotonic() > deadline)
            ):
                self._size = min(self._size * 4, _MOST)
                return 0, self._picked(rows)
            cursor.Next()
        return 1, self._picked(rows)

    def _page_ends(self) -> bool:
        """The next row would have to be asked for: perhaps SQLite does not want it."""
        cursor = self.cursor
        return cursor.page_ends

    def _picked(self, rows: list[Any]) -> list[Any]:
        try:
            return list(map(self._pick, rows))
        except IndexError:  # A row may end behind the last column that is asked for.
            one = len(self._columns) == 1
            cut = [tuple(r[c] if c < len(r) else None for c in self._columns) for r in rows]
            return [row[0] for row in cut] if one else cut

    def go_on(self) -> None:
        """Behind the last row that was sent."""
        self.cursor.Next()


def _Function(host: Any, having: Any, default: OpenSource, name: str) -> FunctionTable:
    sources = {one.name: one for one in having}
    table = FunctionTable(
        host,
        FUNCTIONS[name],
        name,
        lambda: named_source(host.statements.current.text, name, sources, default.name),
    )
    table.acts = name if FUNCTIONS[name].effect else ""
    return table


class _Catalog:
    """What names mean in the host, for the front door (``sql.catalog.Catalog``)."""

    effect_names: frozenset[str] = frozenset()

    def __init__(self, names: Mapping[tuple[str, str], OurTable]) -> None:
        self._names = names
        self.table_names = frozenset(name for _, name in names)

    def resolve(self, schema: str | None, name: str) -> OurTable | None:
        return self._names.get((schema.lower() if schema else "temp", name.lower()))

    def is_effect(self, _schema: str | None, _name: str) -> bool:
        return False

    def require_home(self, _schema: str | None, _name: str) -> None:
        return


class _Narrowing:
    """What the statement's text says beyond what SQLite offers: ``labels->>'env' = 'prod'``, OR.

    The plan is made when SQLite prepares, where the text is not known yet; so a scan is planned
    again when it begins, with what the front door found. The new plan is used only where it keeps
    what the old one promised to SQLite: the order, and every condition that is not checked again.
    """

    def __init__(self, host: Host, catalog: _Catalog) -> None:
        self._host = host
        self._door = FrontDoor(catalog)
        self._scratch = apsw.Connection(":memory:")

    def scan(
        self, table: Any, name: str, offer: Any, given: list[Any], text: str
    ) -> tuple[str, list[Any]] | None:
        """Plan and arguments of the narrower scan; None where there is none."""
        constraints, order, used, before = offer
        mentions = [one for one in tokenize(text) if name_of(one).lower() == name]
        if len(mentions) != 1:
            return None  # Which occurrence this is cannot be told.
        rewritten = self._door.rewrite(text)
        if len(rewritten.plans) != 1:
            return None
        ((words, plan),) = rewritten.plans.items()
        if plan.predicate is None or plan.ahead is not None:
            return None
        start = rewritten.text.index(quoted_text(words)) + len(quoted_text(words))
        call = re.compile(r",\s*json_array\(").match(rewritten.text, start)
        if call is None:
            return None
        tokens = tokenize(rewritten.text[call.end() - 1 :])
        close = partners(tokens)[0]
        values = rewritten.text[call.end() : call.end() - 1 + tokens[close].start]
        (arguments,) = self._scratch.execute(f"SELECT json_array({values})").fetchone()
        places = table.resource.table.positions
        more = [
            *constraints,
            (places["_push"], apsw.SQLITE_INDEX_CONSTRAINT_EQ, 1, 0, "BINARY", words),
            (places["_args"], apsw.SQLITE_INDEX_CONSTRAINT_EQ, 1, 0, "BINARY", None),
        ]
        self._host.tell(words, plan)
        info = _IndexInfo(more, order, used)
        if not table.BestIndexObject(info) or info.orderByConsumed < before.orderByConsumed:
            return None
        known = {place: given[use[0] - 1] for place, use in enumerate(before.uses) if use[0]}
        known |= {len(constraints): words, len(constraints) + 1: arguments}
        found: dict[int, Any] = {}
        for place, use in enumerate(info.uses):
            old = before.uses[place] if place < len(constraints) else (0, 0, 0)
            if (old[1] and not use[1]) or (use[0] and (place not in known or use[2] != old[2])):
                return None
            if use[0]:
                found[use[0]] = known[place]
        return info.idxStr or "", [found[number] for number in sorted(found)]


def quoted_text(text: str) -> str:
    """A text literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
