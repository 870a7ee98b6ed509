"""A list that answers what is asked of it: always with every row that SQLite could want."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import TIMESTAMP, AllOf, Compare, Field, Member, Op, Predicate
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.vtab.index import IndexedList
from sessions_vtab.vtab.memo import Recording

TABLE = Table(
    "things",
    (
        Column("name", ColumnType.TEXT, "Name."),
        Column("user", ColumnType.TEXT, "User."),
        Column("count", ColumnType.INTEGER, "Count."),
        Column("time", ColumnType.TIME, "Time."),
    ),
    "Things.",
)
PATH = AccessPath("list", page_cap=10)


def _row(number: int, user: object = "ann", count: object = 0, time: object = None) -> Row:
    return (f"n{number}", user, count, time)  # type: ignore[return-value]


def _pages(rows: Sequence[Row]) -> Iterator[Page]:
    for start in range(0, len(rows), 10):
        yield list(rows[start : start + 10])


def _bought(rows: Sequence[Row]) -> IndexedList:
    bought = IndexedList(Recording(_pages(rows)), PATH, TABLE)
    while bought.advance():
        pass
    return bought


def _names(pages: Iterator[list[Row]]) -> list[str]:
    return [str(row[0]) for page in pages for row in page]


def _is(column: str, value: object) -> Compare:
    return Compare(Field(column), Op.EQ, value)  # type: ignore[arg-type]


def _time(op: Op, value: str) -> Compare:
    return Compare(Field("time"), op, value, TIMESTAMP)


def _at(second: int) -> str:
    return f"2026-01-01 00:{second // 60:02d}:{second % 60:02d}.000000"


def test_what_is_equal_is_found_in_the_order_of_the_list():
    bought = _bought([_row(n, f"u{n % 3}") for n in range(30)])

    found = _names(bought.find([_is("user", "u1")]))

    assert found == [f"n{n}" for n in range(1, 30, 3)]


def test_a_value_that_no_row_has_finds_none():
    assert _names(_bought([_row(n) for n in range(30)]).find([_is("user", "nobody")])) == []


def test_a_set_finds_the_rows_of_each_of_its_values():
    bought = _bought([_row(n, f"u{n}") for n in range(30)])
    term = Member(Field("user"), ("u7", "u3", "nobody"))

    assert _names(bought.find([term])) == ["n3", "n7"]


@pytest.mark.parametrize("value", [7, 7.0, 7.5, True, b"7"])
def test_a_value_of_another_type_than_its_column_is_always_found(value):
    """A number equals a text that looks like it, with one affinity and not with another."""
    bought = _bought([_row(0, "7"), _row(1, "8"), _row(2, value), _row(3, None)])

    assert _names(bought.find([_is("user", "7")])) == ["n0", "n2"]


def test_a_question_of_another_type_than_the_column_finds_every_row():
    bought = _bought([_row(0, "7"), _row(1, "8")])

    assert _names(bought.find([_is("user", 7)])) == ["n0", "n1"]


def test_numbers_are_equal_as_in_sql():
    bought = _bought([_row(0, count=1), _row(1, count=1.0), _row(2, count=2), _row(3, count="1")])

    assert _names(bought.find([_is("count", 1)])) == ["n0", "n1", "n3"]


@pytest.mark.parametrize(
    "term",
    [
        Compare(Field("user"), Op.EQ, "ann", "NOCASE"),
        Compare(Field("user"), Op.LIKE, "ANN"),
        Compare(Field("user"), Op.GT, "a"),
        Compare(Field("user", "key"), Op.EQ, "x"),
        Compare(Field("user"), Op.NE, "bob"),
        Member(Field("user"), ("bob",), negated=True),
    ],
)
def test_what_an_index_does_not_know_is_left_to_sqlite(term: Predicate):
    bought = _bought([_row(0, "ann"), _row(1, "Ann"), _row(2, "bob")])

    assert _names(bought.find([term])) == ["n0", "n1", "n2"]


ORDERS = {
    "rising": list(range(40)),
    "falling": list(range(39, -1, -1)),
    "mixed": [n * 7 % 40 for n in range(40)],
    "equal": [n // 4 for n in range(40)],
}
BOUNDS = [
    [(Op.GT, 10)],
    [(Op.GE, 10)],
    [(Op.LT, 10)],
    [(Op.LE, 10)],
    [(Op.EQ, 10)],
    [(Op.GE, 5), (Op.LT, 12)],
    [(Op.GT, 12), (Op.LT, 5)],
    [(Op.GT, 39)],
    [(Op.LT, 0)],
]
_HOLDS = {
    Op.GT: int.__gt__,
    Op.GE: int.__ge__,
    Op.LT: int.__lt__,
    Op.LE: int.__le__,
    Op.EQ: int.__eq__,
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_a_range_of_times_finds_its_rows_in_the_order_of_the_list(order, bounds):
    seconds = ORDERS[order]
    bought = _bought([_row(n, time=_at(second)) for n, second in enumerate(seconds)])

    found = _names(bought.find([_time(op, _at(second)) for op, second in bounds]))

    expected = [
        f"n{n}"
        for n, one in enumerate(seconds)
        if all(_HOLDS[op](one, second) for op, second in bounds)
    ]
    assert found == expected


@pytest.mark.parametrize("value", [None, "soon", 5, "", "9999-12-31 23:59:59.000000"])
def test_a_row_without_a_usual_time_leaves_the_range_to_sqlite(value):
    bought = _bought([_row(0, time=_at(1)), _row(1, time=value), _row(2, time=_at(3))])

    assert {"n0", "n1", "n2"} >= set(_names(bought.find([_time(Op.GT, _at(2))]))) >= {"n2"}


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ("2026-01-01 00:00:01.000000", "2026-01-01 00:00:01.000000"),
        ("2026-01-01T00:00:01Z", "2026-01-01 00:00:01.000000"),
        ("2026-01-01 01:00:01+01:00", "2026-01-01 00:00:01.000000"),
        ("2026-01-01 00:00:01.123456789", "2026-01-01 00:00:01.123456789"),
        ("2026-01-01 00:00:01.000000000", "2026-01-01 00:00:01.000000"),
    ],
)
def test_equal_instants_are_found_however_they_are_written(held, asked):
    bought = _bought([_row(0, time=held), _row(1, time=_at(30))])
    term = Compare(Field("time"), Op.EQ, asked, TIMESTAMP)

    assert "n0" in _names(bought.find([term]))


def test_a_list_that_has_not_ended_is_read_on_as_far_as_it_is_wanted():
    asked: list[int] = []

    def pages() -> Iterator[Page]:
        for number in range(5):
            asked.append(number)
            yield [_row(number * 10 + place, f"u{number}") for place in range(10)]

    bought = IndexedList(Recording(pages()), PATH, TABLE)

    first = bought.find([_is("user", "u1")])
    assert len(next(first)) == 10
    assert asked == [0, 1]
    assert _names(first) == []
    assert asked == [0, 1, 2, 3, 4]
    assert len(_names(bought.find([_is("user", "u1")]))) == 10
    assert asked == [0, 1, 2, 3, 4]


def test_two_readers_of_a_list_that_has_not_ended_see_every_row():
    bought = IndexedList(Recording(_pages([_row(n, f"u{n % 2}") for n in range(60)])), PATH, TABLE)
    one, other = bought.find([_is("user", "u0")]), bought.find([])

    next(one)
    next(other)

    assert len(_names(one)) == 25
    assert len(_names(other)) == 59


def test_rows_on_pages_that_are_no_longer_in_memory_are_found():
    rows = [_row(n, f"u{n % 500}", count=n) for n in range(1_000)]

    bought = _bought(rows)

    assert _names(bought.find([_is("user", "u499")])) == ["n499", "n999"]
    assert _names(bought.find([_is("count", 7)])) == ["n7"]
    bought.close()


def test_an_index_of_many_rows_is_packed_and_finds_the_same(monkeypatch):
    monkeypatch.setattr("sessions_vtab.vtab.index._SEALED", 100)
    rows = [_row(n, f"u{n % 7}") for n in range(1_050)]

    bought = _bought(rows)
    found = _names(bought.find([_is("user", "u3")]))
    bought.close()

    assert found == [f"n{n}" for n in range(1_050) if n % 7 == 3]


def _one(name: object, *beside: Predicate) -> Scan:
    unique = AccessPath("get", keys=("name",), unique=True)
    return Scan(unique, AllOf((Compare(Field("name"), Op.EQ, name), *beside)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "found"), [("n3", "n3"), ("n9", "n9"), ("n12", None), ("N3", None), (3, None)]
)
def test_a_row_that_has_come_is_found_by_its_key(name: object, found: str | None) -> None:
    bought = IndexedList(Recording(_pages([_row(n) for n in range(20)])), PATH, TABLE)
    bought.advance()

    row = bought.row_of(_one(name, _is("user", "someone")))

    assert (row and row[0]) == found


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([10, 10, 4], [False, False, True]),
        ([10, 0], [False, True]),
        # After a surprise every page is taken for a full one.
        ([10, 4, 4, 4], [False, True, False, True]),
    ],
)
def test_a_list_runs_out_with_a_page_that_is_not_full(pages: list[int], expected: list[bool]):
    rows = ([_row(n) for n in range(size)] for size in pages)
    bought = IndexedList(Recording(rows), PATH, TABLE)

    seen = [bought.runs_out for _ in pages if bought.advance()]

    assert seen == expected
