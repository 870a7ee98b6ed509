"""How a statement reads: single answers, pages, many lists at once, a list from both ends.

Everything here runs in the statement's thread and waits there; requests run in the client's pool.
Iterators hold at most the page that is read and the next one of each list that is open; closing
one ends what it has started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch.call import Call, Reply
from sessions_vtab.fetch.client import Client
from sessions_vtab.fetch.paging import Paginator, SinglePage
from sessions_vtab.fetch.problems import stopped
from sessions_vtab.fetch.scope import SLICE, Flight, scope_of
from sessions_vtab.spec.backend import Context

__all__ = ["Chain", "Items", "Reader"]

Items: TypeAlias = list[dict[str, Any]]
"""The rows of a page as JSON objects."""

_BOTH_ENDS_AFTER = 3
"""Pages read from one end before the other is tried: short lists need no second one."""


class Chain(Iterator[Reply]):
    """The pages of one list; the next is requested while this one is read.

    Args:
        reader: whose requests these are.
        call: for the first page; sent at once.
        pages: how the list goes on.
        limit: rows that will probably be read: no page is requested ahead once they are there.
    """

    def __init__(self, reader: Reader, call: Call, pages: Paginator, limit: int | None) -> None:
        self._reader = reader
        self._pages = pages
        self._left = limit
        self._next: Call | None = None
        self._seen: set[str] = set()
        self.flight: Flight | None = None
        self._start(call)

    def __next__(self) -> Reply:
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

    def _start(self, call: Call) -> None:
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

    def _wants_more(self, reply: Reply) -> bool:
        if self._left is None:
            return True
        self._left -= len(reply.items())
        return self._left > 0


class Reader:
    """Reads for one statement. Cheap: make one a scan."""

    def __init__(self, client: Client, context: Context) -> None:
        self.client = client
        self._context = context
        self._scope = scope_of(client, context)

    @property
    def where(self) -> str:
        """Source and table that ask, for errors: ``prod.sessions``."""
        return self.client.where(self._context.table)

    def get(self, call: Call) -> Reply:
        """One answer; waits for it.

        Raises:
            SessionsError: as ``Line.send``.
        """
        return self.finish(self.start(call))

    def pages(
        self, call: Call, pages: Paginator | None = None, *, limit: int | None = None
    ) -> Generator[Reply, None, None]:
        """The pages of one list, the next requested while this one is read."""
        chain = Chain(self, call, pages or SinglePage(), limit)
        try:
            yield from chain
        finally:
            chain.close()

    def gather(self, calls: Iterable[Call]) -> Generator[Reply, None, None]:
        """Answers of independent calls in their order, a bounded number of them under way."""
        return self.fan_out((call for call in calls), SinglePage())

    def fan_out(
        self,
        calls: Iterable[Call],
        pages: Paginator,
        *,
        ordered: bool = True,
        limit: int | None = None,
    ) -> Generator[Reply, None, None]:
        """The pages of many lists, as many at once as the source allows.

        ``reply.call`` says which list a page is of (its path, for instance). The calls may
        themselves come from pages: they are taken as lists are started.

        Args:
            calls: for the first page of each list.
            pages: how each goes on.
            ordered: one list after the other, in order; else whichever page is there first.
            limit: rows that will probably be read: starts with one list and doubles, since most
                would be in vain.
        """
        run = self._in_order if ordered or limit is not None else self._as_they_come
        return run(iter(calls), pages, limit)

    def both_ends(
        self,
        ascending: Call,
        descending: Call,
        pages: Paginator,
        *,
        position: Callable[[dict[str, Any], Reply], Any],
        identity: Callable[[dict[str, Any]], Hashable],
    ) -> Generator[tuple[Reply, Items], None, None]:
        """Every row of a list once, in no order: from both ends at the same time.

        Right for an order whose values do not change. They have met when a row from one end lies
        *behind* the last one from the other: rows of equal position may come in any order, so
        touching is not enough. The far end is only started after three pages.

        Args:
            ascending: first page in ascending order.
            descending: first page in descending order.
            pages: how either goes on.
            position: of a row in the order; comparable. The reply is for errors.
            identity: of a row, by which those seen from both ends are recognised.
        """
        ends = _Ends(self, pages, position, identity)
        try:
            yield from ends.run(ascending, descending)
        finally:
            ends.close()

    def prefetch(self, calls: Iterable[Call]) -> None:
        """Starts requests that the statement will probably make; bounded, the oldest give way."""
        for call in calls:
            self._scope.ahead(call, self._context)

    def start(self, call: Call) -> Flight:
        """Starts a request, or claims the answer to the same one."""
        return self._scope.start(call, self._context)

    def finish(self, flight: Flight) -> Reply:
        """Waits for a claimed answer."""
        return self._scope.finish(flight, self._context)

    def release(self, flight: Flight) -> None:
        """Gives a claimed answer back, unread."""
        self._scope.release(flight, self._context)

    def first_of(self, chains: SimpleQueue[Chain]) -> Chain:
        """Waits for the first chain whose page is there."""
        while True:
            try:
                return chains.get(timeout=SLICE)
            except Empty:
                if self._context.interrupted():
                    raise stopped(self.client.site.source) from None

    def _in_order(
        self, calls: Iterator[Call], pages: Paginator, limit: int | None
    ) -> Generator[Reply, None, None]:
        open_chains: deque[Chain] = deque()
        most = self.client.site.concurrency
        window = most if limit is None else 1
        try:
            while True:
                for call in _take(calls, window - len(open_chains)):
                    open_chains.append(Chain(self, call, pages, limit))
                if not open_chains:
                    return
                yield from open_chains[0]
                open_chains.popleft()
                window = min(most, window * 2)
        finally:
            for chain in open_chains:
                chain.close()

    def _as_they_come(
        self, calls: Iterator[Call], pages: Paginator, limit: int | None
    ) -> Generator[Reply, None, None]:
        race = _Race(self)
        try:
            while True:
                for call in _take(calls, self.client.site.concurrency - len(race)):
                    race.enter(Chain(self, call, pages, limit))
                if not race:
                    return
                yield race.next_page()[1]
        finally:
            race.close()


class _Race:
    """Reads several lists at once: whichever page arrives first is returned first."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._chains: set[Chain] = set()
        self._ready: SimpleQueue[Chain] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._chains)

    def enter(self, chain: Chain) -> None:
        """Adds a chain whose page is under way."""
        self._chains.add(chain)
        self._watch(chain)

    def next_page(self) -> tuple[Chain, Reply]:
        """Waits for a page; requests the chain's next one before it is handed out."""
        chain = self._reader.first_of(self._ready)
        reply = next(chain)
        if chain.ended:
            self._chains.discard(chain)
        else:
            chain.resume()
            self._watch(chain)
        return chain, reply

    def close(self) -> None:
        """Ends what is under way."""
        for chain in self._chains:
            chain.close()
        self._chains.clear()

    def _watch(self, chain: Chain) -> None:
        if chain.flight is not None:
            chain.flight.future.add_done_callback(lambda _: self._ready.put(chain))


class _Ends:
    """The state of a list that is read from both ends."""

    def __init__(
        self,
        reader: Reader,
        pages: Paginator,
        position: Callable[[dict[str, Any], Reply], Any],
        identity: Callable[[dict[str, Any]], Hashable],
    ) -> None:
        self._reader = reader
        self._pages = pages
        self._position = position
        self._identity = identity
        self._race = _Race(reader)
        self._seen: set[Hashable] = set()
        self._reached: dict[Chain, Any] = {}

    def run(self, ascending: Call, descending: Call) -> Generator[tuple[Reply, Items], None, None]:
        low = Chain(self._reader, ascending, self._pages, None)
        high: Chain | None = None
        self._race.enter(low)
        count = 0
        while self._race:
            chain, reply = self._race.next_page()
            count += 1
            if high is None and count == _BOTH_ENDS_AFTER and not low.ended:
                high = Chain(self._reader, descending, self._pages, None)
                self._race.enter(high)
            yield reply, self._fresh(chain, reply)
            # A chain that has come to its own end has read everything.
            if chain.ended or (high is not None and self._met(low, high)):
                return

    def close(self) -> None:
        self._race.close()

    def _fresh(self, chain: Chain, reply: Reply) -> Items:
        """The rows that the other end has not had."""
        items = reply.items()
        if items:
            self._reached[chain] = self._position(items[-1], reply)
        identities = list(map(self._identity, items))
        if not self._seen.isdisjoint(identities):
            pairs = zip(items, identities, strict=True)
            items = [item for item, identity in pairs if identity not in self._seen]
        self._seen.update(identities)
        return items

    def _met(self, low: Chain, high: Chain) -> bool:
        reached = self._reached
        return low in reached and high in reached and bool(reached[low] > reached[high])


def _take(calls: Iterator[Call], count: int) -> Iterator[Call]:
    """Up to ``count`` calls, one at a time."""
    for _ in range(count):
        call = next(calls, None)
        if call is None:
            return
        yield call
