"""The batches that a connection has seen, and reading all events, which only a batch shows.

A session's batch and number never change (contract, section 3), so they can be
remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sessions_vtab.backends.embedding_studio.calls import list_batch
from sessions_vtab.errors import MissingParameterError, NotFoundError, ProtocolError
from sessions_vtab.fetch import Call, Reply

__all__ = ["SHOWN", "BatchPages", "Batches", "Fetch", "Place", "events_in"]

SHOWN: Final = 100
"""Most events that a session's own route returns; it does not say whether there are more."""

_REMEMBERED: Final = 100_000
_PAGE: Final = 100
_MOST: Final = 2**63 - 1

Fetch: TypeAlias = Callable[[Call], Reply]
"""Sends a read and waits for the response."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a session: its batch, and its number there."""

    batch_id: str
    number: int


@dataclass(frozen=True, slots=True)
class BatchPages:
    """Paginator for a batch: continues after the last session number of a page.

    Attributes:
        size: number of sessions of the pages after the first, which may be smaller, as LIMIT
            suggests.
        last: the largest wanted session number; None for no limit.
    """

    size: int = _PAGE
    last: int | None = None

    def following(self, reply: Reply) -> Call | None:
        """Returns the page after ``last_number``."""
        rows = reply.items()
        if len(rows) < int(reply.call.parameter("limit") or 1):
            return None
        number = reply.object().get("last_number")
        if not isinstance(number, int) or isinstance(number, bool):
            raise ProtocolError(f"{reply.what}: the field last_number should be a number.")
        if self.last is not None and number >= self.last:
            return None
        return reply.call.with_query(after_number=number, limit=self.size)


@dataclass(slots=True)
class Batches:
    """The batches that a connection has seen. Its methods can be called from any thread.

    Attributes:
        source: name of the source, for errors.
    """

    source: str
    _ids: dict[str, None] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)

    def saw(self, batch_id: str) -> None:
        """Remembers that a batch exists."""
        self._ids[batch_id] = None

    def saw_page(self, reply: Reply, batch_id: str) -> list[dict[str, Any]]:
        """Remembers the sessions on a page of a batch, and returns them."""
        items = reply.items()
        for item in items:
            session_id, number = item.get("session_id"), item.get("session_number")
            if not isinstance(session_id, str) or type(number) is not int or number > _MOST:
                raise ProtocolError(
                    f"{reply.what}: a session has no session_id or no session_number."
                )
            self._remember(session_id, Place(batch_id, number))
        if items:
            self.saw(batch_id)
        return items

    def place_of(self, session_id: str) -> Place | None:
        """The batch and number of a session, if this connection has read them."""
        return self._places.get(session_id)

    def all_events(
        self, reply: Reply, session_id: str, fetch: Fetch, batch_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Every event of a session.

        Args:
            reply: the response of the session's own route.
            session_id: the id of the session.
            fetch: sends further requests.
            batch_id: its batch, if the user named it.

        Raises:
            MissingParameterError: there may be more events than the response contains, and no
                batch is known.
            NotFoundError: the session is not in the named batch.
        """
        events = events_in(reply.object(), reply)
        if len(events) != SHOWN and batch_id is None:
            return events
        # Rows show the named batch as their batch, so it must be checked even for few events.
        place = self._find(session_id, fetch, batch_id)
        if len(events) != SHOWN:
            return events
        whole = fetch(list_batch(place.batch_id, place.number - 1, 1, 0))
        for item in self.saw_page(whole, place.batch_id):
            if item["session_id"] == session_id:
                return events_in(item, whole)
        raise ProtocolError(
            f"{self.source}.events: session {session_id!r:.80} is no longer number"
            f" {place.number} of batch {place.batch_id}."
        )

    def _find(self, session_id: str, fetch: Fetch, batch_id: str | None) -> Place:
        for candidate in list(self._ids) if batch_id is None else [batch_id]:
            self._search(candidate, session_id, fetch)
        known = self._places.get(session_id)
        if known is not None and batch_id in {None, known.batch_id}:
            return known
        if batch_id is not None:
            raise NotFoundError(
                f"{self.source}.events: session {session_id!r:.80} is not in batch"
                f" {batch_id!r:.80}."
            )
        raise MissingParameterError(
            f"{self.source}.events: session {session_id!r:.80} has {SHOWN} events or more,"
            f" and without a batch the service returns only {SHOWN} of them. Add"
            " batch_id = '..' with an id returned by release_batch(). None of the"
            " batches that this connection has read contains the session."
        )

    def _search(self, batch_id: str, session_id: str, fetch: Fetch) -> None:
        """Reads a batch, with one event per session, until the session was found."""
        call: Call | None = list_batch(batch_id, 0, _PAGE, 1)
        while call is not None and session_id not in self._places:
            reply = fetch(call)
            self.saw_page(reply, batch_id)
            call = BatchPages().following(reply)

    def _remember(self, session_id: str, place: Place) -> None:
        if len(self._places) >= _REMEMBERED and session_id not in self._places:
            del self._places[next(iter(self._places))]
        self._places[session_id] = place


def events_in(session: dict[str, Any], reply: Reply) -> list[dict[str, Any]]:
    """The events of a session object; raises ProtocolError if they are not a list of objects."""
    events = session.get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ProtocolError(f"{reply.what}: the field events should be a list of objects.")
    return events
