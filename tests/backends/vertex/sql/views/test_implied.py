"""What a subquery, a compound query or a parameter implies of a table: requests and rows, as in test_conditions."""

from __future__ import annotations

from contextlib import closing

import pytest

from sessions_vtab import connect

from .conftest import KEYS, OF_A_USER, USER, VIEWS, same, texts

# {v} is a view, or a table with rows of every session.
IMPLIED = {
    "IN of row values": (
        "SELECT session_name FROM {v} WHERE (session_id, substr(session_name, 1, 1)) IN"
        " (SELECT session_id, 'p' FROM {{sessions}} WHERE user_id = 'ann')"
    ),
    "EXISTS": (
        "SELECT session_name FROM {v} v WHERE EXISTS (SELECT 1 FROM {{sessions}} s"
        " WHERE s.session_id = v.session_id AND s.user_id = 'ann')"
    ),
    "EXISTS, by name": (
        "SELECT session_name FROM {v} v WHERE EXISTS (SELECT * FROM {{sessions}} s JOIN temp.users u"
        " ON u.id = s.user_id WHERE v.session_name = s.name AND u.id = 'ann' LIMIT 1)"
    ),
    "EXISTS of groups": (
        "SELECT session_name FROM {v} v WHERE EXISTS (SELECT count(*) FROM {{sessions}} s"
        " WHERE s.session_id = v.session_id AND s.user_id = 'ann' GROUP BY s.user_id)"
    ),
    "EXISTS of a table of SQLite's own": (
        "SELECT session_name FROM {v} v WHERE EXISTS (SELECT 1 FROM temp.keys k WHERE k.id = v.session_id)"
    ),
    "EXISTS of a common table expression": (
        "WITH mine AS (" + OF_A_USER + ")"
        " SELECT session_name FROM {v} v WHERE EXISTS (SELECT 1 FROM mine m WHERE m.session_id = v.session_id)"
    ),
    "a subquery equals a value": (
        "SELECT session_name FROM {v} v"
        " WHERE (SELECT user_id FROM {{sessions}} s WHERE s.session_id = v.session_id) = 'ann'"
    ),
    "a value equals a subquery": (
        "SELECT session_name FROM {v} v"
        " WHERE 'ann' = (SELECT s.user_id FROM {{sessions}} s WHERE s.session_id = v.session_id)"
    ),
    "IN of it": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann' AND session_id IN"
        " (SELECT session_id FROM {v} WHERE session_name > 'p')"
    ),
    "IN of it, by name": (
        "SELECT * FROM {{sessions}} s WHERE s.user_id = 'ann'"
        " AND s.name IN (SELECT v.session_name FROM {v} v)"
    ),
    "NOT IN of it": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann' AND session_id NOT IN"
        " (SELECT session_id FROM {v} WHERE session_id > '5')"
    ),
    "IN of it, in OR": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann'"
        " AND (display_name IS NULL OR session_id IN (SELECT session_id FROM {v}))"
    ),
    "IN of it as a result": (
        "SELECT session_id, session_id IN (SELECT session_id FROM {v} WHERE session_id > '5')"
        " FROM {{sessions}} WHERE user_id = 'ann' ORDER BY 2"
    ),
    "IN of groups of it": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann' AND session_id IN"
        " (SELECT session_id FROM {v} GROUP BY session_id HAVING count(*) > 1)"
    ),
    "IN of a common table expression of it": (
        "WITH many AS (SELECT session_id, count(*) AS n FROM {v} GROUP BY 1) SELECT *"
        " FROM {{sessions}} WHERE user_id = 'ann'"
        " AND session_id IN (SELECT session_id FROM many WHERE n > 1)"
    ),
    "IN of both of a compound": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann' AND session_id NOT IN"
        " (SELECT session_id FROM {v} EXCEPT SELECT session_id FROM {{events}} WHERE author = 'x')"
    ),
    "IN of it beside its sessions": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann' AND session_id IN (SELECT s.session_id"
        " FROM {{sessions}} s JOIN {v} v ON v.session_id = s.session_id WHERE s.session_id > '5')"
    ),
    "IN of row values of it": (
        "SELECT * FROM {{sessions}} s WHERE s.user_id = 'ann'"
        " AND (s.session_id, s.name) IN (SELECT session_id, session_name FROM {v})"
    ),
    "IN of it in IN of it": (
        "SELECT * FROM {{sessions}} WHERE user_id = 'ann' AND session_id IN (SELECT session_id"
        " FROM {{events}} WHERE author = 'user' AND session_id IN (SELECT session_id FROM {v}))"
    ),
    "EXCEPT": (OF_A_USER + " EXCEPT SELECT v.session_id FROM {v} v WHERE v.session_id > '5'"),
    "INTERSECT": (
        "SELECT name, session_id AS id FROM {{sessions}} WHERE user_id = 'ann' INTERSECT"
        " SELECT session_name, session_id FROM {v} EXCEPT SELECT name, 'x' FROM {{events}}"
    ),
    "INTERSECT, the left of it": (
        "SELECT session_name, session_id AS id FROM {v} WHERE session_id > '5' INTERSECT"
        " SELECT name, session_id FROM {{sessions}} WHERE user_id = 'ann'"
    ),
    "INTERSECT, all on the left of it": (
        "SELECT session_id FROM {{tool_calls}} UNION SELECT session_id FROM {v} EXCEPT"
        " SELECT session_id FROM {{events}} WHERE author = 'x' INTERSECT " + OF_A_USER
    ),
    "INTERSECT, the left of a join": (
        "SELECT session_id FROM {v} INTERSECT SELECT e.session_id FROM {{sessions}} s"
        " JOIN {{events}} e ON e.session_id = s.session_id WHERE s.user_id = 'ann'"
    ),
    "INTERSECT, of a star": (
        "SELECT k.*, k.kind FROM (SELECT kind, id, kind AS k FROM temp.keys) k"
        " INTERSECT SELECT 'new', session_id, 'new', 'new' FROM {v}"
    ),
    "INTERSECT, with a star": (
        "SELECT 'new', session_id, 'new', 'new' FROM {v} INTERSECT"
        " SELECT k.*, k.kind FROM (SELECT kind, id, kind AS k FROM temp.keys) k"
    ),
    "EXCEPT of a star": (
        "SELECT k.*, k.kind FROM (SELECT kind, id, kind AS k FROM temp.keys) k"
        " EXCEPT SELECT 'new', session_id, 'new', 'new' FROM {v}"
    ),
    "NATURAL JOIN": "SELECT session_name FROM (" + OF_A_USER + ") NATURAL JOIN {v}",
    "NATURAL LEFT JOIN": (
        "WITH mine AS (" + OF_A_USER + ") SELECT session_name FROM mine NATURAL LEFT JOIN {v}"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", IMPLIED)
def test_what_a_subquery_implies_makes_at_most_twice_the_fewest_requests(
    own, fresh, sessions, shape, name
):
    ours, plain = texts(IMPLIED[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (1 + sessions) + 3
    assert same(rows, own.connection.execute(plain).fetchall())


@pytest.mark.parametrize("name", [*VIEWS, "events"])
def test_values_of_parameters_narrow_as_literals_do(own, fresh, name):
    sql = (
        "SELECT ?1 || s.name FROM {{sessions}} s WHERE s.user_id = :user AND s.session_id NOT IN"
        " (SELECT v.session_id FROM {v} v WHERE v.session_name > ?1) AND s.name > ?1"
    ).format(v=f"{{{name}}}")
    ours, plain = texts(sql)

    rows = fresh.ask(ours, ("p", USER))

    assert len(fresh.log) <= 2 * 40 + 3
    assert same(rows, own.connection.execute(plain, ("p", USER)).fetchall())


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
def test_keys_of_no_session_cost_a_list_of_sessions(own, fresh, name):
    fresh.connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 400)"
        " INSERT INTO temp.keys SELECT 'none-' || i, 'none' FROM n"
    )
    sql = (
        "SELECT k.id FROM temp.keys k WHERE k.id IN"
        " (SELECT v.session_id FROM {v} v WHERE v.session_name > 'p')"
    ).format(v=f"{{{name}}}")
    ours, plain = texts(sql)

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (3 + KEYS) + 3
    assert same(rows, own.connection.execute(plain).fetchall())


def test_a_copy_that_lacks_a_parameter_is_left_out(emulator, own):
    """What is copied of the subquery is not about the row, so the engine is not known there."""
    location = emulator.url
    with closing(connect(f"vertex://demo/us-central1?base_url={location}")) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM events e WHERE e.reasoning_engine = '42' AND EXISTS (SELECT 1"
            " FROM sessions s WHERE s.reasoning_engine = e.reasoning_engine"
            " AND s.session_id = e.session_id AND s.user_id = 'ann')"
        ).fetchall()

    expected = (
        "SELECT count(*) FROM own_events JOIN own_sessions USING (session_id) WHERE user_id = 'ann'"
    )
    assert rows == own.connection.execute(expected).fetchall()
