"""One scan of a virtual table in progress.

The path of a row is kept out of Python where possible: APSW looks methods up on the cursor object,
so ``Column`` *is* the ``__getitem__`` of the current row, and ``Eof`` the length of a tuple that is
empty until the end. A row costs one call of ``Next`` and calls into C for each column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import apsw

from sessions_vtab.plan.plan import Plan
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.scan import Counted, Page, Row, Scan
from sessions_vtab.spec.values import dump_json
from sessions_vtab.sql.plans import Plan as FrontPlan
from sessions_vtab.vtab.counting import counted_rows
from sessions_vtab.vtab.look_ahead import LookAhead, Window
from sessions_vtab.vtab.memo import Memo, Recording

if TYPE_CHECKING:
    from sessions_vtab.vtab.table import SourceTable

__all__ = ["ScanCursor"]

_MORE: Final[Callable[[], int]] = ().__len__
_END: Final[Callable[[], int]] = (None,).__len__


class ScanCursor:
    """``VTCursor`` of a table (https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class)."""

    __slots__ = (
        "Column",
        "Eof",
        "_ahead",
        "_memo",
        "_page",
        "_pages",
        "_passing",
        "_passing_next",
        "_place",
        "_rows",
        "_table",
        "_values",
        "front",
        "row",
    )

    Column: Callable[[int], Any]
    """Value of a column of the current row."""
    Eof: Callable[[], int]
    """Truthy once there is no current row."""

    def __init__(self, table: SourceTable) -> None:
        self._table = table
        costly = table.resource.capability.costly
        self._memo = Memo() if costly else None
        self._ahead = LookAhead() if costly else None
        self.front: FrontPlan | None = None
        self._values: Sequence[Any] = ()
        self._page: Page = ()
        self._passing: Collection[int] | None = None
        self._passing_next: Collection[int] | None = None
        self._place = 0
        self._pages = _Pages(())
        self._rows: Iterator[Row] = iter(())
        self.row: Row = ()
        self.Eof = _END

    def Filter(self, _number: int, words: str, arguments: Sequence[Any]) -> None:
        """Starts a scan with the plan that BestIndex wrote into ``words``."""
        binder = self._table.plans[words]
        plan = binder.plan
        scan = binder.bind(arguments)
        waiting = None if scan is None else self._table.waiting(scan)
        if self._table.explained(scan):
            scan = None
        if plan.told and self._memo is not None:
            self._hear(plan, arguments)
        self._passing_next = None
        self._pages = _Pages(() if scan is None else self._read(plan, scan, words, arguments))
        echoes = scan is not None and bool(scan.parameters)
        rows = (
            chain.from_iterable(self._pages)
            if self._memo is None
            # Rows that are echoed are copied, and could not be watched.
            else self._walk(self._pages, counts=not echoes)
        )
        if scan is not None and echoes:
            rows = _echoed(rows, self._table, scan)
        self._rows = self._table.watched(rows, waiting)
        self.Eof = _MORE
        self.Next()

    def Next(self) -> None:
        """Moves to the next row."""
        row = next(self._rows, None)
        if row is None:
            self.Eof = _END
        else:
            self.row = row
            self.Column = row.__getitem__

    def ColumnNoChange(self, column: int) -> Value | type[apsw.no_change]:
        """A column that an UPDATE does not set: only the key is wanted."""
        if column == self._table.key:
            return self.row[column]
        return apsw.no_change

    def Close(self) -> None:
        """Ends the scan; requests that are under way are cancelled."""
        self._rows = iter(())
        self._pages.close()
        self._pages = _Pages(())
        self._table.closed(self)
        if self._memo is not None:
            self._memo.close()

    def position(self, column: str) -> int:
        """Index of a column in a row."""
        return self._table.positions[column]

    def upcoming(self, column: int, *, further: bool) -> Iterator[Value]:
        """Values of a column in the wanted rows behind the current one.

        Args:
            column: index of the column.
            further: when the page comes to its end, wait for the next one and go on there.
        """
        rows = _rows_of(self._page)
        if self._passing is None:
            self._passing = self._table.rows_that_pass(rows, self.front, self._values)
        coming = range(self._place + 1, len(rows))
        yield from (rows[place][column] for place in coming if place in self._passing)
        if not (further and rows):
            return
        rows = _rows_of(self._pages.peek())
        if self._passing_next is None:
            self._passing_next = self._table.rows_that_pass(rows, self.front, self._values)
        passing = self._passing_next
        yield from (row[column] for place, row in enumerate(rows) if place in passing)

    def _hear(self, plan: Plan, arguments: Sequence[Any]) -> None:
        """Takes note of what the front door said about this occurrence."""
        self.front = self._table.front_plan(plan.told)
        if self.front is not None:
            raw = None if plan.values is None else arguments[plan.values]
            self._values = json.loads(raw) if isinstance(raw, str) else ()
            self._table.label(self.front.label, self)

    def _walk(self, pages: Iterator[Page], *, counts: bool) -> Iterator[Row]:
        """The rows, keeping track of the page they are on."""
        for page in pages:
            self._page = page
            self._passing, self._passing_next = self._passing_next, None
            if counts and isinstance(page, Counted):
                self._page = ()
                if not (yield from counted_rows(page, pages)):
                    return
                continue
            for self._place, row in enumerate(page):
                yield row

    def _read(self, plan: Plan, scan: Scan, words: str, arguments: Sequence[Any]) -> Iterable[Page]:
        self._pages.close()
        if self._memo is None:
            return self._table.read(scan)
        key = (words, *map(_hashable, self._telling(plan, arguments)))
        known = self._memo.get(key)
        if self._ahead is not None:
            window = self._window()
            self._table.look_ahead(self._ahead, scan, self, window, known=known is not None)
        if known is None:
            known = Recording(self._table.read(scan))
            self._memo.put(key, known, lookup=plan.path.unique)
        return known

    def _telling(self, plan: Plan, arguments: Sequence[Any]) -> Sequence[Any]:
        """The arguments that tell one read from another: not the keys of rows to come."""
        ahead = self.front.ahead if self.front is not None else None
        if ahead is None or plan.values is None:
            return arguments
        lasting = [one for place, one in enumerate(self._values) if place != ahead.index]
        return [*arguments[: plan.values], dump_json(lasting), *arguments[plan.values + 1 :]]

    def _window(self) -> Window | None:
        """The keys that the statement itself hands over."""
        ahead = self.front.ahead if self.front is not None else None
        keys = self._values[ahead.index] if ahead is not None else None
        return Window(keys) if isinstance(keys, list) else None


class _Pages(Iterator[Page]):
    """The pages of a read, of which the next one can be looked at before its turn.

    Args:
        pages: the pages; closed with this.
    """

    __slots__ = ("_held", "_pages")

    def __init__(self, pages: Iterable[Page]) -> None:
        self._pages = iter(pages)
        self._held: Page | None = None

    def __next__(self) -> Page:
        """The next page."""
        if self._held is None:
            return next(self._pages)
        page, self._held = self._held, None
        return page

    def peek(self) -> Page:
        """The next page, which stays the next one; empty at the end."""
        if self._held is None:
            self._held = next(self._pages, None)
        return self._held if self._held is not None else ()

    def close(self) -> None:
        """Ends the read."""
        close = getattr(self._pages, "close", None)
        if close is not None:
            close()


def _rows_of(page: Page) -> list[Row]:
    return page if isinstance(page, list) else []


def _echoed(rows: Iterable[Row], table: SourceTable, scan: Scan) -> Iterator[Row]:
    """Rows whose parameter columns answer with what was asked, so that SQLite's check holds."""
    places = [(table.positions[name], value) for name, value in scan.parameters.items()]
    for row in rows:
        values = list(row)
        for place, value in places:
            values[place] = value
        yield tuple(values)


def _hashable(argument: object) -> Hashable:
    if isinstance(argument, Collection) and not isinstance(argument, str | bytes):
        return frozenset(argument)
    # 1 and 1.0 are equal to Python, and not always to SQLite.
    return type(argument), argument
