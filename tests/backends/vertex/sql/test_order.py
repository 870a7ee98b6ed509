"""Long lists come in one order, whichever answers are late: paged, sorted with ties, numbered."""

from __future__ import annotations

import sqlite3
from itertools import cycle, islice, pairwise

import pytest

from sessions_vtab.testing.ordering import same_order

LONGEST = "3347007484198323797"
"""The session with the most events: 5 pages."""

LATE = cycle(("", "desc", "pageToken=.*[A-Mn-z]=*$", "pageToken=.*[a-mN-Z]=*$"))
"""Which requests are overtaken by another: by their decoded query."""


@pytest.fixture
def late(big):
    """Asks the big source while other answers are late in each statement."""

    def ask(sql):
        big.control.clear_faults()
        big.control.fault("late", query=next(LATE), behind=1, seconds=0.01, count=None)
        return [row[0] for row in big.ask(sql)]

    yield ask
    big.control.clear_faults()


@pytest.mark.parametrize(
    ("tail", "pages"),
    [
        ("", 5),
        ("ORDER BY user_id", 3),
        ("WHERE display_name LIKE '%e%'", 4),
        ("WHERE user_id IN ('ann', 'bob') OR display_name = 'x'", 2),
        ("WHERE create_time > '2020-01-01'", 3),
    ],
)
def test_sessions_in_pages_are_the_table(late, tail, pages):
    whole = late(f"SELECT session_id FROM sessions {tail}")
    size = -(-len(whole) // pages)

    paged = [
        one
        for at in range(0, len(whole) + 1, size)
        for one in late(f"SELECT session_id FROM sessions {tail} LIMIT {size} OFFSET {at}")
    ]

    same_order(tail, whole, paged)


def test_sessions_come_newest_first_however_they_are_asked_for(late):
    newest = late("SELECT session_id FROM sessions ORDER BY create_time DESC")

    assert late("SELECT session_id FROM sessions") == newest
    assert late("SELECT session_id FROM sessions LIMIT 250") == newest[:250]
    assert late("SELECT group_concat(session_id) FROM sessions") == [",".join(newest)]
    assert late("SELECT session_id FROM (SELECT session_id, row_number() OVER () AS n"
                " FROM sessions) ORDER BY n") == newest  # fmt: skip


def test_keys_come_in_one_order_also_when_the_length_of_the_list_is_known(open_):
    first, later = open_(), open_()
    keys = [one for at in range(20) for one in (f"ann-{at}", f"bob-{at}")]
    first.fill(20)
    first.fill(20, user="bob")
    later.ask("SELECT session_id FROM sessions")
    sql = f"SELECT session_id FROM sessions WHERE session_id IN ({','.join('?' * len(keys))})"

    by_gets = first.ask(sql, keys)
    assert first.total == len(keys)
    by_list = later.ask(sql, keys)

    assert later.total == 1
    assert by_list == by_gets


def test_events_of_a_session_come_in_its_order(late):
    sql = f"SELECT name FROM events WHERE session_id = '{LONGEST}'"
    in_time = late(f"{sql} ORDER BY timestamp")

    for _ in range(3):
        assert late(sql) == in_time


def test_events_of_equal_time_come_in_the_order_they_were_appended(db):
    (session,) = db.fill(1, 480)
    state = db.control.dump()
    events = state["vertex"]["engines"][0]["sessions"][0]["events"]
    for place, event in enumerate(events):
        event["timestamp"] = f"2026-01-01T00:00:{place // 8:02}Z"
    db.control.load(state)

    found = db.ask("SELECT text FROM events WHERE session_id = ?", (session,))

    assert [text for (text,) in found] == [str(number) for number in range(480)]


@pytest.mark.parametrize(
    ("order", "limit", "pages"),
    [
        ("create_time DESC, name", "1", 1),
        ("create_time DESC, name", "1 OFFSET 119", 2),
        ("create_time, name DESC", "45", 1),
        ("create_time DESC, display_name, user_id DESC", "200", 3),
        ("create_time, display_name DESC, name", "10 OFFSET 35", 1),
        ("create_time DESC, update_time, labels, name", "1", 1),
        ("create_time, 1", "130", 2),
        ("update_time, create_time, display_name, name", "7", 1),
        ("create_time, name", "1000", 4),
        # What the service cannot sort by comes first: all of it has to be read.
        ("display_name, create_time", "3", 4),
    ],
)
def test_rows_of_equal_time_are_sorted_by_what_comes_next(db, order, limit, pages):
    """Reading stops at the first row of another time, after the last that LIMIT wants."""
    db.fill(390)
    state = db.control.dump()
    for place, session in enumerate(state["vertex"]["engines"][0]["sessions"]):
        session["createTime"] = f"2026-01-01T00:00:{place * 7 % 390 // 30:02}Z"
        session["updateTime"] = session["createTime"]
        session["displayName"] = ("", "b", "B", "\u00e4", "a\U0001f600", "a\uffff")[place % 6]
        session["labels"] = {"n": str(place % 5)} if place % 2 else {}
    db.control.load(state)
    plain = sqlite3.connect(":memory:")
    columns = "name, create_time, update_time, display_name, user_id, labels"
    plain.execute(f"CREATE TABLE sessions({columns})")
    rows = db.ask(f"SELECT {columns} FROM sessions")
    plain.executemany("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", rows)
    by = [one.split()[0] for one in order.replace("1", "name").split(", ")]
    query = f"SELECT {', '.join(dict.fromkeys(['name', *by]))} FROM sessions ORDER BY {order}"
    query += f" LIMIT {limit}"

    found, expected = db.ask(query), plain.execute(query).fetchall()
    plain.close()

    if "name" in by:
        assert found == expected
    assert [row[1:] for row in found] == [row[1:] for row in expected]
    assert len(db.log) <= pages + 1


def test_events_of_many_sessions_come_session_by_session_newest_first(db):
    db.fill(130, 2)
    db.fill(2, 102, user="bob")
    newest = [row[0] for row in db.ask("SELECT name FROM sessions")]
    for query in islice(LATE, 4):
        db.control.clear_faults()
        db.control.fault("late", query=query, behind=3, seconds=0.01, count=None)

        names = [row[0] for row in db.ask("SELECT name FROM events")]

        sessions = [one.rpartition("/events/")[0] for one in names]
        assert len(names) == len(set(names)) == 130 * 2 + 2 * 102
        assert list(dict.fromkeys(sessions)) == newest
        assert sum(a != b for a, b in pairwise(sessions)) == len(newest) - 1
