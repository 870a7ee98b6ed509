"""Joins on one of several values, ``IN (a.x, 'z')`` and OR: requests, and the rows of plain tables."""

from __future__ import annotations

import pytest

from .conftest import KEYS, VIEWS, same, texts

# {v} is a view, or a table with rows of every session.
OF_A_USER = {
    "IN": (
        "SELECT a.name, b.session_name FROM {{sessions}} a"
        " JOIN {v} b ON b.session_id IN (a.session_id, 'none') WHERE a.user_id = 'ann'"
    ),
    "OR": (
        "SELECT a.name, b.session_name FROM {{sessions}} a JOIN {v} b"
        " ON (a.session_id = b.session_id OR 'none' = b.session_id) WHERE a.user_id = 'ann'"
    ),
    "OR of two keys": (
        "SELECT a.name, b.session_name FROM {{sessions}} a, {v} b WHERE a.user_id = 'ann'"
        " AND (b.session_id = a.session_id OR b.session_name = a.name)"
    ),
    "LEFT JOIN": (
        "SELECT a.name, b.session_name FROM {{sessions}} a LEFT JOIN {v} b"
        " ON b.session_id IN ('none', a.session_id, ?1) WHERE a.user_id = 'ann'"
    ),
    "of both": (
        "SELECT a.name, b.session_name FROM {{sessions}} a JOIN temp.keys k JOIN {v} b"
        " ON b.session_id IN (a.session_id, k.id) WHERE a.user_id = 'ann'"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", OF_A_USER)
def test_a_choice_of_keys_reads_at_most_twice_the_sessions_that_are_wanted(
    own, fresh, sessions, shape, name
):
    ours, plain = texts(OF_A_USER[shape].format(v=f"{{{name}}}"))
    values = ("x",) if "?1" in ours else ()

    rows = fresh.ask(ours, values)

    assert len(fresh.log) <= 2 * (1 + sessions) + 3
    assert same(rows, own.connection.execute(plain, values).fetchall())


# A statement over sessions, of which there are 3 pages, and the fewest requests.
OF_SESSIONS = [
    ("SELECT * FROM {sessions} a JOIN {sessions} b ON b.session_id IN (a.session_id, 'none')", 4),
    (
        "SELECT * FROM {sessions} a JOIN {sessions} b ON b.session_id = a.session_id OR b.session_id = 'none'",
        4,
    ),
    ("SELECT * FROM {sessions} a JOIN {sessions} b ON b.name IN (a.name, a.session_id)", 3),
    ("SELECT * FROM {sessions} a JOIN {sessions} b ON b.user_id IN (a.user_id, 'none')", 6),
    (
        "SELECT * FROM {sessions} a LEFT JOIN {sessions} b ON b.user_id = a.user_id OR b.session_id = 'x'",
        6,
    ),
    (
        (
            "SELECT * FROM {sessions} a JOIN {sessions} b ON b.session_id IN ('none', a.session_id, 'x')"
            " WHERE a.user_id = 'ann' ORDER BY b.name"
        ),
        3,
    ),
    (
        (
            "SELECT * FROM {sessions} a WHERE EXISTS (SELECT 1 FROM {sessions} b"
            " WHERE b.session_id IN (a.session_id, 'none') AND b.display_name IS NOT NULL)"
        ),
        4,
    ),
    (
        "SELECT k.id, s.name FROM temp.keys k JOIN {sessions} s ON s.session_id IN (k.id, 'none')",
        KEYS + 1,
    ),
]


@pytest.mark.parametrize(("sql", "fewest"), OF_SESSIONS)
def test_keys_beside_those_of_a_list_are_asked_for_alone(own, fresh, sql, fewest):
    ours, plain = texts(sql)

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * fewest + 3
    assert same(rows, own.connection.execute(plain).fetchall())


def test_a_key_that_no_list_has_is_requested_once(fresh):
    rows = fresh.ask(
        "SELECT a.session_id FROM sessions a CROSS JOIN sessions b"
        " ON b.session_id IN (a.session_id, 'none') WHERE a.user_id = 'ann'"
    )

    assert len(rows) > 1
    assert sorted(fresh.calls()) == ["GET none", "GET sessions"]
