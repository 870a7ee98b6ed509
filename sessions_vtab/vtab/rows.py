"""Rows in memory: as tables that SQLite evaluates expressions over, and those that a write changes.

The tables have four uses. The rows of the last statement with RETURNING: SQLite echoes what an
INSERT said and refuses RETURNING on UPDATE and DELETE of a virtual table, so the statement rewriter
cuts the list off and asks for it with a SELECT over what the *server* answered. And the buffered
page of a cursor: the conditions that SQLite will check later tell which of its rows are worth
looking ahead for. And what a dry run would have sent, and the operations that writes were answered
with.

A statement that writes keeps the rows that it has read, for what an UPDATE changes and RETURNING
shows. It may scan its table more than once: subqueries and further items of FROM read only the
columns they use. The scan that feeds an UPDATE reads every column (SQLite sets all of ``colUsed``
for it), so only rows that were read whole tell what their columns held before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import apsw

from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row

OPERATIONS: Final = "_operations"
"""Name of the table that holds the operations the last writes were answered with."""
PREVIEW: Final = "_dry_run"
"""Name of the table that holds what a dry run would have sent."""

OPERATIONS_TABLE: Final = Table(
    "operations",
    (
        Column("name", ColumnType.TEXT, "Name of the operation."),
        Column("done", ColumnType.BOOLEAN, "1 if the operation has finished."),
        Column("error", ColumnType.JSON, "JSON object: the error, if it failed."),
        Column("metadata", ColumnType.JSON, "JSON object: metadata of the operation."),
        Column("response", ColumnType.JSON, "JSON object: its result."),
    ),
    "One row per long-running operation that a write returned.",
)


def captured_name(source: str, table: str) -> str:
    """Name of the table that holds the captured rows of a source's table."""
    return f"_returning_{source}_{table}"


def page_name(source: str, table: str) -> str:
    """Name of the table that holds the page of a cursor over a source's table."""
    return f"_page_{source}_{table}"


def value_in(row: Row, column: int) -> Value:
    """A value of a row that may end before it: what comes after its last column is NULL."""
    return row[column] if column < len(row) else None


class RowsModule:
    """Eponymous ``VTModule`` over rows.

    Args:
        table: whose columns they have.
        rows: called when a scan begins.
    """

    def __init__(self, table: Table, rows: Callable[[], Sequence[Row]]) -> None:
        self._text = table.declared_rows
        self._rows = rows

    def Connect(self, *_: object) -> tuple[str, RowsModule]:
        """The module is its own only table."""
        return self._text, self

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Always reads everything."""
        info.estimatedCost = 1.0
        return True

    def Open(self) -> RowsCursor:
        """A cursor over the rows as they are when its scan begins."""
        return RowsCursor(self._rows)

    def Disconnect(self) -> None:
        """Nothing to forget."""

    Destroy = Disconnect


class RowsCursor:
    """``VTCursor`` over rows; the row id is the place, from 0."""

    def __init__(self, rows: Callable[[], Sequence[Row]]) -> None:
        self._source = rows
        self._rows: Iterator[tuple[int, Row]] = iter(())
        self._row: tuple[int, Row] | None = None

    def Filter(self, *_: Any) -> None:
        """Starts with the first row."""
        self._rows = iter(enumerate(self._source()))
        self.Next()

    def Eof(self) -> bool:
        """Whether there is no current row."""
        return self._row is None

    def Next(self) -> None:
        """Moves to the next row."""
        self._row = next(self._rows, None)

    def Column(self, column: int) -> Value:
        """A column of the row."""
        if self._row is None:
            return None
        place, row = self._row
        return place if column < 0 else value_in(row, column)

    def Rowid(self) -> int:
        """The row's place."""
        return -1 if self._row is None else self._row[0]

    def Close(self) -> None:
        """Forgets the rows."""
        self._rows = iter(())
        self._row = None


_MOST: Final = 10_000

_T = TypeVar("_T")


class OldRows:
    """The rows of one table that the statement in progress has read, by key.

    Args:
        table: whose rows they are.
        identity: places in a row of the columns that each name one row, the key first.
    """

    def __init__(self, table: Table, identity: Sequence[int]) -> None:
        self._key = table.positions[table.key]
        self._identity = tuple(identity)
        self._columns = frozenset(one.name for one in table.columns if not one.parameter)
        self._statement = 0
        self._rows: dict[Value, Row] = {}
        self._identities: dict[Value, Row] = {}

    def are_whole(self, columns: frozenset[str]) -> bool:
        """Whether a scan of these columns reads all that a row has."""
        return columns >= self._columns

    def remembered(self, rows: Iterable[Row], statement: int, *, whole: bool) -> Iterator[Row]:
        """The rows as they come, each kept before it is handed out.

        Args:
            rows: with at least the columns of ``identity``.
            statement: its number; what earlier ones have read is forgotten.
            whole: every column was read, otherwise only the identity is kept.
        """
        if self._statement != statement:
            self._statement = statement
            self._rows, self._identities = {}, {}
        key, places = self._key, self._identity
        for row in rows:
            if whole:
                _put(self._rows, row[key], row)
            else:
                _put(self._identities, row[key], tuple(row[place] for place in places))
            yield row

    def row(self, key: Value) -> Row | None:
        """The row as it was before the statement; None if it was not read whole."""
        return self._rows.get(key)

    def identity(self, key: Value) -> Row:
        """The values that name the row, None for one that is not known."""
        row = self._rows.get(key)
        if row is not None:
            return (key, *(row[place] for place in self._identity[1:]))
        known = self._identities.get(key)
        return known or (key, *(None for _ in self._identity[1:]))


def _put(rows: dict[Value, _T], key: Value, row: _T) -> None:
    if len(rows) >= _MOST:
        del rows[next(iter(rows))]
    rows[key] = row
