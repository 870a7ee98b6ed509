"""The pages of lists: they may arrive in any order, and are handed out in the list's order.

Requests run side by side as far as they can; a page that arrives before its turn waits on a
``Shelf``. So the network decides how long a statement takes, never in which order its rows come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sessions_vtab.fetch.cache import Spool, SpoolPlace
from sessions_vtab.fetch.call import RequestSpec, Response

if TYPE_CHECKING:
    from sessions_vtab.fetch.reader import PageIterator, Paginator, Reader


_PARSED: Final = 1 << 20
"""Bytes of pages that keep their parsed form, which takes several times as much memory."""

_IN_MEMORY: Final = 4 << 20
"""Bytes of pages that stay in memory; the rest goes to a temporary file."""

_ROOM: Final = 256 << 20
"""Bytes of pages after which no more should be read ahead of their turn."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """One page that waits.

    Attributes:
        response: the page; without its body if that is in the file.
        size: bytes of the body.
        place: where in the file the body is; None if it is in memory.
    """

    response: Response
    size: int
    place: SpoolPlace | None = None


class Shelf:
    """Holds pages until their turn: first in memory, then in a temporary file.

    Args:
        parsed: bytes of pages that keep their parsed form.
        in_memory: bytes of pages that stay in memory.
        room: bytes of pages that should wait at most.
    """

    def __init__(
        self, parsed: int = _PARSED, in_memory: int = _IN_MEMORY, room: int = _ROOM
    ) -> None:
        self._parsed = parsed
        self._in_memory = in_memory
        self._room = room
        self._size = 0
        self._in_file = 0
        self._spool = Spool()

    @property
    def full(self) -> bool:
        """Whether reading ahead should pause. A page that is put in all the same is kept."""
        return self._size >= self._room

    def put(self, response: Response) -> Shelved:
        """Keeps a page; in memory if the disk has no room, since no page may be lost."""
        size = len(response.content)
        self._size += size
        if self._size <= self._parsed:
            return Shelved(response, size)
        place = None if self._size <= self._in_memory else self._spool.put(response.content)
        if place is None:
            return Shelved(response.unread(), size)
        self._in_file += 1
        return Shelved(response.unread(b""), size, place)

    def take(self, page: Shelved) -> Response:
        """Gives a page back, once."""
        self._size -= page.size
        if page.place is None:
            return page.response
        response = page.response.unread(self._spool.get(page.place))
        self._in_file -= 1
        if not self._in_file:
            self._spool.clear()
        return response

    def close(self) -> None:
        """Drops what still waits."""
        self._size = self._in_file = 0
        self._spool.clear()


Items: TypeAlias = list[dict[str, Any]]
"""The rows of a page as JSON objects."""

_FURTHER: Final = 4
"""Lists that may be started further ahead for each page that was wanted."""

_BOTH_ENDS_AFTER = 3
"""Pages read from one end before the other is tried: short lists need no second one."""


@dataclass(slots=True, eq=False)
class _PageList:
    """One of many lists: its pages that have arrived, and what ended it early."""

    chain: PageIterator
    pages: deque[Shelved] = field(default_factory=deque)
    error: Exception | None = None


class SideBySide:
    """Reads many lists at once and hands them out one after the other.

    Args:
        reader: whose requests these are.
        calls: for the first page of each list, taken as lists are started.
        pages: how each goes on.
        most: requests under way at once.
    """

    def __init__(
        self, reader: Reader, calls: Iterator[RequestSpec], pages: Paginator, most: int
    ) -> None:
        self._reader = reader
        self._calls = calls
        self._pages = pages
        self._most = most
        self._lists: deque[_PageList] = deque()
        self._arrived: SimpleQueue[_PageList] = SimpleQueue()
        self._shelf = Shelf()
        self._under_way = 0
        self._handed_out = 0
        self._all_started = False
        self._error: Exception | None = None

    def run(self) -> Generator[Response, None, None]:
        """The pages; closing it ends what is under way."""
        try:
            self._start()
            while self._lists:
                yield from self._head()
                self._lists.popleft()
                self._start()
            if self._error is not None:
                raise self._error
        finally:
            for one in self._lists:
                one.chain.close()
            self._shelf.close()

    def _head(self) -> Generator[Response, None, None]:
        """The pages of the first list. Pages of others are taken in between, as they arrive."""
        head = self._lists[0]
        while True:
            while not self._arrived.empty():
                self._take(self._arrived.get())
            self._start()
            if head.pages:
                self._handed_out += 1
                yield self._shelf.take(head.pages.popleft())
            elif head.error is not None:
                raise head.error
            elif head.chain.ended:
                return
            else:
                self._go_on(head)  # It may have paused for want of room.
                self._take(self._reader.first_of(self._arrived))

    def _start(self) -> None:
        """Starts lists while requests and room are free."""
        while self._may_start():
            try:
                call = next(self._calls, None)
            except Exception as error:  # noqa: BLE001 (as in _take)
                self._error, call = error, None
            if call is None:
                self._all_started = True
                return
            one = _PageList(self._reader.pages_on_request(call, self._pages, in_turn=False))
            self._lists.append(one)
            self._go_on(one)

    def _may_start(self) -> bool:
        """Whether to start one more list.

        Nothing limits how far ahead it may be but room; only at first, when the statement may stop
        after a row, the lists ahead grow with the pages that were wanted. They grow slowly: where
        answers come faster than their rows are read, each page would start as many lists as may be
        under way, all in vain.
        """
        ahead = self._most + _FURTHER * self._handed_out
        return (
            self._under_way < self._most
            and len(self._lists) < ahead
            and not (self._all_started or self._shelf.full)
        )

    def _take(self, one: _PageList) -> None:
        """Keeps a page that has arrived; an error waits for its turn as pages do."""
        self._under_way -= 1
        try:
            one.pages.append(self._shelf.put(next(one.chain)))
            if one is self._lists[0] or not self._shelf.full:
                self._go_on(one)
        except Exception as error:  # noqa: BLE001 (raised when the lists before it are read)
            one.error = error
            self._all_started = True

    def _go_on(self, one: _PageList) -> None:
        if one.chain.pending is None and not one.chain.ended:
            one.chain.resume()
            self._watch(one)

    def _watch(self, one: _PageList) -> None:
        if one.chain.pending is not None:
            self._under_way += 1
            one.chain.pending.when_done(lambda: self._arrived.put(one))


class _End:
    """One end of a list that is read from both.

    Attributes:
        chain: its pages, each requested by ``resume`` only.
        reached: position of the last row read; None before the first.
        span: how far the last page went.
        straight: each page began where the one before had ended, or beyond.
        count: pages read.
    """

    def __init__(
        self, chain: PageIterator, position: Callable[[dict[str, Any], Response], int]
    ) -> None:
        self.chain = chain
        self.reached: int | None = None
        self.span = 0
        self.straight = True
        self.count = 0
        self._position = position

    def read(self, sign: int) -> Response:
        """The next page; waits for it.

        Args:
            sign: 1 if positions grow along this end's pages, -1 if they fall.
        """
        response = next(self.chain)
        self.count += 1
        items = response.items()
        # A near end that has come to its own end has everything: nothing is compared with it.
        if items and not (sign > 0 and self.chain.ended):
            first, last = (self._position(items[at], response) for at in (0, -1))
            before = first if self.reached is None else self.reached
            self.straight = self.straight and sign * before <= sign * first <= sign * last
            self.reached, self.span = last, abs(last - first)
        return response


class BothEnds:
    """Reads one list from its two ends at the same time and hands it out in order.

    The pages from the far end wait until the near end has come to them. Both ends go in step: a
    page of each is requested together, and whether they have met is checked when both are there. So
    which rows come from which end does not depend on the network, and no request is under way when
    the ends have met. Rows of equal position in the far half come in the reverse of the far end's
    order, which is the list's own if the service's descending order mirrors its ascending one.

    Args:
        reader: whose requests these are.
        pages: how either end goes on.
        position: of a row in the order: a number that grows along the near end's pages.
        identity: of a row, by which those seen from both ends are recognised.
    """

    def __init__(
        self,
        reader: Reader,
        pages: Paginator,
        position: Callable[[dict[str, Any], Response], int],
        identity: Callable[[dict[str, Any]], Hashable],
    ) -> None:
        self._reader = reader
        self._pages = pages
        self._position = position
        self._identity = identity
        self._shelf = Shelf()
        self._waiting: list[Shelved] = []
        self._far: _End | None = None
        self._tied: tuple[int | None, set[Hashable]] = (None, set())

    def run(
        self, call: RequestSpec, opposite: RequestSpec
    ) -> Generator[tuple[Response, Items], None, None]:
        """The pages; closing it ends what is under way."""
        near = self._open(call)
        try:
            while not near.chain.ended:
                response = near.read(1)
                if not near.chain.ended:
                    self._note_ties(response)
                met = self._read_far(near)
                if near.count == 1:
                    self._reader.context.when_more(near.chain.resume)
                elif not met:
                    self._request(near, opposite)
                yield response, response.items()
                if met:
                    yield from self._other_half()
                    return
        finally:
            near.chain.close()
            if self._far is not None:
                self._far.chain.close()
            self._shelf.close()

    def _open(self, call: RequestSpec) -> _End:
        chain = self._reader.pages_on_request(call, self._pages, in_turn=True)
        return _End(chain, self._position)

    def _read_far(self, near: _End) -> bool:
        """Keeps the far end's page that was requested, if any: whether the ends have met.

        They have when the near end has come *beyond* the last row of the far one: rows of equal
        position may come in any order, so touching is not enough. A far end that has come to the
        other side has everything.
        """
        far = self._far
        if far is None:
            return False
        if far.chain.pending is not None:
            self._waiting.append(self._shelf.put(far.read(-1)))
        if near.chain.ended or near.reached is None or far.reached is None:
            return False
        if not (near.straight and far.straight):
            return False  # The service does not sort as it says: the near end reads everything.
        return far.chain.ended or near.reached > far.reached

    def _request(self, near: _End, opposite: RequestSpec) -> None:
        """Requests the next page of the near end, and of the far one unless the near one suffices.

        The near end suffices where what is left is less than a page by the last pages' measure.
        """
        if near.chain.ended:
            return
        near.chain.resume()
        far = self._far
        if far is None:
            if near.count >= _BOTH_ENDS_AFTER:
                self._far = self._open(opposite)
                self._far.chain.resume()
        elif near.straight and far.straight and not self._shelf.full:
            gap = (far.reached or 0) - (near.reached or 0)
            if 2 * gap > near.span + far.span:
                far.chain.resume()

    def _note_ties(self, response: Response) -> None:
        """Notes the near end's last rows of equal position: only they may come twice."""
        items = response.items()
        if not items:
            return
        last = self._position(items[-1], response)
        tied, seen = self._tied
        if tied != last:
            seen = set()
        for item in reversed(items):
            if self._position(item, response) != last:
                break
            seen.add(self._identity(item))
        self._tied = last, seen

    def _other_half(self) -> Generator[tuple[Response, Items], None, None]:
        """The rows of the far end that the near one has not had, in the near one's order."""
        bound, seen = self._tied
        while self._waiting:
            response = self._shelf.take(self._waiting.pop())
            items = response.items()[::-1]
            if bound is not None and items:
                beyond = self._position(items[-1], response) > bound
                places = [self._position(item, response) for item in items]
                items = [
                    item
                    for item, at in zip(items, places, strict=True)
                    if at > bound or (at == bound and self._identity(item) not in seen)
                ]
                bound = None if beyond else bound
            yield response, items
