"""RIGHT and FULL JOIN, beside which SQLite offers a table no condition: requests and rows."""

from __future__ import annotations

from itertools import product

import pytest

from .conftest import KEYS, VIEWS, same, texts

FIRST_KEY = "(SELECT min(id) FROM temp.keys)"
# {v} is a view, or a table with rows of every session. Each wants the sessions of temp.keys.
OF_KEYS = {
    "a key in ON": "SELECT v.session_name, k.id FROM {v} v RIGHT JOIN temp.keys k ON v.session_id = k.id",
    "a key in USING": (
        "SELECT session_name, of FROM {v} RIGHT JOIN"
        " (SELECT id AS session_id, kind AS of FROM temp.keys) USING (session_id)"
    ),
    "NATURAL": (
        "SELECT session_name, of FROM {v} NATURAL RIGHT JOIN"
        " (SELECT id AS session_id, kind AS of FROM temp.keys)"
    ),
    "a literal in ON": (
        "SELECT v.session_name, k.id FROM {v} v RIGHT JOIN temp.keys k"
        " ON v.session_name > k.id AND v.session_id = 'none'"
    ),
    "IN and OR in ON": (
        "SELECT v.session_name, k.id FROM {v} v RIGHT JOIN temp.keys k ON v.session_name <> k.id"
        f" AND (v.session_id IN ('none', 'x') OR v.session_id = {FIRST_KEY})"
    ),
    "of a user": (
        "SELECT v.session_name, k.id FROM {v} v RIGHT JOIN temp.keys k ON v.session_name <> k.id"
        " AND v.session_id IN (SELECT id FROM temp.keys WHERE kind = 'new')"
    ),
    "by way of its sessions": (
        "SELECT v.session_name, s.user_id, k.id FROM {v} v"
        " JOIN {{sessions}} s ON s.session_id = v.session_id"
        " RIGHT JOIN temp.keys k ON k.id = s.session_id"
    ),
    "of a bracketed join": (
        "SELECT v.session_name, k.id FROM {v} v RIGHT JOIN"
        " (temp.keys k JOIN {{sessions}} s ON s.session_id = k.id) ON v.session_id = s.session_id"
    ),
    "after a bracketed join": (
        "SELECT v.session_name, k.id FROM (temp.keys k LEFT JOIN temp.users u ON u.id = k.kind)"
        " LEFT JOIN {v} v ON v.session_id = k.id RIGHT JOIN temp.users w ON w.id = 'ann'"
    ),
    "before a LEFT JOIN": (
        "SELECT v.session_name, k.id, u.id FROM {v} v RIGHT JOIN temp.keys k ON v.session_id = k.id"
        " LEFT JOIN temp.users u ON u.id = v.session_id"
    ),
    "by way of the right side of a LEFT JOIN": (
        "SELECT v.session_name, k.id FROM temp.keys k LEFT JOIN {{live_events}} e ON e.session_id = k.id"
        " LEFT JOIN {v} v ON v.session_id = e.session_id"
    ),
    "WHERE about the right side of a LEFT JOIN": (
        "SELECT v.session_name, k.id FROM {v} v LEFT JOIN temp.keys k ON v.session_id = k.id"
        " WHERE k.kind IN ('new', 'old')"
    ),
    "a subquery": (
        "SELECT v.n, k.id FROM (SELECT session_id, count(*) AS n FROM {v} GROUP BY 1) v"
        " RIGHT JOIN temp.keys k ON v.session_id = k.id"
    ),
    "WHERE, which leaves rows of NULLs out": (
        "SELECT v.session_name, k.id FROM {v} v FULL JOIN temp.keys k ON v.session_id = k.id"
        " WHERE k.id > ''"
    ),
    "WHERE on the side that is kept": (
        "SELECT v.session_name, k.id FROM temp.keys k RIGHT JOIN {v} v ON v.session_name = k.id"
        " WHERE v.session_id IN (SELECT id FROM temp.keys)"
    ),
    "EXCEPT, of the side whose rows are not all kept": (
        "SELECT v.session_id FROM {v} v RIGHT JOIN temp.keys k ON v.session_id = k.id"
        " EXCEPT SELECT v.session_id FROM {v} v WHERE v.session_name < 'q'"
    ),
    "INTERSECT, of a compound": (
        "SELECT k.id, v.session_id FROM {v} v RIGHT JOIN temp.keys k ON v.session_id = k.id"
        " UNION ALL SELECT id, 'x' FROM temp.keys INTERSECT"
        " SELECT session_id, session_id || '' FROM {v}"
    ),
    "WHERE on one side of FULL": (
        "SELECT v.session_name, k.id FROM {v} v FULL JOIN temp.keys k ON v.session_id = k.id"
        " WHERE v.session_id IN (SELECT id FROM temp.keys)"
    ),
}


# The condition is about the column of whichever side has a row.
OF_EITHER = {
    "of USING": (
        "SELECT session_id, v.session_name, s.name FROM {v} v {how} JOIN {{sessions}} s"
        " USING (session_id) WHERE session_id IN (SELECT id FROM temp.keys)"
    ),
    "of USING, the other way round": (
        "SELECT session_id, v.session_name, s.name FROM {{sessions}} s {how} JOIN {v} v"
        " USING (SESSION_ID) WHERE 'none' = Session_Id"
    ),
    "of USING twice": (
        "SELECT session_id, v.session_name, s.name FROM {v} v {how} JOIN {{sessions}} s"
        " USING (session_id) {how} JOIN {{turns}} t USING (session_id)"
        " WHERE session_id IN ('none', (SELECT min(id) FROM temp.keys))"
    ),
    "coalesce": (
        "SELECT v.session_name, s.name FROM {v} v {how} JOIN {{sessions}} s"
        " ON s.session_id = v.session_id AND s.user_id = 'ann'"
        " WHERE coalesce(v.session_id, s.session_id) IN (SELECT id FROM temp.keys)"
    ),
    "ifnull": (
        "SELECT v.session_name, s.name FROM {{sessions}} s {how} JOIN {v} v"
        " ON s.name = v.session_name AND v.session_id > 'p'"
        " WHERE ifnull(v.session_name, s.name) = 'none' AND s.user_id IS NOT 'bob'"
    ),
}


OF_LEFT = ("coalesce", "ifnull", "of USING, the other way round")


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize(
    ("how", "shape"),
    [*product(("RIGHT", "FULL"), OF_EITHER), *product(("LEFT",), OF_LEFT)],
)
def test_a_condition_on_either_side_is_asked_of_both(own, fresh, shape, name, how):
    ours, plain = texts(OF_EITHER[shape].format(v=f"{{{name}}}", how=how))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * 2 * KEYS + 3
    assert same(rows, own.connection.execute(plain).fetchall())


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", OF_KEYS)
def test_an_outer_join_reads_at_most_twice_the_sessions_that_are_wanted(own, fresh, shape, name):
    ours, plain = texts(OF_KEYS[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * KEYS + 3
    assert same(rows, own.connection.execute(plain).fetchall())


OF_SESSIONS = [
    "SELECT s.name, k.id FROM {sessions} s RIGHT JOIN temp.keys k ON s.session_id = k.id",
    "SELECT s.name, k.id FROM {sessions} s RIGHT JOIN temp.keys k ON s.user_id = 'ann' AND k.id > s.session_id",
    "SELECT s.*, k.id FROM {sessions} s NATURAL RIGHT JOIN (SELECT id AS session_id, id FROM temp.keys) k",
    "SELECT s.name, k.id FROM temp.keys k RIGHT JOIN {sessions} s ON s.name = k.id WHERE s.user_id = 'ann'",
    "SELECT s.name, k.id FROM {sessions} AS s FULL JOIN keys k ON s.name = k.id WHERE s.user_id = 'ann'",
]


@pytest.mark.parametrize("sql", OF_SESSIONS)
def test_sessions_beside_an_outer_join_are_found_by_key_and_filter(own, fresh, sql):
    ours, plain = texts(sql)

    rows = fresh.ask(ours)

    assert len(fresh.log) <= KEYS
    assert same(rows, own.connection.execute(plain).fetchall())


# What is kept though nothing meets the condition is read: the rows are what counts.
KEPT = [
    "SELECT v.name, k.id FROM {events} v FULL JOIN temp.keys k ON v.session_id = k.id",
    "SELECT v.name, k.id FROM {events} v FULL JOIN temp.keys k ON v.session_id = k.id AND v.author = 'user'",
    "SELECT v.name, k.id FROM temp.keys k RIGHT JOIN {events} v ON v.session_id = k.id AND v.author = 'user'",
    "SELECT v.name, k.id FROM temp.keys k RIGHT JOIN {events} v ON v.session_id = k.id WHERE k.id IS NULL",
    "SELECT v.name, k.id FROM {events} v FULL JOIN temp.keys k ON v.session_id = k.id WHERE v.session_id IS NULL",
    (
        "SELECT v.name, k.id FROM {events} v RIGHT JOIN temp.keys k ON v.session_id = k.id"
        " WHERE coalesce(v.session_id, 'x') IN (SELECT id FROM temp.keys UNION SELECT 'x')"
    ),
    (
        "SELECT v.name, k.id FROM temp.users u LEFT JOIN {events} v ON v.session_id = u.id"
        " RIGHT JOIN temp.keys k ON (v.session_id IN (SELECT id FROM temp.keys)) IS NOT TRUE"
    ),
    (
        "SELECT v.name, d.id FROM {events} v JOIN temp.keys k ON v.session_id = k.id"
        " RIGHT JOIN temp.keys d ON v.session_id = d.id WHERE k.kind IS NULL"
    ),
    (
        "SELECT v.name, d.id FROM {events} v JOIN temp.keys k ON v.session_id = k.id"
        " FULL JOIN temp.keys d ON v.session_id = d.id JOIN temp.users u ON k.kind IS NOT 'new'"
    ),
    "SELECT (SELECT count(*) FROM {events} v RIGHT JOIN temp.keys k ON v.session_id = o.id) FROM temp.keys o",
    (
        "SELECT v.name, s.name FROM {events} v FULL JOIN {sessions} s ON v.session_id > s.session_id"
        " AND s.user_id = 'ann' WHERE coalesce(v.session_id, s.session_id) = (SELECT min(id) FROM temp.keys)"
    ),
    (
        "SELECT v.name, s.name FROM {events} v FULL JOIN {sessions} s ON v.session_id = s.session_id"
        " AND s.user_id = 'ann' WHERE coalesce(v.session_id, s.session_id) NOT IN (SELECT id FROM temp.keys)"
    ),
    (
        "SELECT v.name, s.name FROM {events} v FULL JOIN {sessions} s ON v.session_id = s.session_id"
        " AND s.user_id = 'ann' WHERE coalesce(s.user_id, v.session_id) IN (SELECT id FROM temp.keys)"
    ),
    (
        "SELECT v.name, k.session_id FROM {events} v FULL JOIN (SELECT id COLLATE NOCASE AS session_id FROM temp.keys) k"
        " USING (session_id) WHERE session_id IN (SELECT id FROM temp.keys)"
    ),
    (
        "SELECT s.name, t.name, v.name FROM {sessions} s JOIN {sessions} t ON s.user_id = t.user_id"
        " FULL JOIN {events} v ON v.session_id = t.session_id AND v.session_id = s.session_id"
        " WHERE coalesce(s.session_id, t.session_id, v.session_id) IN (SELECT id FROM temp.keys)"
    ),
]


@pytest.mark.parametrize("sql", KEPT)
def test_an_outer_join_has_the_rows_of_plain_tables(own, fresh, sql):
    ours, plain = texts(sql)

    assert same(fresh.ask(ours), own.connection.execute(plain).fetchall())
