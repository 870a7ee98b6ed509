"""Embedding Studio: reading sessions by id or by batch, and all events of a session.

A session's own route returns at most 100 events and does not say whether there are more. Its batch
shows all of them, so a connection remembers the batches that it has seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sessions_vtab import rest
from sessions_vtab.contract.predicate import Compare, Field, Member, Op, Predicate

if TYPE_CHECKING:
    from sessions_vtab.backends.embedding_studio import EmbeddingStudioBackend

SESSION: Final = "sessions/{session_id}"

PAGE: Final = 100
"""Sessions of a page, and most events of a session that its own route returns: it does not say
whether there are more."""

MOST: Final = 2**63 - 1
_REMEMBERED: Final = 100_000

_Fetch: TypeAlias = Callable[[rest.RequestSpec], rest.Response]


@dataclass(frozen=True, slots=True)
class BatchPages(rest.Paginator):
    """Goes on after the last session number of a page.

    The first page may be smaller, as LIMIT suggests.

    Attributes:
        last: the largest wanted session number; None for no limit.
    """

    size: str = "limit"
    cap: int | None = PAGE
    last: int | None = None

    def following(self, response: rest.Response) -> rest.RequestSpec | None:
        """The page after ``last_number``."""
        rows = response.items()
        if len(rows) < int(response.call.parameter("limit") or 1):
            return None
        number = response.object().get("last_number")
        if not isinstance(number, int) or isinstance(number, bool):
            raise rest.ProtocolError(f"{response.what}: the field last_number should be a number.")
        if self.last is not None and number >= self.last:
            return None
        return response.call.with_query(after_number=number, limit=self.cap)


@dataclass(slots=True)
class Batches:
    """The batches that a connection has seen. Its methods can be called from any thread.

    A session's batch and number never change (contract, section 3), so they can be
    remembered.

    Attributes:
        source: name of the source, for errors.
        listed: the list of a batch.
        known: ids of batches that exist.
    """

    source: str
    listed: rest.List
    known: dict[str, None] = field(default_factory=dict)
    _places: dict[str, tuple[str, int]] = field(default_factory=dict)

    def page(self, batch_id: str, after: int, limit: int, events: int | None) -> rest.RequestSpec:
        """Up to ``limit`` sessions of a batch whose numbers are larger than ``after``.

        Args:
            batch_id: the id of the batch.
            after: a session number.
            limit: at least 1; to the service, 0 means all.
            events: events a session; 0 for all, None for the service's default of 100.
        """
        query = (("after_number", after), ("limit", limit), ("events_limit", events))
        return self.listed.call({"batch_id": batch_id}, query=query)

    def saw_page(self, response: rest.Response, batch_id: str) -> list[dict[str, Any]]:
        """Remembers the sessions on a page of a batch, and returns them."""
        items = response.items()
        for item in items:
            session_id, number = item.get("session_id"), item.get("session_number")
            if not isinstance(session_id, str) or type(number) is not int or number > MOST:
                raise rest.ProtocolError(
                    f"{response.what}: a session has no session_id or no session_number."
                )
            if len(self._places) >= _REMEMBERED and session_id not in self._places:
                del self._places[next(iter(self._places))]
            self._places[session_id] = (batch_id, number)
            self.known[batch_id] = None
        return items

    def place_of(self, item: rest.Item) -> tuple[str | None, int | None]:
        """The batch of a session and its number there, if this connection has read it."""
        return self._places.get(str(item.get("session_id")), (None, None))

    def holding(self, session_id: str) -> dict[str, str]:
        """The batch of a session as a placeholder, if this connection has read it."""
        known = self._places.get(session_id)
        return {} if known is None else {"batch_id": known[0]}

    def whole(self, found: rest.Found, fetch: _Fetch, batch_id: str | None = None) -> rest.Found:
        """A session, as its own route returned it, with all of its events.

        Args:
            found: the session.
            fetch: sends a read and waits for the response.
            batch_id: its batch, if the user named it.

        Raises:
            MissingParameterError: there may be more events than the response contains, and no
                batch is known.
            NotFoundError: the session is not in the named batch.
        """
        shown = len(events_in(found.item, found.frame))
        if shown != PAGE and batch_id is None:
            return found
        # Rows show the named batch as their batch, so it must be checked even for few events.
        session_id = str(found.item["session_id"])
        batch, number = self._find(session_id, fetch, batch_id)
        if shown != PAGE:
            return found
        response = fetch(self.page(batch, number - 1, 1, 0))
        for item in self.saw_page(response, batch):
            if item["session_id"] == session_id:
                return rest.Found(item, rest.RestFrame(response.what, found.frame.places))
        raise rest.ProtocolError(
            f"{self.source}.events: session {session_id!r:.80} is no longer number"
            f" {number} of batch {batch}."
        )

    def _find(self, session_id: str, fetch: _Fetch, batch_id: str | None) -> tuple[str, int]:
        for candidate in list(self.known) if batch_id is None else [batch_id]:
            self._search(candidate, session_id, fetch)
        known = self._places.get(session_id)
        if known is not None and batch_id in {None, known[0]}:
            return known
        if batch_id is not None:
            raise rest.NotFoundError(
                f"{self.source}.events: session {session_id!r:.80} is not in batch"
                f" {batch_id!r:.80}."
            )
        raise rest.MissingParameterError(
            f"{self.source}.events: session {session_id!r:.80} has {PAGE} events or more,"
            f" and without a batch the service returns only {PAGE} of them. Add"
            " batch_id = '..' with an id returned by release_batch(). None of the"
            " batches that this connection has read contains the session."
        )

    def _search(self, batch_id: str, session_id: str, fetch: _Fetch) -> None:
        """Reads a batch, with one event per session, until the session was found."""
        pages = rest.pages_of(self.page(batch_id, 0, PAGE, 1), BatchPages(), fetch)
        while session_id not in self._places and (response := next(pages, None)):
            self.saw_page(response, batch_id)


def events_in(session: rest.Item, frame: rest.DecodeContext) -> list[rest.Item]:
    """The events of a session; the service never leaves the list out."""
    return rest.objects_of(session, "events", frame, required=True)


_NUMBER: Final = Field("session_number")


def _numbers(terms: Iterable[Predicate]) -> tuple[int, int | None]:
    """The session numbers that a scan can match: above the first, and at most the second."""
    after, last = 0, None
    for op, value in (one for term in terms for one in _bounds(term)):
        bounded = max(-1.0, min(value, float(2**62))) if isinstance(value, float) else value
        floor, below = math.floor(bounded), math.ceil(bounded) - 1
        if op in {Op.GT, Op.GE, Op.EQ}:
            after = max(after, min(floor if op is Op.GT else below, MOST))
        if op in {Op.LT, Op.LE, Op.EQ}:
            high = below if op is Op.LT else floor
            last = high if last is None else min(last, high)
    return after, last


def _bounds(term: Predicate) -> list[tuple[Op, float]]:
    """The comparisons of the session number that a condition implies."""
    match term:
        case Compare(column, op, int() | float() as value) if column == _NUMBER:
            return [(op, value)]
        case Member(column, values, False) if column == _NUMBER:
            known = [value for value in values if isinstance(value, int | float)] or [0]
            return [(Op.GE, min(known)), (Op.LE, max(known))]
        case _:
            return []


class _InBatches(rest.RestResource):
    """A table whose lists are batches."""

    backend: EmbeddingStudioBackend

    def page(
        self, response: rest.Response, places: rest.Places, reading: rest.Reading
    ) -> Collection[rest.Found]:
        """What a page says of its batch is remembered."""
        self.backend.batches.saw_page(response, places["batch_id"])
        return super().page(response, places, reading)

    def completed(
        self, pages: rest.FoundPages, reader: rest.Reader, batch_id: str | None = None
    ) -> rest.FoundPages:
        """Sessions with all of their events; ``batch_id`` is their batch, if the user named it."""
        with closing(pages):
            for page in pages:
                yield [self.backend.batches.whole(one, reader.get, batch_id) for one in page]


class StudioSessionReader(_InBatches):
    """Rows of ``sessions``: by id, or by batch in the order of their numbers."""

    def keys(self, scan: rest.Scan) -> list[dict[str, str]] | None:
        """What a statement says of the batch leads to its list."""
        return None if scan.given("batch_id") is not None else super().keys(scan)

    def lists(self, scan: rest.Scan, spread: rest.Spread) -> Iterator[rest.Asked]:
        """None where no session number can match."""
        after, last = _numbers(scan.where.terms)
        none = (last is not None and last <= after) or self._named_sessions(scan) == set()
        return iter(()) if none else super().lists(scan, spread)

    def list_call(self, places: rest.Places, scan: rest.Scan) -> rest.RequestSpec:
        (after, last), size = _numbers(scan.where.terms), self.page_size(scan) or PAGE
        first = size if self._named_sessions(scan) is not None else min(scan.limit or size, size)
        first = first if last is None else min(first, last - after)
        events = 0 if "events" in scan.columns else 1
        return self.backend.batches.page(places["batch_id"], after, first, events)

    def page_size(self, scan: rest.Scan) -> int | None:
        """The service has no largest size."""
        size = scan.parameters.get("page_size")
        if size is None or (isinstance(size, int) and 1 <= size <= MOST):
            return size
        raise rest.InvalidValueError(f"{self.where}.page_size must be a number of at least 1.")

    def pages(self, scan: rest.Scan) -> rest.Paginator:
        return BatchPages(cap=super().pages(scan).cap, last=_numbers(scan.where.terms)[1])

    def found(self, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        if scan.given("batch_id") is None:
            pages = super().found(scan, reader)
            return self.completed(pages, reader) if "events" in scan.columns else pages
        reading = self.reading(scan, lambda _, __: ())
        if scan.order and len(reading.asked) > 1:
            return self.merged(reading, scan, reader, lambda one: one.item["session_number"], 1)
        return self._sessions_of_batches(reading, scan, reader)

    def _sessions_of_batches(
        self, reading: rest.Reading, scan: rest.Scan, reader: rest.Reader
    ) -> rest.FoundPages:
        """Sessions of batches: all of them, or those asked for by id, until they are found."""
        wanted = self._named_sessions(scan)
        if wanted is None and scan.limit is None:
            reader.prefetch(one.call for one in reading.asked)  # All of them will be read.
        for asked in reading.asked:
            # Once all are found, no further pages are requested.
            read = scan if wanted is None else replace(scan, limit=len(wanted))
            with closing(self.chain(asked, reading, read, reader)) as pages:
                for page in pages:
                    if wanted is None:
                        yield page
                        continue
                    found = [one for one in page if one.item["session_id"] in wanted]
                    wanted.difference_update(one.item["session_id"] for one in found)
                    yield found
                    if not wanted:
                        return

    def _named_sessions(self, scan: rest.Scan) -> set[str] | None:
        """The sessions that a statement names, by name or id; None if it names none."""
        names = scan.given("name")
        if names is None:
            ids = scan.given("session_id")
            return None if ids is None else {str(one) for one in ids}
        found = (rest.parse_name(SESSION, name) for name in names)
        return {one["session_id"] for one in found if one is not None}


class StudioEventReader(_InBatches):
    """Rows of ``events``: those of a session, or of all sessions of a batch."""

    def list_call(self, places: rest.Places, scan: rest.Scan) -> rest.RequestSpec:  # noqa: ARG002
        """LIMIT is about events, not about sessions."""
        return self.backend.batches.page(places["batch_id"], 0, PAGE, 0)

    def found(self, scan: rest.Scan, reader: rest.Reader) -> rest.FoundPages:
        pages, batch = super().found(scan, reader), scan.parameters.get("batch_id")
        if scan.path.name == "list":
            return pages
        return self.completed(pages, reader, None if batch is None else str(batch))
