"""A small backend in memory whose writes are queued: the engine's second witness beside ``local``.

It filters strictly by what it is asked (its predicates are evaluated over rows, to the letter),
sorts by what it is asked, hands out small pages, and counts its reads. A condition that was pushed
wrongly therefore loses rows that a plain table has.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar, Final, Self

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import (
    Action,
    Backend,
    Context,
    Outcome,
    OutcomeState,
    Resource,
    Routine,
    Source,
    Write,
)
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
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Nothing,
    Null,
    Op,
    Predicate,
    Value,
)
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.tables import EVENTS, SESSIONS, event_columns, session_columns
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import ConflictError, NotFoundError, SessionsError


def evaluate(predicate: Predicate, row: Mapping[str, Value]) -> bool | None:
    """Whether a row matches, with SQL's three values.

    Args:
        predicate: of a request: it holds values, no slots.
        row: column name to value.
    """
    match predicate:
        case Nothing():
            return False
        case Null(field, negated):
            return (_value(field, row) is None) != negated
        case Compare(field, op, operand, collation):
            return _compare(_value(field, row), op, operand, collation)
        case Member(field, operands, negated, collation):
            value = _value(field, row)
            found = [_compare(value, Op.EQ, operand, collation) for operand in operands]
            return _negated(_any(found), negated=negated)
        case AllOf(terms):
            return _negated(
                _any([_negated(evaluate(term, row), negated=True) for term in terms]), negated=True
            )
        case AnyOf(terms):
            return _any([evaluate(term, row) for term in terms])
        case Not(term):
            return _negated(evaluate(term, row), negated=True)


def _any(found: list[bool | None]) -> bool | None:
    if True in found:
        return True
    return None if None in found else False


def _negated(truth: bool | None, *, negated: bool) -> bool | None:
    return truth if truth is None or not negated else not truth


def _value(field: Field, row: Mapping[str, Value]) -> Any:
    value = row[field.column]
    if field.key is None or value is None:
        return value
    loaded = json.loads(str(value))
    member = loaded.get(field.key) if isinstance(loaded, dict) else None
    # ->> answers with an array or object as JSON text.
    return dump_json(member) if isinstance(member, list | dict) else member


def _compare(value: Any, op: Op, operand: Any, collation: str) -> bool | None:
    if value is None or operand is None:
        return None
    if op in {Op.LIKE, Op.NOT_LIKE}:
        return _negated(_like(str(operand), str(value)), negated=op is Op.NOT_LIKE)
    if op is Op.GLOB:
        return fnmatch.fnmatchcase(_until_nul(str(value)), _until_nul(str(operand)))
    order = _order(value, operand, collation)
    return {
        Op.EQ: order == 0,
        Op.NE: order != 0,
        Op.LT: order < 0,
        Op.LE: order <= 0,
        Op.GT: order > 0,
        Op.GE: order >= 0,
    }[op]


def _order(value: Any, operand: Any, collation: str) -> int:
    if isinstance(value, str) and isinstance(operand, str):
        if collation == TIMESTAMP:
            return times.compare(value, operand)
        if collation == "NOCASE":
            value, operand = _folded(value), _folded(operand)
        return int(value > operand) - int(value < operand)
    if isinstance(value, str) or isinstance(operand, str):
        return 1 if isinstance(value, str) else -1
    return int(value > operand) - int(value < operand)


def _folded(text: str) -> str:
    """NOCASE and LIKE fold ASCII letters only."""
    return "".join(one.lower() if one.isascii() else one for one in text)


def _like(pattern: str, text: str) -> bool:
    parts = {"%": ".*", "_": "."}
    expression = "".join(parts.get(one, re.escape(one)) for one in _folded(_until_nul(pattern)))
    return re.fullmatch(expression, _folded(_until_nul(text)), re.DOTALL) is not None


def _until_nul(text: str) -> str:
    """LIKE and GLOB of SQLite read C strings."""
    return text.partition("\x00")[0]


MEMORY_SESSIONS: Final = SESSIONS.extended(hidden=session_columns("deleted", "session_number"))
MEMORY_EVENTS: Final = EVENTS.extended(*event_columns("invocation_id", "actions"))

_ALL: Final = (
    EQUALITY | RANGE | {Op.NE, Op.NOT_IN, Op.LIKE, Op.NOT_LIKE, Op.IS_NULL, Op.IS_NOT_NULL}
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
    def open(cls, source: Source) -> Self:
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
