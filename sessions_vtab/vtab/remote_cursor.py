"""The scan of a remote table, whose reads cost requests.

Nothing is asked for twice (``memo``), what a join asks for next is started early (``look_ahead``),
a whole list is read where key after key would cost more (``purchase``), and rows that are only
counted are not read (``counting``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from math import inf
from operator import length_hint
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Counted, Page, Row, Scan
from sessions_vtab.contract.values import dump_json
from sessions_vtab.plan.lists import keys_asked, read_key
from sessions_vtab.plan.plan import Plan
from sessions_vtab.vtab.counting import Unread, counted_rows
from sessions_vtab.vtab.cursor import ScanCursor, arranged, echoed
from sessions_vtab.vtab.look_ahead import ExactLink, LookAhead, Window, certain
from sessions_vtab.vtab.memo import Memo, Recording
from sessions_vtab.vtab.purchase import Buyer
from sessions_vtab.vtab.rows import page_name, value_in
from sessions_vtab.vtab.statements import StatementContext, blaming

if TYPE_CHECKING:
    from sessions_vtab.sql.plans import PlanArgument
    from sessions_vtab.vtab.table import SourceTable


_T = TypeVar("_T")

_MOST_LISTS_READ: Final = 100
_FEW: Final = 100
"""Rows that are expected where only some of all groups may be wanted."""


class RemoteCursor(ScanCursor):
    """The cursor of a table whose reads are worth remembering, and worth starting early.

    Args:
        table: the table.

    Attributes:
        argument: what the statement rewriter said about this occurrence of the table.
        when_more: to be called when a second row is taken: it requests the second page.
    """

    __slots__ = (
        "_ahead",
        "_buyer",
        "_first",
        "_goes_on",
        "_memo",
        "_page",
        "_passing",
        "_passing_next",
        "_peekable",
        "_rest",
        "_scan",
        "_values",
        "argument",
        "when_more",
    )

    def __init__(self, table: SourceTable) -> None:
        super().__init__(table)
        self._memo: Memo | None = None
        self._scan: Scan | None = None
        # Most statements read a table once: what only further reads need is made by the second.
        self._first: tuple[Scan, str, Recording] | None = None
        self._ahead: LookAhead | None = None
        self._buyer: Buyer | None = None
        self.argument: PlanArgument | None = None
        self.row: Row = ()
        self.when_more: Callable[[], None] | None = None
        self._values: Sequence[Any] = ()
        self._page: Page = ()
        self._passing: Collection[int] | None = None
        self._passing_next: Collection[int] | None = None
        self._rest: Iterator[Row] = iter(())
        self._peekable = _NO_PAGES

    def Close(self) -> None:
        """Ends the scan; requests that are under way are cancelled."""
        host = self._table.host
        if self in host.cursors:
            host.cursors.remove(self)
        for key in [key for key, known in host.labels.items() if known is self]:
            del host.labels[key]
        self._peekable.close()
        if self._memo is not None:
            self._memo.close()
        if self._buyer is not None:
            self._buyer.close()
        # They know the cursor: its last page would stay until the cyclic garbage collection.
        self._first = self._buyer = None
        self._rows = self._rest = iter(())

    @property
    def expected(self) -> int | None:
        """About how many requests it will make, as far as lists are as long as they were."""
        scan = self._scan
        if scan is None:
            return 0
        if not scan.path.keys:
            return self._table.sizes.of(scan)
        link = self._link(scan, None)
        known = scan.path.within is None and link is not None and not link.limited
        return link.outer.wanted_rows if known and link is not None else None

    @property
    def wanted_rows(self) -> int | None:
        """How many rows its list had, if all of them are wanted."""
        if self._scan is None or (self.argument is not None and self.argument.residual):
            return None
        return self._table.sizes.counts(self._scan)[1]

    @property
    def page_ends(self) -> bool:
        """Whether the row after the current one may cost a request."""
        last = not length_hint(self._rest) and not isinstance(self.row, Unread)
        return last or self.when_more is not None

    def position(self, column: str) -> int:
        """Index of a column in a row."""
        return self._table.positions[column]

    def upcoming(self, column: int, *, further: bool) -> Iterator[Value]:
        """Values of a column in the wanted rows after the current one.

        Args:
            column: index of the column.
            further: when the page comes to its end, wait for the next one and go on there.
        """
        rows = _rows_of(self._page)
        if self._passing is None:
            # A function of the user in a condition may run a statement, which asks this one again.
            self._passing = range(len(rows))
            self._passing = self._rows_that_pass(rows)
        # The iterator of a list knows how many of its rows are still to come.
        coming = range(len(rows) - length_hint(self._rest), len(rows))
        yield from (value_in(rows[place], column) for place in coming if place in self._passing)
        # Without `further` the next page is not waited for: LIMIT may end the statement before it.
        if not (further and rows):
            return
        rows = _rows_of(self._peekable.peek())
        if self._passing_next is None:
            self._passing_next = range(len(rows))
            self._passing_next = self._rows_that_pass(rows)
        passing = self._passing_next
        yield from (value_in(row, column) for place, row in enumerate(rows) if place in passing)

    def recorded(self, scan: Scan, taker: RemoteCursor | None = None) -> Recording:
        """The pages of a scan, which are counted and remembered; ``taker`` as for ``read``."""
        if not scan.is_whole:  # Of these, there is nothing to learn.
            return Recording(self.read(scan, taker))
        lists, key = self.lists_read(), read_key(scan)

        def came(pages: int, rows: int, ended: bool) -> None:
            _remember(lists, key, max(lists.get(key, 0), pages + ended))
            if ended or pages == 1:
                _remember(self.lists_begun(), key, scan)
            if ended:
                self._table.sizes.learn(scan, pages, rows)

        return Recording(self.read(scan, taker), came)

    def lists_read(self) -> dict[object, int]:
        """How far the statement has read each list of the table (``read_key``).

        That is how many responses, and one more where it has come to the end.
        A join reads a list for each row of its outer side; the last ones are known.
        """
        lists = self._run.memory.setdefault(("lists", self._table.title), {})
        return cast("dict[object, int]", lists)

    def lists_begun(self) -> dict[object, Scan]:
        """The lists of the table of which the statement has read a page, by ``read_key``.

        The one that was begun or has ended last is the last one.
        """
        lists = self._run.memory.setdefault(("begun", self._table.title), {})
        return cast("dict[object, Scan]", lists)

    def _start(
        self, plan: Plan, scan: Scan, plan_text: str, arguments: Sequence[Any]
    ) -> Iterator[Row]:
        """The rows of a scan, as they are known or coming."""
        if plan.groups and scan.path.fans_out and scan.limit is None and self._may_stop():
            scan = replace(scan, limit=scan.path.page_cap or _FEW)
        self._scan = scan
        if plan.argument:
            self._look_up_argument(plan, arguments)
        self._passing_next = self.when_more = None
        # A page is looked at before its turn only by an inner side that will want all of its keys.
        self._pages = self._peekable = _Pages(self._read(plan, scan, plan_text, arguments))
        # Rows that are echoed are copied, and could not be watched.
        counts = not (scan.parameters or plan.groups or plan.ties)
        walked = self._walk(self._peekable, counts=counts)
        rows = arranged(chain.from_iterable(walked), self._table, plan)
        return echoed(rows, self._table, scan) if scan.parameters else rows

    def _may_stop(self) -> bool:
        """Whether a LIMIT may end the reading of groups early, which SQLite does not tell."""
        return "LIMIT" in self._run.text.upper()

    def _look_up_argument(self, plan: Plan, arguments: Sequence[Any]) -> None:
        """Looks up the plan that the statement rewriter made for this occurrence."""
        host = self._table.host
        self.argument = host.registered.get(plan.argument)
        if self.argument is not None:
            raw = None if plan.values is None else arguments[plan.values]
            self._values = json.loads(raw) if isinstance(raw, str) else ()
            if self.argument.label:
                host.labels[self._run.number, self.argument.label] = self

    def _rows_that_pass(self, rows: Sequence[Row]) -> Collection[int]:
        """Places of the rows of a page that SQLite will keep, as far as the text tells."""
        if self.argument is None:
            return range(len(rows))
        table = self._table
        name = page_name(table.source.name, table.name)
        return table.host.rows_that_pass(rows, name, self.argument, self._values)

    def _walk(self, pages: Iterator[Page], *, counts: bool) -> Iterator[Iterator[Row]]:
        """The rows in batches, keeping track of the page they are on.

        Batches, so that a row of a page is handed on without a Python call.
        """
        for page in pages:
            self._page = page
            self._passing, self._passing_next = self._passing_next, None
            if counts and isinstance(page, Counted):
                self._request_more()
                self._page, self._rest = (), iter(page)
                yield self._counted(page, pages)
                if not self._goes_on:
                    return
                continue
            self._rest = rest = iter(page)
            if self.when_more is not None:
                yield islice(rest, 1)
                self._request_more()
            yield rest

    def _counted(self, page: Counted, rest: Iterator[Page]) -> Iterator[Row]:
        """The rows of a page, and those after it if they are only counted."""
        self._goes_on = yield from counted_rows(page, self._rest, rest)

    def _request_more(self) -> None:
        start, self.when_more = self.when_more, None
        if start is not None:
            start()

    def _read(
        self, plan: Plan, scan: Scan, plan_text: str, arguments: Sequence[Any]
    ) -> Iterable[Page]:
        key = (plan_text, *map(_hashable, self._identifying(plan, arguments)))
        # SQLite builds no automatic index on a virtual table: in a nested loop it starts the same
        # scan again for each outer row, so what was read is kept for the statement.
        known = None if self._memo is None else self._memo.get(key)
        if not scan.where.terms and scan.path.within is None:
            # All of a list: no key will follow, and no list holds more.
            return known or self._remembered(key, scan, lookup=False)
        link = self._link(scan, self._window())
        if known is not None:
            self._look_ahead(scan, link, known=True, most=inf)
            return known
        beside = self._ahead is not None and self._ahead.has_started(scan)
        most = inf
        lookup = bool(scan.where.terms)
        if self._begins(scan, link):
            known = self._remembered(key, scan, lookup=lookup)
            self._first = scan, plan_text, known
        else:
            offered = self._purchases().offer(
                scan, plan_text, beside=beside, foreseen=lambda: certain(scan, link)
            )
            if offered.pages is not None:
                return offered.pages
            known, most = self._remembered(key, scan, lookup=lookup), offered.most
            offered.rents(known)
        self._look_ahead(scan, link, known=beside, most=most)
        return known

    def _remembered(self, key: Hashable, scan: Scan, *, lookup: bool) -> Recording:
        """The pages of a scan, which are known by ``key`` from now on; see ``Memo.put``."""
        recording = self.recorded(scan, self)
        if self._memo is None:
            self._memo = Memo()
        self._memo.put(key, recording, lookup=lookup)
        return recording

    def _begins(self, scan: Scan, link: ExactLink | None) -> bool:
        """Whether a read is the first one: of a list, or of a single key. It buys nothing."""
        if self._buyer is not None or self._first is not None or link is not None:
            return False
        return not self.lists_read() and keys_asked(scan) == 1

    def _purchases(self) -> Buyer:
        """What decides about lists: made by the second read, and told of the first."""
        if self._buyer is None:
            self._buyer = Buyer(self, self._table)
            if self._first is not None:
                self._buyer.rented(*self._first)
        return self._buyer

    def _look_ahead(self, scan: Scan, exact: ExactLink | None, *, known: bool, most: float) -> None:
        """Starts the reads that will be asked for soon.

        After the one that is asked for now, unless its rows are known: it is waited for first.
        """
        table = self._table
        # The outer side may be of another table and source, so all cursors of the connection are
        # asked.
        others = [one for one in table.host.cursors if one is not self]
        if self._ahead is None:
            if exact is None and not others:
                return  # Most statements have but one table.
            self._ahead = LookAhead()
        scans = self._ahead.asked(scan, others, exact, most)
        if scans:
            context = StatementContext(table.host, table.source, table.name, self._run)
            with blaming(table.source.backend.name, table.title):
                asked = scans if known else [scan, *scans]
                taken = table.resource.prefetch(asked, context)
            if taken is not None:
                self._ahead.postpone(asked[taken:])

    def _identifying(self, plan: Plan, arguments: Sequence[Any]) -> Sequence[Any]:
        """The arguments that identify a read, without the look-ahead keys."""
        ahead = self.argument.ahead if self.argument is not None else None
        if ahead is None or plan.values is None:
            return arguments
        lasting = [one for place, one in enumerate(self._values) if place != ahead.index]
        # The keys ahead change with each outer row; with them in the key no read would be found
        # again.
        return [*arguments[: plan.values], dump_json(lasting), *arguments[plan.values + 1 :]]

    def _link(self, scan: Scan, window: Window | None) -> ExactLink | None:
        """Where the key of a read comes from, as far as the statement rewriter has said."""
        plan = self.argument
        if plan is None:
            return None
        if window is not None and plan.ahead is not None and plan.ahead.column in scan.path.keys:
            return ExactLink(window, 0, plan.limited)
        host = self._table.host
        for link in plan.links:
            outer = host.labels.get((self._run.number, link.source))
            if link.column in scan.path.keys and outer is not None:
                return ExactLink(outer, outer.position(link.source_column), plan.limited)
        return None

    def _window(self) -> Window | None:
        """The keys that the statement itself hands over."""
        ahead = self.argument.ahead if self.argument is not None else None
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
        self._held = None
        close = getattr(self._pages, "close", None)
        if close is not None:
            close()


_NO_PAGES: Final = _Pages(())


def _remember(lists: dict[object, _T], key: object, known: _T) -> None:
    """Notes a list as the last one of those that are known."""
    lists.pop(key, None)
    lists[key] = known
    if len(lists) > _MOST_LISTS_READ:
        del lists[next(iter(lists))]


def _rows_of(page: Page) -> list[Row]:
    return page if isinstance(page, list) else []


def _hashable(argument: object) -> Hashable:
    if isinstance(argument, Collection) and not isinstance(argument, str | bytes):
        return frozenset(argument)
    # 1 and 1.0 are equal to Python, and not always to SQLite.
    return type(argument), argument
