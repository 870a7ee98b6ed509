"""Rows as a statement that writes has read them: what an UPDATE changes, what RETURNING shows.

A statement may scan its table more than once: subqueries and further items of FROM read only the
columns they use. The scan that feeds an UPDATE reads every column (SQLite sets all of ``colUsed``
for it), so only rows that were read whole tell what their columns held before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row

__all__ = ["OldRows"]

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
