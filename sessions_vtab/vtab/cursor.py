"""One scan of a virtual table in progress.

The path of a row is kept out of Python where possible: APSW looks methods up on the cursor object,
so ``Column`` *is* the ``__getitem__`` of the current row, and ``Eof`` the length of a tuple that is
empty until the end. A row costs one call of ``Next`` and calls into C for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import apsw

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.errors import StoppedError
from sessions_vtab.plan.plan import Plan

if TYPE_CHECKING:
    from sessions_vtab.vtab.table import SourceTable

__all__ = ["ScanCursor", "echoed"]

_MORE: Final[Callable[[], int]] = ().__len__
_END: Final[Callable[[], int]] = (None,).__len__


class ScanCursor:
    """``VTCursor`` of a table (https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class).

    Args:
        table: the table.

    Attributes:
        row: the current row.
    """

    __slots__ = ("Column", "Eof", "_pages", "_rows", "_table", "row")

    Column: Callable[[int], Any]
    """Value of a column of the current row."""
    Eof: Callable[[], int]
    """Truthy once there is no current row."""

    @property
    def page_ends(self) -> bool:
        """Whether the row after the current one may cost a request."""
        return False

    def __init__(self, table: SourceTable) -> None:
        self._table = table
        self._pages: Iterable[Page] = ()

    def Filter(self, _number: int, words: str, arguments: Sequence[Any]) -> None:
        """Starts a scan with the plan that BestIndex wrote into ``words``."""
        table = self._table
        binder = table.plans[words]
        scan = binder.bind(arguments)
        waiting = None if scan is None else table.waiting(scan)
        if table.explained(words, scan):
            scan = None
        self._stop()
        try:
            rows = iter(()) if scan is None else self._start(binder.plan, scan, words, arguments)
        except StoppedError as error:
            raise apsw.InterruptError(str(error)) from error
        except Exception as error:
            table.blame(error)
            raise
        self._rows: Iterator[Row] = table.watched(rows, scan, waiting)
        self.Eof = _MORE
        self.Next()

    def Next(self) -> None:
        """Moves to the next row."""
        try:
            row = next(self._rows, None)
        except StoppedError as error:
            raise apsw.InterruptError(str(error)) from error
        except Exception as error:
            self._table.blame(error)
            raise
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
        """Ends the scan."""
        self._stop()

    def _start(
        self,
        plan: Plan,  # noqa: ARG002  # For overriding, as are the last two.
        scan: Scan,
        words: str,  # noqa: ARG002
        arguments: Sequence[Any],  # noqa: ARG002
    ) -> Iterator[Row]:
        """The rows of a scan; ``words`` and ``arguments`` are what it came from."""
        self._pages = self._table.read(scan)
        rows = chain.from_iterable(self._pages)
        return echoed(rows, self._table, scan) if scan.parameters else rows

    def _stop(self) -> None:
        """Gives up what is still being read."""
        close = getattr(self._pages, "close", None)
        if close is not None:
            close()
        self._pages = ()


def echoed(rows: Iterable[Row], table: SourceTable, scan: Scan) -> Iterator[Row]:
    """Rows whose parameter columns answer with what was asked, so that SQLite's check holds."""
    places = [(table.positions[name], value) for name, value in scan.parameters.items()]
    for row in rows:
        values = list(row)
        for place, value in places:
            values[place] = value
        yield tuple(values)
