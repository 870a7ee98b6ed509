"""Rows that are in memory, as a table that SQLite can evaluate expressions over.

Four uses. The rows of the last statement with RETURNING: SQLite echoes what an INSERT said and
refuses RETURNING on UPDATE and DELETE of a virtual table, so the statement rewriter cuts the list
off and asks for it with a SELECT over what the *server* answered. And the buffered page of a
cursor: the conditions that SQLite will check later tell which of its rows are worth looking ahead
for. And what a dry run would have sent, and the operations that writes were answered with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import apsw

from sessions_vtab.contract.model import Column, ColumnType, Table, declare_rows
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row

__all__ = ["OPERATIONS", "OPERATIONS_TABLE", "PREVIEW", "RowsModule", "captured_name", "page_name"]

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


class RowsModule:
    """Eponymous ``VTModule`` over rows.

    Args:
        table: whose columns they have.
        rows: called when a scan begins.
    """

    def __init__(self, table: Table, rows: Callable[[], Sequence[Row]]) -> None:
        self._text = declare_rows(table)
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
        return place if column < 0 else row[column]

    def Rowid(self) -> int:
        """The row's place."""
        return -1 if self._row is None else self._row[0]

    def Close(self) -> None:
        """Forgets the rows."""
        self._rows = iter(())
        self._row = None
