"""Reading a declared table: which requests a scan makes, and the rows of their responses.

``RestResource.reading`` decides which requests a scan begins with; nothing is sent. ``scan``,
``preview`` (explain, dry run) and ``prefetch`` (key look-ahead) all follow from it.
"""

from __future__ import annotations

import re
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias

from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.predicate import AllOf, fields
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.templates import Places, places_of
from sessions_vtab.contract.values import accept
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import InvalidValueError, SessionsError
from sessions_vtab.fetch import Item, Paginator, Reader, RequestSpec, Response, SinglePage
from sessions_vtab.fetch.rows import RowDecoder
from sessions_vtab.rest.access import admits, capability_of, described, named_by
from sessions_vtab.rest.declaration import List, Operation, RestFrame, RestTable
from sessions_vtab.rest.decoding import (
    Decoder,
    Found,
    FoundPage,
    items_inside,
    rows_of,
    texts_in,
)

if TYPE_CHECKING:
    from sessions_vtab.rest.backend import RestBackend

__all__ = ["Asked", "Found", "FoundPages", "Reading", "RestResource", "Spread"]

_GETS_PER_LIST: Final = 4  # A list of one page costs as much: GETs run in parallel.
_ENCODED_PLACEHOLDER: Final = re.compile(r"%7B(\w+)%7D", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a read, and the values of the placeholders it was made of."""

    call: RequestSpec
    places: Places


@dataclass(frozen=True, slots=True)
class Reading:
    """The requests that a read begins with.

    Attributes:
        asked: the requests, in the order their rows are returned.
        lists: they are lists; else each reads one item.
        wanted: keys whose items are picked from the lists, and the places of these items among the
            rows: those that GETs would give them. None where all items count.
    """

    asked: tuple[Asked, ...]
    lists: bool
    wanted: Mapping[tuple[str, ...], int] | None = None


FoundPages: TypeAlias = Generator[Collection[Found], None, None]
"""The items of a read as they arrive; closing it ends what is under way."""

Spread = Callable[[str, Operation], Iterable[str]]
"""The values that a placeholder can have, from the operation that lists them."""


class RestResource(Resource):
    """A declared table of one source. A backend overrides what its service does differently.

    Args:
        spec: the declaration.
        owner: the declaration whose operations read it: that of its parent, or ``spec``.
        backend: the source it belongs to.
    """

    def __init__(self, spec: RestTable, owner: RestTable, backend: RestBackend) -> None:
        self.spec = spec
        self.owner = owner
        self.table = described(spec, owner, backend.location)
        self.backend = backend
        self.capability = capability_of(spec, owner, backend.scope, backend.parse)
        self.where = f"{backend.source.name}.{spec.table.name}"
        self._own = places_of(owner.name)
        self._templates = {"name": spec.name, **named_by(spec, owner)}
        self.items = Decoder(owner, owner)
        self.decoder = Decoder(spec, owner)
        self.row = RowDecoder(self.table, self.decoder.columns)

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        make = self.decoder.rows(self.table, scan.columns)
        with closing(self.found(scan, Reader(self.backend.client, context))) as pages:
            for page in pages:
                yield self._rows(page, make)

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if any(scan.given(key) is None for key in self._needed(scan)):
            return super().preview(scan)  # A join will give it.
        reading = self.reading(scan, _unknown)
        calls = [one.call for one in reading.asked]
        if scan.path.fans_out:
            calls += (call for one in reading.asked for call in self._next(one.places, scan))
        return list(dict.fromkeys(map(self.readable, calls)))

    def readable(self, call: RequestSpec) -> Request:
        """A preview of a call, in which placeholders are not percent-encoded."""
        shown = self.backend.client.preview(call)
        return replace(shown, url=_ENCODED_PLACEHOLDER.sub(r"{\1}", shown.url))

    def _needed(self, scan: Scan) -> Iterator[str]:
        """The keys of the path that conditions give; parameters are given at once."""
        return (key for key in scan.path.keys if key not in scan.parameters)

    def _next(self, places: Places, scan: Scan) -> Iterator[RequestSpec]:
        """What a fan-out asks for each row of its parent's list, of which nothing is known yet."""
        yield from (one.call for one in self.each_of({**self.unknown(), **places}, scan))

    def unknown(self) -> dict[str, str]:
        """What stands in a preview for a row of which nothing is known yet."""
        return {one: f"{{{one}}}" for one in self._own}

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self.backend.client, context).prefetch(
            one.call for scan in scans for one in self._first(scan)
        )

    def _first(self, scan: Scan) -> Sequence[Asked]:
        try:
            if self.owner.list is not None and self._unlisted(self.owner.list, scan):
                return ()  # What a placeholder can be has to be asked for first.
            return self.reading(scan, _unknown).asked
        except SessionsError:
            return ()  # The scan itself raises it.

    # Which requests

    def reading(self, scan: Scan, spread: Spread) -> Reading:
        """The requests of a scan; the one place that decides them."""
        keys = self.keys(scan)
        if keys is None:
            return Reading(tuple(self.lists(scan, spread)), lists=True)
        if self.spec.sublist:
            asked = (each for one in keys for each in self.each_of(one, scan))
            return Reading(tuple(asked), lists=True)
        if self.owner.get is None or self._by_list(keys, scan):
            scoped = self._scopes_of(keys)
            asked = (Asked(self.list_call(one, scan), one) for one in scoped)
            own = self._own
            wanted = {tuple(one[at] for at in own): place for place, one in enumerate(keys)}
            return Reading(tuple(asked), lists=True, wanted=wanted)
        addressable = filter(self.owner.get.addresses, keys)
        return Reading(tuple(map(self._get, addressable)), lists=False)

    def keys(self, scan: Scan) -> list[dict[str, str]] | None:
        """The values of the name's placeholders that the path's keys give; None to read lists."""
        if scan.path.name in {"list", "fan-out"} and not (
            self.spec.sublist and not scan.path.fans_out
        ):
            return None
        for key in scan.path.keys:
            template = self._templates.get(key)
            given = None if template is None else scan.given(key)
            if template is not None and given is not None:
                parsed = (self.backend.parse(template, value) for value in given)
                return self._distinct(one for one in parsed if one is not None)
        return self._distinct(self._products(self._own, scan, _unknown))

    def _distinct(self, found: Iterable[dict[str, str]]) -> list[dict[str, str]]:
        """Each item's values once, all of them allowed; an id that no row can have is left out."""
        own = self._own
        kept = {tuple(map(one.__getitem__, own)): one for one in found}
        return [
            self.backend.allowed({p: one[p] for p in own})
            for one in kept.values()
            if self.backend.fits(own[-1], one[own[-1]])
        ]

    def _products(
        self, places: Sequence[str], scan: Scan, spread: Spread
    ) -> Iterator[dict[str, str]]:
        """Every combination of the values that some placeholders have in a scan."""
        values = [self.values(place, scan, spread) for place in places]
        return (dict(zip(places, one, strict=True)) for one in product(*values))

    def values(self, place: str, scan: Scan, spread: Spread) -> Sequence[str]:
        """The values that a placeholder has in a scan."""
        given = scan.given(place)
        if given is not None:
            return [str(value) for value in given]
        if place in scan.parameters:
            parameter = scan.parameters[place]
            return [] if parameter is None else [str(parameter)]
        spec = self.owner.list
        if spec is not None and place in spec.each and place not in self.backend.scope:
            each = spec.each[place]
            return list(spread(place, each)) if isinstance(each, Operation) else each
        return [self.backend.default_place(place)]

    def lists(self, scan: Scan, spread: Spread) -> Iterator[Asked]:
        """The lists that a scan reads, or that its fan-out begins with."""
        if self.spec.parent and scan.path.fans_out:
            # LIMIT and conditions are about these rows, not about those of the parent.
            about = set(self._list().places)
            terms = (one for one in scan.where.terms if {f.column for f in fields(one)} <= about)
            yield from self.parent.lists(Scan(scan.path, AllOf(tuple(terms))), spread)
            return
        for places in self._products(self._list().places, scan, spread):
            allowed = self.backend.allowed(places)
            yield Asked(self.list_call(allowed, scan), allowed)

    @property
    def parent(self) -> RestResource:
        """The table whose rows these belong to."""
        return self.backend.resources[self.spec.parent]

    def _list(self) -> List:
        return self._known_list(self.owner)

    def _rows_list(self) -> List:
        """The list that has these rows."""
        return self._known_list(self.spec if self.spec.sublist else self.owner)

    def _known_list(self, table: RestTable) -> List:
        if table.list is None:
            raise AssertionError(f"{self.where} has no list")  # No path reads one.
        return table.list

    def list_call(self, places: Places, scan: Scan) -> RequestSpec:
        """The first page of a list."""
        spec = self._rows_list()
        query: list[tuple[str, str | int]] = []
        if spec.size and spec.cap:
            query.append((spec.size, self.page_size(scan) or min(scan.limit or spec.cap, spec.cap)))
        if self.spec.sublist or (not self.spec.parent and self.keys(scan) is None):
            for column, name in spec.filters.items():
                query += ((name, str(value)) for value in scan.given(column) or ())
        if spec.hidden is not None and self._shows_hidden(scan):
            query.append(spec.hidden)
        return self.backend.call(spec, places, query=query, items=spec.items, listing=True)

    def page_size(self, scan: Scan) -> int | None:
        """Rows of a page as the parameter ``page_size`` says; None if it does not.

        Raises:
            InvalidValueError: a page cannot have that number of rows.
        """
        size, cap = scan.parameters.get("page_size"), self._rows_list().cap
        if size is None:
            return None
        if not isinstance(size, int) or size < 1:
            raise InvalidValueError(f"{self.where}.page_size must be a number from 1 to {cap}.")
        return min(size, cap or size)

    def pages(self, scan: Scan) -> Paginator:  # noqa: ARG002
        """How the lists of a scan go on."""
        return self._rows_list().pages

    def each_of(self, places: Places, scan: Scan) -> Iterator[Asked]:
        """What is asked to get these rows for one row of the parent."""
        if not self.spec.sublist:
            yield self._get(places)
            return
        yield Asked(self.list_call(places, scan), places)

    def _get(self, places: Places) -> Asked:
        if self.owner.get is None:
            raise AssertionError(f"{self.where} has no get")  # No path has keys then.
        return Asked(self.backend.call(self.owner.get, places), places)

    def _by_list(self, keys: Sequence[Places], scan: Scan) -> bool:
        """Whether lists serve some keys better than a GET for each.

        They do for many keys where a list is one page, and for what no GET can read: hidden rows,
        and ids that cannot be a segment of a path.
        """
        spec, get = self.owner.list, self.owner.get
        if spec is None or not keys or (self.spec.parent and not self.spec.listed):
            return False
        if not set(spec.places) <= set(self._own):
            return False  # What a key says does not tell which list it is in.
        if self._shows_hidden(scan):
            return True
        if get is not None and not all(map(get.addresses, keys)):
            return True
        many = len(keys) >= _GETS_PER_LIST * len(self._scopes_of(keys))
        return many and spec.whole and isinstance(spec.pages, SinglePage)

    def _scopes_of(self, keys: Sequence[Places]) -> list[dict[str, str]]:
        """The placeholders of the lists that hold some keys."""
        places = self._list().places
        scopes = {tuple(one[place] for place in places) for one in keys}
        return [dict(zip(places, one, strict=True)) for one in sorted(scopes)]

    def _unlisted(self, spec: List, scan: Scan) -> bool:
        return (
            bool(spec.each)
            and self.keys(scan) is None
            and any(
                isinstance(each, Operation)
                and scan.given(place) is None
                and place not in self.backend.scope
                for place, each in spec.each.items()
            )
        )

    # Their responses

    def found(self, scan: Scan, reader: Reader) -> FoundPages:
        """The items of a scan as they arrive, in the order they were asked for."""
        reading = self.reading(scan, lambda _, each: texts_in(reader.get(each.call({}))))
        pages = self.listed(reading, scan, reader) if reading.lists else self.got(reading, reader)
        return pages if self.owner.hides is None or self._shows_hidden(scan) else self._shown(pages)

    def _shown(self, pages: FoundPages) -> FoundPages:
        with closing(pages):
            for page in pages:
                yield [one for one in page if not self._is_hidden(one)]

    def listed(self, reading: Reading, scan: Scan, reader: Reader) -> FoundPages:
        """The items of the lists of a reading, or what a fan-out finds for each of them."""
        if self.spec.sublist and scan.path.fans_out:
            with closing(self.parent.items_of(reading, Scan(scan.path), reader)) as parents:
                yield from self._each_listed(parents, scan, reader)
            return
        with closing(self.items_of(reading, scan, reader)) as pages:
            yield from self._each(pages, reader) if scan.path.fans_out else pages

    def items_of(self, reading: Reading, scan: Scan, reader: Reader) -> FoundPages:
        """The items of the lists of a reading, page by page."""
        by = self._rows_list()
        places = {by.apart(one.call): one.places for one in reading.asked}
        # Which of the rows of a list are wanted is not known, so LIMIT says nothing about pages.
        limit = None if reading.wanted is not None or scan.path.fans_out else scan.limit
        rows = 0

        def calls() -> Iterator[RequestSpec]:
            for one in reading.asked:
                # Once more rows are read than LIMIT suggested, small pages only cost requests.
                small = limit is None or rows < limit or not by.size
                yield one.call if small else one.call.with_query(**{by.size: by.cap})

        with closing(reader.fan_out(calls(), self.pages(scan), limit=limit)) as replies:
            pages = (self.page(reply, places[by.apart(reply.call)], reading) for reply in replies)
            if reading.wanted is not None:
                yield self._in_order(pages, reading.wanted)
                return
            for page in pages:
                rows += len(page)
                yield page

    def _in_order(
        self, pages: Iterable[Collection[Found]], ranks: Mapping[tuple[str, ...], int]
    ) -> list[Found]:
        """The wanted items in the order they were asked for; reads until all are there."""
        found: dict[tuple[str, ...], Found] = {}
        for page in pages:
            found |= {self._key(one): one for one in page}
            if len(found) == len(ranks):
                break
        return [found[key] for key in sorted(found, key=ranks.__getitem__)]

    def page(self, reply: Response, places: Places, reading: Reading) -> Collection[Found]:
        """The items of one page that count."""
        frame = self.frame(reply, places)
        if not reply.missing:
            self.backend.seen(places)
        found = self.rows_in(reply.items(), frame)
        if reading.wanted is None:
            return found
        return [one for one in found if self._key(one) in reading.wanted]

    def rows_in(self, items: Sequence[Item], frame: RestFrame) -> FoundPage:
        """The rows that some items of a page are."""
        return FoundPage(items, frame)

    def frame(self, reply: Response, places: Places) -> RestFrame:
        """What the items of a response have in common."""
        return RestFrame(reply.what, places)

    def _key(self, found: Found) -> tuple[str, ...]:
        places = self.items.places(found.item, found.frame)
        return tuple(places[place] for place in self._own)

    def _each(self, pages: Iterable[Collection[Found]], reader: Reader) -> FoundPages:
        """The items of a list, each read by its own request, since the list lacks these rows."""
        asked: dict[Hashable, Asked] = {}
        get = self.owner.get
        if get is None:
            raise AssertionError(f"{self.where} has no get")  # No path fans out then.

        def calls() -> Iterator[RequestSpec]:
            for page in pages:
                for one in page:
                    wanted = self._get(self.items.places(one.item, one.frame))
                    asked[get.apart(wanted.call)] = wanted
                    yield wanted.call

        with closing(reader.gather(calls())) as replies:
            for reply in replies:
                places = asked.pop(get.apart(reply.call)).places
                # An item that is gone by now has no rows.
                yield [] if reply.missing else [self.one(reply, places)]

    def _each_listed(
        self, pages: Iterable[Collection[Found]], scan: Scan, reader: Reader
    ) -> FoundPages:
        """The rows of each item of the parent's list, read by a list of their own."""
        by, places = self._rows_list(), dict[Hashable, Places]()
        whole, rows = replace(scan, limit=None), 0

        def calls() -> Iterator[RequestSpec]:
            for page in pages:
                for one in page:
                    # Once more rows are read than LIMIT suggested, small pages only cost requests.
                    small = scan.limit is not None and rows < scan.limit
                    found = self.items.places(one.item, one.frame)
                    for each in self.each_of(found, scan if small else whole):
                        places[by.apart(each.call)] = each.places
                        yield each.call

        reading = Reading((), lists=True)
        with closing(reader.fan_out(calls(), self.pages(scan), limit=scan.limit)) as replies:
            for reply in replies:
                page = self.page(reply, places[by.apart(reply.call)], reading)
                rows += len(page)
                yield page

    def got(self, reading: Reading, reader: Reader) -> FoundPages:
        """The items that are read one by one."""
        asked = reading.asked
        with closing(reader.gather([one.call for one in asked])) as replies:
            for one, reply in zip(asked, replies, strict=True):
                if reply.missing:
                    self.backend.missed(self.owner, one.places, reply, reader)
                else:
                    self.backend.seen(one.places)
                    found = self.one(reply, one.places)
                    yield FoundPage((found.item,), found.frame)

    def one(self, reply: Response, places: Places, write: Operation | None = None) -> Found:
        """The item in a response; ProtocolError if there is none, or one without its id."""
        by = write if write is not None and write.item else self.owner.get
        item = None if by is None else by.object_in(reply)
        frame = self.frame(reply, places)
        if item is None:
            raise frame.wrong(by.item if by and by.item else "body", "an object")
        self.items.require_ids(item, frame)
        return Found(item, frame)

    def find(self, reply: Response, places: Places, write: Operation | None = None) -> Found | None:
        """The item in a response; None if it holds none, or one without its id."""
        by = write if write is not None and write.item else self.owner.get
        # A change may be answered with nothing, or with null.
        if by is None or reply.missing or reply.json is None:
            return None
        item = by.object_in(reply)
        if item is None:
            return None
        found = Found(item, self.frame(reply, places))
        return found if self.items.names(item) else None

    def _rows(self, page: Collection[Found], make: RowDecoder[RestFrame]) -> list[Row]:
        """The rows of the items of a page: of those found, or of those inside them."""
        if not self.spec.parent or self.spec.sublist:
            return rows_of(page, make)
        return [row for one in page for row in rows_of(self.inside(one), make)]

    def inside(self, found: Found) -> FoundPage:
        """The items of this table's rows inside an item of its parent."""
        frame = replace(found.frame, places=self.items.places(found.item, found.frame))
        return FoundPage(items_inside(self.spec, found.item, found.frame), frame)

    # Hidden rows

    def _is_hidden(self, found: Found) -> bool:
        hides = self.owner.hides
        return hides is not None and self.items.columns[hides.column](found.item, found.frame) == 1

    def _shows_hidden(self, scan: Scan) -> bool:
        """Whether a parameter asks for hidden rows, or a condition that they can meet."""
        hides = self.spec.hides
        if hides is None:
            return False
        asked = scan.parameters.get(hides.parameter)
        column = self.table.column(hides.parameter)
        if asked is not None and accept(column, asked, f"{self.where}.{hides.parameter}") == 1:
            return True
        return any(admits(term, hides.column) for term in scan.where.terms)


def _unknown(place: str, _: Operation) -> list[str]:
    """Stands in the URL of a preview for values that have to be asked for first."""
    return [f"{{{place}}}"]
