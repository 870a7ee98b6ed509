"""The rows of a read, without SQLite or with it.

Without a condition in SQL, planner, binder and backend are enough, and conditions are judged here.
A condition in SQL is run by a connection, so that SQLite judges every row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, MutableMapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sessions_vtab.contract.backend import Context, Resource, Source
from sessions_vtab.contract.model import ColumnType, Table, quoted
from sessions_vtab.contract.predicate import BINARY, TIMESTAMP, Op, Value
from sessions_vtab.contract.scan import Order, Row, Scan
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import (
    BudgetError,
    InvalidValueError,
    MissingParameterError,
    UnsupportedError,
)
from sessions_vtab.plan.binding import Argument, Binder
from sessions_vtab.plan.index_info import Constraint, IndexInfo, IndexUsage
from sessions_vtab.plan.planner import plan_scan
from sessions_vtab.scanning.parts import PartCondition, judge

if TYPE_CHECKING:
    import apsw

    from sessions_vtab.connection import Connection


Values: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TableRead:
    """What is read of a table.

    Attributes:
        columns: names of the columns, in the order of the rows' values.
        conditions: rows that satisfy all of them are wanted.
        order: the order of the rows; empty for the table's own.
        limit: most rows; None for all.
    """

    columns: tuple[str, ...]
    conditions: tuple[PartCondition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None


def pages_of(
    resource: Resource, question: TableRead, context: Context, where: str
) -> Generator[list[Values], None, None]:
    """The rows that satisfy the conditions, as they arrive; no page is empty.

    Args:
        resource: the table.
        question: what is read.
        context: of this read.
        where: ``source.table``, for errors.

    Raises:
        MissingParameterError: the table cannot be read without a key.
        UnsupportedError: the table cannot be read in that order.
        SessionsError: what the source raises.
    """
    found = _bound(resource, question, where)
    if found is None:
        return
    table = resource.table
    wanted = judge(table, question.conditions)
    picked = _picker(table, question.columns)
    # A backend may end its rows after the last column that it was asked for.
    width = 1 + max(table.positions[name] for name in _used(question))
    left = question.limit
    with closing(_closable(resource.scan(found, context))) as pages:
        for page in pages:
            full = (row if len(row) >= width else _padded(row, width) for row in page)
            rows = [picked(row) for row in full if wanted(row)][:left]
            if rows:
                yield rows
            if left is not None:
                left -= len(rows)
                if left <= 0:
                    return


def _bound(resource: Resource, question: TableRead, where: str) -> Scan | None:
    """The scan that answers the question; None if no row can."""
    constraints = tuple(_constraint(resource.table, one) for one in question.conditions)
    index_info = IndexInfo(constraints, question.order, frozenset(_used(question)))
    try:
        planned = plan_scan(index_info, resource.table, resource.capability, pushed={}, where=where)
    except MissingParameterError as error:
        raise MissingParameterError(
            f"{error} In scan, give keys; in split, give sessions_where."
        ) from None
    if planned is None:  # Not with conditions that all have their values.
        raise UnsupportedError(f"{where} cannot be read with these conditions.")
    plan, usage = planned
    if question.order and not usage.ordered:
        raise UnsupportedError(_unordered(resource, question, where))
    scan = Binder(plan, where).bind(_arguments(usage, question.conditions))
    return None if scan is None or question.limit == 0 else replace(scan, limit=question.limit)


def _constraint(table: Table, condition: PartCondition) -> Constraint:
    time = table.column(condition.column).type is ColumnType.TIME
    collation = TIMESTAMP if time else BINARY
    if condition.op is not Op.IN:
        return Constraint(condition.column, condition.op, collation=collation)
    several = len(condition.values) != 1
    return Constraint(condition.column, Op.EQ, collation=collation, set=several, listed=several)


def _arguments(usage: IndexUsage, conditions: Sequence[PartCondition]) -> list[Argument]:
    """The values that the plan wants, in its order."""
    placed: dict[int, Argument] = {}
    for use, condition in zip(usage.uses, conditions, strict=True):
        if use.argument is not None:
            placed[use.argument] = condition.values if use.as_set else condition.values[0]
    return [placed[place] for place in range(len(placed))]


def _used(question: TableRead) -> tuple[str, ...]:
    return (*question.columns, *(one.column for one in question.conditions))


def _picker(table: Table, columns: Sequence[str]) -> Any:
    """Makes the values of the wanted columns from a row."""
    places = [table.positions[name] for name in columns]
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)


def _padded(row: Row, width: int) -> Row:
    return (*row, *[None] * (width - len(row)))


def _closable(pages: Any) -> Any:
    """An iterator with ``close``: backends may give any iterator."""
    return pages if hasattr(pages, "close") else (page for page in pages)


def _unordered(resource: Resource, question: TableRead, where: str) -> str:
    sorts = dict.fromkeys(name for path in resource.capability.paths for name in path.orders)
    asked = ", ".join(one.column for one in question.order)
    able = f"It can be ordered by {', '.join(sorts)}." if sorts else "It has no order to choose."
    return f"{where} cannot be read in the order of {asked} with these keys. {able}"


DEFAULT_BUDGET: Final = 100_000
"""HTTP requests that one read may make unless it is told otherwise."""


class ScanContext:
    """A ``contract.backend.Context`` for one read of one table.

    Args:
        source: the source's name, for errors.
        table: the table.
        limit: most requests; None for ``DEFAULT_BUDGET``.

    Attributes:
        requests: how many were made.
    """

    statement = 1
    writes = False

    def __init__(self, source: str, table: str, limit: int | None = None) -> None:
        self.table = table
        self.requests = 0
        self._source = source
        self._limit = DEFAULT_BUDGET if limit is None else limit
        self._memory: dict[object, object] = {}
        self._closed = False

    @property
    def memory(self) -> MutableMapping[object, object]:
        """What the backend keeps for the rest of the read."""
        return self._memory

    def interrupted(self) -> bool:
        """Whether the reader was closed."""
        return self._closed

    def when_more(self, start: Callable[[], None]) -> None:
        """Calls back at once: all rows are wanted."""
        start()

    def spend(self, requests: int = 1) -> None:
        """Takes requests from the budget.

        Raises:
            BudgetError: it is used up.
        """
        if self.requests + requests > self._limit:
            raise BudgetError(
                f"{self._source}.{self.table}: this read needs more than {self._limit} requests"
                " (max_requests). Narrow it, or raise max_requests."
            )
        self.requests += requests

    def record(self, request: Mapping[str, Value]) -> None:
        """Drops the row: a read outside a connection has no table ``http_requests``."""

    def close(self) -> None:
        """Gives up what is under way."""
        self._closed = True
        for kept in self._memory.values():
            close = getattr(kept, "close", None)
            if close is not None:
                close()
        self._memory.clear()


_CHUNK: Final = 500


def condition(source: Source, table: str, where: str, question: TableRead | None = None) -> str:
    """A condition that SQLite accepts for the table; nothing is sent.

    Args:
        source: the source.
        table: the table.
        where: what would follow WHERE.
        question: what else is asked, which may give a key that the table requires.

    Raises:
        InvalidValueError: it is not an expression, or names what the table does not have.
        MissingParameterError: the table cannot be read with these conditions.
    """
    import apsw  # noqa: PLC0415  # A read without a condition loads no SQLite.

    from sessions_vtab.sql.expression import check_condition  # noqa: PLC0415

    checked = check_condition(where, table)
    with _connected(source) as connection:
        key = connection.sources[source.name].backend.resources[table].table.key
        asked = question or TableRead((key,))
        text = f"EXPLAIN {_text(source, table, asked, checked)}"
        try:
            connection.execute(text, [_value(one) for one in asked.conditions]).fetchall()
        except apsw.SQLError as error:
            raise InvalidValueError(
                f"{source.name}.{table}: the condition cannot be used: {error}."
            ) from error
    return checked


def selected(
    source: Source, table: str, question: TableRead, where: str, limit: int | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table that satisfy a condition and the question's own conditions.

    Args:
        source: the source; it is opened while rows are read.
        table: the table.
        question: what is read.
        where: as ``condition`` has checked it.
        limit: most requests; None for ``DEFAULT_BUDGET``.

    Raises:
        BudgetError: it takes more requests.
        SessionsError: what the source raises.
    """
    with _connected(source) as connection:
        connection.budget.max_requests = DEFAULT_BUDGET if limit is None else limit
        values = [_value(one) for one in question.conditions]
        yield from chunks(connection.execute(_text(source, table, question, where), values))


def chunks(cursor: apsw.Cursor) -> Iterator[list[Any]]:
    """The rows of a cursor some hundreds at a time, as they come; it is closed at the end."""
    try:
        while rows := list(islice(cursor, _CHUNK)):
            yield rows
    finally:
        cursor.close(True)


def select(source: str, table: str, columns: Sequence[str], where: str) -> str:
    """The SELECT of a source's table; ``where`` may be empty."""
    listed = ", ".join(map(quoted, columns))
    # On lines of its own: the condition may end in a comment.
    condition = f" WHERE (\n{where}\n)" if where else ""
    return f"SELECT {listed} FROM {quoted(source)}.{quoted(table)}{condition}"


def _text(source: Source, table: str, question: TableRead, where: str) -> str:
    text = select(source.name, table, question.columns, where)
    text += "".join(f" AND {_written(one)}" for one in question.conditions)
    if question.order:
        terms = (quoted(one.column) + " DESC" * one.descending for one in question.order)
        text += f" ORDER BY {', '.join(terms)}"
    if question.limit is not None:
        text += f" LIMIT {question.limit}"
    return text


def _written(one: PartCondition) -> str:
    if one.op is Op.IN:
        return f"{quoted(one.column)} IN (SELECT value FROM json_each(?))"
    return f"{quoted(one.column)} {one.op} ?"


def _value(one: PartCondition) -> Any:
    return dump_json(list(one.values)) if one.op is Op.IN else one.values[0]


@contextmanager
def _connected(source: Source) -> Iterator[Connection]:
    """A connection on the source alone: no configuration file adds views or start-up SQL."""
    from sessions_vtab.connection import connect  # noqa: PLC0415

    connection = connect(sources=[source], config=os.devnull, read_only=True)
    try:
        yield connection
    finally:
        connection.close()
