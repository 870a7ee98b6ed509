"""A small backend in memory whose writes are queued: the engine's second witness beside ``local``.

It filters strictly by what it is asked, sorts by what it is asked, hands out small pages, and
counts its reads. A condition that was pushed wrongly therefore loses rows that a plain table has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import ClassVar, Final, Self

from sessions_vtab.contract.backend import Backend, Context, Resource, Routine
from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Connective,
    Filter,
    Writes,
)
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import Op, Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.tables import EVENTS, SESSIONS, event_columns, session_columns
from sessions_vtab.contract.write import Action, Outcome, OutcomeState, Write
from sessions_vtab.errors import ConflictError, NotFoundError, SessionsError
from sessions_vtab.testing.evaluate import evaluate

__all__ = ["MEMORY_EVENTS", "MEMORY_SESSIONS", "MemoryBackend", "MemoryResource"]

MEMORY_SESSIONS: Final = SESSIONS.extended(hidden=session_columns("deleted", "session_number"))
MEMORY_EVENTS: Final = EVENTS.extended(*event_columns("invocation_id", "actions"))

_ALL: Final = (
    EQUALITY
    | RANGE
    | {
        Op.NE,
        Op.NOT_IN,
        Op.LIKE,
        Op.NOT_LIKE,
        Op.IS_NULL,
        Op.IS_NOT_NULL,
    }
)


def _capability(table: Table, *, refuse: str | None = None) -> Capability:
    data = [column for column in table.columns if not column.parameter]
    filters = tuple(Filter(column.name, _ALL, exact=True) for column in data)
    keyed = tuple(
        Filter(column.name, _ALL, keyed=True, exact=True)
        for column in data
        if column.type is ColumnType.JSON
    )
    names = frozenset(column.name for column in data)
    return Capability(
        paths=(
            AccessPath("get", keys=("name",), filters=filters, unique=True),
            AccessPath(
                "list",
                filters=filters + keyed,
                orders=tuple(column.name for column in data),
                connectives=frozenset(Connective),
                page_cap=7,
                cost=50.0,
            ),
        ),
        writes=Writes(
            insert=names, update=names - {"name", "user_id", refuse}, delete=True, required=()
        ),
        rows=1_000,
    )


class MemoryResource(Resource):
    """One table in memory.

    Attributes:
        rows: column name to value, by the row's name.
        scans: every read that was asked for.
        pages: how many pages were handed out.
    """

    def __init__(self, table: Table, page_size: int = 7) -> None:
        self.table = table
        self.capability = _capability(table)
        self.rows: dict[str, dict[str, Value]] = {}
        self.scans: list[Scan] = []
        self.pages = 0
        self.page_size = page_size

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """The matching rows, sorted as asked, in small pages."""
        self.scans.append(scan)
        found = [row for row in self.rows.values() if evaluate(scan.where, row)]
        for order in reversed(scan.order):
            found.sort(key=lambda row: _sort_key(row[order.column]), reverse=order.descending)
        return self._paged([self.row(one, scan.columns) for one in found], context)

    def row(self, values: Mapping[str, Value], columns: Iterable[str] | None = None) -> Row:
        """Values in the order of the table; None for what was not asked for."""
        wanted = self.table.names if columns is None else columns
        return tuple(values.get(name) if name in wanted else None for name in self.table.names)

    def _paged(self, rows: list[Row], context: Context) -> Iterator[Page]:
        for start in range(0, max(len(rows), 1), self.page_size):
            context.spend()
            self.pages += 1
            yield rows[start : start + self.page_size]


def _sort_key(value: Value) -> tuple[int, float | str]:
    if value is None:
        return 0, 0.0
    return (1, value) if isinstance(value, int | float) else (2, str(value))


class MemoryBackend(Backend):
    """Sessions and events in memory; not transactional.

    Attributes:
        sent: every write that arrived, in order.
        batches: how many writes arrived together.
    """

    name: ClassVar[str] = "memory"
    routines: Mapping[str, Routine] = {}

    def __init__(self, page_size: int = 7) -> None:
        self.tables = {
            table.name: MemoryResource(table, page_size)
            for table in (MEMORY_SESSIONS, MEMORY_EVENTS)
        }
        self.resources = self.tables
        self.sent: list[Write] = []
        self.batches: list[int] = []
        self._ids = count(1)

    @classmethod
    def open(cls, source: Source) -> Self:  # noqa: ARG003
        """An empty backend."""
        return cls()

    def describe(self) -> str:
        """Says that nothing outlives it."""
        return "in memory, discarded when it is closed"

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """Does the writes in order."""
        self.batches.append(len(writes))
        for write in writes:
            context.spend()
            self.sent.append(write)
            yield self._outcome(write)

    def _outcome(self, write: Write) -> Outcome:
        try:
            row = self._write(write)
        except ConflictError as error:
            state = OutcomeState.SKIPPED if write.ignore else OutcomeState.FAILED
            return Outcome(write, state, error=None if write.ignore else error)
        except SessionsError as error:
            return Outcome(write, OutcomeState.FAILED, error=error)
        key = None if row is None else str(row[0])
        return Outcome(write, OutcomeState.SENT, row=row, key=key)

    def _write(self, write: Write) -> Row | None:
        resource = self.tables[write.table]
        if write.action is Action.INSERT:
            return self._insert(resource, write)
        if write.key not in resource.rows:
            raise NotFoundError(f"memory.{write.table} has no row {write.key}.")
        if write.action is Action.DELETE:
            del resource.rows[write.key]
            return None
        resource.rows[write.key].update(write.values)
        return resource.row(resource.rows[write.key])

    def _insert(self, resource: MemoryResource, write: Write) -> Row:
        values: dict[str, Value] = dict.fromkeys(resource.table.names) | dict(write.values)
        key = values["name"] = str(values["name"] or f"{write.table}/{next(self._ids)}")
        if key in resource.rows:
            raise ConflictError(f"memory.{write.table} already has a row {key}.")
        resource.rows[key] = values
        return resource.row(values)
