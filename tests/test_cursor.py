"""Statements through the statement rewriter, on the embedded store and on a queued backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import sessions_vtab
from sessions_vtab.errors import (
    ReadOnlyError,
    StatementError,
    UnknownNameError,
    UnsupportedError,
)

_SOURCES = {"local": "local://:memory:", "memory": "memory://"}


@pytest.fixture
def connect() -> Iterator[Callable[..., sessions_vtab.Connection]]:
    opened: list[sessions_vtab.Connection] = []

    def make(kind: str, **options: Any) -> sessions_vtab.Connection:
        opened.append(sessions_vtab.connect(_SOURCES[kind], config="/dev/null", **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(params=sorted(_SOURCES))
def db(request: pytest.FixtureRequest, connect: Any) -> sessions_vtab.Connection:
    made: sessions_vtab.Connection = connect(request.param)
    made.execute(
        "INSERT INTO sessions(session_id, user_id, labels) VALUES"
        " ('s1', 'ann', '{\"env\":\"prod\"}'), ('s2', 'bob', '{\"env\":\"test\"}'), ('s3', 'ann', NULL)"
    )
    return made


# RETURNING.


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO sessions(user_id) VALUES (:u) RETURNING user_id, upper(:u)",
        "UPDATE sessions SET display_name = :u RETURNING session_id, :u",
        "DELETE FROM sessions WHERE user_id <> :u RETURNING session_id, :u",
    ],
)
def test_explaining_a_statement_does_not_return_the_rows_that_it_returned_before(
    db: sessions_vtab.Connection, statement: str
) -> None:
    plan = f"EXPLAIN QUERY PLAN {statement}"
    before = db.execute(plan, {"u": "cy"}).fetchall()

    assert db.execute(statement, {"u": "cy"}).fetchall()
    assert db.execute(plan, {"u": "cy"}).fetchall() == before


def test_insert_returning_returns_what_the_server_generated(db: sessions_vtab.Connection) -> None:
    name, user = db.execute(
        "INSERT INTO sessions(user_id) VALUES ('cy') RETURNING name, upper(user_id)"
    ).fetchone()

    assert user == "CY"
    assert db.execute("SELECT user_id FROM sessions WHERE name = ?", (name,)).get == "cy"


def test_returning_keeps_the_headings_of_the_statement(db: sessions_vtab.Connection) -> None:
    cursor = db.execute(
        "UPDATE sessions SET display_name = ?1 WHERE session_id = 's1'"
        " RETURNING session_id, display_name AS d, user_id||?1",
        ("D",),
    )

    assert [one[0] for one in cursor.get_description()] == ["session_id", "d", "user_id||?1"]
    assert cursor.fetchall() == [("s1", "D", "annD")]


def test_update_returning_has_columns_the_statement_did_not_read(
    db: sessions_vtab.Connection,
) -> None:
    rows = db.execute(
        "UPDATE sessions SET display_name = 'D' WHERE session_id = 's1' RETURNING labels"
    ).fetchall()

    assert rows == [('{"env":"prod"}',)]


def test_delete_returning_is_the_row_as_it_was(db: sessions_vtab.Connection) -> None:
    rows = db.execute(
        "DELETE FROM sessions WHERE user_id = 'ann' RETURNING session_id, labels"
    ).fetchall()

    assert sorted(rows) == [("s1", '{"env":"prod"}'), ("s3", None)]
    assert db.execute("SELECT session_id FROM sessions").get == "s2"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET display_name = 'x' WHERE session_id = 'nobody' RETURNING session_id",
        "DELETE FROM sessions WHERE session_id = 'nobody' RETURNING session_id",
        "INSERT INTO sessions(session_id, user_id) SELECT 'x', 'y' WHERE 0 RETURNING session_id",
    ],
)
def test_a_statement_that_writes_nothing_returns_nothing(
    db: sessions_vtab.Connection, statement: str
) -> None:
    db.execute("INSERT INTO sessions(user_id) VALUES ('x') RETURNING name").fetchall()

    assert db.execute(statement).fetchall() == []


def test_an_update_that_changes_nothing_returns_the_row(db: sessions_vtab.Connection) -> None:
    rows = db.execute(
        "UPDATE sessions SET user_id = user_id WHERE session_id = 's1' RETURNING session_id, user_id"
    ).fetchall()

    assert rows == [("s1", "ann")]


def test_returning_inside_a_transaction_sends_at_once(db: sessions_vtab.Connection) -> None:
    db.execute("BEGIN")
    name = db.execute("INSERT INTO sessions(user_id) VALUES ('cy') RETURNING name").get
    db.execute("COMMIT")

    assert db.execute("SELECT count(*) FROM sessions WHERE name = ?", (name,)).get == 1


def test_a_list_that_does_not_prepare_writes_nothing(db: sessions_vtab.Connection) -> None:
    with pytest.raises(apsw.SQLError, match="no such column: nosuch"):
        db.execute("INSERT INTO sessions(user_id) VALUES ('cy') RETURNING nosuch")

    assert db.execute("SELECT count(*) FROM sessions").get == 3


def test_executemany_returns_the_rows_of_every_set(db: sessions_vtab.Connection) -> None:
    users = [("u1",), ("u2",)]

    rows = db.executemany("INSERT INTO sessions(user_id) VALUES (?) RETURNING user_id", users)

    assert rows.fetchall() == users


# Conflicts.


@pytest.mark.parametrize(
    "clause", ["INSERT OR IGNORE INTO {} {}", "INSERT INTO {} {} ON CONFLICT DO NOTHING"]
)
def test_a_row_that_exists_is_skipped_when_asked_for(connect: Any, clause: str) -> None:
    db = connect("local")
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")

    db.execute(clause.format("sessions(session_id, user_id)", "VALUES ('s1', 'x'), ('s2', 'y')"))

    assert db.execute("SELECT session_id, user_id FROM sessions ORDER BY 1").fetchall() == [
        ("s1", "ann"),
        ("s2", "y"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR REPLACE INTO sessions(session_id, user_id) VALUES ('s1', 'x')",
        "REPLACE INTO sessions(session_id, user_id) VALUES ('s1', 'x')",
        "INSERT INTO sessions(name) VALUES ('s1') ON CONFLICT DO UPDATE SET display_name = 'x'",
    ],
)
def test_overwriting_unseen_is_refused_with_the_hint(
    db: sessions_vtab.Connection, statement: str
) -> None:
    with pytest.raises(UnsupportedError, match="UPDATE"):
        db.execute(statement)


# Pushdown.


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("labels->>'env' = 'prod'", ["s1"]),
        ("labels->>'$.env' = 'prod' OR user_id = 'bob'", ["s1", "s2"]),
        ("session_id NOT IN ('s1', 's3')", ["s2"]),
        ("NOT (user_id = 'ann')", ["s2"]),
        ("json_extract(labels, '$.env') IN ('prod', 'test')", ["s1", "s2"]),
        ("labels->>'env' IS NULL", ["s3"]),
    ],
)
def test_what_sqlite_does_not_offer_reaches_the_backend(
    db: sessions_vtab.Connection, where: str, expected: list[str]
) -> None:
    rows = db.execute(f"SELECT session_id FROM sessions WHERE {where} ORDER BY 1").fetchall()
    plan = db.execute(f"EXPLAIN QUERY PLAN SELECT session_id FROM sessions WHERE {where}").get

    assert [one for (one,) in rows] == expected
    assert "sent: " in plan[3]


def test_a_text_that_sqlglot_does_not_read_runs_as_it_is(db: sessions_vtab.Connection) -> None:
    rows = db.execute(
        "SELECT session_id FROM sessions WHERE user_id LIKE 'b_b' ESCAPE '!' AND (display_name ISNULL)"
    ).fetchall()

    assert rows == [("s2",)]


def test_a_table_of_the_users_own_hides_ours(db: sessions_vtab.Connection) -> None:
    own = "SELECT x->>'a' FROM sessions WHERE x->>'a' = '1'"
    db.execute("SELECT count(*) FROM sessions WHERE labels->>'env' = 'prod'").fetchall()

    db.execute("CREATE TEMP TABLE sessions(x)")
    db.execute('INSERT INTO sessions VALUES (\'{"a":"1"}\')')

    assert db.execute(own).get == "1"
    db.execute("DROP TABLE temp.sessions")
    assert db.execute("SELECT count(*) FROM sessions WHERE labels->>'env' = 'prod'").get == 1


# Scripts.


def test_every_statement_of_a_text_gives_its_rows(db: sessions_vtab.Connection) -> None:
    rows = db.execute(
        "SELECT 1; SELECT ?; INSERT INTO sessions(user_id) VALUES (?) RETURNING user_id; SELECT 4",
        (2, "three"),
    ).fetchall()

    assert rows == [(1,), (2,), ("three",), (4,)]


def test_names_that_a_text_makes_are_known_to_its_later_statements(
    db: sessions_vtab.Connection,
) -> None:
    rows = db.execute(
        'CREATE TEMP TABLE events(content); INSERT INTO events VALUES (\'{"k":"v"}\');'
        " SELECT content->>'k' FROM events WHERE content->>'k' = 'v'"
    ).fetchall()

    assert rows == [("v",)]


# Functions that act.


def test_a_function_runs_once_for_each_row_of_its_item(connect: Any) -> None:
    db = connect("local")
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")
    item = "(SELECT value FROM json_each('[1,2,2]')) AS k"

    db.execute(f"SELECT event_id FROM {item}, append_event('s1', 'user', 'n ' || k.value)")

    assert db.execute("SELECT count(*) FROM events").get == 3


def test_a_function_has_run_to_its_end_before_the_first_row(connect: Any) -> None:
    db = connect("local")
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")

    db.execute(
        "SELECT event_id FROM json_each('[1,2,3]') AS k, append_event('s1', 'user', k.value || '')"
    ).fetchone()

    assert db.execute("SELECT count(*) FROM events").get == 3


def test_a_failure_half_way_counts_the_calls_that_took_effect(connect: Any) -> None:
    db = connect("local")
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")

    with pytest.raises(sessions_vtab.errors.NotFoundError) as caught:
        db.execute(
            'SELECT event_id FROM json_each(\'["s1","s1","nobody"]\') AS k,'
            " append_event(k.value, 'user')"
        )

    assert caught.value.__notes__ == [
        "2 earlier calls of this statement have already taken effect."
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT event_id FROM append_event('s1', 'user') LIMIT 1",
        "SELECT event_id FROM sessions LEFT JOIN append_event('s1', 'user')",
        "SELECT (SELECT event_id FROM append_event('s1', 'user'))",
        "SELECT event_id FROM append_event('s1', 'user') UNION ALL SELECT 1",
        "WITH c AS (SELECT event_id FROM append_event('s1', 'user')) SELECT * FROM c",
        "SELECT event_id FROM sessions a, sessions b, append_event('s1', 'user')",
    ],
)
def test_every_other_shape_is_refused_and_nothing_runs(connect: Any, statement: str) -> None:
    db = connect("local")
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")

    with pytest.raises(StatementError, match="append_event"):
        db.execute(statement).fetchall()

    assert db.execute("SELECT count(*) FROM events").get == 0


def test_a_connection_without_the_statement_rewriter_takes_the_function_alone() -> None:
    own = apsw.Connection(":memory:")
    sources = sessions_vtab.register(own, "local://:memory:", config="/dev/null")
    own.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")

    assert own.execute("SELECT event_id FROM append_event('s1', 'user')").get == "1"
    with pytest.raises(UnsupportedError, match="only table"):
        own.execute("SELECT 1 FROM sessions s, append_event(s.session_id, 'user')").fetchall()
    own.close()
    sources["local"].backend.close()


# Names, read-only, dry run.


def test_a_write_without_schema_does_not_reach_another_source() -> None:
    with sessions_vtab.connect(
        sources=["main_one=memory://", "notes=local://:memory:"], config="/dev/null"
    ) as db:
        with pytest.raises(UnknownNameError, match=r"notes\.upload_sessions"):
            db.execute("INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')")
        with pytest.raises(UnknownNameError, match=r"notes\.append_event"):
            db.execute("SELECT * FROM append_event('s1', 'user')")
        assert db.execute("SELECT count(*) FROM notes.upload_sessions").get == 0
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO sessions(user_id) VALUES ('x')",
        "UPDATE sessions SET display_name = 'x'",
        "DELETE FROM sessions",
        "SELECT * FROM append_event('s1', 'user')",
    ],
)
def test_read_only_means_it(tmp_path: Path, statement: str) -> None:
    url = f"local://{tmp_path}/s.db"
    with sessions_vtab.connect(url, config="/dev/null") as writer:
        writer.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")
    writer.close()

    with sessions_vtab.connect(url, config="/dev/null", read_only=True) as db:
        with pytest.raises(ReadOnlyError, match="read-only"):
            db.execute(statement).fetchall()
        assert db.execute("SELECT user_id, display_name FROM sessions").get == ("ann", None)
    db.close()


def test_a_dry_run_returns_requests_and_sends_none(connect: Any) -> None:
    db = connect("memory", dry_run=True)

    rows = db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')").fetchall()

    assert rows == [
        (
            "memory",
            "sessions",
            "insert",
            "insert",
            "sessions (name assigned when it is written)",
            '{"session_id":"s1","user_id":"ann"}',
        )
    ]
    assert db.sources["memory"].backend.sent == []
    assert db.execute("SELECT outcome FROM writes").get == "not sent"
