"""The pages of one list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.paging import Paginator
from sessions_vtab.fetch.scope import PendingRequest

if TYPE_CHECKING:
    from sessions_vtab.fetch.reader import Reader

__all__ = ["PageIterator"]


class PageIterator(Iterator[Response]):
    """The pages of one list; the next is requested while this one is read.

    Args:
        reader: whose requests these are.
        call: for the first page; sent at once.
        pages: how the list goes on.
        limit: rows that will probably be read: no page is requested ahead once they are there.
            With 0, only ``resume`` requests a page ahead.
    """

    def __init__(
        self, reader: Reader, call: RequestSpec, pages: Paginator, limit: int | None
    ) -> None:
        self._reader = reader
        self._pages = pages
        self._left = limit
        self._next: RequestSpec | None = None
        self._seen: set[str] = set()
        self.flight: PendingRequest | None = None
        self._start(call)

    def __next__(self) -> Response:
        """The next page; waits for it."""
        self.resume()
        if self.flight is None:
            raise StopIteration
        flight, self.flight = self.flight, None
        reply = self._reader.finish(flight)
        self._next = None if reply.missing else self._pages.following(reply)
        if self._wants_more(reply):
            self.resume()
        return reply

    def resume(self) -> None:
        """Requests the next page, if there is one and it is not under way."""
        if self.flight is None and self._next is not None:
            call, self._next = self._next, None
            self._start(call)

    @property
    def ended(self) -> bool:
        """Whether the last page was read."""
        return self.flight is None and self._next is None

    def close(self) -> None:
        """Ends the request that is under way, if any."""
        self._next = None
        if self.flight is not None:
            flight, self.flight = self.flight, None
            self._reader.release(flight)

    def _start(self, call: RequestSpec) -> None:
        flight = self._reader.start(call)
        url = flight.key[0]
        if url in self._seen:
            self._reader.release(flight)
            shown = self._reader.client.shown(url, call)
            raise ProtocolError(
                f"{self._reader.where}: the pages of GET {shown} form a loop, so the rows"
                " read were discarded. Try again, or narrow the statement with WHERE."
            )
        self._seen.add(url)
        self.flight = flight

    def _wants_more(self, reply: Response) -> bool:
        if not self._left:
            return self._left is None
        self._left = max(0, self._left - len(reply.items()))
        return self._left > 0
