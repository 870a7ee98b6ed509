"""Which lists hold the rows of a read."""

from __future__ import annotations

import pytest

from sessions_vtab.contract.capability import (
    RANGE,
    AccessPath,
    Capability,
    Filter,
    HiddenRows,
    Within,
)
from sessions_vtab.contract.predicate import AllOf, Compare, Field, Member, Op, Predicate, to_sql
from sessions_vtab.contract.scan import Order, Scan
from sessions_vtab.plan.lists import Sizes, holders, may_be_held, pages_of

LIST = AccessPath(
    "list",
    filters=(
        Filter("user", frozenset((Op.EQ, Op.IN))),
        Filter("place", frozenset((Op.EQ,)), exact=True),
        Filter("time", RANGE),
    ),
    orders=("time",),
    page_cap=100,
)
GET = AccessPath("get", ("id",), unique=True, within=Within("list"))
EXACT = AccessPath(
    "get here",
    ("id",),
    (
        Filter("color", frozenset((Op.EQ,)), exact=True),
        Filter("place", frozenset((Op.EQ,)), exact=True),
    ),
    unique=True,
    within=Within("list"),
)
PART = AccessPath(
    "part",
    ("part",),
    within=Within(
        "list of one",
        lambda value: {"id": value.partition("/")[0]} if "/" in str(value) else None,
        through=True,
    ),
)
OF_ONE = AccessPath(
    "list of one", ("id",), (Filter("time", RANGE),), orders=("time",), page_cap=100
)
FAN = AccessPath("fan", (), (Filter("time", RANGE),), page_cap=100, fans_out=True)
TABLE = Capability((GET, EXACT, PART, OF_ONE, LIST, FAN))


def equal(column: str, value: str) -> Compare:
    return Compare(Field(column), Op.EQ, value)


def after(value: str) -> Compare:
    return Compare(Field("time"), Op.GT, value)


def found(path: AccessPath, terms: list[Predicate], lasting: list[Predicate]) -> list[str]:
    scan = Scan(path, AllOf(tuple(terms)))
    return [
        f"{one.scan.path.name}: {to_sql(one.scan.where)}" for one in holders(scan, lasting, TABLE)
    ]


USER, PLACE, TIME = equal("user", "ann"), equal("place", "x"), after("2026")


@pytest.mark.parametrize(
    ("path", "terms", "lasting", "lists"),
    [
        # The first read: everything is the same as ever.
        (LIST, [USER], [USER], []),
        # A user's sessions, then everybody's.
        (LIST, [USER, TIME], [], ["list: user = 'ann'", "list: TRUE"]),
        # What stays the same belongs to the list.
        (LIST, [USER, TIME], [USER], ["list: user = 'ann'"]),
        (LIST, [USER, PLACE], [PLACE], ["list: place = 'x'"]),
        (LIST, [USER], [], ["list: TRUE"]),
        # A session's events, without the time that differs; never those of all sessions.
        (OF_ONE, [equal("id", "1"), TIME], [], ["list of one: id = '1'"]),
        (OF_ONE, [equal("id", "1")], [], []),
        # A fan-out costs the same without its filter.
        (FAN, [TIME], [], ["fan: TRUE"]),
        # A key: the list that the path says.
        (GET, [equal("id", "1")], [], ["list: TRUE"]),
        (GET, [Member(Field("id"), ("1", "2"))], [], ["list: TRUE"]),
        # What SQLite may have left to the source has to be met by the list, too.
        (EXACT, [equal("id", "1"), PLACE], [PLACE], ["list: place = 'x'"]),
        (EXACT, [equal("id", "1"), equal("color", "red")], [equal("color", "red")], []),
        # A part is looked for in the list of what it belongs to.
        (PART, [equal("part", "7/3")], [], ["list of one: id = '7'"]),
        (PART, [Member(Field("part"), ("7/3", "7/4"))], [], ["list of one: id = '7'"]),
        (PART, [Member(Field("part"), ("7/3", "8/4"))], [], []),
        (PART, [equal("part", "none")], [], []),
        # What is no name is that of no row.
        (PART, [Member(Field("part"), ("none", "7/4"))], [], ["list of one: id = '7'"]),
        (PART, [Member(Field("part"), ("none", "nobody"))], [], []),
        (PART, [Member(Field("part"), ("7/3", 7))], [], []),
    ],
)
def test_the_lists_of_a_read_from_the_smallest_on(path, terms, lasting, lists):
    assert found(path, terms, lasting) == lists


def test_a_condition_that_shows_hidden_rows_is_never_left_out():
    path = AccessPath("list", filters=(Filter("deleted", frozenset((Op.EQ,))),), page_cap=100)
    table = Capability((path,), hides=HiddenRows("deleted", "include_deleted"))
    gone, ann = Compare(Field("deleted"), Op.EQ, 1), equal("user", "ann")

    assert list(holders(Scan(path, AllOf((gone,))), [], table)) == []
    lists = holders(Scan(path, AllOf((gone, ann))), [gone], table)
    assert [to_sql(one.scan.where) for one in lists] == ["deleted = 1"]


def test_a_list_is_read_with_the_columns_that_are_compared_in_it():
    scan = Scan(LIST, AllOf((USER,)), columns=frozenset(("name",)), limit=5)

    (one,) = holders(scan, [], TABLE)

    assert one.scan.columns == {"name", "user"}
    assert one.scan.limit is None


def test_a_list_keeps_the_order_that_is_wanted():
    scan = Scan(PART, AllOf((equal("part", "7/3"),)), (Order("time", descending=True),))
    other = Scan(PART, AllOf((equal("part", "7/3"),)), (Order("size"),))

    assert [one.scan.order for one in holders(scan, [], TABLE)] == [scan.order]
    assert list(holders(other, [], TABLE)) == []


def test_a_read_with_parameters_of_its_own_is_not_looked_for_in_another_list():
    scan = Scan(GET, AllOf((equal("id", "1"),)), parameters={"_push": "x", "page_size": 3})
    plain = Scan(GET, AllOf((equal("id", "1"),)), parameters={"_push": "x"})

    assert list(holders(scan, [], TABLE)) == []
    assert [one.scan.parameters for one in holders(plain, [], TABLE)] == [{}]


def test_what_a_list_of_one_holds_may_be_in_a_larger_list():
    """A note by its name: in the thing that has it, or in the list of all things."""
    one = AccessPath("one", ("id",), within=Within("list"))
    note = AccessPath(
        "note", ("note",), within=Within("one", lambda value: {"id": value}, through=True)
    )
    scan = Scan(note, AllOf((equal("note", "7"),)))

    lists = holders(scan, [], Capability((note, one, LIST)))

    assert [(each.scan.path.name, to_sql(each.scan.where), each.through) for each in lists] == [
        ("one", "id = '7'", True),
        ("list", "TRUE", False),
    ]


@pytest.mark.parametrize(
    ("parameters", "lists"),
    [({}, []), ({"batch": "b"}, [{"batch": "b"}]), ({"batch": "b", "page_size": 3}, [])],
)
def test_a_parameter_may_say_which_list_it_is(parameters, lists):
    listed = AccessPath("list", ("batch",))
    scan = Scan(GET, AllOf((equal("id", "1"),)), parameters=parameters)

    found = holders(scan, [], Capability((GET, listed)))

    assert [dict(one.scan.parameters) for one in found] == lists


@pytest.mark.parametrize(
    ("path", "terms", "held"),
    [
        (OF_ONE, [equal("id", "1")], False),
        (OF_ONE, [equal("id", "1"), TIME], True),
        (LIST, [], False),
        (LIST, [USER], True),
        (GET, [equal("id", "1")], True),
    ],
)
def test_most_joins_are_told_apart_at_once(path, terms, held):
    assert may_be_held(Scan(path, AllOf(tuple(terms)))) is held


@pytest.mark.parametrize(
    ("responses", "rows", "pages"),
    [(1, 0, 1), (1, 100, 1), (12, 1_200, 12), (14, 1_200, 12), (13, 1_201, 13), (9, 30, 7)],
)
def test_pages_that_were_read_from_both_ends_overlap(responses, rows, pages):
    assert pages_of(LIST, responses, rows) == pages
    assert pages_of(FAN, responses, rows) == responses


class TestSizes:
    def test_are_known_by_what_was_asked_not_by_order_or_columns(self):
        sizes = Sizes()
        sizes.learn(Scan(LIST, AllOf((USER,)), (Order("time"),), frozenset(("user",))), 3, 250)

        assert sizes.counts(Scan(LIST, AllOf((USER,)))) == (3, 250)
        assert sizes.of(Scan(LIST)) is None

    @pytest.mark.parametrize(
        "scan",
        [
            Scan(LIST, limit=10),
            Scan(LIST, offset=10),
            Scan(LIST, parameters={"page_token": "x"}),
            Scan(GET, AllOf((equal("id", "1"),))),
        ],
    )
    def test_of_a_part_of_a_list_tell_nothing(self, scan):
        sizes = Sizes()
        sizes.learn(scan, 1, 10)

        assert sizes.of(scan) is None

    def test_are_bounded(self):
        sizes = Sizes()
        for number in range(1_500):
            sizes.learn(Scan(LIST, AllOf((equal("user", str(number)),))), 1, 1)

        kept = [n for n in range(1_500) if sizes.of(Scan(LIST, AllOf((equal("user", str(n)),))))]
        assert kept == list(range(500, 1_500))
