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

FEW = "session_id IN (SELECT id FROM temp.keys WHERE kind = {kind})"
# Each of the conditions that OR joins says something about the key, beside other things.
OF_KEYS = {
    "the same": (
        "SELECT session_name FROM {v} WHERE session_name > 'p' AND session_id IN temp.keys_only"
        " OR length(session_name) > 3 AND session_id IN temp.keys_only"
    ),
    "others": (
        "SELECT session_name FROM {v} WHERE session_name > 'p' AND "
        + FEW.format(kind="'new'")
        + " OR length(session_name) > 3 AND session_id IN ('none', 'x') OR "
        + FEW.format(kind="?1")
    ),
    "of a common table expression": (
        "WITH k AS (SELECT id FROM temp.keys) SELECT session_name FROM {v}"
        " WHERE (length(session_name) > 3 AND session_id IN k"
        " OR (session_name < 'p' OR length(session_name) = 3) AND session_id = 'none')"
    ),
    "of two keys": (
        "SELECT session_name FROM {v} WHERE session_id = 'none' AND session_name > 'p'"
        " OR length(session_name) > 3 AND session_name IN"
        " (SELECT s.name FROM {{sessions}} s JOIN temp.keys k ON k.id = s.session_id)"
    ),
    "VALUES": "SELECT session_name FROM {v} WHERE session_id IN (VALUES ('none'), (?1), ('x'))",
    "in ON": (
        "SELECT v.session_name, k.kind FROM temp.keys k JOIN {v} v ON k.kind = 'new'"
        " AND v.session_id = k.id OR v.session_id = k.id AND length(v.session_name) > 3"
    ),
    "in ON of a LEFT JOIN": (
        "SELECT v.session_name, k.kind FROM temp.keys k LEFT JOIN {v} v ON k.kind = 'new'"
        " AND v.session_id = k.id OR v.session_id = 'none' AND length(v.session_name) > 3"
    ),
    "EXISTS": (
        "SELECT v.session_name FROM {v} v WHERE EXISTS (SELECT 1 FROM temp.keys k"
        " WHERE k.id = v.session_id AND k.kind = 'new') AND v.session_name > 'p' OR EXISTS"
        " (SELECT 1 FROM temp.keys k WHERE k.id = v.session_id AND k.kind = 'old')"
    ),
    "row values": (
        "SELECT session_name FROM {v} WHERE (session_id, substr(session_name, 1, 1)) IN"
        " (SELECT id, 'p' FROM temp.keys) OR session_name > 'p' AND session_id = 'none'"
    ),
    "of one of the views": (
        "SELECT v.session_name, e.author FROM {v} v JOIN {{live_events}} e"
        " ON e.session_id = v.session_id WHERE e.author = 'user' AND "
        + FEW.format(kind="'new'").replace("session_id", "e.session_id", 1)
        + " OR e.author <> 'user' AND e.session_id IN (SELECT id FROM temp.keys)"
    ),
    "beside a range": (
        "SELECT v.session_name, e.author FROM {v} v JOIN {{events}} e"
        " ON e.session_id = v.session_id WHERE v.session_name > 'p' AND e.session_name > ''"
        " AND e.session_id IN (SELECT id FROM temp.keys)"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", OF_KEYS)
def test_alternatives_read_at_most_twice_the_sessions_that_they_name(own, fresh, shape, name):
    for database in (own, fresh):
        database.connection.execute(
            "CREATE TEMP VIEW IF NOT EXISTS keys_only AS SELECT id FROM temp.keys"
        )
    ours, plain = texts(OF_KEYS[shape].format(v=f"{{{name}}}"))
    values = ("old",) if "?1" in ours else ()

    rows = fresh.ask(ours, values)

    assert len(fresh.log) <= 2 * (KEYS + 2) + 3
    assert same(rows, own.connection.execute(plain, values).fetchall())


# One of the conditions says nothing about the key: every session is read.
OF_ALL = [
    "session_id IN (SELECT id FROM temp.keys) OR length(session_name) > 3",
    "NOT (session_id <> 'none' AND session_name > 'p') OR session_id = 'x'",
    "session_id = 'none' AND session_name > 'p' OR session_id > 'p'",
    "CASE WHEN session_id = 'none' OR 1 THEN 1 END OR session_id = 'x' AND 1",
    "(session_id IN (SELECT id FROM temp.keys) OR NULL) IS NOT TRUE OR session_id = 'x'",
]


@pytest.mark.parametrize("condition", OF_ALL)
def test_an_alternative_that_names_no_sessions_keeps_them_all(own, fresh, condition):
    ours, plain = texts(f"SELECT session_name FROM {{turns}} WHERE {condition}")

    assert same(fresh.ask(ours), own.connection.execute(plain).fetchall())


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
