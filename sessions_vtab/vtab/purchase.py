"""A list that is read once and then answers what is asked of it, for the rest of the statement."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Compare, Predicate, Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.plan.lists import pages_of
from sessions_vtab.vtab.index import Equality, Times, chunks, is_equality, is_range, operands
from sessions_vtab.vtab.memo import Recording

__all__ = ["Purchase"]

_IN_LIST_ORDER: Final[Mapping[str, Sequence[Value]]] = MappingProxyType({})


class Purchase:
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
        self._equalities: dict[str, Equality] = {}
        self._times: dict[str, Times] = {}
        self._loaded: tuple[int, list[Row]] = (-1, [])
        self.ended = False

    @property
    def pages(self) -> int:
        """How many pages of the list were read."""
        return pages_of(self._path, len(self._starts), self._rows)

    def advance(self) -> bool:
        """Reads the next page; False at the end."""
        page = next(self._coming, None)
        if page is None:
            self.ended = True
            return False
        self._loaded = (len(self._starts), page)
        self._starts.append(self._rows)
        self._index(page)
        self._rows += len(page)
        return True

    def close(self) -> None:
        """Stops what is still coming and forgets what came."""
        self._recording.close()

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
        bounds = [term for term in terms if isinstance(term, Compare) and is_range(term)]
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
        for part in chunks(sorted(self._narrowest(looked_up, ()), key=rank)):
            yield [self._row(place) for place in part]

    def _between(
        self, start: int, end: int, looked_up: Sequence[Predicate], bounds: Sequence[Compare]
    ) -> Iterator[list[Row]]:
        places = self._narrowest(looked_up, bounds)
        if isinstance(places, range):
            places = range(max(places.start, start), min(places.stop, end))
        elif start:
            places = [place for place in places if start <= place < end]
        for part in chunks(places):
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
            places = self._equality_of(term).find(operands(term))
            if len(places) < len(best):
                best = places
        return best

    def _looks_up(self, term: Predicate) -> bool:
        return is_equality(term) and self._equality_of(term).takes(operands(term))

    def _equality_of(self, term: Predicate) -> Equality:
        column = term.field.column  # type: ignore[union-attr]  # What is_equality has seen.
        index = self._equalities.get(column)
        if index is None:
            index = self._equalities[column] = Equality(self._table.column(column))
            at = self._positions[column]
            for place, row in self._known():
                index.add(place, row[at])
        return index

    def _times_of(self, column: str) -> Times:
        index = self._times.get(column)
        if index is None:
            index = self._times[column] = Times()
            at = self._positions[column]
            for _, row in self._known():
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

    def _known(self) -> Iterator[tuple[int, Row]]:
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
