"""Reading ``sessions``: by name, by id, or by the cheapest list that contains all wanted rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil

from sessions_vtab.backends.vertex.calls import Calls
from sessions_vtab.backends.vertex.filters import (
    MOST_TERMS,
    Bounds,
    Feature,
    Text,
    bounds,
    compose,
    with_users,
)
from sessions_vtab.backends.vertex.merging import TIME_FIELDS, merged_pages, order_text
from sessions_vtab.backends.vertex.names import Engine, SessionRef
from sessions_vtab.backends.vertex.previews import lacks_key, place_of, previewed
from sessions_vtab.backends.vertex.scope import Listing, Scope, chooses_pages
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.backends.vertex.tables import (
    PAGE_CAP,
    SCOPE,
    SESSIONS_TABLE,
    sessions_capability,
)
from sessions_vtab.backends.vertex.wire import (
    Frame,
    RowMaker,
    instant_of,
    last_segment,
    session_fields,
)
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.predicate import Member, Predicate, fields
from sessions_vtab.contract.scan import Order, Page, Row, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import RefusedError, SessionsError
from sessions_vtab.fetch import Call, Client, Item, Paginator, Reader, Reply, StopAfter, TokenPages

__all__ = ["Sessions"]

_BAD_REQUEST = 400
_NEWEST_FIRST, _OLDEST_FIRST = "create_time desc", "create_time"
"""The order of a list if the statement asks for none, and its opposite for reading it from both
ends; the key must never change. The service's own order is said to be the first one, but this is
not guaranteed. Since it is requested by name, LIMIT, filters and the length of a list cannot change
it."""

_GETS_A_PAGE = 4
"""Cost of one list page, in GETs: pages come one after another, GETs run in parallel."""


@dataclass(frozen=True, slots=True)
class _List:
    """One list of a plan, read page by page."""

    engine: Engine
    call: Call


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a list scan is read: lists whose rows do not overlap.

    Attributes:
        lists: the lists to read.
        order: the order in which every list is sorted; empty if SQLite does not rely on one.
        pages: the paginator, which also decides where a list may stop.
        features: undocumented grammar used in the filters.
        ends: whether the only list may be read from both ends at the same time.
        whole: whether this is the list of one engine without a filter.
    """

    lists: tuple[_List, ...]
    order: tuple[Order, ...]
    pages: Paginator
    features: frozenset[Feature]
    ends: bool = False
    whole: bool = False


class Sessions(Resource):
    """The table ``sessions``."""

    table = SESSIONS_TABLE

    def __init__(self, settings: Settings, client: Client, calls: Calls) -> None:
        self._settings = settings
        self._client = client
        self._calls = calls
        self._scope = Scope(settings)
        self._where = f"{settings.source.name}.sessions"
        self._refused: frozenset[Feature] = frozenset()
        self._page_counts: dict[Engine, int] = {}
        self.capability: Capability = self._declare()

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        if scan.path.name == "list":
            return self._listed(scan, reader)
        wanted = self._wanted(scan)
        if self._picks(wanted):
            return self._picked(wanted, scan, reader)
        return self._got(wanted, scan, reader)

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if scan.path.name == "list":
            calls = [one.call for one in self._plan(scan, self._allowed).lists]
        elif lacks_key(scan):
            calls = [self._calls.get_session(place_of(self._settings))]
        elif self._picks(wanted := self._wanted(scan)):
            engines = dict.fromkeys(ref.engine for ref in wanted)
            calls = [self.newest(engine) for engine in engines]
        else:
            calls = [self._calls.get_session(ref) for ref in wanted]
        return previewed(self._client, calls)

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            call for scan in scans for call in self._first_calls(scan)
        )

    def newest(self, engine: Engine) -> Call:
        """The first page of ``newest_first``."""
        return self._calls.list_sessions(engine, order=_NEWEST_FIRST)

    def newest_first(self, engine: Engine, reader: Reader) -> Generator[SessionRef, None, None]:
        """Every session of an engine."""
        with closing(reader.pages(self.newest(engine), TokenPages())) as replies:
            for reply in replies:
                frame = Frame.of(reply, engine)
                for item in reply.items():
                    yield SessionRef(engine, last_segment(item, frame))

    def _declare(self) -> Capability:
        return sessions_capability(engine=self._settings.engine is not None, refused=self._refused)

    # One by one

    def _picks(self, wanted: Sequence[SessionRef]) -> bool:
        """Whether reading the whole list is cheaper than the GETs, if its length is known."""
        pages = self._page_counts.get(wanted[0].engine) if wanted else None
        return pages is not None and len(wanted) >= _GETS_A_PAGE * pages

    def _wanted(self, scan: Scan) -> list[SessionRef]:
        names = scan.given("name")
        if names is not None:
            return [ref for name in names if (ref := self._scope.session(name)) is not None]
        return self._scope.sessions(self._scope.engines(scan.given), scan.given("session_id") or ())

    def _got(
        self, wanted: Sequence[SessionRef], scan: Scan, reader: Reader
    ) -> Generator[Page, None, None]:
        make = RowMaker(self.table, session_fields, scan.columns)
        by_path = {(call := self._calls.get_session(ref)).path: (ref, call) for ref in wanted}
        calls = [call for _, call in by_path.values()]
        with closing(reader.gather(calls)) as replies:
            for reply in replies:
                if not reply.missing:
                    ref, _ = by_path[reply.call.path]
                    frame = Frame.of(reply, ref.engine)
                    yield [make(reply.object(), frame)]

    def _picked(
        self, wanted: Sequence[SessionRef], scan: Scan, reader: Reader
    ) -> Generator[Page, None, None]:
        """Reads the whole list and keeps the wanted sessions, which is cheaper than many GETs.

        The rows have the order of the GETs, so that the order does not depend on what a connection
        has learnt about the length of a list.
        """
        make = RowMaker(self.table, session_fields, scan.columns)
        found: dict[SessionRef, Row] = {}
        missing = set(wanted)
        for engine in dict.fromkeys(ref.engine for ref in wanted):
            with closing(reader.pages(self.newest(engine), TokenPages())) as replies:
                for reply in replies:
                    frame = Frame.of(reply, engine)
                    for item in reply.items():
                        ref = SessionRef(engine, last_segment(item, frame))
                        if ref in missing:
                            found[ref] = make(item, frame)
                            missing.discard(ref)
                    if all(ref.engine != engine for ref in missing):
                        break
        yield [found[ref] for ref in dict.fromkeys(wanted) if ref in found]

    def _first_calls(self, scan: Scan) -> Iterator[Call]:
        try:
            if scan.path.name == "list":
                for one in self._plan(scan, self._allowed).lists:
                    yield one.call
            else:
                yield from map(self._calls.get_session, self._wanted(scan))
        except SessionsError:
            return  # The scan itself reports the error.

    # Lists

    @property
    def _allowed(self) -> frozenset[Feature]:
        return frozenset(Feature) - self._refused

    def _listed(self, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        """Reads with the best filter, or the documented grammar if the service rejects that."""
        plan = self._plan(scan, self._allowed)
        fallback = None
        with closing(self._pages(plan, scan, reader)) as pages:
            try:
                first = next(pages, None)
            except RefusedError as error:
                if error.status != _BAD_REQUEST or not plan.features:
                    raise
                fallback = self._plan(scan, self._allowed - plan.features)
            else:
                if first is not None:
                    yield first
                    yield from pages
        if fallback is not None:
            yield from self._without(plan.features, fallback, scan, reader)

    def _without(
        self, refused: frozenset[Feature], plan: _Plan, scan: Scan, reader: Reader
    ) -> Generator[Page, None, None]:
        with closing(self._pages(plan, scan, reader)) as pages:
            first = next(pages, [])
            # Only now is it certain that the grammar was the cause.
            self._refused |= refused
            self.capability = self._declare()
            yield first
            yield from pages

    def _plan(self, scan: Scan, allowed: frozenset[Feature]) -> _Plan:
        listing = Listing.of(scan.parameters, self._where)
        terms = scan.where.terms
        order, pages = self._order(scan, listing)
        engines = self._scope.engines(scan.given)
        texts = (
            [compose(_without_scope(terms), allowed)]
            if listing.token
            else _disjoint(_without_scope(terms), allowed)
        )
        texts = [with_users(listing.filter, text, allowed) for text in texts]
        free = not (order or chooses_pages(scan) or scan.limit)
        ends = free and len(engines) == len(set(texts)) == 1
        own = "" if chooses_pages(scan) else _NEWEST_FIRST
        sent_order = order_text(order) or listing.order or own
        size = listing.first_size(scan.limit)
        lists = tuple(
            _List(
                engine,
                self._calls.list_sessions(engine, text.text, sent_order, size, listing.token),
            )
            for engine in engines
            for text in dict.fromkeys(texts)
        )
        features = frozenset().union(*(text.features for text in texts))
        return _Plan(lists, order, pages, features, ends, ends and not texts[0].text)

    def _order(self, scan: Scan, listing: Listing) -> tuple[tuple[Order, ...], Paginator]:
        """The order to request, and the paginator that stops at the end of the wanted range."""
        pages = TokenPages(full=listing.full_size)
        confined = {
            column: bounds(scan.where.terms, column) for column in ("create_time", "update_time")
        }
        order = scan.order
        if not (order or listing.order or listing.token):
            order = next((_towards(c, b) for c, b in confined.items() if b), ())
        if not order:
            return (), pages
        leading = order[0]
        limit = confined[leading.column]
        edge = limit.low if leading.descending else limit.high
        if edge is None:
            return order, pages
        return order, StopAfter(pages, _beyond(leading, edge))

    def _pages(self, plan: _Plan, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        if not plan.lists:
            return
        make = RowMaker(self.table, session_fields, scan.columns)
        if len(plan.lists) == 1:
            yield from self._one_list(plan, scan, make, reader)
        elif scan.order:
            yield from self._sorted_lists(plan, scan, make, reader)
        else:
            engines = {
                (one.call.path, one.call.parameter("filter")): one.engine for one in plan.lists
            }
            calls = (one.call for one in plan.lists)
            with closing(reader.fan_out(calls, plan.pages, limit=scan.limit)) as replies:
                for reply in replies:
                    engine = engines[reply.call.path, reply.call.parameter("filter")]
                    yield make.page(reply.items(), Frame.of(reply, engine))

    def _one_list(
        self, plan: _Plan, scan: Scan, make: RowMaker, reader: Reader
    ) -> Generator[Page, None, None]:
        one = plan.lists[0]
        if plan.ends:
            yield from self._both_ends(one, plan, make, reader)
            return
        with closing(reader.pages(one.call, plan.pages, limit=scan.limit)) as replies:
            for reply in replies:
                yield make.page(reply.items(), Frame.of(reply, one.engine))

    def _both_ends(
        self, one: _List, plan: _Plan, make: RowMaker, reader: Reader
    ) -> Generator[Page, None, None]:
        rows = 0
        with closing(
            reader.both_ends(
                one.call,
                one.call.with_query(orderBy=_OLDEST_FIRST),
                plan.pages,
                position=lambda item, reply: (
                    -instant_of(item, TIME_FIELDS["create_time"], Frame.of(reply, one.engine))
                ),
                identity=lambda item: item.get("name"),
            )
        ) as replies:
            for reply, items in replies:
                rows += len(items)
                yield make.page(items, Frame.of(reply, one.engine))
        if plan.whole:
            self._page_counts[one.engine] = ceil(rows / PAGE_CAP) or 1

    def _sorted_lists(
        self, plan: _Plan, scan: Scan, make: RowMaker, reader: Reader
    ) -> Generator[Page, None, None]:
        window = self._client.site.concurrency

        def entries(index: int) -> Generator[tuple[Item, Frame], None, None]:
            one = plan.lists[index]
            reader.prefetch(one.call for one in plan.lists[index : index + window])
            with closing(reader.pages(one.call, plan.pages, limit=scan.limit)) as replies:
                for reply in replies:
                    frame = Frame.of(reply, one.engine)
                    for item in reply.items():
                        yield item, frame

        lists = [entries(index) for index in range(len(plan.lists))]
        try:
            yield from merged_pages(lists, plan.order, make)
        finally:
            for entry in lists:
                entry.close()


def _without_scope(terms: Iterable[Predicate]) -> list[Predicate]:
    """Returns the terms except those on scope columns, which are already part of the path."""
    return [term for term in terms if not any(field.column in SCOPE for field in fields(term))]


def _disjoint(terms: Sequence[Predicate], allowed: frozenset[Feature]) -> list[Text]:
    """Filters that together match every wanted row, and no row twice.

    A long IN, or any IN if OR is not supported, becomes several lists. They cannot overlap, because
    a column has only one value.
    """
    for index, term in enumerate(terms):
        if not isinstance(term, Member) or not _splits(term, allowed):
            continue
        rest = [*terms[:index], *terms[index + 1 :]]
        size = MOST_TERMS if Feature.OR in allowed else 1
        chunks = [term.operands[at : at + size] for at in range(0, len(term.operands), size)]
        parts = [compose([replace(term, operands=chunk)], allowed) for chunk in chunks]
        if all(part.text for part in parts):
            return [compose([replace(term, operands=chunk), *rest], allowed) for chunk in chunks]
    return [compose(terms, allowed)]


def _splits(term: Member, allowed: frozenset[Feature]) -> bool:
    most = MOST_TERMS if Feature.OR in allowed else 1
    return not term.negated and len(term.operands) > most


def _towards(column: str, confined: Bounds) -> tuple[Order, ...]:
    """Returns an order that puts the wanted rows first."""
    return (Order(column, descending=confined.low is not None),)


def _beyond(order: Order, edge: int) -> Callable[[Item, Reply], bool]:
    """Returns a test for rows that come after the last wanted one."""
    field = TIME_FIELDS[order.column]

    def beyond(item: Item, reply: Reply) -> bool:
        instant = instant_of(item, field, Frame(Engine(None, None, ""), reply.what))
        return instant < edge if order.descending else instant > edge

    return beyond
