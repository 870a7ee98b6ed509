"""Writes: when they are sent, what they return, and how they are recorded."""

from __future__ import annotations

import json
from itertools import pairwise

import apsw
import pytest

from sessions_vtab.errors import QueuedWritesError, SessionsError, UnsupportedError
from tests.clocks import delays_end_together, delays_last
from tests.waiting import once, wait_for

ENGINE = "projects/demo/locations/us-central1/reasoningEngines/42"
POSTS = ("POST", "PATCH", "DELETE")


def sent(db):
    return [entry for entry in db.log if entry["method"] in POSTS]


class TestATransaction:
    def test_a_rolled_back_transaction_sends_nothing(self, db):
        db.fill(2)

        db.ask("BEGIN")
        db.connection.execute("DELETE FROM sessions WHERE session_id = 'ann-1'")
        db.connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('new', 'x')")
        db.connection.execute("INSERT INTO events(session_id, author) VALUES ('ann-0', 'user')")
        db.connection.execute("ROLLBACK")

        assert sent(db) == []
        assert sorted(db.stored()) == ["ann-0", "ann-1"]

    def test_sends_what_a_savepoint_kept(self, db):
        db.ask("BEGIN")
        for name in ("a", "b", "c"):
            if name == "b":
                db.connection.execute("SAVEPOINT p")
            insert = "INSERT INTO sessions(session_id, user_id) VALUES (?, 'x')"
            db.connection.execute(insert, (name,))
            if name == "b":
                db.connection.execute("ROLLBACK TO p")
        assert sent(db) == []
        db.connection.execute("COMMIT")

        assert sorted(db.stored()) == ["a", "c"]

    def test_writes_are_sent_concurrently_but_in_order_within_a_session(self, db, monkeypatch):
        ids = db.fill(10)
        delays_end_together(monkeypatch, 5)
        db.control.delay(1)
        rows = [(one, str(number)) for number in range(6) for one in ids]

        with db.connection:
            db.connection.executemany(
                "INSERT INTO events(session_id, author, content) VALUES (?, 'user', ?)", rows
            )
            assert sent(db) == []

        assert 4 < db.in_flight <= 16
        assert db.total == 60
        for one in ids:
            own = [entry for entry in db.log if f"/{one}:" in entry["path"]]
            texts = [entry["body"]["content"]["parts"][0]["text"] for entry in own]
            assert texts == ["0", "1", "2", "3", "4", "5"]
            assert all(a["ended"] <= b["started"] for a, b in pairwise(own))

    def test_creates_a_session_before_its_events(self, db):
        db.ask("BEGIN")
        db.connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('new', 'x')")
        db.connection.execute(
            "INSERT INTO events(session_id, author, content) VALUES ('new', 'user', 'hi')"
        )
        db.connection.execute("COMMIT")

        assert db.calls() == ["POST sessions", "POST new:appendEvent"]

    def test_a_transaction_with_a_failed_statement_sends_the_others(self, db):
        db.ask("BEGIN")
        db.connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('good', 'x')")
        with pytest.raises(SessionsError):
            db.connection.execute(
                "INSERT INTO sessions(session_id, user_id, labels) VALUES ('bad-1', 'x', '{}'), ('bad-2', 'x', 'no JSON')"
            )
        db.connection.execute("COMMIT")

        assert sorted(db.stored()) == ["good"]

    @pytest.mark.parametrize("table", ["sessions", "events"])
    def test_reading_a_table_with_unsent_writes_is_refused(self, db, table):
        db.fill(1)
        key = "session_id, user_id" if table == "sessions" else "session_id, author"
        db.ask("BEGIN")
        db.connection.execute(f"INSERT INTO {table}({key}) VALUES ('ann-0', 'user')")

        with pytest.raises(
            QueuedWritesError, match=f"prod.{table} .*COMMIT first, or use RETURNING"
        ):
            db.connection.execute(f"SELECT * FROM {table}").fetchall()
        db.connection.execute("ROLLBACK")

    def test_executemany_is_one_unit_of_work(self, db, monkeypatch):
        delays_end_together(monkeypatch, 5)
        db.control.delay(1)
        rows = [(f"s-{number}",) for number in range(20)]

        db.control.reset_log()
        db.connection.executemany("INSERT INTO sessions(session_id, user_id) VALUES (?, 'x')", rows)

        assert (db.total, len(db.stored())) == (20, 20)
        assert db.in_flight > 4

    def test_executemany_changes_the_same_session_in_order(self, db):
        db.fill(3)
        db.control.reset_log()

        db.connection.executemany(
            "UPDATE sessions SET display_name = ? WHERE session_id = ?",
            [("first", "ann-0"), ("second", "ann-1")],
        )

        assert sorted(db.calls()) == ["GET ann-0", "GET ann-1", "PATCH ann-0", "PATCH ann-1"]
        assert db.ask("SELECT session_id, display_name FROM sessions ORDER BY 1") == [
            ("ann-0", "first"),
            ("ann-1", "second"),
            ("ann-2", "n2"),
        ]

    @pytest.mark.parametrize(
        "again",
        [
            "session_id = 'ann-0'",
            "name = 'projects/demo/locations/us-central1/reasoningEngines/42/sessions/ann-0'",
            "name = 'projects/496268734596/locations/us-central1/reasoningEngines/42/sessions/ann-0'",
            "session_id IN ('ann-1', 'ann-0')",
            "session_id LIKE 'ann-1'",
        ],
    )
    def test_changing_a_row_twice_is_refused_however_it_is_named(self, db, again):
        db.fill(2)
        db.ask("BEGIN")
        db.ask("UPDATE sessions SET display_name = 'x' WHERE session_id = 'ann-0'")

        with pytest.raises(QueuedWritesError, match=r"prod\.sessions .*COMMIT first"):
            db.ask(f"DELETE FROM sessions WHERE {again}")
        db.ask("ROLLBACK")


class TestReturning:
    @pytest.fixture(params=[False, True], ids=["autocommit", "transaction"])
    def within(self, request, db):
        db.fill(2, 1)
        if request.param:
            db.connection.execute("BEGIN")
        yield db
        if db.connection.in_transaction:
            db.connection.execute("COMMIT")

    def test_insert_returning_has_the_values_that_the_server_set(self, within):
        sql = "INSERT INTO sessions(user_id, state) VALUES ('x', '{\"n\":1}'), ('y', NULL) RETURNING session_id, user_id, create_time, state, name"

        rows = within.ask(sql)

        stored = within.stored()
        assert [row[1] for row in rows] == ["x", "y"]
        assert all(row[0] in stored and row[2] and row[4].endswith(row[0]) for row in rows)
        assert json.loads(rows[0][3]) == {"n": 1}

    def test_update_returning_has_the_row_that_the_server_returned(self, within):
        sql = "UPDATE sessions SET display_name = 'D' WHERE user_id = 'ann' RETURNING session_id, display_name AS d, update_time > create_time"

        assert sorted(within.ask(sql)) == [("ann-0", "D", 1), ("ann-1", "D", 1)]

    def test_delete_returning_has_the_rows_before_the_delete(self, within):
        sql = "DELETE FROM sessions WHERE session_id = 'ann-1' RETURNING session_id, display_name"

        assert within.ask(sql) == [("ann-1", "n1")]
        assert sorted(within.stored()) == ["ann-0"]

    def test_append_returning_has_the_event_id(self, within):
        sql = "INSERT INTO events(session_id, author, content) VALUES ('ann-0', 'user', 'hi'), ('ann-1', 'user', 'ho') RETURNING session_id, event_id, text"

        rows = within.ask(sql)

        found = {
            one: [(e["id"], e["content"]["parts"][0]["text"]) for e in events[1:]]
            for one, events in within.stored().items()
        }
        assert rows == [("ann-0", *found["ann-0"][0]), ("ann-1", *found["ann-1"][0])]

    def test_returning_an_aggregate_is_refused_before_anything_is_sent(self, within):
        with pytest.raises(UnsupportedError, match="aggregate"):
            within.ask("DELETE FROM sessions RETURNING count(*)")
        assert sent(within) == []


class TestWithoutReturning:
    def test_a_create_is_one_request(self, db):
        db.ask("INSERT INTO sessions(user_id) VALUES ('x')")

        assert db.calls() == ["POST sessions"]

    def test_an_append_is_one_request(self, db):
        db.fill(1)

        db.ask("INSERT INTO events(session_id, author, content) VALUES ('ann-0', 'user', 'hi')")

        assert db.calls() == ["POST ann-0:appendEvent"]
        assert "rawEvent" not in db.log[0]["body"]

    def test_an_update_sends_the_columns_that_change(self, db):
        db.fill(1)

        db.ask(
            "UPDATE sessions SET display_name = 'D', user_id = user_id WHERE session_id = 'ann-0'"
        )

        (patch,) = sent(db)
        assert (patch["query"], patch["body"]) == (
            {"updateMask": "displayName"},
            {"displayName": "D"},
        )

    def test_an_update_of_the_user_is_refused_with_the_hint(self, db):
        db.fill(1)

        with pytest.raises(UnsupportedError, match="insert a new session for another user"):
            db.ask("UPDATE sessions SET user_id = 'bob', display_name = 'D'")

        assert sent(db) == []

    def test_an_update_to_the_same_values_sends_nothing(self, db):
        db.fill(1)

        db.ask("UPDATE sessions SET display_name = display_name")

        assert sent(db) == []
        assert db.connection.changes() == 1

    def test_deletes_of_many_sessions_are_concurrent(self, db, monkeypatch):
        db.fill(30)
        delays_end_together(monkeypatch, 5)
        db.control.fault("delay", method="DELETE", seconds=1, count=None)

        db.ask("DELETE FROM sessions WHERE user_id = 'ann'")

        assert (len(sent(db)), db.stored()) == (30, {})
        assert 4 < db.in_flight <= 16


DRY = {
    "INSERT INTO sessions(session_id, user_id) VALUES ('new', 'x')": (
        "POST",
        f"{ENGINE}/sessions?sessionId=new",
        {"userId": "x"},
    ),
    "INSERT INTO sessions(user_id, ttl) VALUES ('x', 172800) RETURNING session_id": (
        "POST",
        f"{ENGINE}/sessions",
        {"userId": "x", "ttl": "172800s"},
    ),
    "UPDATE sessions SET display_name = 'D' WHERE session_id = 'ann-0'": (
        "PATCH",
        f"{ENGINE}/sessions/ann-0?updateMask=displayName",
        {"displayName": "D"},
    ),
    "DELETE FROM sessions WHERE session_id = 'ann-0'": ("DELETE", f"{ENGINE}/sessions/ann-0", None),
    "INSERT INTO events(session_id, author, content, timestamp, invocation_id) VALUES ('ann-0', 'user', 'hi', '2026-01-01', 'i')": (
        "POST",
        f"{ENGINE}/sessions/ann-0:appendEvent",
        {
            "author": "user",
            "invocationId": "i",
            "timestamp": "2026-01-01T00:00:00Z",
            "content": {"role": "user", "parts": [{"text": "hi"}]},
        },
    ),
}


@pytest.mark.parametrize("sql", DRY)
def test_a_dry_run_shows_the_exact_request_and_sends_nothing(open_, sql):
    dry, real = open_(dry_run=True), open_()
    real.fill(1)

    ((_, _, _, method, url, body),) = [row[:6] for row in dry.ask(sql)]
    assert sent(dry) == []
    real.ask(sql)

    (request,) = sent(real)
    shown_path, _, shown_query = url.partition("/v1beta1/")[2].partition("?")
    assert (method, url.partition("/v1beta1/")[2], body and json.loads(body)) == DRY[sql]
    assert request["method"] == method
    assert request["path"] == f"/v1beta1/{shown_path}"
    assert "&".join(f"{name}={value}" for name, value in request["query"].items()) == shown_query
    assert request["body"] == (body and json.loads(body))


def test_a_dry_run_refuses_the_same_statements_as_a_real_run(open_):
    dry = open_(dry_run=True)

    with pytest.raises(SessionsError, match=r"beyond 2\^53"):
        dry.ask("INSERT INTO sessions(user_id, state) VALUES ('x', '{\"n\": 9007199254740993}')")


class TestStoppingARead:
    @pytest.fixture
    def slow(self, db, monkeypatch):
        """Its requests are held back until ``go``."""
        db.fill(500)
        db.go = delays_last(monkeypatch)
        db.control.delay(1)
        return db

    def test_interrupt_ends_it_at_once(self, slow):
        with (
            once(lambda: slow.total > 0, slow.connection.interrupt),
            pytest.raises((apsw.InterruptError, SessionsError)),
        ):
            slow.ask("SELECT count(*) FROM sessions ORDER BY create_time")

        self._sends_no_more(slow)

    def test_a_keyboard_interrupt_is_raised_and_ends_the_requests(self, slow, monkeypatch):
        calls = iter(range(100))

        def interrupted(*_):
            if next(calls) == 3:
                raise KeyboardInterrupt
            return False

        with monkeypatch.context() as patch:
            patch.setattr("sessions_vtab.vtab.statements.StatementContext.interrupted", interrupted)
            with pytest.raises(KeyboardInterrupt):
                slow.ask("SELECT count(*) FROM sessions")

        self._sends_no_more(slow)

    def _sends_no_more(self, db):
        """Another read of all pages takes longer than the rest of the one that was stopped."""
        before = db.total
        db.go()
        assert db.connection.execute("SELECT count(*) FROM sessions").get == 500
        assert db.total <= before + 1 + 5


class TestStoppingACommit:
    @pytest.fixture
    def queued(self, db, monkeypatch):
        """10 rows for each of 4 sessions; the first of each are held back until ``go``."""
        ids = db.fill(4)
        db.go = delays_last(monkeypatch)
        db.control.delay(1)
        db.connection.execute("BEGIN")
        rows = [(one, str(number)) for one in ids for number in range(10)]
        db.connection.executemany(
            "INSERT INTO events(session_id, author, content) VALUES (?, 'user', ?)", rows
        )
        db.control.reset_log()
        return db

    def test_interrupt_leaves_the_remaining_rows_unsent_and_counts_them(self, queued):
        def interrupt():
            queued.connection.interrupt()
            queued.go()

        with (
            once(lambda: queued.total == 4, interrupt),
            pytest.raises((SessionsError, apsw.InterruptError)) as caught,
        ):
            queued.connection.execute("COMMIT")

        self._agrees_with_the_service(queued)
        assert "of 40 writes did not succeed" in str(caught.value)

    def test_a_keyboard_interrupt_leaves_the_remaining_rows_unsent(self, queued, monkeypatch):
        def interrupted(*_):
            if queued.total < 4:
                return False
            queued.go()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("sessions_vtab.vtab.statements.StatementContext.interrupted", interrupted)
            with pytest.raises(KeyboardInterrupt):
                queued.connection.execute("COMMIT")
        wait_for(lambda: all(one["ended"] for one in queued.log))

        outcomes = [outcome for _, outcome in queued.writes()]
        held = sum(map(len, queued.stored().values()))
        assert len(outcomes) == 40
        certain = sum(outcome.startswith("sent") for outcome in outcomes)
        assert certain <= held <= certain + outcomes.count("unknown")
        assert held < 40

    def _agrees_with_the_service(self, db):
        outcomes = [outcome for _, outcome in db.writes()]
        held = sum(map(len, db.stored().values()))
        assert len(outcomes) == 40
        assert outcomes.count("not sent") > 0
        assert sum(outcome.startswith("sent") for outcome in outcomes) == held
        assert len(sent(db)) == held
