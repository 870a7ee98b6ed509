"""Conditions that SQLite passes to no table of events: the fewest requests, and the rows of plain tables.

By the emulator's own log; no statement makes more than twice the fewest requests and three.
"""

from __future__ import annotations

import pytest

from .conftest import KEYS, OF_A_USER, VIEWS, same, texts

# {v} is each of the views.
SHAPES = {
    "IN": "SELECT * FROM {v} WHERE session_id IN (" + OF_A_USER + ")",
    "IN, by name": (
        "SELECT * FROM {v} WHERE session_name IN (SELECT name FROM {{sessions}} WHERE user_id = 'ann')"
    ),
    "IN, beside another condition": (
        "SELECT v.* FROM {v} v WHERE v.session_id IN ("
        + OF_A_USER
        + ") AND length(v.session_id) > 3"
    ),
    "IN of both": (
        "SELECT * FROM {v} WHERE session_id IN (" + OF_A_USER + ")"
        " AND session_name IN (SELECT name FROM {{sessions}} WHERE user_id = 'ann')"
    ),
    "IN of row values": (
        "SELECT * FROM {v} WHERE (session_name, session_id) IN"
        " (SELECT name, session_id FROM {{sessions}} WHERE user_id = 'ann')"
    ),
    "equal to a subquery": (
        "SELECT * FROM {v} WHERE session_id = (" + OF_A_USER + " ORDER BY create_time LIMIT 1)"
    ),
    "IN of the last ones": (
        "SELECT * FROM {v} WHERE session_id IN ("
        + OF_A_USER
        + " ORDER BY create_time DESC LIMIT 3)"
    ),
    "JOIN": (
        "SELECT s.user_id, s.display_name, v.* FROM {{sessions}} s"
        " JOIN {v} v ON v.session_id = s.session_id WHERE s.user_id = 'ann'"
    ),
    "JOIN, by name": (
        "SELECT s.user_id, v.* FROM {v} v JOIN {{sessions}} s ON s.name = v.session_name"
        " WHERE s.user_id = 'ann'"
    ),
    "JOIN with USING": (
        "SELECT * FROM {{sessions}} s JOIN {v} v USING (session_id) WHERE s.user_id = 'ann'"
    ),
    "a join with commas": (
        "SELECT count(*) FROM {v} v, {{sessions}} s"
        " WHERE s.session_id = v.session_id AND s.user_id = 'ann'"
    ),
    "LEFT JOIN": (
        "SELECT s.name, v.* FROM {{sessions}} s LEFT JOIN {v} v ON v.session_id = s.session_id"
        " WHERE s.user_id = 'ann'"
    ),
    "LEFT JOIN with a condition in ON": (
        "SELECT s.name, v.* FROM {{sessions}} s LEFT JOIN {v} v"
        " ON v.session_id = s.session_id AND v.session_id > '5' WHERE s.user_id = 'ann'"
    ),
    "LEFT JOIN, rows without a partner": (
        "SELECT s.name FROM {{sessions}} s LEFT JOIN {v} v ON v.session_id = s.session_id"
        " WHERE s.user_id = 'ann' AND v.session_id IS NULL"
    ),
    "EXISTS": (
        "SELECT * FROM {{sessions}} s WHERE s.user_id = 'ann'"
        " AND EXISTS (SELECT 1 FROM {v} v WHERE v.session_id = s.session_id)"
    ),
    "NOT EXISTS": (
        "SELECT * FROM {{sessions}} s WHERE s.user_id = 'ann'"
        " AND NOT EXISTS (SELECT 1 FROM {v} v WHERE v.session_id = s.session_id)"
    ),
    "a correlated subquery": (
        "SELECT s.name, (SELECT count(*) FROM {v} v WHERE v.session_id = s.session_id)"
        " FROM {{sessions}} s WHERE s.user_id = 'ann'"
    ),
    "a correlated subquery, named as written": (
        "SELECT s.name, (SELECT count(*) FROM {v} WHERE session_id = s.session_id)"
        " FROM {{sessions}} s WHERE s.user_id = 'ann'"
    ),
    "a common table expression": (
        "WITH mine AS (SELECT * FROM {{sessions}} WHERE user_id = 'ann')"
        " SELECT * FROM mine m JOIN {v} v ON v.session_id = m.session_id"
    ),
    "IN a common table expression": (
        "WITH mine(id) AS (" + OF_A_USER + ") SELECT * FROM {v} WHERE session_id IN mine"
    ),
    "a subquery in FROM": (
        "SELECT * FROM (" + OF_A_USER + ") m JOIN {v} v ON v.session_id = m.session_id"
    ),
    "inside a subquery in FROM": (
        "SELECT count(*) FROM (SELECT session_id FROM {v} WHERE session_id IN (" + OF_A_USER + "))"
    ),
    "outside of a subquery in FROM": (
        "SELECT x.* FROM (SELECT session_id FROM {v}) x WHERE x.session_id IN (" + OF_A_USER + ")"
    ),
    "outside of a subquery that groups": (
        "SELECT s.user_id, x.* FROM {{sessions}} s"
        " LEFT JOIN (SELECT session_id, count(*) AS n FROM {v} GROUP BY 1) x"
        " ON x.session_id = s.session_id WHERE s.user_id = 'ann'"
    ),
    "outside of a common table expression": (
        "WITH x AS (SELECT * FROM {v}) SELECT count(*) FROM {{sessions}} s"
        " JOIN x ON x.session_id = s.session_id WHERE s.user_id = 'ann'"
    ),
    "UNION ALL": (
        "SELECT session_id FROM {v} WHERE session_id IN (" + OF_A_USER + ")"
        " UNION ALL SELECT v.session_id FROM {{sessions}} s JOIN {v} v USING (session_id)"
        " WHERE s.user_id = 'ann'"
    ),
    "an aggregate": (
        "SELECT s.user_id, count(*), max(v.session_id) FROM {{sessions}} s"
        " JOIN {v} v ON v.session_id = s.session_id WHERE s.user_id = 'ann' GROUP BY 1"
    ),
    "a window": (
        "SELECT session_id, row_number() OVER (ORDER BY session_id) > 0 FROM {v}"
        " WHERE session_id IN (" + OF_A_USER + ")"
    ),
    "a self-join": (
        "SELECT count(*) FROM {v} a JOIN {v} b ON b.session_id = a.session_id"
        " WHERE a.session_id IN (" + OF_A_USER + ")"
    ),
    "twice beside its sessions": (
        "SELECT count(*) FROM {{sessions}} s JOIN {v} a USING (session_id)"
        " JOIN {v} b USING (session_id) WHERE s.user_id = 'ann'"
    ),
    "by way of a third table": (
        "SELECT v.* FROM temp.users u JOIN {{sessions}} s ON s.user_id = u.id"
        " JOIN {v} v ON v.session_id = s.session_id WHERE u.id = 'ann'"
    ),
}
OF_KEYS = {
    "IN a table of SQLite's own": "SELECT * FROM {v} WHERE session_id IN (SELECT id FROM temp.keys)",
    "JOIN with a table of SQLite's own": (
        "SELECT k.id, v.* FROM temp.keys k JOIN {v} v ON v.session_id = k.id"
    ),
    "LEFT JOIN with a table of SQLite's own": (
        "SELECT k.id, v.* FROM temp.keys k LEFT JOIN {v} v ON v.session_id = k.id"
    ),
    "NOT EXISTS of a key": (
        "SELECT k.id FROM temp.keys k WHERE NOT EXISTS"
        " (SELECT 1 FROM {v} v WHERE v.session_id = k.id)"
    ),
    "JOIN with a user's view": ("SELECT v.* FROM temp.newest k JOIN {v} v ON v.session_id = k.id"),
    "JOIN with VALUES": (
        "SELECT v.* FROM (SELECT id FROM temp.keys WHERE kind = 'new' UNION SELECT 'none') k"
        " JOIN {v} v ON v.session_id = k.id"
    ),
    "OR of two subqueries": (
        "SELECT * FROM {v} WHERE session_id IN (SELECT id FROM temp.keys WHERE kind = 'new')"
        " OR session_id IN (SELECT id FROM temp.keys WHERE kind = 'old')"
    ),
}


GROUPED = {
    "JOIN": (
        "SELECT s.user_id, c.* FROM {sessions} s JOIN (SELECT session_id, count(*) AS n"
        " FROM {events} GROUP BY session_id) c USING (session_id) WHERE s.user_id = 'ann'"
    ),
    "LEFT JOIN": (
        "SELECT s.user_id, c.author FROM {sessions} s LEFT JOIN (SELECT DISTINCT session_id, author"
        " FROM {events} WHERE author <> 'user') c ON c.session_id = s.session_id"
        " WHERE s.user_id = 'ann'"
    ),
    "IN": (
        "SELECT * FROM (SELECT session_id AS id, kind, count(*) FROM {event_parts} GROUP BY 1, 2) c"
        " WHERE c.id IN (SELECT session_id FROM {sessions} WHERE user_id = 'ann')"
    ),
}


@pytest.mark.parametrize("shape", GROUPED)
def test_a_subquery_that_groups_is_narrowed_as_a_view_is(own, fresh, shape):
    ours, plain = texts(GROUPED[shape])
    sessions = own.connection.execute("SELECT 1 FROM own_sessions WHERE user_id = 'ann'").fetchall()

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (1 + len(sessions)) + 3
    assert same(rows, own.connection.execute(plain).fetchall())


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [*SHAPES, *OF_KEYS])
def test_a_condition_on_a_view_makes_at_most_twice_the_fewest_requests(
    own, fresh, sessions, shape, view
):
    sql = {**SHAPES, **OF_KEYS}[shape].format(v=f"{{{view}}}")
    ours, plain = texts(sql)
    fewest = 1 + sessions if shape in SHAPES else KEYS

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * fewest + 3
    assert same(rows, own.connection.execute(plain).fetchall())


# Each reads the list of the user's sessions, and then the same sessions by their keys.
LISTED = [
    (
        "WITH mine AS MATERIALIZED (SELECT session_id FROM {sessions} WHERE user_id = 'ann')"
        " SELECT s.* FROM mine CROSS JOIN {sessions} s ON s.session_id = mine.session_id"
    ),
    "SELECT * FROM {sessions} WHERE session_id IN (" + OF_A_USER.format() + ")",
    "SELECT * FROM {sessions} WHERE name IN (SELECT name FROM {sessions} WHERE user_id = 'ann')",
    # The list is still being read.
    "SELECT s.*, o.user_id FROM {sessions} o JOIN {sessions} s USING (name) WHERE o.user_id = 'ann'",
    (
        "SELECT o.session_id, (SELECT s.display_name FROM {sessions} s"
        " WHERE s.session_id = o.session_id ORDER BY s.name LIMIT 1)"
        " FROM {sessions} o WHERE o.user_id = 'ann'"
    ),
    (
        "SELECT o.session_id FROM {sessions} o WHERE o.user_id = 'ann' AND NOT EXISTS (SELECT 1"
        " FROM {sessions} s WHERE s.session_id = o.session_id AND s.display_name LIKE '%e%')"
    ),
]


@pytest.mark.parametrize("sql", LISTED)
def test_a_session_that_a_list_has_shown_is_not_requested_by_its_key(own, fresh, sql):
    ours, plain = texts(sql)

    rows = fresh.ask(ours)

    assert fresh.calls() == ["GET sessions"]
    assert same(rows, own.connection.execute(plain).fetchall())
