"""The pages of one list: how it goes on, as values, and the pages one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch.call import RequestSpec, Response

if TYPE_CHECKING:
    from sessions_vtab.fetch.reader import Reader
    from sessions_vtab.fetch.scope import PendingRequest


_LONGEST_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Paginator(ABC):
    """How a list goes on.

    Attributes:
        size: query parameter for the number of rows of a page.
        cap: most rows of a page; None leaves their number to the service.
    """

    _: KW_ONLY
    size: str = ""
    cap: int | None = None

    @abstractmethod
    def following(self, response: Response) -> RequestSpec | None:
        """The call for the page after a response; None if there is none.

        Raises:
            ProtocolError: the response does not say it in the form the API describes.
        """


@dataclass(frozen=True, slots=True)
class SinglePage(Paginator):
    """The whole list comes at once."""

    def following(self, response: Response) -> RequestSpec | None:  # noqa: ARG002
        """There is none."""
        return None


@dataclass(frozen=True, slots=True)
class TokenPages(Paginator):
    """A token in the answer is a parameter of the next call (https://google.aip.dev/158).

    Pages after the first are asked for in full size: a small first page was only a guess about
    LIMIT.

    Attributes:
        field: of the answer; absent or empty at the end.
        parameter: of the call.
    """

    field: str = "nextPageToken"
    parameter: str = "pageToken"
    _: KW_ONLY
    size: str = "pageSize"

    def following(self, response: Response) -> RequestSpec | None:
        """By the token."""
        token = response.object().get(self.field)
        if token is None or token == "":
            return None
        if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not token.isprintable():
            raise ProtocolError(
                f"{response.what}: {self.field} is not a valid page token. Does base_url point"
                " to the service itself?"
            )
        grown = {self.size: self.cap} if self.cap else {}
        return response.call.with_query(**grown, **{self.parameter: token})


@dataclass(frozen=True, slots=True)
class NumberedPages(Paginator):
    """Pages that are requested by number.

    Attributes:
        parameter: of the call: the page's number.
        first: number of the first page.
        more: boolean field of the answer that says whether another follows; '' if none does so,
            then a page with fewer rows than were asked for is the last.
    """

    parameter: str = "page_number"
    first: int = 1
    more: str = "has_more"
    _: KW_ONLY
    size: str = "limit"

    def following(self, response: Response) -> RequestSpec | None:
        """By the field, or by the number of rows."""
        rows = response.items()
        if self.more:
            more = response.object().get(self.more, False)
            if not isinstance(more, bool):
                raise ProtocolError(f"{response.what}: {self.more} should be true or false.")
        else:
            more = len(rows) >= int(response.call.parameter(self.size) or 1)
        # A page without rows is the last one, whatever it says.
        if not (more and rows):
            return None
        number = int(response.call.parameter(self.parameter) or self.first)
        return response.call.with_query(**{self.parameter: number + 1})


@dataclass(frozen=True, slots=True)
class AfterPages(Paginator):
    """The next page starts after the last row of this one; one with fewer rows than asked is last.

    Attributes:
        parameter: of the call: where to start.
        field: of a row: what to start after.
    """

    parameter: str
    field: str
    _: KW_ONLY
    size: str = "limit"

    def following(self, response: Response) -> RequestSpec | None:
        """By the last row."""
        rows = response.items()
        wanted = response.call.parameter(self.size)
        if not rows or (wanted is not None and len(rows) < int(wanted)):
            return None
        last = rows[-1].get(self.field)
        if not isinstance(last, str | int) or isinstance(last, bool):
            raise ProtocolError(f"{response.what}: the last row has no usable field {self.field}.")
        return response.call.with_query(**{self.parameter: last})


@dataclass(frozen=True, slots=True)
class StopAfter(Paginator):
    """Ends a sorted list at the first page that goes beyond the wanted rows.

    Attributes:
        pages: how the list goes on otherwise.
        beyond: whether a row, the last of a page, lies after the last one wanted.
    """

    pages: Paginator
    beyond: Callable[[dict[str, Any], Response], bool]

    def following(self, response: Response) -> RequestSpec | None:
        """None once a page went beyond."""
        rows = response.items()
        if rows and self.beyond(rows[-1], response):
            return None
        return self.pages.following(response)


class PageIterator(Iterator[Response]):
    """The pages of one list; the next is requested while this one is read.

    The first is requested when it is taken, or by ``resume`` before that.

    Args:
        reader: whose requests these are.
        call: for the first page.
        pages: how the list goes on.
        limit: rows that will probably be read: no page is requested ahead once they are there.
            With 0, only ``resume`` requests a page ahead.
        when_more: is given what requests the second page, to call it when that is wanted; None:
            it is requested with the first page's response.
    """

    def __init__(
        self,
        reader: Reader,
        call: RequestSpec,
        pages: Paginator,
        limit: int | None,
        when_more: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._reader = reader
        self._pages = pages
        self._left = limit
        self._when_more = when_more
        self._next: RequestSpec | None = call
        self._seen: set[str] = set()
        self.pending: PendingRequest | None = None

    def __next__(self) -> Response:
        """The next page; waits for it."""
        self._request(waits=True)
        if self.pending is None:
            raise StopIteration
        pending, self.pending = self.pending, None
        response = self._reader.shared.finish(pending, self._reader.context)
        self._next = None if response.missing else self._pages.following(response)
        when_more, self._when_more = self._when_more, None
        if self._wants_more(response):
            if when_more is None:
                self.resume()
            else:
                when_more(self.resume)
        return response

    def resume(self) -> None:
        """Requests the next page, if there is one and it is not under way."""
        self._request(waits=False)

    @property
    def ended(self) -> bool:
        """Whether the last page was read."""
        return self.pending is None and self._next is None

    def close(self) -> None:
        """Ends the request that is under way, if any."""
        self._next = None
        if self.pending is not None:
            pending, self.pending = self.pending, None
            self._reader.shared.release(pending, self._reader.context)

    def _request(self, *, waits: bool) -> None:
        if self.pending is not None or self._next is None:
            return
        call, self._next = self._next, None
        pending = self._reader.shared.start(call, self._reader.context, waits=waits)
        url = pending.key[0]
        if url in self._seen:
            self._reader.shared.release(pending, self._reader.context)
            shown = self._reader.client.shown(url, call)
            raise ProtocolError(
                f"{self._reader.where}: the pages of GET {shown} form a loop, so the rows"
                " read were discarded. Try again, or narrow the statement with WHERE."
            )
        self._seen.add(url)
        self.pending = pending

    def _wants_more(self, response: Response) -> bool:
        if not self._left:
            return self._left is None
        self._left = max(0, self._left - len(response.items()))
        return self._left > 0
