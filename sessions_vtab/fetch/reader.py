"""How a statement reads: single answers, pages, many lists at once, a list from both ends.

How a list goes on is a value, a ``Paginator``. A ``PageIterator`` has the pages of one list one
after the other, and a ``Reader`` everything that a statement reads.

Everything here runs in the statement's thread and waits there. It also sends what is read in turn
(``Exchange.begin``); what may arrive in any order, and what has to be waited for, is sent by the
client's pool.
Rows come in the order of the lists, whatever the network does. Iterators hold at most the page that
is read and the next one of each open list, and in bounded memory the pages that arrived early;
closing one ends what it has started.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sessions_vtab.contract.backend import Context
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch.call import RequestSpec, Response, field_of
from sessions_vtab.fetch.client import Client
from sessions_vtab.fetch.problems import stopped
from sessions_vtab.fetch.scope import PendingRequest, scope_of
from sessions_vtab.fetch.sockets import SLICE
from sessions_vtab.fetch.turns import BothEnds, Items, SideBySide

__all__ = ["Items", "Reader"]

_T = TypeVar("_T")

# Pages

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
        field: of the answer, or one inside another, ``paging.next``; absent or empty at the end.
        parameter: of the call.
    """

    field: str = "nextPageToken"
    parameter: str = "pageToken"
    _: KW_ONLY
    size: str = "pageSize"

    def following(self, response: Response) -> RequestSpec | None:
        """By the token."""
        token = response.field(self.field)
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
        full = len(rows) >= int(response.call.parameter(self.size) or 1)
        if self.more:
            more = response.field(self.more)
            if more is None and full and rows and self.cap:
                raise ProtocolError(
                    f"{response.what}: a full page has no field {self.more}, which says whether"
                    " another follows (the declaration's 'more')."
                )
            if not isinstance(more, bool | None):
                raise ProtocolError(f"{response.what}: {self.more} should be true or false.")
        else:
            more = full
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
        last = field_of(rows[-1], self.field)
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
        in_turn: nothing waits for a page but ``next``.
    """

    def __init__(
        self,
        reader: Reader,
        call: RequestSpec,
        pages: Paginator,
        limit: int | None,
        when_more: Callable[[Callable[[], None]], None] | None = None,
        *,
        in_turn: bool = True,
    ) -> None:
        self._reader = reader
        self._pages = pages
        self._left = limit
        self._when_more = when_more
        self._in_turn = in_turn
        self._next: RequestSpec | None = call
        self._seen: set[str] = set()
        self.pending: PendingRequest | None = None

    def __next__(self) -> Response:
        """The next page; waits for it."""
        self.resume()
        if self.pending is None:
            raise StopIteration
        pending, self.pending = self.pending, None
        response = self._reader.shared.finish(pending, self._reader.context)
        self._next = None if response.missing else self._pages.following(response)
        when_more, self._when_more = self._when_more, None
        if self._left:
            self._left = max(0, self._left - len(response.items()))
        if self._left == 0:
            return response
        if when_more is None:
            self.resume()
        else:
            when_more(self.resume)
        return response

    def resume(self) -> None:
        """Requests the next page, if there is one and it is not under way."""
        if self.pending is not None or self._next is None:
            return
        call, self._next = self._next, None
        start = self._reader.shared.start
        pending = start(call, self._reader.context, in_turn=self._in_turn)
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


# Reading


class Reader:
    """Reads for one statement. Cheap: make one a scan.

    Attributes:
        client: sends the requests.
        context: the statement.
        shared: what the statement has asked of the client so far.
    """

    def __init__(self, client: Client, context: Context) -> None:
        self.client = client
        self.context = context
        self.shared = scope_of(client, context)

    @property
    def where(self) -> str:
        """Source and table that ask, for errors: ``prod.sessions``."""
        return self.client.where(self.context.table)

    def get(self, call: RequestSpec) -> Response:
        """One answer; waits for it.

        Raises:
            SessionsError: as ``Sender.send``.
        """
        pending = self.shared.start(call, self.context, in_turn=True)
        return self.shared.finish(pending, self.context)

    def pages(
        self, call: RequestSpec, pages: Paginator | None = None, *, limit: int | None = None
    ) -> Generator[Response, None, None]:
        """The pages of one list, the next requested while this one is read."""
        # Closing the generator closes what it yields from.
        yield from PageIterator(self, call, pages or SinglePage(), limit, self.context.when_more)

    def pages_on_request(
        self, call: RequestSpec, pages: Paginator, *, in_turn: bool
    ) -> PageIterator:
        """The pages of one list, each requested when ``resume`` is called."""
        return PageIterator(self, call, pages, 0, in_turn=in_turn)

    def gather(self, calls: Iterable[RequestSpec]) -> Generator[Response, None, None]:
        """Answers of independent calls in their order, a bounded number of them under way."""
        if isinstance(calls, Sequence) and len(calls) == 1:
            return (self.get(call) for call in calls)
        return self.fan_out(calls, SinglePage())

    def fan_out(
        self, calls: Iterable[RequestSpec], pages: Paginator, *, limit: int | None = None
    ) -> Generator[Response, None, None]:
        """The pages of many lists in order, as many at once as the source allows.

        ``response.call`` says which list a page is of (its path, for instance). The calls may
        themselves come from pages: they are taken as lists are started. Pages and errors of a list
        wait until the lists before it have been read.

        Args:
            calls: for the first page of each list.
            pages: how each goes on.
            limit: rows that will probably be read: starts with one list and doubles, since most
                would be in vain.
        """
        # Under LIMIT all lists at once would be sent in vain: most statements end in the first few.
        if limit is not None:
            return self._a_few(iter(calls), pages, limit)
        return SideBySide(self, iter(calls), pages, self.client.endpoint.concurrency).run()

    def both_ends(
        self,
        near: RequestSpec,
        far: RequestSpec,
        pages: Paginator,
        *,
        position: Callable[[dict[str, Any], Response], int],
        identity: Callable[[dict[str, Any]], Hashable],
    ) -> Generator[tuple[Response, Items], None, None]:
        """Every row of a list once, in order, read from both ends at the same time.

        Right for an order whose values do not change. The far end is only started after three
        pages.

        Args:
            near: first page in the order wanted.
            far: first page in the opposite order.
            pages: how either goes on.
            position: of a row: a number that grows along the order wanted. The response is for
                errors.
            identity: of a row, by which those seen from both ends are recognised.
        """
        return BothEnds(self, pages, position, identity).run(near, far)

    def prefetch(self, calls: Iterable[RequestSpec]) -> None:
        """Starts requests that the statement will probably make; bounded, the oldest give way."""
        for call in calls:
            self.shared.ahead(call, self.context)

    def first_of(self, arrived: SimpleQueue[_T]) -> _T:
        """Waits for the first entry of a queue."""
        while True:
            try:
                # In slices: a Ctrl-C is only seen between calls, since APSW's interrupt does not
                # wake a waiting thread.
                return arrived.get(timeout=SLICE)
            except Empty:
                if self.shared.interrupted(self.context):
                    raise stopped(self.client.endpoint.source) from None

    def _a_few(
        self, calls: Iterator[RequestSpec], pages: Paginator, limit: int
    ) -> Generator[Response, None, None]:
        open_chains: deque[PageIterator] = deque()
        most = self.client.endpoint.concurrency
        window = 1
        try:
            while True:
                for call in _take(calls, window - len(open_chains)):
                    open_chains.append(PageIterator(self, call, pages, limit))
                if not open_chains:
                    return
                for chain in open_chains if len(open_chains) > 1 else ():
                    chain.resume()
                # In the order of the calls, whatever arrives first: rows of an unchanged table come
                # in one order.
                yield from open_chains[0]
                open_chains.popleft()
                window = min(most, window * 2)
        finally:
            # SQLite stops reading without a word when it has enough: what is under way is cancelled
            # here.
            for chain in open_chains:
                chain.close()


def _take(calls: Iterator[RequestSpec], count: int) -> Iterator[RequestSpec]:
    """Up to ``count`` calls, one at a time."""
    for _ in range(count):
        call = next(calls, None)
        if call is None:
            return
        yield call
