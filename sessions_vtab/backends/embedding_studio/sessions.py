"""Reading ``sessions``: by id, or by batch in the order of their numbers."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sessions_vtab.backends.embedding_studio.batches import Batches, BatchPages, events_in
from sessions_vtab.backends.embedding_studio.calls import get_session, list_batch
from sessions_vtab.backends.embedding_studio.names import parse_session
from sessions_vtab.backends.embedding_studio.tables import SESSIONS_CAPABILITY, SESSIONS_TABLE
from sessions_vtab.backends.embedding_studio.wire import SessionFrame, session_fields
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.predicate import Compare, Field, Member, Op, Predicate, Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import InvalidValueError, SessionsError
from sessions_vtab.fetch import Call, Client, Reader, Reply
from sessions_vtab.fetch.rows import RowMaker

__all__ = ["Numbers", "Sessions"]

PAGE: Final = 100
_MOST: Final = 2**63 - 1
_NUMBER: Final = Field("session_number")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The range of session numbers that a scan can match.

    Attributes:
        after: numbers must be larger than this.
        last: numbers must not be larger than this; None for no limit.
    """

    after: int = 0
    last: int | None = None

    @property
    def empty(self) -> bool:
        """Whether no session number can match."""
        return self.last is not None and self.last <= self.after

    def also(self, after: int, last: int | None) -> Numbers:
        """The intersection of these bounds with others."""
        ends = [end for end in (self.last, last) if end is not None]
        return Numbers(max(self.after, after), min(ends) if ends else None)

    @classmethod
    def of(cls, terms: Iterable[Predicate]) -> Numbers:
        """The bounds that the conditions of a scan imply."""
        numbers = cls()
        for term in terms:
            match term:
                case Compare(field, op, int() | float() as value) if field == _NUMBER:
                    numbers = numbers.also(*_bounds(op, value))
                case Member(field, values, False) if field == _NUMBER:
                    known = [value for value in values if isinstance(value, int | float)]
                    low, _ = _bounds(Op.GE, min(known, default=0))
                    _, high = _bounds(Op.LE, max(known, default=0))
                    numbers = numbers.also(low, high)
                case _:
                    pass
        return numbers


class Sessions(Resource):
    """The table ``sessions``."""

    table = SESSIONS_TABLE
    capability = SESSIONS_CAPABILITY

    def __init__(self, source: str, client: Client, batches: Batches) -> None:
        self._where = f"{source}.sessions"
        self._client = client
        self._batches = batches

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        if scan.given("batch_id") is not None:
            return self._of_batches(scan, reader)
        return self._got(scan, reader)

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        calls = [call for scan in scans for call in self._first_calls(scan)]
        Reader(self._client, context).prefetch(calls)

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if any(scan.given(key) is None for key in scan.path.keys):
            return super().preview(scan)  # A join will give it.
        return [self._client.preview(call) for call in self._opening(scan)]

    def _opening(self, scan: Scan) -> list[Call]:
        """The requests that a scan starts with."""
        if scan.given("batch_id") is not None:
            return list(self._lists(scan).values())
        return list(map(get_session, _ids(scan)))

    def _first_calls(self, scan: Scan) -> list[Call]:
        try:
            if scan.path.name == "batch" or not scan.given("batch_id"):
                return self._opening(scan)
        except SessionsError:
            pass  # The scan itself reports the error.
        return []

    def _got(self, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        row = self._row(scan)
        with closing(reader.gather(map(get_session, _ids(scan)))) as replies:
            for reply in replies:
                if not reply.missing:
                    item = reply.object()
                    if "events" in scan.columns:
                        item = {**item, "events": self._events(reply, item, reader)}
                    yield [row(item, reply)]

    def _events(self, reply: Reply, item: dict[str, Any], reader: Reader) -> list[dict[str, Any]]:
        session_id = item.get("session_id")
        if not isinstance(session_id, str):
            return events_in(item, reply)
        return self._batches.all_events(reply, session_id, reader.get)

    def _of_batches(self, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        """Sessions of batches: all of them, or those requested by id, until they are found."""
        lists = self._lists(scan)
        if scan.order and len(lists) > 1:
            yield from self._merged(lists, scan, reader)
            return
        row = self._row(scan)
        wanted = None if _takes_all(scan) else set(_ids(scan))
        for batch_id, call in lists.items():
            # Stop once all are found, so that no further pages are requested.
            limit = scan.limit if wanted is None else len(wanted)
            with closing(self._pages(call, scan, reader, limit)) as replies:
                for reply in replies:
                    items = self._batches.saw_page(reply, batch_id)
                    if wanted is not None:
                        items = [item for item in items if item["session_id"] in wanted]
                        wanted.difference_update(item["session_id"] for item in items)
                    yield [row(item, reply) for item in items]
                    if wanted is not None and not wanted:
                        return

    def _merged(
        self, lists: dict[str, Call], scan: Scan, reader: Reader
    ) -> Generator[Page, None, None]:
        """Several batches in the order of the session numbers, one row per page."""
        reader.prefetch(lists.values())
        row = self._row(scan)

        def rows(batch_id: str, call: Call) -> Generator[tuple[int, Row], None, None]:
            with closing(self._pages(call, scan, reader, scan.limit)) as replies:
                for reply in replies:
                    for item in self._batches.saw_page(reply, batch_id):
                        yield item["session_number"], row(item, reply)

        sources = [rows(*one) for one in lists.items()]
        try:
            for _, one in heapq.merge(*sources, key=lambda pair: pair[0]):
                yield [one]
        finally:
            for source in sources:
                source.close()

    def _lists(self, scan: Scan) -> dict[str, Call]:
        """The first page of each batch; nothing if no session number can match."""
        numbers = Numbers.of(scan.where.terms)
        if numbers.empty:
            return {}
        size = self._size(scan)
        first = max(1, min(scan.limit or size, size))
        if not _takes_all(scan):
            first = size
        if numbers.last is not None:
            first = min(first, numbers.last - numbers.after)
        events = 0 if "events" in scan.columns else 1
        return {
            str(batch): list_batch(str(batch), numbers.after, first, events)
            for batch in scan.given("batch_id") or ()
        }

    def _pages(
        self, call: Call, scan: Scan, reader: Reader, limit: int | None
    ) -> Generator[Reply, None, None]:
        last = Numbers.of(scan.where.terms).last
        return reader.pages(call, BatchPages(self._size(scan), last), limit=limit)

    def _size(self, scan: Scan) -> int:
        """Number of sessions per request; never 0, which means all to the service."""
        size = scan.parameters.get("page_size")
        if size is None:
            return PAGE
        if not isinstance(size, int) or not 1 <= size <= _MOST:
            raise InvalidValueError(f"{self._where}.page_size must be a number of at least 1.")
        return size

    def _row(self, scan: Scan) -> Callable[[dict[str, Any], Reply], Row]:
        make = RowMaker(self.table, session_fields, scan.columns)
        return partial(_made, make, self._batches)


def _made(
    make: RowMaker[SessionFrame], batches: Batches, item: dict[str, Any], reply: Reply
) -> Row:
    return make(item, SessionFrame(reply.what, batches))


def _takes_all(scan: Scan) -> bool:
    """Whether the statement names no session, neither by id nor by name."""
    return scan.given("name") is None and scan.given("session_id") is None


def _ids(scan: Scan) -> list[str]:
    """The sessions that the statement names, by name or id, without duplicates."""
    names = scan.given("name")
    if names is not None:
        found: list[Value] = [parse_session(name) for name in names]
    else:
        found = list(scan.given("session_id") or ())
    return list(dict.fromkeys(str(one) for one in found if one is not None))


def _bounds(op: Op, value: float) -> tuple[int, int | None]:
    """The bounds ``after`` and ``last`` that a comparison implies; (0, None) for no bound."""
    bounded = max(-1.0, min(value, float(2**62))) if isinstance(value, float) else value
    low = max(0, min(math.floor(bounded), _MOST))
    below = math.ceil(bounded) - 1
    match op:
        case Op.GT:
            return low, None
        case Op.GE:
            return max(0, min(below, _MOST)), None
        case Op.LT:
            return 0, below
        case Op.LE:
            return 0, math.floor(bounded)
        case Op.EQ:
            return max(0, min(below, _MOST)), math.floor(bounded)
        case _:
            return 0, None
