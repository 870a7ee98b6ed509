"""The TIMESTAMP collation in every place SQLite uses one, on a queued source and on the store."""

from __future__ import annotations

import pytest

from sessions_vtab import Connection

ROWS = (
    ("a", "2026-01-01 09:00:00.000000"),
    ("b", "2026-01-01 09:00:00.000001"),
    ("c", "2026-01-01 09:00:00.000000"),
    ("d", "2025-12-31 23:59:59.999999"),
    ("e", "9999-12-31 00:00:00.000000"),
)
NINE = "'2026-01-01T10:00:00+01:00'"


@pytest.fixture(params=["memory", "local"])
def filled(request: pytest.FixtureRequest) -> Connection:
    connection: Connection = request.getfixturevalue(request.param)
    for session_id, time in ROWS:
        connection.execute(
            "INSERT INTO sessions(session_id, create_time) VALUES (?, ?)", (session_id, time)
        )
    connection.execute("CREATE TABLE moments(t TEXT)")
    connection.execute(f"INSERT INTO moments VALUES ({NINE})")
    return connection


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (f"create_time = {NINE}", "ac"),
        (f"create_time > {NINE}", "be"),
        (f"create_time <= {NINE}", "acd"),
        (f"create_time <> {NINE}", "bde"),
        (f"create_time BETWEEN '2026-01-01' AND {NINE}", "ac"),
        (f"create_time IN ({NINE}, '9999-12-31')", "ace"),
        ("create_time IN (SELECT t FROM moments)", "ac"),
        (f"+create_time = {NINE}", "ac"),
        (f"CASE create_time WHEN {NINE} THEN 1 END", "ac"),
        ("max(create_time, '2026-01-01T00:00:00Z') = '2026-01-01T00:00:00Z'", "d"),
        ("create_time = 1767258000", "ac"),
        ("create_time > (SELECT t FROM moments)", "be"),
    ],
)
def test_conditions_compare_instants(filled: Connection, condition: str, ids: str) -> None:
    rows = filled.execute(f"SELECT session_id FROM sessions WHERE {condition} ORDER BY 1")

    assert "".join(one for (one,) in rows) == ids


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT count(DISTINCT create_time) FROM sessions", 4),
        ("SELECT count(*) FROM (SELECT DISTINCT create_time FROM sessions)", 4),
        ("SELECT count(*) FROM (SELECT 1 FROM sessions GROUP BY create_time)", 4),
        ("SELECT max(create_time) FROM sessions", "9999-12-31 00:00:00.000000"),
        ("SELECT min(create_time) FROM sessions", "2025-12-31 23:59:59.999999"),
        ("SELECT group_concat(session_id, '' ORDER BY create_time, session_id) FROM sessions",
         "dacbe"),
        (("SELECT group_concat(session_id, '') FROM (SELECT session_id FROM sessions"
         " ORDER BY create_time DESC, session_id)"), "ebacd"),
        ("SELECT count(*) FROM sessions s JOIN moments m ON s.create_time = m.t", 2),
        ("SELECT count(*) FROM moments m JOIN sessions s ON s.create_time = m.t", 2),
        ("SELECT count(*) FROM (SELECT create_time FROM sessions UNION SELECT t FROM moments)", 4),
        (("WITH s AS MATERIALIZED (SELECT * FROM sessions)"
         f" SELECT count(*) FROM s WHERE create_time = {NINE}"), 2),
        (f"SELECT count(*) FROM (SELECT * FROM sessions) WHERE create_time = {NINE}", 2),
        ("SELECT max(n) FROM (SELECT rank() OVER (ORDER BY create_time) AS n FROM sessions)", 5),
    ],
)  # fmt: skip
def test_sets_orders_and_joins_compare_instants(
    filled: Connection, sql: str, answer: object
) -> None:
    assert filled.execute(sql).get == answer


def test_views_compare_instants(filled: Connection) -> None:
    filled.execute("CREATE TEMP VIEW v AS SELECT session_id, create_time AS t FROM sessions")

    assert filled.execute(f"SELECT count(*) FROM v WHERE t = {NINE}").get == 2


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT count(*) FROM moments m JOIN sessions s ON m.t = s.create_time", 0),
        (f"SELECT count(*) FROM sessions WHERE create_time || '' = {NINE}", 0),
        (f"SELECT count(*) FROM sessions WHERE create_time COLLATE BINARY = {NINE}", 0),
    ],
)
def test_what_loses_a_collation_in_any_sqlite_compares_texts(
    filled: Connection, sql: str, answer: int
) -> None:
    assert filled.execute(sql).get == answer


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("expire_time, session_id", "abcd"),
        ("expire_time DESC, session_id", "cdab"),
        ("expire_time NULLS LAST, session_id", "cdab"),
        ("expire_time DESC NULLS FIRST, session_id", "abcd"),
    ],
)
def test_null_is_smaller_than_any_time_unless_nulls_last_is_given(
    memory: Connection, order: str, ids: str
) -> None:
    memory.execute("INSERT INTO sessions(session_id) VALUES ('a'), ('b')")
    memory.execute(
        "INSERT INTO sessions(session_id, expire_time) VALUES ('c', '9999-01-01'), ('d', '9999-01-01')"
    )

    rows = memory.execute(f"SELECT session_id FROM sessions ORDER BY {order}")

    assert "".join(one for (one,) in rows) == ids
