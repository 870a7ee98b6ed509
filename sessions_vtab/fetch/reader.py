"""How a statement reads: single answers, pages, many lists at once, a list from both ends.

Everything here runs in the statement's thread and waits there. Requests run in the client's pool,
except for one that is waited for at once (``Exchange.run_here``).
Rows come in the order of the lists, whatever the network does. Iterators hold at most the page that
is read and the next one of each open list, and in bounded memory the pages that arrived early;
closing one ends what it has started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sessions_vtab.contract.backend import Context
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.client import Client
from sessions_vtab.fetch.connection import SLICE
from sessions_vtab.fetch.paging import PageIterator, Paginator, SinglePage
from sessions_vtab.fetch.problems import stopped
from sessions_vtab.fetch.scope import scope_of
from sessions_vtab.fetch.turns import BothEnds, Items, SideBySide

__all__ = ["Items", "Reader"]

_T = TypeVar("_T")


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
        pending = self.shared.start(call, self.context, waits=True)
        return self.shared.finish(pending, self.context)

    def pages(
        self, call: RequestSpec, pages: Paginator | None = None, *, limit: int | None = None
    ) -> Generator[Response, None, None]:
        """The pages of one list, the next requested while this one is read."""
        chain = PageIterator(self, call, pages or SinglePage(), limit, self.context.when_more)
        try:
            yield from chain
        finally:
            chain.close()

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
