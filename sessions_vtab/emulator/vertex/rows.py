"""Rows kept in one order, so that a page costs its own length and not the table's."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class Position(NamedTuple):
    """Where a row stands in an order: its sort key, then its number of insertion."""

    key: Any
    number: int


class Rows(Generic[T]):
    """Items sorted by a key; items of equal key stay in the order of their numbers."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[tuple[Any, int, T]] = ()) -> None:
        # A number is never used twice, so that comparing two rows never reaches the items.
        self._rows = sorted(rows, key=lambda row: row[:2])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return (row[2] for row in self._rows)

    def add(self, key: Any, number: int, item: T) -> None:
        """Put an item at its place."""
        insort(self._rows, (key, number, item), key=lambda row: row[:2])

    def remove(self, key: Any, number: int) -> None:
        """Take the item at this position out; it must be there."""
        index = self._index(Position(key, number))
        if self._rows[index][:2] != (key, number):
            raise LookupError(f"no row at {key}, {number}")
        del self._rows[index]

    def _index(self, position: tuple[Any, ...]) -> int:
        return bisect_left(self._rows, position)

    def page(
        self,
        size: int,
        *,
        after: Position | None = None,
        descending: bool = False,
        bounds: tuple[Any, Any] = (None, None),
        keep: Callable[[T], bool] | None = None,
    ) -> tuple[list[T], Position | None]:
        """Return at most `size` items and, if more follow, the position of the last of them.

        Args:
            size: The number of items wanted, at least 1.
            after: Start behind this position; the row itself need not exist any more.
            descending: Read from the end.
            bounds: Only rows whose key is in [first, last), where None means unbounded.
            keep: Only items for which this is true.
        """
        low, high = self._window(after, descending, bounds)
        if keep is None:
            if descending:
                found = self._rows[max(low, high - size - 1) : high][::-1]
            else:
                found = self._rows[low : min(high, low + size + 1)]
        else:
            found = self._search(range(low, high), descending, size + 1, keep)
        items = [row[2] for row in found[:size]]
        if len(found) <= size:
            return items, None
        return items, Position(*found[size - 1][:2])

    def _window(
        self, after: Position | None, descending: bool, bounds: tuple[Any, Any]
    ) -> tuple[int, int]:
        first, last = bounds
        low = 0 if first is None else self._index((first,))
        high = len(self._rows) if last is None else self._index((last,))
        if after is not None and descending:
            high = min(high, self._index(after))
        elif after is not None:
            low = max(low, self._index((after.key, after.number + 1)))
        return low, max(low, high)

    def _search(
        self, span: range, descending: bool, wanted: int, keep: Callable[[T], bool]
    ) -> list[tuple[Any, int, T]]:
        found: list[tuple[Any, int, T]] = []
        for index in reversed(span) if descending else span:
            row = self._rows[index]
            if keep(row[2]):
                found.append(row)
                if len(found) == wanted:
                    break
        return found
