"""Finds rows of a list by what is asked of them: a superset, which SQLite checks.

A value is known by its hash alone, so that an index takes a few bytes per row whatever the values
are. Values of another type than their column's, which SQLite may convert before it compares them,
are found by every question.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from sessions_vtab.schema.model import Column, ColumnType
from sessions_vtab.spec import times
from sessions_vtab.spec.capability import RANGE
from sessions_vtab.spec.predicate import BINARY, TIMESTAMP, Compare, Member, Op, Predicate, Value

__all__ = ["Equality", "Times", "chunks", "is_equality", "is_range", "operands"]

_SEALED: Final = 65_536
"""Rows after which a part of an index is packed: a dict takes ten times as much."""

_TEXTS: Final = (ColumnType.TEXT, ColumnType.JSON, ColumnType.BLOB)
_MICROSECONDS: Final = len("2026-01-01 09:00:00.123456")


def is_equality(term: Predicate) -> bool:
    """Whether a condition can be looked up by its operands."""
    equates = (isinstance(term, Compare) and term.op is Op.EQ) or (
        isinstance(term, Member) and not term.negated
    )
    if not equates or not isinstance(term, Compare | Member) or term.field.key is not None:
        return False
    return term.collation in {BINARY, TIMESTAMP}


def is_range(term: Predicate) -> bool:
    """Whether a condition bounds a time."""
    return (
        isinstance(term, Compare)
        and term.op in RANGE | {Op.EQ}
        and term.collation == TIMESTAMP
        and term.field.key is None
    )


def operands(term: Predicate) -> tuple[object, ...]:
    """What a condition compares with."""
    return term.operands if isinstance(term, Member) else (getattr(term, "operand", None),)


class Equality:
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


class Times:
    """The places of rows by a time, as long as the list is sorted by it."""

    def __init__(self) -> None:
        self._instants: array[int] = array("q")
        self._rising = self._falling = True

    def add(self, value: Value) -> None:
        """Adds the next row."""
        if not (self._rising or self._falling):
            return
        instant = times.parse(value) if isinstance(value, str) else None
        if instant is None:
            self._rising = self._falling = False
            return
        if self._instants:
            self._rising &= instant >= self._instants[-1]
            self._falling &= instant <= self._instants[-1]
        try:
            self._instants.append(instant)
        except OverflowError:  # A year that no 64 bits of nanoseconds hold.
            self._rising = self._falling = False

    def find(self, terms: Sequence[Compare]) -> range | None:
        """The places of the rows within bounds; None where the list is not sorted."""
        if not (self._rising or self._falling):
            return None
        start, end = 0, len(self._instants)
        for term in terms:
            instant = times.parse(term.operand) if isinstance(term.operand, str) else None
            if instant is None:
                continue
            first, last = self._bounds(term.op, instant)
            start, end = max(start, first), min(end, last)
        return range(start, end)

    def _bounds(self, op: Op, instant: int) -> tuple[int, int]:
        """Places from and before which a condition holds."""
        first, behind = self._left(instant), self._right(instant)
        end = len(self._instants)
        lower = {Op.GT: behind, Op.GE: first, Op.EQ: first}
        upper = {Op.LT: first, Op.LE: behind, Op.EQ: behind}
        if self._rising:
            return lower.get(op, 0), upper.get(op, end)
        # The later times come first: what is after an instant lies before its place.
        lower = {Op.LT: behind, Op.LE: first, Op.EQ: first}
        upper = {Op.GT: first, Op.GE: behind, Op.EQ: behind}
        return lower.get(op, 0), upper.get(op, end)

    def _left(self, instant: int) -> int:
        if self._rising:
            return bisect_left(self._instants, instant)
        return bisect_left(self._instants, -instant, key=int.__neg__)

    def _right(self, instant: int) -> int:
        if self._rising:
            return bisect_right(self._instants, instant)
        return bisect_right(self._instants, -instant, key=int.__neg__)


def _is_canonical(text: str) -> bool:
    """Whether a text has the one form in which equal instants are equal texts."""
    if text[10:11] != " " or text[-1:] not in "0123456789":
        return False
    if len(text) == _MICROSECONDS:
        return True
    return len(text) == _MICROSECONDS + 3 and not text.endswith("000")


def chunks(places: Sequence[int]) -> Iterator[Sequence[int]]:
    """Parts of a growing size: SQLite may want the first row only."""
    start, size = 0, 1
    while start < len(places):
        yield places[start : start + size]
        start, size = start + size, min(size * 4, 100)
