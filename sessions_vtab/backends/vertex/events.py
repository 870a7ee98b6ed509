"""Reading ``events`` and ``event_parts`` by listing each session's events, several at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from sessions_vtab.backends.vertex.calls import Calls
from sessions_vtab.backends.vertex.filters import Text, bounds, join, timestamp_filter
from sessions_vtab.backends.vertex.merging import merged_pages, order_text
from sessions_vtab.backends.vertex.names import SessionRef, parse_event
from sessions_vtab.backends.vertex.previews import lacks_key, place_of, previewed
from sessions_vtab.backends.vertex.scope import Listing, Scope, chooses_pages
from sessions_vtab.backends.vertex.sessions import Sessions
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.backends.vertex.tables import (
    EVENTS_TABLE,
    PARTS_TABLE,
    events_capability,
    parts_capability,
)
from sessions_vtab.backends.vertex.wire import (
    Frame,
    RowMaker,
    event_fields,
    instant_of,
    last_segment,
    part_rows,
)
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import SessionsError
from sessions_vtab.fetch import Call, Client, Item, Items, Reader, Reply, TokenPages

__all__ = ["EventParts", "Events"]

_BACKWARD = "timestamp desc"


@dataclass(frozen=True, slots=True)
class _Query:
    """The parameters of each session's event list.

    Attributes:
        text: filter text.
        order: ``orderBy``, '' for the service's default (timestamp, ascending).
        token: token of the page to start at.
        size: number of rows of the first page.
        pages: the paginator for the further pages.
    """

    text: str
    order: str
    token: str
    size: int
    pages: TokenPages


class _OfSessions(Resource):
    """A table whose rows come from the event lists of sessions."""

    def __init__(
        self, settings: Settings, client: Client, calls: Calls, sessions: Sessions
    ) -> None:
        self._settings = settings
        self._client = client
        self._calls = calls
        self._sessions = sessions
        self._scope = Scope(settings)
        self._where = f"{settings.source.name}.{self.table.name}"

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        query = self._query(scan)
        wanted = self._wanted(scan)
        if wanted is None:
            return self._everywhere(scan, query, reader)
        if len(wanted) == 1:
            return self._one(wanted[0], scan, query, reader)
        if scan.order:
            return self._sorted(wanted, scan, query, reader)
        return self._fan_out(wanted, scan, query, reader)

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            call for scan in scans for call in self._first_calls(scan)
        )

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``; a fan-out shows the list of sessions and one list of events."""
        query = self._query(scan)
        place = place_of(self._settings)
        wanted = [place] if lacks_key(scan) else self._wanted(scan)
        calls = [self._first(ref, query) for ref in wanted or ()]
        if wanted is None:
            for engine in self._scope.engines(scan.given):
                events = self._first(replace(place, engine=engine), query)
                calls += [self._sessions.newest(engine), events]
        return previewed(self._client, calls)

    @abstractmethod
    def _page(self, items: Items, frame: Frame, scan: Scan) -> list[Row]:
        """The rows of a page of events."""

    def _first_calls(self, scan: Scan) -> Iterator[Call]:
        try:
            query = self._query(scan)
            for ref in self._wanted(scan) or ():
                yield self._first(ref, query)
        except SessionsError:
            return  # The scan itself reports the error.

    def _wanted(self, scan: Scan) -> list[SessionRef] | None:
        """The sessions whose events are wanted, without duplicates; None for all."""
        for column in scan.path.keys:
            values = scan.given(column) or ()
            match column:
                case "name" | "event_name":
                    events = [event for value in values if (event := parse_event(value))]
                    names = [event.session.name for event in events]
                    return self._named(names)
                case "session_name":
                    return self._named(values)
                case "session_id":
                    refs = self._scope.sessions(self._scope.engines(scan.given), values)
                    return list(dict.fromkeys(refs))
        return None

    def _named(self, names: Iterable[object]) -> list[SessionRef]:
        refs = [self._scope.session(name) for name in names if isinstance(name, str)]
        return list(dict.fromkeys(ref for ref in refs if ref is not None))

    def _query(self, scan: Scan) -> _Query:
        listing = Listing.of(scan.parameters, self._where)
        confined = timestamp_filter(bounds(scan.where.terms, "timestamp"))
        raw = f"({listing.filter})" if listing.filter and confined.text else listing.filter
        text = join([Text(raw), confined]).text
        order = order_text(scan.order) or listing.order
        size = listing.first_size(scan.limit)
        return _Query(text, order, listing.token, size, TokenPages(full=listing.full_size))

    def _first(self, ref: SessionRef, query: _Query) -> Call:
        return self._calls.list_events(ref, query.text, query.order, query.size, query.token)

    def _one(
        self, ref: SessionRef, scan: Scan, query: _Query, reader: Reader
    ) -> Generator[Page, None, None]:
        if not (query.order or chooses_pages(scan) or scan.limit):
            yield from self._both_ends(ref, scan, query, reader)
            return
        call = self._first(ref, query)
        with closing(reader.pages(call, query.pages, limit=scan.limit)) as replies:
            for reply in replies:
                yield self._rows(reply, ref, scan)

    def _both_ends(
        self, ref: SessionRef, scan: Scan, query: _Query, reader: Reader
    ) -> Generator[Page, None, None]:
        call = self._first(ref, query)
        with closing(
            reader.both_ends(
                call,
                call.with_query(orderBy=_BACKWARD),
                query.pages,
                position=lambda item, reply: instant_of(
                    item, "timestamp", Frame.of(reply, ref.engine)
                ),
                identity=lambda item: item.get("name"),
            )
        ) as replies:
            for reply, items in replies:
                yield self._page(items, Frame.of(reply, ref.engine, ref.session_id), scan)

    def _fan_out(
        self, wanted: Iterable[SessionRef], scan: Scan, query: _Query, reader: Reader
    ) -> Generator[Page, None, None]:
        """Reads the lists concurrently, and returns their rows in the order of the sessions."""
        sessions: dict[str, SessionRef] = {}
        rows = 0

        def calls() -> Iterator[Call]:
            for ref in wanted:
                # Once more rows are read than LIMIT suggested, small pages only cost requests.
                small = scan.limit is not None and rows < scan.limit
                call = self._first(ref, query if small else replace(query, size=query.pages.full))
                sessions[call.path] = ref
                yield call

        with closing(reader.fan_out(calls(), query.pages, limit=scan.limit)) as replies:
            for reply in replies:
                page = self._rows(reply, sessions[reply.call.path], scan)
                rows += len(page)
                yield page

    def _everywhere(self, scan: Scan, query: _Query, reader: Reader) -> Generator[Page, None, None]:
        for engine in self._scope.engines(scan.given):
            with closing(self._sessions.newest_first(engine, reader)) as refs:
                yield from self._fan_out(refs, scan, query, reader)

    def _sorted(
        self, wanted: Sequence[SessionRef], scan: Scan, query: _Query, reader: Reader
    ) -> Generator[Page, None, None]:
        """Merges many lists into one sorted list; each list's first page is needed first."""
        window = self._client.site.concurrency
        firsts = [self._first(ref, query) for ref in wanted]

        def entries(index: int) -> Generator[tuple[Item, Frame], None, None]:
            ref = wanted[index]
            reader.prefetch(firsts[index : index + window])
            with closing(reader.pages(firsts[index], query.pages, limit=scan.limit)) as replies:
                for reply in replies:
                    frame = Frame.of(reply, ref.engine, ref.session_id)
                    for item in reply.items():
                        yield item, frame

        lists = [entries(index) for index in range(len(wanted))]
        make = RowMaker(self.table, event_fields, scan.columns)
        try:
            yield from merged_pages(lists, scan.order, make)
        finally:
            for entry in lists:
                entry.close()

    def _rows(self, reply: Reply, ref: SessionRef, scan: Scan) -> list[Row]:
        return self._page(reply.items(), Frame.of(reply, ref.engine, ref.session_id), scan)


class Events(_OfSessions):
    """The table ``events``."""

    table: Table = EVENTS_TABLE

    def __init__(
        self, settings: Settings, client: Client, calls: Calls, sessions: Sessions
    ) -> None:
        super().__init__(settings, client, calls, sessions)
        self.capability = events_capability(engine=settings.engine is not None)

    def _page(self, items: Items, frame: Frame, scan: Scan) -> list[Row]:
        items = _named(items, scan.given("name"), frame)
        return RowMaker(self.table, event_fields, scan.columns).page(items, frame)


class EventParts(_OfSessions):
    """The table ``event_parts``, built from the same lists with the same requests."""

    table: Table = PARTS_TABLE

    def __init__(
        self, settings: Settings, client: Client, calls: Calls, sessions: Sessions
    ) -> None:
        super().__init__(settings, client, calls, sessions)
        self.capability = parts_capability(engine=settings.engine is not None)

    def _page(self, items: Items, frame: Frame, scan: Scan) -> list[Row]:
        items = _named(items, scan.given("event_name"), frame)
        return [row for item in items for row in part_rows(item, frame, self.table)]


def _named(items: Items, names: Sequence[Value] | None, frame: Frame) -> Items:
    """The events of these names; all unless names are given."""
    if names is None:
        return items
    ids = {event.event_id for name in names if (event := parse_event(name))}
    return [item for item in items if last_segment(item, frame) in ids]
