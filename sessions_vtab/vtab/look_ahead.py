"""Joins over costly tables: the inner side's next reads are started while this one is used.

SQLite joins by nested loops: for each row of the outer side it asks the inner side for one key. The
outer cursor has a page of rows in memory, so the next keys can be seen coming.

Where the statement rewriter has read the statement, the link is exact: it names the outer side, its
column, and the conditions its rows still have to pass, which SQLite itself evaluates over the page.
Without it, the open cursor whose current row holds the key that is asked for *is* the outer side,
and how far to look ahead is learnt: not at all at first, then 2, 8, 16 keys as the predictions come
true, and less far for each row that SQLite skips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Final, Protocol, TypeGuard

from sessions_vtab.contract.predicate import AllOf, Compare, Field, Op, Predicate, Value
from sessions_vtab.contract.scan import Row, Scan
from sessions_vtab.plan.lists import given_parameters

_LEARNT: Final = (0, 2, 8, 16)
_EXACT: Final = (32,)
"""Twice what a source has in flight: the next request is waiting when one comes back, whether or
not the statement's own thread has got to it."""
_LIMITED: Final = (1, 2, 4, 8, 8, 16)
_UNSURE: Final = 2
"""Reads with further conditions, before it is known whether those have the same values in each."""
_WINDOW: Final = 32
_ENOUGH: Final = 24
"""Keys foreseen with which no others are looked for: that is done for each eighth key only."""


class Outer(Protocol):
    """An open cursor with rows in memory."""

    @property
    def row(self) -> Row:
        """The row that SQLite stands on."""

    @property
    def expected(self) -> int | None:
        """About how many requests it will make; None where unknown."""

    @property
    def wanted_rows(self) -> int | None:
        """How many rows it will give, if all of them are wanted; None where unknown."""

    def upcoming(self, column: int, *, further: bool) -> Iterator[Value]:
        """Values of a column in the wanted rows after the current one, as far as known.

        Args:
            column: index of the column.
            further: all rows will be wanted: what is not known yet may be waited for.
        """


class Window:
    """The next keys where the outer side is not a cursor of ours: the statement hands them over.

    Args:
        keys: the key of the current row, then those of the next rows.
    """

    def __init__(self, keys: Sequence[Value]) -> None:
        self.row: Row = tuple(keys[:1])
        self.expected: int | None = None
        self.wanted_rows: int | None = None
        self._coming = keys[1:]

    def upcoming(self, column: int, *, further: bool) -> Iterator[Value]:  # noqa: ARG002
        """The keys of the next rows."""
        return iter(self._coming)


@dataclass(frozen=True, slots=True)
class ExactLink:
    """Where a cursor's keys come from, as the statement rewriter read it.

    Attributes:
        outer: the cursor of the outer side.
        column: index of the column that holds the keys.
        limited: not all rows may be wanted: look ahead further with each one that was.
    """

    outer: Outer
    column: int
    limited: bool


def certain(scan: Scan, exact: ExactLink | None) -> int:
    """How many further keys are certain to be asked for, as far as anyone can see."""
    key = key_of(scan)
    if key is None or exact is None or exact.limited:
        return 0
    # Not beyond what is there: the present key is not kept waiting for it.
    coming = exact.outer.upcoming(exact.column, further=False)
    return len({one for one in coming if one is not None and one != key[1]})


def key_of(scan: Scan) -> tuple[str, Value] | None:
    """The column and value of a read by a single key; None for any other read."""
    if len(scan.path.keys) != 1:
        return None
    (column,) = scan.path.keys
    values = scan.given(column)
    return (column, values[0]) if values is not None and len(values) == 1 else None


class LookAhead:
    """Predicts the keys one cursor will be asked for."""

    def __init__(self) -> None:
        self._step = 0
        self._foreseen: list[Value] = []
        self._started: set[Value] = set()
        self._link: tuple[Outer, int] | None = None
        self._beside_key: object = None

    def has_started(self, scan: Scan) -> bool:
        """Whether a read was started ahead."""
        key = key_of(scan)
        return key is not None and key[1] in self._started

    def asked(
        self,
        scan: Scan,
        others: Sequence[Outer],
        exact: ExactLink | None = None,
        most: float = inf,
    ) -> list[Scan]:
        """Takes note of a read and returns the reads that should be started now, if any.

        Args:
            scan: the read that SQLite asks for.
            others: the other open cursors of the connection.
            exact: where the key comes from, if that is known.
            most: how many reads may be started: what will be answered from a list is not.
        """
        if exact is None and not others:
            self._forget()  # Most statements have but one table: there is nowhere to look.
            return []
        key = key_of(scan)
        if key is None:
            return []
        column, value = key
        steps: tuple[int, ...] = _LEARNT
        if exact is not None:
            steps = _LIMITED if exact.limited else _EXACT
            self._link = (exact.outer, exact.column)
        elif self._link is None or not _holds(self._link, value):
            # Guessed by the value alone: SQLite tells a virtual table that a key is coming, not
            # from where. A wrong guess costs requests that the learnt steps soon stop.
            self._link = _find(others, value)
        self._learn(value, len(steps) - 1)
        self._foresee(value, further=exact is not None and not exact.limited)
        window = int(min(steps[self._step], max(most, 0.0), self._most_alike(scan, column)))
        return [_with_key(scan, column, one) for one in self._to_start(window)]

    def postpone(self, scans: Sequence[Scan]) -> None:
        """Takes note of reads that were not started after all."""
        self._started.difference_update(key[1] for key in map(key_of, scans) if key is not None)

    def _most_alike(self, scan: Scan, column: str) -> float:
        """How many reads may be expected that differ from this one by nothing but their key.

        Where another value changes from read to read, as that of a correlated subquery, those that
        were started ahead would be for the wrong one.
        """
        rest = tuple(term for term in scan.where.terms if not _is_on(term, column))
        before, self._beside_key = self._beside_key, (rest, given_parameters(scan))
        if before is None:
            return _UNSURE if rest else inf
        if before == self._beside_key:
            return inf
        self._started.clear()
        return 0

    def _forget(self) -> None:
        """Nothing is foreseen."""
        self._step, self._foreseen, self._link = 0, [], None
        self._started.clear()

    def _learn(self, value: Value, top: int) -> None:
        """Increases the look-ahead if the key was the predicted one, and reduces it otherwise."""
        # Back to nothing, and not by one step: the wrong cursor, or the wrong order, was followed.
        if value not in self._foreseen:
            self._step = 0
            return
        skipped = self._foreseen.index(value)
        self._step = max(self._step - skipped, 0) if skipped else min(self._step + 1, top)

    def _foresee(self, value: Value, *, further: bool) -> None:
        """Predicts the next distinct keys from the upcoming rows of the outer cursor."""
        if further and self._foreseen[:1] == [value] and len(self._foreseen) > _ENOUGH:
            # As foreseen, and all of them are wanted.
            self._started.discard(self._foreseen.pop(0))
            return
        coming: Iterator[Value] = iter(())
        if self._link is not None:
            outer, place = self._link
            coming = outer.upcoming(place, further=further)
        distinct = _distinct(one for one in coming if one is not None and one != value)
        self._foreseen = list(islice(distinct, _WINDOW))
        self._started.intersection_update(self._foreseen)

    def _to_start(self, window: int) -> Iterator[Value]:
        for one in self._foreseen[:window]:
            if one not in self._started:
                self._started.add(one)
                yield one


def _distinct(values: Iterator[Value]) -> Iterator[Value]:
    seen: set[Value] = set()
    for value in values:
        if value not in seen:
            seen.add(value)
            yield value


def _holds(link: tuple[Outer, int], value: Value) -> bool:
    outer, column = link
    return column < len(outer.row) and outer.row[column] == value


def _find(others: Sequence[Outer], value: Value) -> tuple[Outer, int] | None:
    """The cursor opened last whose current row holds the value, and the column that does."""
    # The innermost loop is the one opened last.
    for outer in reversed(others):
        for column, held in enumerate(outer.row):
            if held == value and held is not None:
                return outer, column
    return None


def _with_key(scan: Scan, column: str, value: Value) -> Scan:
    terms = tuple(_substituted(term, column, value) for term in scan.where.terms)
    return replace(scan, where=AllOf(terms))


def _substituted(term: Predicate, column: str, value: Value) -> Predicate:
    return replace(term, operand=value) if _is_on(term, column) else term


def _is_on(term: Predicate, column: str) -> TypeGuard[Compare]:
    return isinstance(term, Compare) and term.field == Field(column) and term.op is Op.EQ
