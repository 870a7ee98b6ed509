"""How the store is asked: what a statement becomes there, and by which index it is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import apsw
import pytest

import sessions_vtab

CALLS = 60


@pytest.fixture(scope="module")
def db() -> Iterator[sessions_vtab.Connection]:
    """Two sessions with the same ids of calls; two of three calls have a response."""
    opened = sessions_vtab.connect("local://:memory:")
    opened.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann'), ('b', 'bob')")
    opened.executemany(
        "INSERT INTO events(session_id, author, content) VALUES (?, 'agent', ?)", events()
    )
    yield opened
    opened.close()


def events() -> Iterator[tuple[str, str]]:
    for session in "ab":
        for number in range(CALLS):
            call = {"id": f"c{number}", "name": "f", "args": {"n": number}}
            yield session, json.dumps({"parts": [{"functionCall": call}, {"text": "and"}]})
            if number % 3:
                answer = {"id": f"c{number}", "name": "f", "response": {}}
                yield session, json.dumps({"parts": [{"function_response": answer}]})


class Asked:
    """The statements that the store runs for one of the connection's."""

    def __init__(self, db: sessions_vtab.Connection, text: str) -> None:
        self.store: apsw.Connection = db.sources["local"].backend._store.connection
        self.statements: list[tuple[str, object]] = []
        self.store.exec_trace = lambda _, sql, values: not self.statements.append((sql, values))
        try:
            self.rows = db.execute(text).fetchall()
        finally:
            self.store.exec_trace = None
        self.plans = {
            sql: "; ".join(
                row[3] for row in self.store.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            )
            for sql, values in self.statements
        }


UNANSWERED = """SELECT count(*) FROM event_parts c WHERE c.kind = 'functionCall' AND NOT EXISTS
    (SELECT 1 FROM event_parts r WHERE {} r.kind = 'functionResponse')"""
LEFT = """SELECT count(*) FROM event_parts c LEFT JOIN event_parts r ON r.session_id = c.session_id
    AND r.call_id = c.call_id AND r.kind = 'functionResponse'
    WHERE c.kind = 'functionCall' AND r.part IS NULL"""


@pytest.mark.parametrize(
    "text",
    [
        UNANSWERED.format("r.session_id = c.session_id AND r.call_id = c.call_id AND"),
        UNANSWERED.format("r.session_name = c.session_name AND r.call_id = c.call_id AND"),
        UNANSWERED.format("r.call_id = c.call_id AND r.session_id || '' = c.session_id AND"),
        LEFT,
    ],
)
def test_a_calls_response_is_found_by_its_id(db, text):
    asked = Asked(db, text)
    assert asked.rows == [(2 * CALLS / 3,)]
    looked_up = [plan for sql, plan in asked.plans.items() if "p.call_id = ?" in sql]
    assert len(looked_up) == 1
    assert "SEARCH p USING INDEX parts_by_call (call_id=?" in looked_up[0]
    assert len(asked.statements) <= 2 * CALLS + 2


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("session_id = 'a'", "events_by_session (session_id=?"),
        ("session_name = 'sessions/a'", "events_by_session (session_id=?"),
        ("event_name = 'sessions/a/events/1'", "sqlite_autoindex_events_1 (name=?"),
        ("call_id = 'c1'", "parts_by_call (call_id=?"),
        ("call_id IN ('c1', 'c2')", "parts_by_call (call_id=?"),
    ],
)
def test_parts_are_found_by_an_index(db, condition, index):
    asked = Asked(db, f"SELECT part, text FROM event_parts WHERE {condition}")
    assert index in "; ".join(asked.plans.values())


@pytest.mark.parametrize(
    "join",
    [
        "sessions s JOIN events e ON e.session_id = s.session_id",
        "events e JOIN sessions s ON e.session_id = s.session_id",
        "events e JOIN sessions s USING (session_id)",
        "sessions s JOIN events e ON e.session_name = s.name",
        "sessions s LEFT JOIN events e ON e.session_id = s.session_id",
        "sessions s JOIN event_parts e ON e.session_id = s.session_id",
    ],
)
def test_a_join_follows_the_session_to_its_events(db, join):
    asked = Asked(db, f"SELECT s.user_id, count(*) FROM {join} GROUP BY 1")
    assert [user for user, _ in asked.rows] == ["ann", "bob"]
    # One list of sessions, and one of events for each session: not a session for each event.
    assert len(asked.statements) == 1 + 2


def test_a_join_reads_no_column_that_is_not_used(db):
    asked = Asked(
        db, "SELECT count(e.author) FROM sessions s JOIN events e ON e.session_id = s.session_id"
    )
    (events,) = (sql for sql in asked.plans if "FROM events e" in sql)
    assert (
        events.partition(" FROM ")[0] == "SELECT e.name, NULL, e.session_id, NULL, NULL, e.author"
    )


def test_hidden_events_are_told_by_the_small_index(db):
    (plan,) = Asked(db, "SELECT count(*) FROM events").plans.values()
    assert "SEARCH m USING COVERING INDEX sessions_mortal (session_id=?)" in plan


@pytest.mark.parametrize(("returning", "read"), [("", 0), (" RETURNING name", 1)])
def test_a_written_row_is_read_back_only_for_returning(db, returning, read):
    asked = Asked(db, f"INSERT INTO upload_sessions(write_mode) VALUES ('KEEP'){returning}")
    found = [sql for sql, _ in asked.statements if "WHERE u.name = ?2" in sql]
    assert len(found) == read
