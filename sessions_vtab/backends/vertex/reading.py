"""Reading vertex: the cheapest lists that contain all wanted rows, with filters that may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Final

from sessions_vtab import rest
from sessions_vtab.backends.vertex import filters, tables
from sessions_vtab.contract import times

_BAD_REQUEST = 400
_TIME_FIELDS: Final = {
    "create_time": "createTime",
    "update_time": "updateTime",
    "timestamp": "timestamp",
}
"""Field of the API for each column that it can sort by."""

_GETS_A_PAGE = 4
"""Cost of one list page, in GETs: pages come one after another, GETs run in parallel."""


@dataclass(frozen=True, slots=True)
class _Lists(rest.Reading):
    """Lists whose rows do not overlap.

    Attributes:
        features: undocumented grammar used in the filters.
        ends: whether the only list may be read from both ends at the same time.
        whole: whether this is the list of one engine without a filter.
    """

    features: frozenset[filters.Feature] = frozenset()
    ends: bool = False
    whole: bool = False


class _Listed(rest.RestResource):
    """A table whose lists take a filter, an order and a page token."""

    near: rest.Order
    """The order of the rows if the statement asks for none; its key must never change."""

    def declared(self) -> rest.Capability:
        """Calls are shortened for people."""
        return _for_people(super().declared(), self.owner)

    def preview(self, scan: rest.Scan) -> Sequence[rest.Request]:
        """What a join will give is shown as ``{session}``."""
        if all(scan.given(key) is not None for key in scan.path.keys):
            return super().preview(scan)
        asked = self.each_of({**self.unknown(), **self.backend.scope}, scan)
        return [self.readable(one.call) for one in asked]

    def unknown(self) -> dict[str, str]:
        return super().unknown() | {"session_id": "{session}"}

    def listing(self, scan: rest.Scan) -> filters.Listing:
        """The list parameters that a statement gives."""
        size = self.page_size(scan) if scan.parameters else None
        return filters.Listing.of(scan, self.where, size)

    def frame(self, response: rest.Response, places: rest.Places) -> rest.RestFrame:
        token = "" if response.missing else response.object().get("nextPageToken", "")
        token = token if isinstance(token, str) else ""
        return tables.PageFrame(response.what, places, token, missing=response.missing)

    def items_of(
        self, reading: rest.Reading, scan: rest.Scan, reader: rest.Reader
    ) -> rest.FoundPages:
        if isinstance(reading, _Lists) and len(reading.asked) == 1:
            if reading.ends:
                return self._both_ends(reading, scan, reader)
            return self.chain(reading.asked[0], reading, scan, reader)
        if isinstance(reading, _Lists) and scan.order:
            return self._merged(reading, scan, reader)
        return super().items_of(reading, scan, reader)

    def _both_ends(self, reading: _Lists, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        (one,) = reading.asked
        field, sign = _TIME_FIELDS[self.near.column], -1 if self.near.descending else 1
        far = replace(self.near, descending=not self.near.descending)
        with closing(
            reader.both_ends(
                one.call,
                one.call.with_query(orderBy=_order_text([far])),
                reading.pages or self.pages(scan),
                position=lambda item, response: sign * _instant(item, field, response),
                identity=lambda item: item.get("name"),
            )
        ) as responses:
            for response, items in responses:
                yield self.rows_in(items, self.frame(response, one.places))

    def _merged(self, reading: _Lists, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        def key(found: rest.Found) -> tuple[int, ...]:
            pairs = ((_TIME_FIELDS[term.column], term.descending) for term in scan.order)
            instants = ((_instant(found.item, field, found.frame), down) for field, down in pairs)
            return tuple(-at if down else at for at, down in instants)

        return self.merged(reading, scan, reader, key, tables.PAGE_CAP)


class SessionsTable(_Listed):
    """The table ``sessions``."""

    # The service's own order is said to be this one, but this is not guaranteed. Since it is
    # requested by name, LIMIT, filters and the length of a list cannot change it.
    near = rest.Order("create_time", descending=True)
    _refused: frozenset[filters.Feature] = frozenset()

    @cached_property
    def _page_counts(self) -> dict[tuple[tuple[str, str], ...], int]:
        """How long the lists of engines were."""
        return {}

    def declared(self) -> rest.Capability:
        grammar = filters.Feature
        known = {rest.Connective.OR: grammar.OR, rest.Connective.NOT: grammar.NOT_EQUAL}
        connectives = frozenset(c for c, f in known.items() if f not in self._refused)
        said = super().declared()
        *keyed, listed = said.paths
        return replace(said, paths=(*keyed, replace(listed, connectives=connectives)))

    # Which requests

    def reading(self, scan: rest.Scan, spread: rest.Spread) -> rest.Reading:
        if scan.path.name == "list":
            return self._lists(scan, spread, self._allowed)
        return super().reading(scan, spread)

    def by_list(self, keys: Sequence[rest.Places], _: rest.Scan) -> bool:
        """A whole list is cheaper than the GETs if it is known to be short enough."""
        pages = self._page_counts.get(_engine(keys[0])) if keys else None
        return pages is not None and len(keys) >= _GETS_A_PAGE * pages

    def list_call(self, places: rest.Places, _: rest.Scan) -> rest.RequestSpec:
        """The list that events of all sessions begin with."""
        query = filters.Listing().query("", _order_text([self.near]), None)
        return self.backend.call(self.rows_list(), places, query=query)

    @property
    def _allowed(self) -> frozenset[filters.Feature]:
        return frozenset(filters.Feature) - self._refused

    def _lists(
        self, scan: rest.Scan, spread: rest.Spread, allowed: frozenset[filters.Feature]
    ) -> _Lists:
        listing = self.listing(scan)
        terms = scan.where.terms
        texts = filters.texts_of(terms, listing, allowed)
        ranges = filters.confined_times(terms, tables.SORTED)
        order, edge = _order_and_end(scan.order, listing, ranges)
        own = "" if listing.chosen else _order_text([self.near])
        sent = _order_text(order) or listing.order or own
        engines, by, pages = self.scopes(scan, spread), self.rows_list(), self.pages(scan)
        queries = [
            listing.query(text, sent, scan.limit)
            for text in dict.fromkeys([text.text for text in texts])
        ]
        asked = tuple(
            [
                rest.Asked(self.backend.call(by, engine, query=query), engine)
                for engine in engines
                for query in queries
            ]
        )
        features = frozenset().union(*[text.features for text in texts])
        ends = len(asked) == 1 and not (order or listing.chosen or scan.limit)
        if edge is not None:  # A sorted list stops at the end of the wanted range.
            pages = rest.StopAfter(pages, _beyond(order[0], edge))
        whole = ends and not texts[0].text
        return _Lists(asked, lists=True, pages=pages, features=features, ends=ends, whole=whole)

    # Their responses

    def listed(
        self, reading: rest.Reading, scan: rest.Scan, reader: rest.Reader
    ) -> rest.FoundPages:
        """Reads with the best filter, or what is documented.

        Only when the list without the undocumented grammar is accepted is it certain that the
        grammar was the cause.
        """
        if not isinstance(reading, _Lists):
            yield from super().listed(reading, scan, reader)
            return
        refused = None
        with closing(self.items_of(reading, scan, reader)) as pages:
            try:
                first = next(pages, None)
            except rest.RefusedError as error:
                if error.status != _BAD_REQUEST or not reading.features:
                    raise
                refused = reading.features
            else:
                if first is not None:
                    yield first
                    yield from pages
        if refused is not None:
            yield from self._without(refused, scan, reader)

    def _without(
        self, refused: frozenset[filters.Feature], scan: rest.Scan, reader: rest.Reader
    ) -> rest.FoundPages:
        lists = self._lists(scan, lambda *_: (), self._allowed - refused)
        with closing(self.items_of(lists, scan, reader)) as pages:
            first = next(pages, [])
            self._refused |= refused
            self.capability = self.declared()
            yield first
            yield from pages

    def _both_ends(self, reading: _Lists, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        found = 0
        with closing(super()._both_ends(reading, scan, reader)) as pages:
            for page in pages:
                found += len(page)
                yield page
        if reading.whole:
            self._page_counts[_engine(reading.asked[0].places)] = ceil(found / tables.PAGE_CAP) or 1


class Events(_Listed):
    """The table ``events``: lists of sessions, even for an event's name, since events have no GET.

    Attributes:
        key: the column that holds an event's name.
    """

    near = rest.Order("timestamp")
    key = "name"

    def reading(self, scan: rest.Scan, spread: rest.Spread) -> rest.Reading:
        found, listing = super().reading(scan, spread), self.listing(scan)
        if scan.path.fans_out:
            return found
        free = not (scan.order or listing.order or listing.chosen or scan.limit)
        ends = free and len(found.asked) == 1
        return _Lists(found.asked, lists=True, pages=self.pages(scan), ends=ends)

    def list_call(self, places: rest.Places, scan: rest.Scan) -> rest.RequestSpec:
        listing = self.listing(scan)
        confined, text = filters.bounds(scan.where.terms, "timestamp"), listing.filter
        if confined:
            own = filters.Text(f"({text})" if text else "")
            text = filters.join([own, filters.timestamp_filter(confined)]).text
        order = _order_text(scan.order) or listing.order
        query = listing.query(text, order, scan.limit)
        return self.backend.call(self.rows_list(), places, query=query)

    def found(self, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        """Of the lists that are read, the events that are named."""
        names, pages = scan.given(self.key), super().found(scan, reader)
        return pages if names is None else self._named(pages, names)

    def _named(self, pages: rest.FoundPages, names: Sequence[rest.Value]) -> rest.FoundPages:
        name_of = self.decoder.columns[self.key]
        with closing(pages):
            for page in pages:
                yield [one for one in page if name_of(one.item, one.frame) in names]


class EventParts(Events):
    """The table ``event_parts``, built from the same lists with the same requests."""

    key = "event_name"

    def rows_in(self, items: Sequence[rest.Item], frame: rest.RestFrame) -> rest.FoundPage:
        template, head = self.spec.under[self.key], frame.places
        parts = (
            tables.parts_in(item, frame, rest.name_of(template, {**head, "event_id": event_id}))
            for item in items
            for event_id in (tables.last_segment(item, frame),)
        )
        return rest.FoundPage([part for some in parts for part in some], frame)


def _for_people(capability: rest.Capability, owner: rest.RestTable) -> rest.Capability:
    """The same with short calls: ``GET {engine}/sessions``."""
    prefix = "" if owner.list is None else owner.list.route.removeprefix("GET ")
    engine = prefix.rpartition("/")[0]

    def short(call: str) -> str:
        return call.replace(engine, "{engine}").replace("{session_id}", "{session}")

    writes = capability.writes
    calls = {action: short(call) for action, call in writes.calls.items()}
    paths = tuple(replace(one, call=short(one.call)) for one in capability.paths)
    return replace(capability, paths=paths, writes=replace(writes, calls=calls))


def _instant(item: rest.Item, field: str, of: rest.Response | rest.RestFrame) -> int:
    """A required time field of an item of a response, in nanoseconds since 1970."""
    instant = times.parse(item.get(field))
    if instant is None:
        raise rest.DecodeContext(of.what).wrong(field, "an RFC 3339 time")
    return instant


def _order_and_end(
    asked: tuple[rest.Order, ...],
    listing: filters.Listing,
    ranges: Mapping[str, filters.TimeBounds],
) -> tuple[tuple[rest.Order, ...], int | None]:
    """The order to request: the statement's, or one that puts the wanted rows first.

    Args:
        asked: the statement's.
        listing: what the user gives.
        ranges: of the time columns that the statement confines.

    Returns:
        It, and the time after which no row is wanted in that order; None for no such time.
    """
    order = asked
    if not (order or listing.order or listing.token):
        first = list(ranges.items())[:1]
        order = tuple(rest.Order(one, descending=edge.low is not None) for one, edge in first)
    limits = ranges.get(order[0].column) if order else None
    if limits is None:
        return order, None
    return order, limits.low if order[0].descending else limits.high


def _order_text(order: Iterable[rest.Order]) -> str:
    """The ``orderBy`` parameter: ``create_time desc,update_time``."""
    return ",".join([term.column + (" desc" if term.descending else "") for term in order])


def _engine(places: rest.Places) -> tuple[tuple[str, str], ...]:
    """The engine that some places are in."""
    return tuple((name, places[name]) for name in tables.SCOPE if name in places)


def _beyond(order: rest.Order, edge: int) -> Callable[[rest.Item, rest.Response], bool]:
    """Returns a test for rows that come after the last wanted one."""
    field = _TIME_FIELDS[order.column]

    def beyond(item: rest.Item, response: rest.Response) -> bool:
        instant = _instant(item, field, response)
        return instant < edge if order.descending else instant > edge

    return beyond
