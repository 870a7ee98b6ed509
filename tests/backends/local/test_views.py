"""Conditions on a view that groups rows, over a store and over SQLite's own tables: the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.agent_views import views_of

VIEWS = ("turns", "tool_calls", "usage_by_session", "live_events")
TABLES = ("sessions", "events", "event_parts")
SESSIONS = ("s1", "S1", "05", "x", "y", "z", "without events")


@pytest.fixture(scope="module")
def store() -> Iterator[Connection]:
    """Sessions of three users; in every third one the calls have no id."""
    with closing(connect("local://:memory:")) as connection:
        for number, session in enumerate(SESSIONS):
            user = ("ann", "bob", "cid")[number % 3]
            connection.execute(
                "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)", (session, user)
            )
            for place, (author, part) in enumerate(_parts(number) if " " not in session else ()):
                connection.execute(
                    "INSERT INTO events(session_id, author, invocation_id, timestamp, content)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (
                        session,
                        author,
                        f"e{place // 5}",
                        f"2026-01-05 09:{number:02d}:{place:02d}",
                        json.dumps({"parts": part}),
                    ),
                )
        for table in TABLES:
            more = ", rewind_before" if table == "events" else ""
            connection.execute(f"CREATE TEMP TABLE own_{table} AS SELECT *{more} FROM {table}")
        for view in views_of(connection.sources["local"].backend):
            connection.execute(view.create("temp", "", "own_"))
        connection.execute(
            "CREATE TEMP TABLE keys(id TEXT, session_id TEXT, kind TEXT, author TEXT);"
            "INSERT INTO keys VALUES ('s1', 's1', 'new', 'user'), ('y', 'y', 'old', 'desk'),"
            " ('none', 'none', 'new', 'user'), (NULL, NULL, 'old', NULL);"
            "CREATE TEMP TABLE caseless(id TEXT COLLATE NOCASE);"
            "INSERT INTO caseless VALUES ('s1'), ('Z');"
            "CREATE TEMP VIEW any_key AS SELECT id FROM temp.keys WHERE random() IS NOT NULL;"
            "CREATE TEMP VIEW new_key AS SELECT id FROM temp.keys WHERE kind = 'new'"
        )
        yield connection


def _parts(number: int) -> list[tuple[str, list[dict[str, object]]]]:
    def named(call: int) -> dict[str, object]:
        return {"name": f"tool{call}", **({"id": f"c{call}"} if number % 3 else {})}

    turn: list[tuple[str, list[dict[str, object]]]] = [("user", [{"text": "ask"}])]
    calls = [{"functionCall": {**named(call), "args": {"n": call}}} for call in range(2)]
    answers = [{"functionResponse": {**named(call), "response": {"ok": call}}} for call in range(2)]
    turn += [("desk", list(calls)), ("desk", [answers[0]]), ("desk", [answers[1]])]
    return [*turn, ("desk", [{"text": "done"}])] * 2


OF_ANN = "SELECT session_id FROM {sessions} WHERE user_id = 'ann'"
STATEMENTS = [
    # Moved, or copied.
    f"SELECT * FROM {{v}} WHERE session_id IN ({OF_ANN})",
    f"SELECT * FROM {{v}} WHERE session_id NOT IN ({OF_ANN})",
    f"SELECT * FROM {{v}} WHERE (session_id IN ({OF_ANN})) IS NOT TRUE",
    f"SELECT * FROM {{v}} WHERE session_id IN ({OF_ANN} ORDER BY session_id DESC LIMIT 2)",
    f"SELECT * FROM {{v}} WHERE session_id = ({OF_ANN} ORDER BY session_id LIMIT 1)",
    f"SELECT * FROM {{v}} WHERE session_id IN ({OF_ANN}) OR session_id = 'x'",
    f"SELECT count(*), max(session_id) FROM {{v}} WHERE session_id IN ({OF_ANN})",
    "SELECT * FROM {v} WHERE session_id IN (SELECT id FROM temp.keys WHERE author = 'user')",
    "SELECT * FROM {v} WHERE session_id NOT IN (SELECT id FROM temp.keys)",
    (
        "SELECT * FROM {v} WHERE (session_name, session_id) IN"
        " (SELECT name, session_id FROM {sessions} WHERE user_id = 'ann')"
    ),
    "SELECT * FROM {v} WHERE (session_id, 1) IN (VALUES ('s1', 1), ('x', 2))",
    "SELECT * FROM {v} WHERE (1, session_id) NOT IN (SELECT 1, id FROM temp.keys WHERE id IS NOT NULL)",
    (
        "SELECT k.author, v.* FROM temp.keys k JOIN {v} v"
        " ON (v.session_id, k.kind) IN (SELECT id, kind FROM temp.keys)"
    ),
    "SELECT s.user_id, v.* FROM {sessions} s JOIN {v} v USING (session_id) WHERE s.user_id = 'ann'",
    (
        "SELECT session_id, s.user_id FROM {sessions} s LEFT JOIN {v} v USING (session_id)"
        f" WHERE session_id IN ({OF_ANN})"
    ),
    "SELECT s.user_id, v.* FROM {sessions} s, {v} v WHERE s.name = v.session_name AND s.user_id > 'b'",
    "SELECT s.name, v.session_id FROM {sessions} s LEFT JOIN {v} v ON v.session_id = s.session_id",
    (
        "SELECT s.name, v.session_id FROM {sessions} s LEFT JOIN {v} v"
        " ON v.session_id = s.session_id AND s.user_id = 'ann'"
    ),
    (
        "SELECT s.name, v.session_id FROM {sessions} s LEFT JOIN {v} v"
        " ON v.session_id = s.session_id AND v.session_id IN (SELECT id FROM temp.keys)"
        " WHERE s.user_id <> 'cid'"
    ),
    "SELECT k.id, v.* FROM temp.keys k LEFT JOIN {v} v ON v.session_id = k.id WHERE k.kind = 'new'",
    "SELECT k.id, v.* FROM temp.new_key k JOIN {v} v ON v.session_id = k.id",
    "SELECT k.id, v.session_id FROM temp.caseless k JOIN {v} v ON k.id = v.session_id",
    "SELECT k.id, v.session_id FROM temp.caseless k JOIN {v} v ON v.session_id = k.id",
    "SELECT a.*, b.session_id FROM {v} a JOIN {v} b ON b.session_id = a.session_id",
    (
        "SELECT a.session_id, b.session_id FROM {v} a LEFT JOIN {v} b ON b.session_id = a.session_id"
        f" WHERE a.session_id IN ({OF_ANN})"
    ),
    (
        "SELECT s.name, (SELECT count(*) FROM {v} v WHERE v.session_id = s.session_id)"
        " FROM {sessions} s"
    ),
    (
        "SELECT name FROM {sessions} s WHERE NOT EXISTS"
        " (SELECT 1 FROM {v} WHERE session_id = s.session_id)"
    ),
    (
        "SELECT k.id FROM temp.keys k WHERE EXISTS (SELECT 1 FROM {sessions} s JOIN {v} v"
        " USING (session_id) WHERE s.session_id = k.id AND s.user_id = 'ann')"
    ),
    (
        "WITH few AS (SELECT * FROM {sessions} WHERE user_id <> 'cid')"
        " SELECT f.user_id, v.* FROM few f JOIN {v} v ON v.session_id = f.session_id"
        " UNION ALL SELECT 'cid', * FROM {v} WHERE session_id IN (SELECT session_id FROM few)"
    ),
    (
        "SELECT s.name, x.* FROM {sessions} s LEFT JOIN (SELECT session_id AS id, count(*) AS n"
        " FROM {v} WHERE session_id > 'A' GROUP BY session_id) x ON x.id = s.session_id"
        " WHERE s.user_id <> 'bob'"
    ),
    f"SELECT * FROM (SELECT session_id, count(*) AS n FROM {{v}} GROUP BY 1) WHERE session_id IN ({OF_ANN})",
    f"WITH x AS (SELECT DISTINCT session_id FROM {{v}}) SELECT * FROM x WHERE x.session_id NOT IN ({OF_ANN})",
    (
        "SELECT k.id, x.session_id FROM temp.keys k JOIN (SELECT v.session_id, s.user_id FROM {v} v"
        " LEFT JOIN {sessions} s USING (session_id) WHERE s.user_id > 'a' OR s.name IS NULL) x"
        " ON x.session_id = k.id"
    ),
    # Left alone.
    f"SELECT * FROM (SELECT max(session_id) AS session_id FROM {{v}}) WHERE session_id IN ({OF_ANN})",
    (
        "SELECT * FROM (SELECT session_id, row_number() OVER (ORDER BY session_name) AS r FROM {v}) x"
        f" WHERE x.session_id IN ({OF_ANN})"
    ),
    f"SELECT * FROM (SELECT session_id FROM {{v}} ORDER BY 1 LIMIT 1) x WHERE x.session_id IN ({OF_ANN})",
    f"SELECT * FROM (SELECT session_name AS session_id FROM {{v}}) x WHERE x.session_id IN ({OF_ANN})",
    f"SELECT * FROM (SELECT * FROM {{v}} UNION SELECT * FROM {{v}}) x WHERE x.session_id IN ({OF_ANN})",
    (
        "WITH x AS (SELECT session_id FROM {v}) SELECT * FROM x"
        f" WHERE x.session_id IN ({OF_ANN}) AND (SELECT count(*) FROM x) > 3"
    ),
    "SELECT * FROM {v} WHERE session_id IN (SELECT id FROM temp.keys WHERE random() IS NOT NULL)",
    "SELECT k.id, v.session_id FROM temp.any_key k JOIN {v} v ON v.session_id = k.id",
    "SELECT v.session_id FROM (SELECT id FROM temp.keys LIMIT 2) k JOIN {v} v ON v.session_id = k.id",
    (
        "SELECT v.session_id, s.user_id FROM {v} v LEFT JOIN {sessions} s"
        " ON s.session_id = v.session_id AND s.user_id = 'ann'"
    ),
    "SELECT s.name, v.session_id FROM {v} v RIGHT JOIN {sessions} s USING (session_id)",
    (
        "SELECT s.name, v.session_id FROM {v} v FULL JOIN {sessions} s"
        " ON s.session_id = v.session_id AND s.user_id = 'ann' WHERE s.name IS NULL OR v.session_id > 'a'"
    ),
    f"SELECT * FROM {{v}} v WHERE session_id IN ({OF_ANN}) OR length(v.session_name) = 10",
    f"SELECT session_id, count(*) FROM {{v}} GROUP BY 1 HAVING session_id IN ({OF_ANN})",
    (
        "SELECT * FROM (SELECT session_id, count(*) OVER () AS n FROM {v})"
        f" WHERE session_id IN ({OF_ANN})"
    ),
    (
        "SELECT s.name FROM {sessions} s LEFT JOIN {v} v ON v.session_id = s.session_id"
        f" WHERE (v.session_id IN ({OF_ANN})) IS NOT TRUE"
    ),
    f"SELECT * FROM {{sessions}} NATURAL JOIN {{v}} WHERE session_id IN ({OF_ANN})",
    # Names that mean something else.
    f"WITH {{v}} AS (SELECT session_id FROM {{events}}) SELECT * FROM {{v}} WHERE session_id IN ({OF_ANN})",
    (
        "WITH events AS (SELECT 1 AS session_id), event_parts AS (SELECT 2 AS session_id)"
        f" SELECT * FROM {{v}} WHERE session_id IN ({OF_ANN})"
    ),
    f"SELECT {{v}}.name FROM {{sessions}} {{v}} WHERE {{v}}.session_id IN ({OF_ANN})",
    (
        "SELECT k.author FROM temp.keys k WHERE EXISTS (SELECT 1 FROM {v} v"
        " WHERE v.session_id = k.id AND v.session_id IN (SELECT id FROM temp.new_key WHERE author = 'user'))"
    ),
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_rows_are_those_of_sqlite_s_own_tables(store: Connection, sql: str, view: str) -> None:
    names = {one: one for one in TABLES} | {"v": view}

    rows = store.execute(sql.format(**names)).fetchall()

    own = {key: f"own_{one}" for key, one in names.items()}
    expected = store.execute(sql.format(**own)).fetchall()
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


def test_parameters_are_counted_as_they_are_written(store: Connection) -> None:
    sql = (
        "SELECT ?, v.session_id, :kind FROM temp.keys k JOIN turns v ON v.session_id = k.id"
        " WHERE k.kind = :kind AND v.session_id IN (SELECT session_id FROM sessions WHERE user_id = ?)"
    )

    rows = store.execute(sql, (1, "new", "ann")).fetchall()

    assert set(rows) == {(1, "s1", "new")}


def test_a_table_of_the_user_s_own_has_the_name_of_a_view(store: Connection) -> None:
    store.execute("CREATE TEMP TABLE turns(session_id); INSERT INTO turns VALUES ('s1'), ('S1')")
    try:
        sql = "SELECT * FROM turns WHERE session_id IN (SELECT session_id FROM sessions WHERE user_id = 'ann')"
        assert store.execute(sql).fetchall() == [("s1",)]
    finally:
        store.execute("DROP TABLE temp.turns")


def test_columns_have_the_view_s_names(store: Connection) -> None:
    columns = store.execute("SELECT name FROM pragma_table_info('turns', 'main')").fetchall()
    cursor = store.execute(
        f"SELECT * FROM turns WHERE session_id IN ({OF_ANN.format(sessions='sessions')})"
    )

    assert [one[0] for one in cursor.get_description()] == [name for (name,) in columns]


def test_calls_without_an_id_are_a_row_each(store: Connection) -> None:
    sql = (
        "SELECT tool, call_id, args, answers, answered, called FROM tool_calls"
        " WHERE session_id = 's1' ORDER BY called, tool"
    )

    assert store.execute(sql).fetchall() == [
        (f"tool{call}", None, f'{{"n":{call}}}', 0, None, f"2026-01-05 09:00:0{place}.000000")
        for place in (1, 6)
        for call in (0, 1)
    ]
