from __future__ import annotations

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


def test_what_is_queued_is_sent_at_commit_and_a_read_before_says_so(queued) -> None:
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


def test_a_commit_that_fails_says_how_much_and_ends_the_transaction(queued) -> None:
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


def test_a_function_that_acts_acts_at_once_and_begins_no_transaction(db) -> None:
    db.execute(INSERT, ["a", "ann"])
    db.commit()

    db.execute("SELECT event_name FROM append_event('a', 'user', 'hello')").fetchall()

    assert not db.in_transaction
    assert db.execute("SELECT text FROM events").fetchall() == [("hello",)]


def test_a_dry_run_answers_with_the_requests_and_makes_none(open_) -> None:
    db = open_("prod=vertex://p/us-central1/1?base_url=http://127.0.0.1:9", dry_run=True)

    rows = db.execute(INSERT, ["abc", "ann"]).fetchall()

    assert "POST" in str(rows)
    assert db.execute("SELECT count(*) FROM http_requests").fetchone() == (0,)
