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

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import RANGE
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import (
    BINARY,
    TIMESTAMP,
    Compare,
    Member,
    Op,
    Predicate,
    Value,
)

__all__ = ["Equality", "Times", "chunks", "is_equality", "is_range", "operands"]

_SEALED: Final = 65_536
"""Rows after which a part of an index is packed: a dict takes ten times as much."""

_PAGE: Final = 100
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


def chunks(places: Sequence[int]) -> Iterator[Sequence[int]]:
    """Parts of at most a page; of a range, which may be the rest of a list, small ones first."""
    start, size = 0, 1 if isinstance(places, range) else _PAGE
    while start < len(places):
        yield places[start : start + size]
        start, size = start + size, min(size * 4, _PAGE)
