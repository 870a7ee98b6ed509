"""A list that is read once, and finds its rows by what is asked: a superset, which SQLite checks.

A value is known by its hash alone, so that an index takes a few bytes per row whatever the values
are. Values of another type than their column's, which SQLite may convert before it compares them,
are found by every question.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import RANGE, AccessPath
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import (
    BINARY,
    TIMESTAMP,
    Compare,
    Field,
    Member,
    Op,
    Predicate,
    Value,
)
from sessions_vtab.contract.scan import Row, Scan
from sessions_vtab.plan.lists import pages_of
from sessions_vtab.vtab.memo import Recording

_SEALED: Final = 65_536
"""Rows after which a part of an index is packed: a dict takes ten times as much."""

_PAGE: Final = 100
_TEXTS: Final = (ColumnType.TEXT, ColumnType.JSON, ColumnType.BLOB)
_MICROSECONDS: Final = len("2026-01-01 09:00:00.123456")


def _is_equality(term: Predicate) -> bool:
    """Whether a condition can be looked up by its operands."""
    match term:
        case Compare(Field(key=None), Op.EQ) | Member(Field(key=None), negated=False):
            return term.collation in {BINARY, TIMESTAMP}
    return False


def _is_range(term: Predicate) -> bool:
    """Whether a condition bounds a time."""
    return (
        isinstance(term, Compare)
        and term.op in RANGE | {Op.EQ}
        and term.collation == TIMESTAMP
        and term.field.key is None
    )


def _operands(term: Predicate) -> tuple[object, ...]:
    """What a condition compares with."""
    return term.operands if isinstance(term, Member) else (getattr(term, "operand", None),)


class EqualityIndex:
    """The places of rows by the value of a column, which grows with the list.

    Args:
        column: the column.
    """

    def __init__(self, column: Column) -> None:
        self._type = column.type
        self._open: dict[int, list[int]] = {}
        self._count = 0
        self._sealed: list[tuple[array[int], array[int]]] = []
        self._loose: list[int] = []

    def add(self, place: int, value: Value) -> None:
        """Adds a row; places grow."""
        if value is None:
            return
        if not self._plain(value):
            self._loose.append(place)
            return
        self._open.setdefault(hash(value), []).append(place)
        self._count += 1
        if self._count >= _SEALED:
            self._seal()

    def find(self, values: Sequence[object]) -> list[int]:
        """The places, in order, of the rows whose value may be one of these."""
        found = set(self._loose)
        for value in values:
            if not self._plain(value):
                continue
            code = hash(value)
            found.update(self._open.get(code, ()))
            for codes, places in self._sealed:
                found.update(places[bisect_left(codes, code) : bisect_right(codes, code)])
        return sorted(found)

    def takes(self, values: Sequence[object]) -> bool:
        """Whether these values can be looked up."""
        return all(self._plain(value) for value in values)

    def _plain(self, value: object) -> bool:
        """Whether two such values are equal to SQLite exactly if they are to Python."""
        if self._type is ColumnType.TIME:
            return isinstance(value, str) and _is_canonical(value)
        return isinstance(value, str if self._type in _TEXTS else int | float)

    def _seal(self) -> None:
        pairs = sorted((code, place) for code, places in self._open.items() for place in places)
        codes = array("q", (code for code, _ in pairs))
        self._sealed.append((codes, array("q", (place for _, place in pairs))))
        self._open, self._count = {}, 0


class TimeIndex:
    """The places of rows by a time, which grows with the list."""

    def __init__(self) -> None:
        self._instants: array[int] = array("q")
        self._rising = self._falling = self._known = True
        self._sorted: tuple[array[int], array[int]] | None = None

    def add(self, value: Value) -> None:
        """Adds the next row."""
        if not self._known:
            return
        instant = times.parse(value) if isinstance(value, str) else None
        try:
            self._instants.append(instant)  # type: ignore[arg-type]  # None raises.
        except (TypeError, OverflowError):  # No time, or one beyond 64 bits of nanoseconds.
            self._known = False
            return
        if len(self._instants) > 1:
            before, now = self._instants[-2:]
            self._rising &= now >= before
            self._falling &= now <= before
        self._sorted = None

    def find(self, terms: Sequence[Compare]) -> Sequence[int] | None:
        """The places, in order, of the rows within bounds; None where a row has no time."""
        if not self._known:
            return None
        instants, places = self._in_order()
        start, end = 0, len(instants)
        for term in terms:
            instant = times.parse(term.operand) if isinstance(term.operand, str) else None
            if instant is not None:
                first, last = _bounds(instants, term.op, instant)
                start, end = max(start, first), min(end, last)
        if self._rising:
            return range(start, end)
        if self._falling:
            return range(len(instants) - end, len(instants) - start)
        return sorted(places[start:end])

    def _in_order(self) -> tuple[array[int], array[int]]:
        """The instants from the earliest on, and their places, which a sorted list does without."""
        if self._rising:
            return self._instants, self._instants
        if self._sorted is None:
            order = array("q")
            if not self._falling:
                order.extend(sorted(range(len(self._instants)), key=self._instants.__getitem__))
            self._sorted = array("q", sorted(self._instants)), order
        return self._sorted


def _bounds(instants: array[int], op: Op, instant: int) -> tuple[int, int]:
    """The first instant that fulfils a condition, and the first one after it that does not."""
    lower = {Op.GT: bisect_right, Op.GE: bisect_left, Op.EQ: bisect_left}.get(op)
    upper = {Op.LT: bisect_left, Op.LE: bisect_right, Op.EQ: bisect_right}.get(op)
    start = lower(instants, instant) if lower is not None else 0
    return start, upper(instants, instant) if upper is not None else len(instants)


def _is_canonical(text: str) -> bool:
    """Whether a text has the one form in which equal instants are equal texts."""
    if text[10:11] != " " or text[-1:] not in "0123456789":
        return False
    if len(text) == _MICROSECONDS:
        return True
    return len(text) == _MICROSECONDS + 3 and not text.endswith("000")


def _chunks(places: Sequence[int]) -> Iterator[Sequence[int]]:
    """Parts of at most a page; of a range, which may be the rest of a list, small ones first."""
    start, size = 0, 1 if isinstance(places, range) else _PAGE
    while start < len(places):
        yield places[start : start + size]
        start, size = start + size, min(size * 4, _PAGE)


_IN_LIST_ORDER: Final[Mapping[str, Sequence[Value]]] = MappingProxyType({})


class IndexedList:
    """A list that is being read, or was read: its pages, and where in them which value is.

    Args:
        recording: the list's pages.
        path: how it is read.
        table: whose rows they are.

    Attributes:
        ended: whether all pages were read.
    """

    def __init__(self, recording: Recording, path: AccessPath, table: Table) -> None:
        self._recording = recording
        self._path = path
        self._table = table
        self._positions: Mapping[str, int] = table.positions
        self._coming = iter(recording)
        self._starts: list[int] = []
        self._rows = 0
        self._equalities: dict[str, EqualityIndex] = {}
        self._times: dict[str, TimeIndex] = {}
        self._loaded: tuple[int, list[Row]] = (-1, [])
        self._cap = 0 if path.fans_out else path.page_cap or 0
        self._last = self._cap
        self.ended = False

    @property
    def pages(self) -> int:
        """How many pages of the list were read."""
        return pages_of(self._path, len(self._starts), self._rows)

    @property
    def responses(self) -> int:
        """How many responses were read for that; a list read from both ends has up to two more."""
        return len(self._starts)

    @property
    def runs_out(self) -> bool:
        """Whether no further page is expected, because the last one was not full."""
        return self._last < self._cap

    def advance(self) -> bool:
        """Reads the next page; False at the end."""
        surprised = self.runs_out
        page = next(self._coming, None)
        if page is None:
            self.ended = True
            return False
        # A service that goes on after a page that is not full is believed to do so again.
        self._last = self._cap if surprised else len(page)
        self._loaded = (len(self._starts), page)
        self._starts.append(self._rows)
        self._index(page)
        self._rows += len(page)
        return True

    def close(self) -> None:
        """Stops what is still coming and forgets what came."""
        self._recording.close()

    def row_of(self, scan: Scan) -> Row | None:
        """The row that a read finds by its unique key, if it has come: no other can be meant."""
        keys = {key: scan.given(key) or () for key in scan.path.keys}
        terms = [Member(Field(key), values) for key, values in keys.items()]
        if not all(map(self._looks_up, terms)):
            return None
        for place in self._narrowest(terms, ()):
            row = self._row(place)
            if all(row[self._positions[key]] in values for key, values in keys.items()):
                return row
        return None

    def known(self, terms: Sequence[Predicate]) -> Iterator[Row]:
        """The rows that may match the conditions, as far as the list was read."""
        for place in self._narrowest([term for term in terms if self._looks_up(term)], ()):
            yield self._row(place)

    def find(
        self, terms: Sequence[Predicate], keys: Mapping[str, Sequence[Value]] = _IN_LIST_ORDER
    ) -> Iterator[list[Row]]:
        """Pages of the rows that may match the conditions; reads on where the list has not ended.

        Args:
            terms: what the list itself is not confined to.
            keys: by column, the values of the sets that a read by key would ask for one after the
                other. The rows come in that order, so that it does not depend on which way of
                reading pays. The list is read to its end for it. Without, in the list's order.
        """
        if keys:
            while not self.ended:
                self.advance()
            yield from self._one_by_one(terms, keys)
            return
        looked_up = [term for term in terms if self._looks_up(term)]
        bounds = [term for term in terms if isinstance(term, Compare) and _is_range(term)]
        for term in bounds:
            self._times_of(term.field.column)
        start = 0
        while True:
            end = self._rows
            yield from self._between(start, end, looked_up, bounds)
            start = end
            # Another reader may have read on meanwhile.
            if self._rows == end and (self.ended or not self.advance()):
                return

    def _one_by_one(
        self, terms: Sequence[Predicate], keys: Mapping[str, Sequence[Value]]
    ) -> Iterator[list[Row]]:
        """The rows that may match, by the places of their values among the keys."""
        ranks = [
            (self._positions[column], {value: rank for rank, value in enumerate(values)})
            for column, values in keys.items()
        ]

        def rank(place: int) -> tuple[int, ...]:
            row = self._row(place)
            return tuple(known.get(row[at], len(known)) for at, known in ranks)

        looked_up = [term for term in terms if self._looks_up(term)]
        for part in _chunks(sorted(self._narrowest(looked_up, ()), key=rank)):
            yield [self._row(place) for place in part]

    def _between(
        self, start: int, end: int, looked_up: Sequence[Predicate], bounds: Sequence[Compare]
    ) -> Iterator[list[Row]]:
        places = self._narrowest(looked_up, bounds)
        if isinstance(places, range):
            places = range(max(places.start, start), min(places.stop, end))
        elif start:
            places = [place for place in places if start <= place < end]
        for part in _chunks(places):
            yield [self._row(place) for place in part]

    def _narrowest(
        self, looked_up: Sequence[Predicate], bounds: Sequence[Compare]
    ) -> Sequence[int]:
        best: Sequence[int] = range(self._rows)
        for column in dict.fromkeys(term.field.column for term in bounds):
            own = [term for term in bounds if term.field.column == column]
            found = self._times_of(column).find(own)
            if found is not None and len(found) < len(best):
                best = found
        for term in looked_up:
            places = self._equality_of(term).find(_operands(term))
            if len(places) < len(best):
                best = places
        return best

    def _looks_up(self, term: Predicate) -> bool:
        return _is_equality(term) and self._equality_of(term).takes(_operands(term))

    def _equality_of(self, term: Predicate) -> EqualityIndex:
        column = term.field.column  # type: ignore[union-attr]  # What is_equality has seen.
        index = self._equalities.get(column)
        if index is None:
            index = self._equalities[column] = EqualityIndex(self._table.column(column))
            at = self._positions[column]
            for place, row in self._places():
                index.add(place, row[at])
        return index

    def _times_of(self, column: str) -> TimeIndex:
        index = self._times.get(column)
        if index is None:
            index = self._times[column] = TimeIndex()
            at = self._positions[column]
            for _, row in self._places():
                index.add(row[at])
        return index

    def _index(self, page: Sequence[Row]) -> None:
        for column, equality in self._equalities.items():
            at = self._positions[column]
            for place, row in enumerate(page, self._rows):
                equality.add(place, row[at])
        for column, instants in self._times.items():
            at = self._positions[column]
            for row in page:
                instants.add(row[at])

    def _places(self) -> Iterator[tuple[int, Row]]:
        for number, start in enumerate(self._starts):
            yield from enumerate(self._page(number), start)

    def _row(self, place: int) -> Row:
        number = bisect_right(self._starts, place) - 1
        return self._page(number)[place - self._starts[number]]

    def _page(self, number: int) -> list[Row]:
        loaded, page = self._loaded
        if loaded != number:
            page = self._recording.page(number)
            self._loaded = (number, page)
        return page
