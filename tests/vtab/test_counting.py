from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from sessions_vtab.contract.scan import Counted, Page, Row
from sessions_vtab.errors import TransientError
from sessions_vtab.vtab.counting import counted_rows

KIND = 1
FIRST: list[Row] = [("a", 0), ("b", 0)]
BEHIND: list[Row] = [("c", 0), ("d", 1), ("e", 1)]


class Rest:
    """The pages behind the first, and how many of them were read."""

    def __init__(self, rows: list[Row]) -> None:
        self.read = 0
        self._rows = rows

    def pages(self) -> Iterator[Page]:
        for row in self._rows:
            self.read += 1
            yield [row]


def _page() -> Counted:
    return Counted(FIRST, [((None, 0), 1), ((None, 1), 2)], frozenset((KIND,)))


def _counted(page: Counted, rest: Iterator[Page]) -> Generator[Row, None, bool]:
    return counted_rows(page, iter(page), rest)


def test_rows_that_nobody_looks_at_are_handed_out_unread() -> None:
    rest = Rest(BEHIND)

    assert len(list(_counted(_page(), rest.pages()))) == 5
    assert rest.read == 0


def test_known_columns_can_be_looked_at_without_reading() -> None:
    rest = Rest(BEHIND)

    assert [row[KIND] for row in _counted(_page(), rest.pages())] == [0, 0, 0, 1, 1]
    assert rest.read == 0


def test_another_column_of_the_first_page_leads_to_reading_on() -> None:
    rest = Rest(BEHIND)
    rows = _counted(_page(), rest.pages())

    assert [next(rows)[0], next(rows)[KIND]] == ["a", 0]
    with pytest.raises(StopIteration) as stopped:
        next(rows)
    assert stopped.value.value is True
    assert rest.read == 0


def test_a_later_row_is_read_if_it_is_looked_at_after_all() -> None:
    rest = Rest(BEHIND)

    found = [row[0] for row in _counted(_page(), rest.pages()) if row[KIND] == 1]

    assert found == ["d", "e"]
    assert rest.read == 3


def test_a_list_that_became_shorter_meanwhile_is_an_error() -> None:
    rows = list(_counted(_page(), Rest(BEHIND[:1]).pages()))

    with pytest.raises(TransientError, match="changed while it was being read"):
        rows[-1][0]
