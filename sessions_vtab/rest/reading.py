"""Reading a declared table: the rows of the responses to a scan's requests (``requests``)."""

from __future__ import annotations

import heapq
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
from dataclasses import replace
from functools import cached_property
from itertools import groupby, islice, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.capability import HiddenRows
from sessions_vtab.contract.model import Places
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.errors import RefusedError
from sessions_vtab.fetch import Item, Reader, RequestSpec, Response
from sessions_vtab.rest.declaration import Operation, RestFrame, RestTable
from sessions_vtab.rest.decoding import Decoder, RowDecoder, items_inside, texts_in
from sessions_vtab.rest.parents import ParentKey, Parents
from sessions_vtab.rest.requests import Asked, Reading, ScanRequests, Scope

if TYPE_CHECKING:
    from sessions_vtab.rest.backend import RestBackend


class Found(NamedTuple):
    """An item as it came, and what its response says of it."""

    item: Item
    frame: RestFrame


class FoundPage(Collection[Found]):
    """Items of one response, without an object for each: rows are made of all of them at once.

    Args:
        items: the items as they came.
        frame: what their response says of them.
    """

    __slots__ = ("frame", "items")

    def __init__(self, items: Sequence[Item], frame: RestFrame) -> None:
        self.items = items
        self.frame = frame

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Found]:
        return map(Found, self.items, repeat(self.frame))

    def __contains__(self, found: object) -> bool:
        return any(found == one for one in self)


def rows_of(found: Collection[Found], make: RowDecoder[RestFrame]) -> list[Row]:
    """The rows of some items, those of one response at once."""
    if isinstance(found, FoundPage):
        return make.page(found.items, found.frame)
    rows: list[Row] = []
    for frame, same in groupby(found, key=itemgetter(1)):
        rows += make.page([one.item for one in same], frame)
    return rows


FoundPages: TypeAlias = Generator[Collection[Found], None, None]
"""The items of a read as they arrive; closing it ends what is under way."""


class RestResource(ScanRequests):
    """A declared table of one source. A backend overrides what its service does differently.

    Args:
        spec: the declaration.
        owner: the declaration whose operations read it: that of its parent, or ``spec``.
        backend: the source it belongs to.
    """

    def __init__(self, spec: RestTable, owner: RestTable, backend: RestBackend) -> None:
        super().__init__(spec, owner, backend)
        self.items = Decoder(owner, owner)
        self.decoder = Decoder(spec, owner)
        self.row = RowDecoder(self.table, self.decoder.columns)

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        make = self.decoder.rows(self.table, scan.columns)
        shown = self.shown(context) if self._is_looked_up else None
        with closing(self.found(scan, Reader(self.backend.client, context))) as pages:
            for page in pages:
                rows = self._rows(page, make)
                if shown is not None:
                    shown.add(map(itemgetter(self._place_of_name), rows))
                yield rows

    @cached_property
    def _is_looked_up(self) -> bool:
        """Whether other tables ask which of these rows are there."""
        others = self.backend.resources.values()
        return any(one.looks_up_parents and one.parent is self for one in others)

    @cached_property
    def _place_of_name(self) -> int:
        return self.table.positions[self.table.key]

    def found(self, scan: Scan, reader: Reader) -> FoundPages:
        """The items of a scan as they arrive, in the order they were asked for."""
        reading = self.foreseen(scan, reader.context) if scan.path.keys else None
        known = reading is not None
        reading = reading or self.reading(scan, lambda _, each: texts_in(reader.get(each.call({}))))
        if self.looks_up_parents and not scan.path.fans_out:
            pages = self._there(reading, scan, reader, known=known)
        else:
            pages = self.read(reading, scan, reader)
        hides = self.owner.hides
        return pages if hides is None or self.shows_hidden(scan) else self._shown(pages, hides)

    def read(self, reading: Reading, scan: Scan, reader: Reader) -> FoundPages:
        """The items of a reading as they arrive."""
        return self.listed(reading, scan, reader) if reading.lists else self.got(reading, reader)

    # Parents that are not there

    def _there(self, reading: Reading, scan: Scan, reader: Reader, *, known: bool) -> FoundPages:
        """The items of the parents that are there, of a few at a time that may not be.

        Args:
            reading: the requests for all of them.
            scan: the read they are of.
            reader: reads them.
            known: they were begun before.
        """
        turns = iter([reading.asked]) if known else self._turns(reading.asked, reader)
        if scan.order and len(reading.asked) > 1:
            # Lists that are merged begin together.
            turns = iter([[one for turn in turns for one in self._probed(turn, reader)]])
        for asked in turns:
            part = replace(reading, asked=tuple(asked))
            with closing(self.read(part, scan, reader)) as pages:
                yield from self._noted(pages, reader)

    def _turns(self, asked: Sequence[Asked], reader: Reader) -> Iterator[Sequence[Asked]]:
        """Parts of some requests that may be sent together, without those that find nothing."""
        known, left = self.known_parents(reader.context), asked
        while left:
            for scope, keys in self.by_scope(left).items():
                parents = known[scope]
                self._look_up(parents, scope, parents.pages_for(len(keys)), reader)
            left = self.there(Reading(tuple(left), lists=True), known).asked
            # What is under way for others may leave no room: one at a time has to be asked for.
            turn = [*self.taken(left, reader.context)] or [*left[:1]]
            yield turn
            left = left[len(turn) :]

    def _probed(self, turn: Sequence[Asked], reader: Reader) -> Iterator[Asked]:
        """Those of some requests that find something; the responses are kept for the statement."""
        known = self.known_parents(reader.context)
        for one, response in zip(turn, reader.gather([one.call for one in turn]), strict=True):
            parents = known[self.scope_of(one.places)]
            parents.note(self.parent_of(one.places), missing=response.missing)
            if not response.missing:
                yield one

    def _look_up(self, parents: Parents, scope: Scope, pages: int, reader: Reader) -> None:
        """Reads the list of the parents in a scope, until so many pages of it are known."""
        try:
            while parents.read < pages and not parents.ended:
                if not parents.read:
                    parents.coming = self._pages_of_parents(scope, reader)
                keys, parents.ended = next(parents.coming, ((), True))
                parents.known.update(keys)
                parents.read += 1
        except RefusedError:
            # Who may read the rows of a parent need not be allowed to list parents.
            parents.ended = parents.refused = True

    def _pages_of_parents(
        self, scope: Scope, reader: Reader
    ) -> Iterator[tuple[list[ParentKey], bool]]:
        """The parents on each page of their list, and whether it is the last one."""
        whole = Scan(self.parent.capability.paths[-1])
        lists = self.parent_lists(scope)
        for one in lists:
            pages = reader.pages_on_request(one.call, self.parent.pages(whole), in_turn=True)
            for response in pages:
                found = self.parent.page(response, one.places, Reading((), lists=True))
                places = (self.items.places(each.item, each.frame) for each in found)
                yield list(map(self.parent_of, places)), pages.ended and one is lists[-1]

    def _noted(self, pages: FoundPages, reader: Reader) -> FoundPages:
        """The same pages, of which some say that there is no such parent."""
        known = self.known_parents(reader.context)
        with closing(pages):
            for page in pages:
                if isinstance(page, FoundPage):
                    places = page.frame.places
                    parents = known[self.scope_of(places)]
                    parents.note(self.parent_of(places), missing=page.frame.missing)
                yield page

    def _shown(self, pages: FoundPages, hides: HiddenRows) -> FoundPages:
        is_hidden = self.items.columns[hides.column]
        with closing(pages):
            for page in pages:
                yield [one for one in page if is_hidden(one.item, one.frame) != 1]

    def listed(self, reading: Reading, scan: Scan, reader: Reader) -> FoundPages:
        """The items of the lists of a reading, or what a fan-out finds for each of them."""
        if self.sublist and scan.path.fans_out:
            with closing(self.parent.items_of(reading, Scan(scan.path), reader)) as parents:
                found = (self.items.places(one.item, one.frame) for page in parents for one in page)
                asked = (each for places in found for each in self.each_of(places, scan))
                whole = Reading((), lists=True)
                yield from self._side_by_side(asked, whole, scan.limit, scan, reader)
            return
        with closing(self.items_of(reading, scan, reader)) as pages:
            yield from self._each(pages, reader) if scan.path.fans_out else pages

    def items_of(self, reading: Reading, scan: Scan, reader: Reader) -> FoundPages:
        """The items of the lists of a reading, page by page."""
        # Which of the rows of a list are wanted is not known, so LIMIT says nothing about pages.
        vague = reading.wanted is not None or scan.path.fans_out
        limit = None if vague else scan.limit
        with closing(self._side_by_side(reading.asked, reading, limit, scan, reader)) as pages:
            if reading.wanted is None:
                yield from pages
            else:
                yield self._in_order(pages, reading.wanted)

    def _side_by_side(
        self,
        asked: Iterable[Asked],
        reading: Reading,
        limit: int | None,
        scan: Scan,
        reader: Reader,
    ) -> FoundPages:
        """The items of some lists in their order, several of them under way."""
        by, places, rows = self.rows_list(), dict[Hashable, Places](), 0
        full = {by.pages.size: by.pages.cap}

        def calls() -> Iterator[RequestSpec]:
            for one in asked:
                places[by.apart(one.call)] = one.places
                # Once more rows are read than LIMIT suggested, small pages only cost requests.
                enough = limit is not None and rows >= limit and "page_size" not in scan.parameters
                yield one.call.with_query(**full) if enough and by.pages.cap else one.call

        pages = reading.pages or self.pages(scan)
        with closing(reader.fan_out(calls(), pages, limit=limit)) as responses:
            for response in responses:
                page = self.page(response, places[by.apart(response.call)], reading)
                rows += len(page)
                yield page

    def chain(self, one: Asked, reading: Reading, scan: Scan, reader: Reader) -> FoundPages:
        """The items of one list, page after page."""
        pages = reading.pages or self.pages(scan)
        with closing(reader.pages(one.call, pages, limit=scan.limit)) as responses:
            for response in responses:
                yield self.page(response, one.places, reading)

    def merged(
        self, reading: Reading, scan: Scan, reader: Reader, key: Callable[[Found], Any], size: int
    ) -> FoundPages:
        """The items of sorted lists as one sorted list; the first page of each is needed first.

        Args:
            reading: the lists.
            scan: the read they are of.
            reader: reads them.
            key: what they are sorted by.
            size: items of a page that is handed on.
        """
        window = self.backend.endpoint.concurrency

        def entries(index: int) -> Generator[Found, None, None]:
            reader.prefetch(one.call for one in reading.asked[index : index + window])
            with closing(self.chain(reading.asked[index], reading, scan, reader)) as pages:
                for page in pages:
                    yield from page

        lists = [entries(index) for index in range(len(reading.asked))]
        merged = heapq.merge(*lists, key=key)
        try:
            while page := list(islice(merged, size)):
                yield page
        finally:
            for one in lists:
                one.close()

    def _in_order(
        self, pages: Iterable[Collection[Found]], ranks: Mapping[tuple[str, ...], int]
    ) -> list[Found]:
        """The wanted items in the order they were asked for; reads until all are there."""
        found: dict[tuple[str, ...], Found] = {}
        for page in pages:
            found |= {self.key_of(one): one for one in page}
            if len(found) == len(ranks):
                break
        return [found[key] for key in sorted(found, key=ranks.__getitem__)]

    def page(self, response: Response, places: Places, reading: Reading) -> Collection[Found]:
        """The items of one page that count."""
        if not response.missing:
            self.backend.seen(places)
        frame = self.frame(response, places)
        found = self.rows_in(response.items(), frame)
        if reading.wanted is None:
            return found
        return [one for one in found if self.key_of(one) in reading.wanted]

    def rows_in(self, items: Sequence[Item], frame: RestFrame) -> FoundPage:
        """The rows that some items of a page are."""
        return FoundPage(items, frame)

    def frame(self, response: Response, places: Places) -> RestFrame:
        """What the items of a response have in common."""
        return RestFrame(response.what, places, missing=response.missing)

    def key_of(self, found: Found) -> tuple[str, ...]:
        """The values of an item's name, in the order of ``own``."""
        places = self.items.places(found.item, found.frame)
        return tuple(places[place] for place in self.own)

    def _each(self, pages: Iterable[Collection[Found]], reader: Reader) -> FoundPages:
        """The items of a list, each read by its own request, since the list lacks these rows."""
        asked: dict[Hashable, Asked] = {}
        get = self.owner.get
        if get is None:
            raise AssertionError(f"{self.where} has no get")  # No path fans out then.

        def calls() -> Iterator[RequestSpec]:
            for page in pages:
                for one in page:
                    wanted = self.get_of(self.items.places(one.item, one.frame))
                    asked[get.apart(wanted.call)] = wanted
                    yield wanted.call

        with closing(reader.gather(calls())) as responses:
            for response in responses:
                places = asked.pop(get.apart(response.call)).places
                # An item that is gone by now has no rows.
                yield [] if response.missing else [self.one(response, places)]

    def got(self, reading: Reading, reader: Reader) -> FoundPages:
        """The items that are read one by one."""
        asked = reading.asked
        with closing(reader.gather([one.call for one in asked])) as responses:
            for one, response in zip(asked, responses, strict=True):
                if response.missing:
                    self.backend.missed(one.places, response, reader)
                else:
                    self.backend.seen(one.places)
                    found = self.one(response, one.places)
                    yield FoundPage((found.item,), found.frame)

    def one(self, response: Response, places: Places, write: Operation | None = None) -> Found:
        """The item in a response; ProtocolError if there is none, or one without its id."""
        by = write if write is not None and write.item else self.owner.get
        item = None if by is None else by.object_in(response)
        frame = self.frame(response, places)
        if item is None:
            raise frame.wrong(by.item if by and by.item else "body", "an object")
        self.items.require_ids(item, frame)
        return Found(item, frame)

    def find(
        self, response: Response, places: Places, write: Operation | None = None
    ) -> Found | None:
        """The item in a response; None if it holds none, or one without its id."""
        by = write if write is not None and write.item else self.owner.get
        # A change may be answered with nothing, or with null.
        if by is None or response.missing or response.json is None:
            return None
        item = by.object_in(response)
        if item is None:
            return None
        found = Found(item, self.frame(response, places))
        return found if self.items.names(item) else None

    def _rows(self, page: Collection[Found], make: RowDecoder[RestFrame]) -> list[Row]:
        """The rows of the items of a page: of those found, or of those inside them."""
        if not self.spec.parent or self.sublist:
            return rows_of(page, make)
        return [row for one in page for row in rows_of(self.inside(one), make)]

    def inside(self, found: Found) -> FoundPage:
        """The items of this table's rows inside an item of its parent."""
        frame = replace(found.frame, places=self.items.places(found.item, found.frame))
        return FoundPage(items_inside(self.spec, found.item, found.frame), frame)
