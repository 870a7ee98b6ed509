"""The rows of the last statement with RETURNING, as a table that its list is evaluated over.

SQLite echoes what an INSERT said and refuses RETURNING on UPDATE and DELETE of a virtual table. The
front door therefore cuts the list off, and asks for it with a SELECT over what the *server*
answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw

from sessions_vtab.schema.declare import declare_rows
from sessions_vtab.schema.model import Table
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.scan import Row
from sessions_vtab.vtab.host import Host

__all__ = ["CapturedModule", "captured_name"]


def captured_name(source: str, table: str) -> str:
    """Name of the table that holds the captured rows of a source's table."""
    return f"_returning_{source}_{table}"


class CapturedModule:
    """Eponymous ``VTModule`` for one table."""

    def __init__(self, host: Host, table: Table) -> None:
        self._host = host
        self._text = declare_rows(table)

    def Connect(self, *_: object) -> tuple[str, CapturedModule]:
        """The module is its own only table."""
        return self._text, self

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Always reads everything."""
        info.estimatedCost = 1.0
        return True

    def Open(self) -> CapturedCursor:
        """A cursor over the rows as they are now."""
        return CapturedCursor(self._host)

    def Disconnect(self) -> None:
        """Nothing to forget."""

    Destroy = Disconnect


class CapturedCursor:
    """``VTCursor`` over the captured rows, in the order of their statement."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._rows: Iterator[Row] = iter(())
        self._row: Row | None = None

    def Filter(self, *_: Any) -> None:
        """Sends what is queued, then starts with the first row."""
        self._host.unit.flush()
        self._rows = iter(self._host.captured_rows())
        self.Next()

    def Eof(self) -> bool:
        """Whether there is no current row."""
        return self._row is None

    def Next(self) -> None:
        """Moves to the next row."""
        self._row = next(self._rows, None)

    def Column(self, column: int) -> Value:
        """A column of the row."""
        return None if self._row is None or column < 0 else self._row[column]

    def Rowid(self) -> int:
        """RETURNING has no rowid here; the front door refuses it."""
        return 0

    def Close(self) -> None:
        """Forgets the rows."""
        self._rows = iter(())
        self._row = None
