"""The scans that a host has open: their rows in batches, and the look-ahead where SQLite stands.

SQLite may run a subquery again for each row of another table: a scan that it closes then waits for
the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Protocol

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.vtab.counting import is_only_counted
from sessions_vtab.vtab.look_ahead import Outer
from sessions_vtab.vtab.remote_cursor import RemoteCursor
from sessions_vtab.vtab.statements import RunningStatement

Batch = tuple[int, list[Any]]
"""Whether no more rows come, and the rows: tuples of the columns asked for, or bare values."""

_FIRST: Final = 64
_MOST: Final = 2048
_GROWTH: Final = 4
_SECONDS: Final = 0.05
"""A batch goes out at the latest after this time: somebody may be looking at the first rows."""
_CLOCK_EACH: Final = 16
_LAST_BIT: Final = 63


class _RowCursor(Protocol):
    """A cursor of a table or function."""

    @property
    def Eof(self) -> Callable[[], object]: ...  # noqa: N802
    @property
    def row(self) -> Row: ...
    @property
    def page_ends(self) -> bool: ...

    def Filter(self, _number: int, plan_text: str, arguments: Sequence[Any], /) -> None: ...  # noqa: N802
    def Next(self) -> None: ...  # noqa: N802
    def Close(self) -> None: ...  # noqa: N802


@dataclass(frozen=True, slots=True)
class About:
    """What scans have in common that may go on for each other.

    Attributes:
        statement: number of the run of the statement.
        table: number of the table.
        plan_text: of the plan.
    """

    statement: int
    table: int
    plan_text: str


def columns_of(mask: int, width: int) -> tuple[int, ...]:
    """Places of the columns that are asked for.

    Args:
        mask: a bit for each of the first 63 columns; the next stands for all that follow.
        width: how many columns there are.
    """
    found = [place for place in range(min(width, _LAST_BIT)) if mask >> place & 1]
    return (*found, *(range(_LAST_BIT, width) if mask >> _LAST_BIT & 1 else ()))


class HostScan:
    """A cursor that the host has open; also a ``vtab.look_ahead.Outer`` in the cursor's place.

    The cursor is ahead of SQLite by up to a batch. The extension says with each new scan how many
    rows SQLite has taken of every other one, and the look-ahead of a join begins there.

    Args:
        cursor: of the table.
        statement: the run that it belongs to.
        about: see ``About``.
        shape: how many columns the table has, and the place of its key; -1: none.

    Attributes:
        text: of the statement, where a scan may be planned again from it.
    """

    def __init__(
        self, cursor: _RowCursor, statement: RunningStatement, about: About, shape: tuple[int, int]
    ) -> None:
        self.cursor = cursor
        self.statement = statement
        self.about = about
        self.text: str | None = None
        self._width, self._key = shape
        self._sent: list[Row] = []
        self._start = 0
        self._at = 0
        self._size = _FIRST

    @property
    def remote(self) -> RemoteCursor | None:
        """The cursor, if its reads are worth looking ahead for."""
        return self.cursor if isinstance(self.cursor, RemoteCursor) else None

    def begin(self, mask: int, text: str | None) -> None:
        """Another scan of the same occurrence begins.

        Args:
            mask: as for ``columns_of``.
            text: of the statement, where it was sent.
        """
        self.text = text or self.text
        self._columns = columns_of(mask, self._width)
        self._bare = len(self._columns) == 1 and not mask >> _LAST_BIT & 1
        # SQLite says that it uses the key also where it only counts.
        self._counts = self._bare and self._columns == (self._key,)
        self._pick = _picker(self._columns, bare=self._bare)
        self._size = _FIRST
        self._sent = []
        self._start = 0
        self._at = 0

    # As an Outer.

    @property
    def row(self) -> Row:
        """The row that SQLite stands on."""
        place = self._at - self._start
        return self._sent[place] if 0 <= place < len(self._sent) else ()

    @property
    def expected(self) -> int | None:
        """About how many requests it will make; None where unknown."""
        return None if self.remote is None else self.remote.expected

    @property
    def wanted_rows(self) -> int | None:
        """How many rows it will give, if all are wanted; None where unknown."""
        return None if self.remote is None else self.remote.wanted_rows

    def upcoming(self, column: int, *, further: bool) -> Iterator[Value]:
        """Values of a column after SQLite's row: in the batch, then where the cursor stands."""
        for row in self._sent[self._at - self._start + 1 :]:
            yield row[column]
        if self.remote is not None and not self.remote.Eof():
            yield from self.remote.upcoming(column, further=further)

    def stands_at(self, position: int) -> None:
        """Notes how many rows SQLite has taken before its present one."""
        self._at = position

    # Rows.

    def following(self) -> Batch:
        """The rows after those that were sent last."""
        self.cursor.Next()
        return self.batch()

    def key_at(self, position: int) -> Value:
        """The key of a row of the last batch, which was sent without it.

        Args:
            position: rows of the scan before it.
        """
        return self._sent[position - self._start][self._key]

    def batch(self) -> Batch:
        """The rows from the cursor's on: of one page, where pages cost requests, and not for long.

        With LIMIT, SQLite may want none of the next page. A first row that may only be counted
        comes alone: how the next ones are read depends on whether SQLite looks at it.
        """
        cursor = self.cursor
        self._start += len(self._sent)
        self._sent = rows = []
        deadline = time.monotonic() + _SECONDS
        while not cursor.Eof():
            rows.append(cursor.row)
            late = not len(rows) % _CLOCK_EACH and time.monotonic() > deadline
            first = self._counts and not self._start and is_only_counted(cursor.row)
            if len(rows) >= self._size or cursor.page_ends or late or first:
                self._size = min(self._size * _GROWTH, _MOST)
                return 0, self._batch_of(rows)
            cursor.Next()
        return 1, self._batch_of(rows)

    def _batch_of(self, rows: Sequence[Row]) -> list[Any]:
        if self._counts:
            return [None if is_only_counted(row) else row[self._key] for row in rows]
        try:
            return list(map(self._pick, rows))
        except IndexError:  # A row may end after the last column that has a value.
            whole = [(*row, *(None,) * (self._width - len(row))) for row in rows]
            return list(map(self._pick, whole))


def _picker(columns: tuple[int, ...], *, bare: bool) -> Callable[[Row], Any]:
    """Makes of a row what is sent of it."""
    if not columns:
        return lambda _: ()
    if len(columns) == 1 and not bare:
        return lambda row: (row[columns[0]],)
    return itemgetter(*columns)


class Scans:
    """The scans of one connection.

    Args:
        outers: the cursors that look-ahead finds keys in (``Host.cursors``): there a scan stands
            in the place of its cursor.
    """

    def __init__(self, outers: list[Outer]) -> None:
        self._outers = outers
        self._open: dict[int, HostScan] = {}
        self._parked: dict[About, list[HostScan]] = {}

    @property
    def statements(self) -> list[RunningStatement]:
        """The statements whose scans are open."""
        return [one.statement for one in self._open.values()]

    def __getitem__(self, number: int) -> HostScan:
        """The open scan of this number.

        Raises:
            KeyError: there is none.
        """
        return self._open[number]

    def stand(self, positions: Iterable[tuple[int, int]]) -> None:
        """Notes how many rows SQLite has taken of each scan."""
        for number, position in positions:
            if number in self._open:
                self._open[number].stands_at(position)

    def opened(self, number: int, about: About, make: Callable[[], HostScan]) -> HostScan:
        """The scan of a number: an open one begins anew, another goes on with a parked one's memo.

        Args:
            number: of the cursor.
            about: what its scans have in common with others.
            make: opens one.
        """
        found = self._open.get(number)
        if found is None:
            parked = self._parked.get(about)
            found = parked.pop() if parked else make()
            self._open[number] = found
            if found.remote is not None and parked is not None:
                self._outers.append(found)
        return found

    @contextmanager
    def asking(self, scan: HostScan) -> Iterator[None]:
        """Within the block a scan's own cursor stands for it, not for an outer side of it."""
        cursor = scan.remote
        if cursor is not None:
            self._replace(scan, cursor)
        try:
            yield
        finally:
            if cursor is not None:
                self._replace(cursor, scan)

    def close(self, number: int, *, heir: bool) -> RunningStatement | None:
        """Closes a scan.

        SQLite before 3.45 opens a cursor for each run of a correlated subquery, and closes the one
        of the run before after that: such a scan is parked.

        Args:
            number: of the cursor; that of none if it was opened and never asked.
            heir: whether a cursor that takes over is open.

        Returns:
            Its statement, if that has no scan open any more.
        """
        scan = self._open.pop(number, None)
        if scan is None:
            return None
        statement = scan.statement
        if heir:
            self._parked.setdefault(scan.about, []).append(scan)
            self._outers[:] = [one for one in self._outers if one is not scan]
            return None
        self._end(scan)
        if any(one is statement for one in self.statements):
            return None
        for about in [one for one in self._parked if one.statement == statement.number]:
            for parked in self._parked.pop(about):
                self._end(parked)
        return statement

    @property
    def idle(self) -> bool:
        """Whether none is open."""
        return not self._open

    def close_all(self) -> None:
        """Closes every scan: the connection has gone."""
        for scan in (*self._open.values(), *(two for one in self._parked.values() for two in one)):
            with suppress(Exception):
                self._end(scan)
        self._open.clear()
        self._parked.clear()

    def _end(self, scan: HostScan) -> None:
        if scan.remote is not None:
            self._replace(scan, scan.remote)
        scan.cursor.Close()

    def _replace(self, old: Outer, new: Outer) -> None:
        self._outers[:] = [new if one is old else one for one in self._outers]
