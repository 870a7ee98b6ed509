"""Common table expressions and compounds that read every session: requests and rows."""

from __future__ import annotations

import pytest

from .conftest import OF_A_USER, VIEWS, same, texts

# {v} is a view, or a table with rows of every session.
MINE = "SELECT session_id FROM {{sessions}} WHERE user_id = 'ann'"
COMMON = {
    "IN name": "WITH w AS (SELECT session_id FROM {v}) " + MINE + " AND session_id IN w",
    "NOT IN name": "WITH w AS (SELECT session_id FROM {v}) " + MINE + " AND session_id NOT IN w",
    "IN name, with other names": (
        "WITH w(key) AS (SELECT session_name FROM {v}) SELECT name FROM {{sessions}} s"
        " WHERE s.user_id = 'ann' AND s.name IN w"
    ),
    "IN name, as a result": (
        "WITH w AS (SELECT session_id FROM {v}) SELECT session_id, session_id IN w"
        " FROM {{sessions}} WHERE user_id = 'ann'"
    ),
    "IN of all columns": (
        "WITH w AS (SELECT session_id FROM {v}) " + MINE + " AND session_id IN (SELECT * FROM w)"
    ),
    "twice": (
        "WITH w AS (SELECT session_id FROM {v}) SELECT session_id, session_id IN w"
        " FROM {{sessions}} WHERE user_id = 'ann' AND session_id IN w"
    ),
    "twice, joined": (
        "WITH w(id, n) AS (SELECT session_id, count(*) FROM {v} GROUP BY 1) SELECT a.n, b.n"
        " FROM {{sessions}} s JOIN w a ON a.id = s.session_id LEFT JOIN w AS b ON b.id = a.id"
        " WHERE s.user_id = 'ann'"
    ),
    "twice, the second by way of the first": (
        "WITH w AS (SELECT session_id FROM {v}), x AS (SELECT session_id FROM w)"
        " SELECT count(*) FROM {{sessions}} s JOIN x USING (session_id) JOIN w USING (session_id)"
        " WHERE s.user_id = 'ann'"
    ),
    "kept": (
        "WITH w AS MATERIALIZED (SELECT session_id FROM {v}) SELECT s.name FROM {{sessions}} s"
        " JOIN w USING (session_id) WHERE s.user_id = 'ann'"
    ),
    "not kept": (
        "WITH w AS NOT MATERIALIZED (SELECT session_id FROM {v}) SELECT s.name FROM {{sessions}} s"
        " JOIN w USING (session_id) WHERE s.user_id = 'ann'"
        " AND EXISTS (SELECT 1 FROM w AS x WHERE x.session_id = s.session_id)"
    ),
    "quoted": (
        'WITH "W w" AS (SELECT session_id FROM {v}) SELECT "S".name FROM {{sessions}} "S"'
        ' WHERE "S"."user_id" = \'ann\' AND "S"."session_id" NOT IN "W w"'
    ),
    "a compound": (
        "WITH w AS (SELECT session_id FROM {v} UNION SELECT session_id FROM {{live_events}}) "
        + MINE
        + " AND session_id IN w"
    ),
    "a compound in FROM": (
        "SELECT count(*) FROM {{sessions}} s JOIN (SELECT session_id FROM {v} UNION ALL"
        " SELECT session_id FROM {{event_parts}}) w USING (session_id) WHERE s.user_id = 'ann'"
    ),
    "EXISTS of groups": (
        "SELECT n FROM (SELECT session_id AS id, count(*) AS n FROM {v} GROUP BY 1) w"
        " WHERE EXISTS (SELECT 1 FROM {{sessions}} s WHERE s.session_id = w.id AND s.user_id = 'ann')"
    ),
    "EXCEPT after UNION": (
        OF_A_USER + " UNION ALL SELECT id FROM temp.keys EXCEPT SELECT session_id FROM {v}"
    ),
    "EXCEPT after EXCEPT": (
        OF_A_USER + " EXCEPT SELECT id FROM temp.keys EXCEPT SELECT session_id FROM {v}"
    ),
    "EXCEPT of keys": "SELECT id FROM temp.keys EXCEPT SELECT session_id FROM {v}",
    "INTERSECT after UNION": (
        "SELECT id, 'x' FROM temp.keys UNION "
        "SELECT session_id, 'x' FROM {{sessions}} WHERE user_id = 'ann'"
        " INTERSECT SELECT session_id, 'x' FROM {v}"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", COMMON)
def test_a_query_with_a_name_reads_at_most_twice_the_sessions_that_are_wanted(
    own, fresh, sessions, shape, name
):
    ours, plain = texts(COMMON[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (1 + sessions) + 3
    assert same(rows, own.connection.execute(plain).fetchall())


# Nothing is narrowed: the rows are what counts.
AS_THEY_ARE = [
    "SELECT session_id FROM {sessions} UNION SELECT NULL EXCEPT SELECT session_id FROM {events}",
    "SELECT NULL UNION SELECT id FROM temp.keys INTERSECT SELECT session_id FROM {events}",
    (
        "SELECT '' COLLATE NOCASE UNION ALL SELECT session_id FROM {events}"
        " INTERSECT SELECT id FROM (SELECT upper(id) AS id FROM temp.keys)"
    ),
    (
        "SELECT e.session_id FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id"
        " AND e.author = 'x' INTERSECT SELECT s.session_id FROM temp.keys k LEFT JOIN {sessions} s"
        " ON s.session_id = k.id AND s.user_id = 'x'"
    ),
    (
        "WITH w AS (SELECT session_id FROM {events}) SELECT id FROM temp.keys"
        " WHERE id NOT IN w OR NULL NOT IN w"
    ),
    (
        "WITH RECURSIVE w(id, n) AS (SELECT session_id, 1 FROM {turns} UNION SELECT id, n + 1 FROM w"
        " WHERE n < 2) SELECT a.n, b.n FROM {sessions} s JOIN w a ON a.id = s.session_id"
        " JOIN w b ON b.id = a.id WHERE s.user_id = 'ann'"
    ),
    (
        "WITH keys AS (SELECT 'x' AS id), w AS (SELECT session_id FROM {turns}"
        " WHERE session_id NOT IN (SELECT id FROM keys)) SELECT count(*) FROM {sessions} s"
        " JOIN (WITH keys AS (SELECT session_id AS id FROM {sessions}) SELECT a.session_id FROM w a"
        " JOIN w b USING (session_id) WHERE a.session_id IN (SELECT id FROM keys)) x"
        " USING (session_id) WHERE s.user_id = 'ann'"
    ),
    (
        "WITH w AS (SELECT session_id COLLATE NOCASE AS id FROM {turns}) SELECT count(*)"
        " FROM w a JOIN w b USING (id) WHERE a.id IN (SELECT upper(session_id) FROM {sessions})"
    ),
    (
        "WITH w AS (SELECT session_id FROM {turns} LIMIT 2) SELECT count(*) FROM w a, w b"
        " WHERE a.session_id IN (SELECT id FROM temp.keys) AND b.session_id = a.session_id"
    ),
]


@pytest.mark.parametrize("sql", AS_THEY_ARE)
def test_a_query_with_a_name_has_the_rows_of_plain_tables(own, fresh, sql):
    ours, plain = texts(sql)

    assert same(fresh.ask(ours), own.connection.execute(plain).fetchall())


# Each wants one session: what says little about the sessions that it reads is not asked for them.
COUNTED = "(SELECT session_id, author, count(*) AS n FROM {{{{events}}}}{where} GROUP BY 1, 2)"
ONE = "x.session_id = '{one}'"
OF_ONE = {
    "a condition on its groups": (
        "SELECT x.session_name, b.n FROM {v} x JOIN "
        + COUNTED.format(where="")
        + f" b ON b.session_id = x.session_id WHERE {ONE} AND b.author = 'user'"
    ),
    "a condition in it": (
        "SELECT x.session_name, b.n FROM {v} x LEFT JOIN "
        + COUNTED.format(where=" WHERE author = 'user'")
        + f" b ON b.session_id = x.session_id WHERE {ONE} AND b.n > 0"
    ),
    "twice": (
        "WITH w AS (SELECT session_id, author FROM {{events}}) SELECT x.author, v.session_name"
        " FROM w x JOIN w b ON b.session_id = x.session_id"
        " JOIN {v} v ON v.session_id = x.session_id"
        f" WHERE {ONE} AND b.author = 'user'"
    ),
    "twice, with a condition in it": (
        "WITH w AS (SELECT session_id, author FROM {{events}} WHERE author = 'user')"
        " SELECT x.author, v.session_name FROM w x JOIN w b ON b.session_id = x.session_id"
        " JOIN {v} v ON v.session_id = x.session_id"
        f" WHERE {ONE} AND b.author = 'user'"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events"])
@pytest.mark.parametrize("shape", OF_ONE)
def test_what_is_joined_with_one_session_reads_that_session(own, fresh, shape, name):
    (one,) = own.connection.execute("SELECT min(id) FROM temp.keys").fetchone()
    ours, plain = texts(OF_ONE[shape].format(v=f"{{{name}}}", one=one))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * 1 + 3
    assert same(rows, own.connection.execute(plain).fetchall())
