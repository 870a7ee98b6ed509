"""Conditions that SQLite passes to no table of events: the fewest requests, and the rows of plain tables.

By the emulator's own log; no statement makes more than twice the fewest requests and three.
"""

from __future__ import annotations

from contextlib import closing

import pytest

from sessions_vtab import connect
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings

from .conftest import Database

USER = "ann"
OTHER = "bob"
TABLES = ("sessions", "events", "event_parts")
INDEXES = (("sessions", "session_id"), ("events", "session_name"), ("event_parts", "session_id"))
VIEWS = ("turns", "tool_calls", "usage_by_session", "live_events")
NAMES = (*TABLES, *VIEWS)


@pytest.fixture(scope="module")
def emulator():
    """240 sessions with 2 400 events: 3 pages of sessions."""
    with running(EmulatorSettings(seed=7, sessions=240, events=2_400)) as started:
        yield started


@pytest.fixture(scope="module")
def own(emulator):
    """Copies of the tables as SQLite's own, ``own_``, with the same views over them."""
    database = _prepared(emulator)
    run = database.connection.execute
    for table in TABLES:
        more = ", sequence, rewind_before" if table == "events" else ""
        run(f"CREATE TEMP TABLE own_{table} AS SELECT *{more} FROM {table}").fetchall()
    for table, column in INDEXES:
        run(f"CREATE INDEX temp.own_{table}_{column} ON own_{table}({column})")
    for view in views_of(database.connection.sources["prod"].backend):
        run(view.create("temp", "", "own_"))
    yield database
    database.connection.close()


@pytest.fixture
def fresh(emulator):
    database = _prepared(emulator)
    yield database
    database.connection.close()


def _prepared(emulator):
    """With a few keys and users in tables of SQLite's own."""
    database = Database(emulator)
    ids = database.ask(
        "SELECT session_id FROM sessions WHERE user_id = ? ORDER BY create_time LIMIT 4", (USER,)
    )
    database.connection.execute(
        "CREATE TEMP TABLE keys(id TEXT, kind TEXT); CREATE TEMP TABLE users(id TEXT);"
        f"INSERT INTO temp.users VALUES ('{USER}'), ('{OTHER}');"
        "CREATE TEMP VIEW newest AS SELECT id FROM temp.keys WHERE kind = 'new'"
    )
    database.connection.executemany(
        "INSERT INTO temp.keys VALUES (?, iif(?, 'new', 'old'))",
        [(key, number < 2) for number, (key,) in enumerate(ids)],
    )
    return database


def _texts(sql):
    """The statement over our tables, and over SQLite's."""
    ours = {name: name for name in NAMES}
    return sql.format(**ours), sql.format(**{name: f"own_{name}" for name in NAMES})


def _same(ours, expected):
    return sorted(map(repr, ours)) == sorted(map(repr, expected))


# {v} is each of the views; {n} the number of sessions of the user.
OF_A_USER = "SELECT session_id FROM {{sessions}} WHERE user_id = 'ann'"
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
KEYS = 4
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
    ours, plain = _texts(GROUPED[shape])
    sessions = own.connection.execute("SELECT 1 FROM own_sessions WHERE user_id = 'ann'").fetchall()

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (1 + len(sessions)) + 3
    assert _same(rows, own.connection.execute(plain).fetchall())


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [*SHAPES, *OF_KEYS])
def test_a_condition_on_a_view_makes_at_most_twice_the_fewest_requests(own, fresh, shape, view):
    sql = {**SHAPES, **OF_KEYS}[shape].format(v=f"{{{view}}}")
    ours, plain = _texts(sql)
    ((sessions,),) = own.connection.execute(
        "SELECT count(*) FROM own_sessions WHERE user_id = ?", (USER,)
    ).fetchall()
    fewest = 1 + sessions if shape in SHAPES else KEYS

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * fewest + 3
    assert _same(rows, own.connection.execute(plain).fetchall())


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
    "NATURAL JOIN": "SELECT session_name FROM (" + OF_A_USER + ") NATURAL JOIN {v}",
    "NATURAL LEFT JOIN": (
        "WITH mine AS (" + OF_A_USER + ") SELECT session_name FROM mine NATURAL LEFT JOIN {v}"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", IMPLIED)
def test_what_a_subquery_implies_makes_at_most_twice_the_fewest_requests(own, fresh, shape, name):
    ours, plain = _texts(IMPLIED[shape].format(v=f"{{{name}}}"))
    ((sessions,),) = own.connection.execute(
        "SELECT count(*) FROM own_sessions WHERE user_id = ?", (USER,)
    ).fetchall()

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (1 + sessions) + 3
    assert _same(rows, own.connection.execute(plain).fetchall())


@pytest.mark.parametrize("name", [*VIEWS, "events"])
def test_values_of_parameters_narrow_as_literals_do(own, fresh, name):
    sql = (
        "SELECT ?1 || s.name FROM {{sessions}} s WHERE s.user_id = :user AND s.session_id NOT IN"
        " (SELECT v.session_id FROM {v} v WHERE v.session_name > ?1) AND s.name > ?1"
    ).format(v=f"{{{name}}}")
    ours, plain = _texts(sql)

    rows = fresh.ask(ours, ("p", USER))

    assert len(fresh.log) <= 2 * 40 + 3
    assert _same(rows, own.connection.execute(plain, ("p", USER)).fetchall())


FIRST = {
    "IN": "SELECT 1 FROM {{sessions}} WHERE session_id IN (SELECT session_id FROM {v}) LIMIT 2",
    "NOT IN": (
        "SELECT 2 FROM {{sessions}} s WHERE s.user_id = 'ann' AND s.name NOT IN"
        " (SELECT session_name FROM {v} WHERE session_id = 'none') LIMIT 1"
    ),
    "IN, the newest": (
        "SELECT session_id FROM {{sessions}} WHERE session_id IN (SELECT v.session_id FROM {v} v)"
        " ORDER BY update_time DESC LIMIT 2"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", FIRST)
def test_a_limit_ends_what_is_asked_for_the_rows_of_a_subquery(own, fresh, shape, name):
    ours, plain = _texts(FIRST[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    fewest = 3 if name != "tool_calls" else 5  # Some sessions have no calls.
    assert len(fresh.log) <= 2 * fewest + 3
    assert _same(rows, own.connection.execute(plain).fetchall())


FIRST_ON_THE_LEFT = {
    "alone": (
        "SELECT s.name, v.session_name FROM {{sessions}} s"
        " LEFT JOIN {v} v ON v.session_id = s.session_id LIMIT 1"
    ),
    "sorted": (
        "SELECT s.name, v.session_name FROM {{sessions}} s LEFT JOIN {v} v USING (session_id)"
        " WHERE s.user_id = 'ann' ORDER BY s.update_time DESC LIMIT 1 OFFSET :few"
    ),
    "a query that groups": (
        "SELECT s.name, v.session_name FROM {{sessions}} s LEFT JOIN (SELECT session_id,"
        " session_name, count(*) AS n FROM {v} GROUP BY 1, 2) v USING (session_id) LIMIT 1"
    ),
    "two of them": (
        "SELECT s.name, v.session_name FROM {{sessions}} s LEFT JOIN {v} v USING (session_id)"
        " LEFT JOIN {{turns}} t ON t.session_name = s.name LIMIT :few"
    ),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", FIRST_ON_THE_LEFT)
def test_limit_reads_only_the_first_rows_of_a_left_side(own, fresh, shape, view):
    ours, plain = _texts(FIRST_ON_THE_LEFT[shape].format(v=f"{{{view}}}"))
    values = {"few": 1} if ":few" in ours else ()
    every = (
        plain.replace("LIMIT 1 OFFSET :few", "").replace("LIMIT :few", "").replace("LIMIT 1", "")
    )

    rows = fresh.ask(ours, values)

    assert len(fresh.log) <= 2 * 2 + 3
    assert len(rows) == 1
    assert {*rows} <= {*own.connection.execute(every).fetchall()}


FIRST_GROUPS = {
    "alone": "SELECT v.* FROM {v} v LIMIT 1",
    "beside its sessions": (
        "SELECT v.* FROM {{sessions}} s JOIN {v} v ON v.session_id = s.session_id LIMIT 1"
    ),
    "of a parameter": "SELECT v.* FROM {v} v WHERE v.session_name > '' LIMIT :few",
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", FIRST_GROUPS)
def test_the_first_group_does_not_cost_many_sessions(own, fresh, shape, view):
    ours, _ = _texts(FIRST_GROUPS[shape].format(v=f"{{{view}}}"))
    every = own.connection.execute(f"SELECT * FROM own_{view}").fetchall()

    rows = fresh.ask(ours, {"few": 1} if ":few" in ours else ())

    assert len(fresh.log) <= 2 * 2 + 3
    assert len(rows) == 1
    assert {*map(repr, rows)} <= {*map(repr, every)}


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
    ours, plain = _texts(sql)

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * (3 + KEYS) + 3
    assert _same(rows, own.connection.execute(plain).fetchall())


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


# {v} is a view: of a query with LIMIT, nobody can know which rows another reading would have.
NEWEST = "SELECT session_id FROM {{sessions}} WHERE user_id = 'ann' ORDER BY name DESC LIMIT 2"
LIMITED = {
    "a subquery in FROM": "SELECT session_name FROM {v} v JOIN ("
    + NEWEST
    + ") s ON s.session_id = v.session_id",
    "without a name": "SELECT session_name FROM (" + NEWEST + ") JOIN {v} USING (session_id)",
    "a common table expression": "WITH c AS ("
    + NEWEST
    + ") SELECT session_name FROM {v} JOIN c USING (session_id)",
    "one that is materialized": (
        "WITH c AS MATERIALIZED (" + NEWEST + ") SELECT session_name FROM c LEFT JOIN {v} v"
        " ON v.session_id = c.session_id"
    ),
    "beside another one": (
        "WITH c AS (SELECT 1 AS n) SELECT session_name FROM c, (" + NEWEST + ") s NATURAL JOIN {v}"
    ),
    "twice": (
        "WITH c AS (" + NEWEST + ") SELECT count(*) FROM {v} a JOIN {v} b USING (session_id)"
        " JOIN c USING (session_id)"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", LIMITED)
def test_a_join_with_a_limited_query_reads_only_its_sessions(own, fresh, shape, name):
    ours, plain = _texts(LIMITED[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * 3 + 3
    assert _same(rows, own.connection.execute(plain).fetchall())


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
    ours, plain = _texts(sql)

    rows = fresh.ask(ours)

    assert fresh.calls() == ["GET sessions"]
    assert _same(rows, own.connection.execute(plain).fetchall())
