"""One scan of a virtual table: it starts, its rows are handed to SQLite, and it ends.

Rows of the transaction that wait to be sent are not among those a scan reads; so a scan that would
miss one is refused. In a statement that writes, the old values of its rows are remembered.

The path of a row is kept out of Python where possible: APSW looks methods up on the cursor object,
so ``Column`` *is* the ``__getitem__`` of the current row, and ``Eof`` the length of a tuple that is
empty until the end. A row costs one call of ``Next`` and calls into C for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, repeat
from operator import add, itemgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn

import apsw

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.errors import StoppedError
from sessions_vtab.plan.plan import Plan
from sessions_vtab.vtab.statements import StatementContext, blame, blaming
from sessions_vtab.vtab.write_queue import Waiting, missed

if TYPE_CHECKING:
    from sessions_vtab.vtab.looking import Look
    from sessions_vtab.vtab.remote_cursor import RemoteCursor
    from sessions_vtab.vtab.table import SourceTable


_MORE: Final[Callable[[], int]] = ().__len__
_END: Final[Callable[[], int]] = (None,).__len__


class ScanCursor:
    """``VTCursor`` of a table (https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class).

    Args:
        table: the table.

    Attributes:
        row: the current row.
    """

    __slots__ = ("Column", "Eof", "_pages", "_rows", "_run", "_table", "row")

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

    def Filter(self, _number: int, plan_text: str, arguments: Sequence[Any]) -> None:
        """Starts a scan with the plan that BestIndex wrote into ``plan_text``."""
        binder = self._table.plans[plan_text]
        self._run = self._table.host.statements.current
        scan = binder.bind(arguments)
        waiting = None if scan is None else self._waiting(scan)
        if self._table.host.explaining is not None:
            self._explain(self._table.host.explaining, plan_text, scan)
            scan = None
        self._stop()
        try:
            rows = (
                iter(()) if scan is None else self._start(binder.plan, scan, plan_text, arguments)
            )
        except KeyboardInterrupt:
            self._run.stop()
            raise
        except Exception as error:  # noqa: BLE001  # It raises it.
            self._raise(error)
        self._rows: Iterator[Row] = self._watched(rows, scan, waiting)
        self.Eof = _MORE
        self.Next()

    def Next(self) -> None:
        """Moves to the next row."""
        try:
            row = next(self._rows, None)
        except KeyboardInterrupt:
            self._run.stop()
            raise
        except Exception as error:  # noqa: BLE001  # It raises it.
            self._raise(error)
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
        plan: Plan,
        scan: Scan,
        plan_text: str,  # noqa: ARG002  # For overriding, as is the last.
        arguments: Sequence[Any],  # noqa: ARG002
    ) -> Iterator[Row]:
        """The rows of a scan; ``plan_text`` and ``arguments`` are what it came from."""
        self._pages = self.read(scan)
        rows = arranged(chain.from_iterable(self._pages), self._table, plan)
        return echoed(rows, self._table, scan) if scan.parameters else rows

    def _stop(self) -> None:
        """Gives up what is still being read."""
        close = getattr(self._pages, "close", None)
        if close is not None:
            close()
        self._pages = ()

    def read(self, scan: Scan, cursor: RemoteCursor | None = None) -> Iterator[Page]:
        """The pages of a scan; whole rows where RETURNING will ask for them.

        Args:
            scan: what is read.
            cursor: takes the rows as they come; None: the pages are wanted.
        """
        table, host = self._table, self._table.host
        context = StatementContext(host, table.source, table.name, self._run, cursor)
        if table.store is not None:
            host.holding.hold(table.store)
        if not self._run.readonly and host.capturing(self._run.number):
            # RETURNING * is answered from these rows, after SQLite has asked for fewer columns.
            scan = replace(scan, columns=frozenset(table.positions), shape=None)
        elif not self._run.readonly and table.store is None:
            # What tells a row from those that wait to be sent.
            scan = replace(scan, columns=scan.columns.union(table.identity), shape=None)
        # A list of pages will do, too.
        return iter(table.resource.scan(scan, context))

    def _waiting(self, scan: Scan) -> Waiting | None:
        """Rows of earlier statements that are not sent yet, and that the scan may do without.

        Raises:
            QueuedWritesError: it may not: it would miss them.
        """
        table, unit = self._table, self._table.host.unit
        if table.store is not None or not unit.queue.entries:
            return None
        made_from = table.resource.capability.made_from
        entries = unit.waiting(table.source, table.name)
        if entries:
            waiting = Waiting(table.identity, table.identity_places, tuple(entries))
            if not self._run.readonly and waiting.spares(scan):
                return waiting
        elif made_from:
            entries = unit.waiting(table.source, made_from)
        if entries:
            raise missed(table.title, entries[0], self._run.number)
        return None

    def _watched(
        self, rows: Iterator[Row], scan: Scan | None, waiting: Waiting | None
    ) -> Iterator[Row]:
        """The rows; in a statement that writes, their old values are remembered by key.

        Args:
            rows: as they were read.
            scan: the read; None if there was none.
            waiting: rows that must not be among them: QueuedWritesError.
        """
        if waiting is not None:
            rows = self._none_of(rows, waiting)
        table, host = self._table, self._table.host
        statement, writes = self._run, table.resource.capability.writes
        if statement.readonly or scan is None:
            return rows
        capturing = host.capturing(statement.number)
        if not (writes.update or writes.delete or capturing):
            return rows
        whole = capturing or table.old.are_whole(scan.columns)
        if not whole and table.store is not None:
            return rows
        return table.old.remembered(rows, statement.number, whole=whole)

    def _none_of(self, rows: Iterable[Row], waiting: Waiting) -> Iterator[Row]:
        for row in rows:
            if waiting.met(row):
                raise missed(self._table.title, waiting.rows[0], self._run.number)
            yield row

    def _explain(self, look: Look, plan_text: str, scan: Scan | None) -> None:
        """Notes what a read would send, which is not read."""
        table = self._table
        look.scans += 1
        if scan is not None:
            with blaming(table.source.backend.name, table.title):
                requests = tuple(table.resource.preview(scan))
            look.shown += [(table.title, request) for request in requests]
            look.reach(plan_text, scan, requests, table.resource.capability, table.sizes)

    def _raise(self, error: Exception) -> NoReturn:
        """Raises what came out of a read: a stop as SQLite's own, a bug with whose it is."""
        if isinstance(error, StoppedError):
            raise apsw.InterruptError(str(error)) from error
        blame(error, self._table.source.backend.name, self._table.title)
        raise error


def arranged(rows: Iterator[Row], table: SourceTable, plan: Plan) -> Iterator[Row]:
    """Rows in the order that SQLite was promised, where the path does only a part of it.

    It reads them in the plan's ``order``, of which those with equal values are sorted by ``ties``;
    or group after group by one column, of which the rows with equal values in ``groups`` are put
    one after another. Only one such run of rows is held at a time.
    """
    at = table.positions
    if plan.ties:
        ties = [(at[one.column], one.descending) for one in plan.ties]
        return _sorted_within(rows, [at[one.column] for one in plan.order], ties)
    if not plan.groups:
        return rows
    places = [table.positions[name] for name in plan.groups]
    outer = plan.path.grouped if plan.path.grouped in plan.groups else plan.path.grouped_id
    return _collected(rows, table.positions[outer], places)


def _sorted_within(
    rows: Iterator[Row], led: Sequence[int], ties: Sequence[tuple[int, bool]]
) -> Iterator[Row]:
    for _, together in groupby(rows, key=itemgetter(*led)):
        found = list(together)
        for place, descending in reversed(ties):  # Sorting keeps the order of what is equal.
            found.sort(key=lambda row, at=place: _rank(row[at]), reverse=descending)  # type: ignore[misc]
        yield from found


def _rank(value: Value) -> tuple[int, Value]:
    """What SQLite sorts by: NULL, then numbers, then texts, then blobs."""
    if value is None:
        return 0, 0
    return (1 if isinstance(value, int | float) else 2 if isinstance(value, str) else 3), value


def _collected(rows: Iterator[Row], outer: int, places: Sequence[int]) -> Iterator[Row]:
    for _, together in groupby(rows, key=lambda row: row[outer]):
        groups: dict[tuple[Value, ...], list[Row]] = {}
        for row in together:
            groups.setdefault(tuple(row[place] for place in places), []).append(row)
        yield from chain.from_iterable(groups.values())


def echoed(rows: Iterable[Row], table: SourceTable, scan: Scan) -> Iterator[Row]:
    """Rows whose parameter columns answer with what was asked, so that SQLite's check holds."""
    at, asked = table.positions, scan.parameters
    places = [(at[name], value) for name, value in asked.items()]
    first, last = min(places)[0], max(places)[0]
    if not all(at[name] < first or name in asked for name in scan.columns):
        return _echoed(rows, places)
    # What a join asks for: nothing behind the statement rewriter's columns is looked at. All in C.
    values = tuple([asked.get(one.name) for one in table.resource.table.columns[first : last + 1]])
    wide = map(add, rows, repeat((None,) * first))
    return map(add, map(itemgetter(slice(first)), wide), repeat(values))


def _echoed(rows: Iterable[Row], places: Sequence[tuple[int, Value]]) -> Iterator[Row]:
    width = max(places)[0] + 1
    for row in rows:
        values = list(row)
        values += [None] * (width - len(values))
        for place, value in places:
            values[place] = value
        yield tuple(values)
