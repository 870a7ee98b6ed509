from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from sessions_vtab import Connection
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.scan import Counted, Page, Row, Scan
from sessions_vtab.errors import TransientError
from sessions_vtab.vtab.counting import counted_rows
from tests import memory

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


def test_rows_that_show_a_parameter_are_read(
    opened: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such rows are copied: nobody would see which of their columns are looked at."""
    size = Column("page_size", ColumnType.INTEGER, "Rows of a page.", parameter=True)
    table = memory.MEMORY_SESSIONS.extended(hidden=(size,))
    monkeypatch.setattr(memory, "MEMORY_SESSIONS", table)
    db = opened(mem="memory")
    db.executemany("INSERT INTO sessions(user_id) VALUES (?)", [("ann",), ("bob",), ("cid",)])
    resource = db.sources["mem"].backend.resources["sessions"]
    plain = resource.scan

    def scan(asked: Scan, context: Any) -> Iterator[Page]:
        rows = [row for page in plain(asked, context) for row in page]
        nothing = (None,) * len(table.columns)
        yield Counted(rows[:1], [(nothing, len(rows) - 1)], frozenset())
        yield rows[1:]

    monkeypatch.setattr(resource, "scan", scan)

    for where in ("", " WHERE page_size = 5"):
        found = db.execute(f"SELECT user_id FROM sessions{where}").fetchall()
        assert sorted(found) == [("ann",), ("bob",), ("cid",)]
        assert db.execute(f"SELECT count(*) FROM sessions{where}").get == 3
