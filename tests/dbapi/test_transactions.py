from __future__ import annotations

import json
from pathlib import Path

import pytest

from sessions_vtab import dbapi

INSERT = "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)"
COUNT = "SELECT count(*) FROM sessions"


def test_a_transaction_begins_with_the_first_change(db) -> None:
    db.execute(COUNT).fetchall()
    assert not db.in_transaction
    db.execute("EXPLAIN QUERY PLAN DELETE FROM sessions").fetchall()
    assert not db.in_transaction

    db.execute(INSERT, ["a", "ann"])

    assert db.in_transaction


def test_rollback_takes_back_and_commit_keeps(db) -> None:
    db.execute(INSERT, ["a", "ann"])
    db.rollback()
    db.execute(INSERT, ["b", "ann"])
    db.commit()

    assert db.execute("SELECT session_id FROM sessions").fetchall() == [("b",)]


def test_queued_writes_are_sent_at_commit_and_an_earlier_read_is_an_error(queued) -> None:
    queued.execute(INSERT, ["a", "ann"])

    with pytest.raises(dbapi.ProgrammingError, match="COMMIT"):
        queued.execute(COUNT).fetchall()
    queued.commit()

    assert queued.execute(COUNT).fetchone() == (1,)


def test_rollback_sends_nothing(queued) -> None:
    queued.executemany(INSERT, [("a", "ann"), ("b", "ann")])
    queued.rollback()

    assert queued.execute("SELECT count(*) FROM writes WHERE outcome = 'sent'").fetchone() == (0,)
    assert queued.execute(COUNT).fetchone() == (0,)


def test_a_failed_commit_counts_its_writes_and_ends_the_transaction(queued) -> None:
    insert = "INSERT INTO sessions(name, user_id) VALUES (?, 'ann')"
    queued.execute(insert, ["sessions/a"])
    queued.commit()
    queued.executemany(insert, [("sessions/a",), ("sessions/b",)])

    with pytest.raises(dbapi.OperationalError, match="1 of 2"):
        queued.commit()

    assert not queued.in_transaction
    assert queued.execute("SELECT name FROM sessions ORDER BY 1").fetchall() == [
        ("sessions/a",),
        ("sessions/b",),
    ]


def test_with_autocommit_every_statement_is_its_own(open_) -> None:
    db = open_("mem=memory://", autocommit=True)
    db.execute(INSERT, ["a", "ann"])

    assert not db.in_transaction
    assert db.execute(COUNT).fetchone() == (1,)


def test_turning_autocommit_on_commits(queued) -> None:
    queued.execute(INSERT, ["a", "ann"])
    queued.autocommit = True

    assert queued.execute(COUNT).fetchone() == (1,)


def test_a_side_effecting_function_runs_at_once_and_begins_no_transaction(db) -> None:
    db.execute(INSERT, ["a", "ann"])
    db.commit()

    db.execute("SELECT event_name FROM append_event('a', 'user', 'hello')").fetchall()

    assert not db.in_transaction
    assert db.execute("SELECT text FROM events").fetchall() == [("hello",)]


def test_a_dry_run_returns_the_requests_and_sends_none(open_) -> None:
    db = open_("prod=vertex://p/us-central1/1?base_url=http://127.0.0.1:9", dry_run=True)

    rows = db.execute(INSERT, ["abc", "ann"]).fetchall()

    assert "POST" in str(rows)
    assert db.execute("SELECT count(*) FROM http_requests").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM sessions",
        "EXPLAIN SELECT * FROM sessions",
        "PRAGMA table_info(sessions)",
        "CREATE TEMP VIEW recent AS SELECT * FROM sessions",
        "CREATE TEMP TABLE copy AS SELECT * FROM sessions",
        "VALUES (1)",
        "-- nothing",
    ],
)
def test_only_a_change_begins_a_transaction(db, statement: str) -> None:
    db.execute(statement)

    assert not db.in_transaction


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO sessions(user_id) VALUES ('x')",
        "INSERT INTO sessions(user_id) VALUES ('x') RETURNING name",
        "/* a */ WITH c(x) AS (VALUES ('x')) INSERT INTO sessions(user_id) SELECT x FROM c",
        "UPDATE sessions SET display_name = 'x'",
        "DELETE FROM sessions WHERE 0",
        "BEGIN",
        "SAVEPOINT a",
    ],
)
def test_every_change_begins_one(db, statement: str) -> None:
    db.execute(statement)

    assert db.in_transaction


def test_a_query_alone_does_not_block_writes_of_other_connections(open_, tmp_path: Path) -> None:
    url = f"local://{tmp_path}/store.db"
    reader, writer = open_(url), open_(url)
    with writer:
        writer.executemany(INSERT, [(f"s{number}", "ann") for number in range(300)])
    half_read = reader.execute("SELECT session_id FROM sessions")
    half_read.fetchone()

    with writer:
        writer.execute(INSERT, ["more", "bob"])

    assert writer.execute(COUNT).fetchone() == (301,)
    assert len(half_read.fetchall()) in {299, 300}


def test_executemany_that_fails_leaves_nothing_of_it_in_the_transaction(db) -> None:
    db.execute(INSERT, ["before", "ann"])
    with pytest.raises(dbapi.IntegrityError):
        db.executemany(INSERT, [("a", "ann"), ("b", "ann"), ("a", "ann")])
    db.execute(INSERT, ["after", "ann"])
    db.commit()

    found = db.execute("SELECT session_id FROM sessions ORDER BY create_time").fetchall()
    assert found == [("before",), ("after",)]


def test_executemany_that_fails_queues_nothing(queued) -> None:
    insert = "INSERT INTO sessions(session_id, user_id, labels) VALUES (?, 'ann', ?)"
    queued.execute(INSERT, ["before", "ann"])
    with pytest.raises(dbapi.DataError):
        queued.executemany(insert, [("a", None), ("b", object())])
    queued.commit()

    assert queued.execute("SELECT session_id FROM sessions").fetchall() == [("before",)]


def test_what_is_half_read_survives_a_commit_and_a_rollback(db) -> None:
    with db:
        db.executemany(INSERT, [(f"s{number}", "ann") for number in range(5)])
    one, other = (db.execute("SELECT session_id FROM sessions ORDER BY 1") for _ in range(2))
    assert (one.fetchone(), other.fetchone()) == (("s0",), ("s0",))

    db.execute(INSERT, ["x", "ann"])
    db.rollback()
    assert one.fetchone() == ("s1",)
    db.execute(INSERT, ["y", "ann"])
    db.commit()

    assert other.fetchone() == ("s1",)


def test_after_a_rollback_names_mean_what_they_meant_before(db) -> None:
    with db:
        db.execute(INSERT, ["a", "ann"])
    db.execute("CREATE TEMP VIEW mine AS SELECT user_id FROM sessions")
    db.execute(INSERT, ["b", "bob"])
    db.execute("DROP VIEW mine")
    db.execute("CREATE TEMP VIEW mine AS SELECT 1")
    assert db.execute("SELECT * FROM mine").fetchall() == [(1,)]

    db.rollback()

    assert db.execute("SELECT * FROM mine").fetchall() == [("ann",)]


def test_writes_are_noted_in_an_audit_file(tmp_path: Path) -> None:
    with dbapi.connect("local://:memory:", audit=tmp_path / "audit.jsonl") as db:
        db.execute(INSERT, ["a", "ann"])
        db.commit()

    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["action"] == "insert"
