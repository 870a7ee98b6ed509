"""Rows that are only counted are not read: ``count(*)`` takes the total that a list says.

SQLite says that it uses the key of every scan of a table WITHOUT ROWID, also where it only counts,
so that a plan cannot tell. Looking can: if no value but the known ones was asked for in the first
page, the rest is handed out as rows that are read when somebody looks at them after all.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any, SupportsIndex, overload

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Counted, Page, Row
from sessions_vtab.errors import TransientError


class _Watched(tuple[Value, ...]):  # noqa: SLOT001  # A tuple takes no slots.
    """A row that records whether any column was read whose value is not known in advance."""

    ledger: _Ledger

    @overload
    def __getitem__(self, place: SupportsIndex) -> Value: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Value, ...]: ...
    def __getitem__(self, place: Any) -> Any:
        if place not in self.ledger.known:
            self.ledger.looked = True
        return tuple.__getitem__(self, place)


class Unread(tuple[Value, ...]):  # noqa: SLOT001  # A tuple takes no slots.
    """A row after the first page; it is fetched only when an unknown column is read."""

    ledger: _Ledger
    number: int

    @overload
    def __getitem__(self, place: SupportsIndex) -> Value: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Value, ...]: ...
    def __getitem__(self, place: Any) -> Any:
        if place in self.ledger.known:
            return tuple.__getitem__(self, place)
        return self.ledger.row(self.number)[place]


class _Ledger:
    """Records which rows were looked at, and fetches rows after the first page on demand.

    Args:
        known: places of the columns whose values are known without reading.
        rest: the pages after the first.
    """

    def __init__(self, known: frozenset[int], rest: Iterator[Page]) -> None:
        self.known = known
        self.looked = False
        self._rest = chain.from_iterable(rest)
        self._read: list[Row] = []

    def row(self, number: int) -> Row:
        """The row of that number after the first page.

        Raises:
            TransientError: the list became shorter while it was read.
        """
        while len(self._read) <= number:
            row = next(self._rest, None)
            if row is None:
                raise TransientError(
                    "The list changed while it was being read. Run the statement again."
                )
            self._read.append(row)
        return self._read[number]


def is_only_counted(row: Row) -> bool:
    """Whether looking at an unknown value of this row may make requests that counting does not."""
    return isinstance(row, Unread) or (isinstance(row, _Watched) and not row.ledger.looked)


def counted_rows(
    page: Counted, rows: Iterator[Row], rest: Iterator[Page]
) -> Generator[Row, None, bool]:
    """The rows of a page, and those after it if they are only counted.

    Args:
        page: which says how many follow.
        rows: its rows, so that others see how far they are used.
        rest: the pages after it; stays untouched unless a row after is looked at.

    Returns:
        A generator whose value (PEP 380) is whether ``rest`` is still to be read.
    """
    ledger = _Ledger(page.known, rest)
    for values in rows:
        watched = _Watched(values)
        watched.ledger = ledger
        yield watched
    if ledger.looked:
        return True
    numbered = (row for row, count in page.following for _ in range(count))
    for number, values in enumerate(numbered):
        unread = Unread(values)
        unread.ledger, unread.number = ledger, number
        yield unread
    return False
