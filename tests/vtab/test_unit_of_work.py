from __future__ import annotations

import contextlib
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection
from sessions_vtab.contract.backend import Action
from sessions_vtab.errors import (
    InvalidValueError,
    QueuedWritesError,
    UnsupportedError,
)
from tests.vtab.conftest import BoomError, names, writes_sent


def boom(value: Any, fails: Any) -> Any:
    if fails:
        raise BoomError
    return value


class TestWhatIsSentAndWhen:
    def test_the_rows_of_a_statement_outside_a_transaction_are_sent_together(
        self, memory: Connection
    ) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        assert memory.sources["mem"].backend.batches == [3]

    def test_how_far_it_is_can_be_seen_while_it_is_sent(
        self, memory: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = memory.sources["mem"].backend
        send, seen = backend.send, []

        def watched(writes: Any, context: Any) -> Any:
            for outcome in send(writes, context):
                assert memory.sending is not None
                seen.append((memory.sending.answered, memory.sending.total))
                yield outcome

        monkeypatch.setattr(backend, "send", watched)
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        assert seen == [(0, 3), (1, 3), (2, 3)]
        assert memory.sending is None

    def test_a_transaction_is_sent_at_commit_in_statement_order_over_all_tables(
        self, memory: Connection
    ) -> None:
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('s1')")
        memory.execute("INSERT INTO events(name) VALUES ('e1')")
        memory.execute("INSERT INTO sessions(name) VALUES ('s2')")
        assert writes_sent(memory) == []

        memory.execute("COMMIT")

        assert writes_sent(memory) == [("insert", "s1"), ("insert", "e1"), ("insert", "s2")]
        assert memory.sources["mem"].backend.batches == [3]

    def test_rollback_sends_nothing(self, memory: Connection) -> None:
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a'); ROLLBACK")

        assert writes_sent(memory) == []

    def test_executemany_is_one_unit(self, memory: Connection) -> None:
        memory.executemany("INSERT INTO sessions(name) VALUES (?)", [("a",), ("b",), ("c",)])

        assert memory.sources["mem"].backend.batches == [3]

    @pytest.mark.parametrize(
        ("sql", "sets", "sent"),
        [
            (
                "UPDATE sessions SET display_name = ? WHERE name = ?",
                [("x", "a"), ("y", "c")],
                [("update", "a"), ("update", "c")],
            ),
            (
                "DELETE FROM sessions WHERE name = ?",
                [("c",), ("b",), ("nobody",)],
                [("delete", "c"), ("delete", "b")],
            ),
        ],
    )
    def test_executemany_changes_rows_by_their_keys_as_one_unit(
        self, memory: Connection, sql: str, sets: list[Any], sent: list[Any]
    ) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        memory.executemany(sql, sets)

        backend = memory.sources["mem"].backend
        assert (writes_sent(memory)[3:], backend.batches) == (sent, [3, 2])

    def test_executemany_that_fails_for_one_row_sends_none(self, memory: Connection) -> None:
        with pytest.raises(InvalidValueError, match="labels"):
            memory.executemany(
                "INSERT INTO sessions(name, labels) VALUES (?, ?)", [("a", None), ("b", "bad")]
            )

        assert writes_sent(memory) == []

    def test_nested_blocks_are_sent_when_the_outermost_is_left(self, memory: Connection) -> None:
        with memory:
            memory.execute("INSERT INTO sessions(name) VALUES ('a')")
            with contextlib.suppress(BoomError), memory:
                memory.execute("INSERT INTO sessions(name) VALUES ('b')")
                raise BoomError
            with memory:
                memory.execute("INSERT INTO sessions(name) VALUES ('c')")
            assert writes_sent(memory) == []

        assert writes_sent(memory) == [("insert", "a"), ("insert", "c")]

    def test_an_update_sends_only_the_columns_that_change(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name, display_name, labels) VALUES ('a', 'x', '{}')")

        memory.execute("UPDATE sessions SET display_name = 'x', labels = '{\"env\": \"prod\"}'")

        write = memory.sources["mem"].backend.sent[-1]
        assert (write.action, write.key) == (Action.UPDATE, "a")
        assert write.values == {"labels": '{"env":"prod"}'}

    def test_an_update_that_changes_nothing_sends_nothing_and_counts_its_rows(
        self, memory: Connection
    ) -> None:
        memory.execute("INSERT INTO sessions(name, user_id) VALUES ('a', 'u'), ('b', 'v')")

        memory.execute("UPDATE sessions SET user_id = user_id")

        assert len(writes_sent(memory)) == 2
        assert memory.changes() == 2

    def test_changes_are_counted_and_the_last_rowid_is_left_alone(self, memory: Connection) -> None:
        memory.execute("CREATE TABLE native(x); INSERT INTO native VALUES (1), (2), (3)")

        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")

        assert memory.changes() == 2
        assert memory.last_insert_rowid() == 3

    def test_a_statement_that_reads_its_own_table_reads_all_of_it_before_it_writes(
        self, memory: Connection
    ) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")

        memory.execute("INSERT INTO sessions(name) SELECT name || '2' FROM sessions")

        assert names(memory) == ["a", "a2", "b", "b2"]


FAILING = {
    "a bad value": "INSERT INTO sessions(name, labels) VALUES ('x', '{}'), ('y', 'bad')",
    "a user function": "INSERT INTO sessions(name, user_id) VALUES ('x', boom(1, 0)), ('y', boom(1, 1))",
    "a user function in a source": (
        "INSERT INTO sessions(name) SELECT boom('x' || value, value = 3) FROM"
        " json_each('[1, 2, 3]')"
    ),
    "malformed JSON in SQL": (
        "INSERT INTO sessions(name, display_name) VALUES ('x', 'y'), ('y', json_extract('{', '$.a'))"
    ),
    "an overflow in SQL": (
        "INSERT INTO sessions(name, user_id) VALUES ('x', 'y'), ('y', abs(-9223372036854775808))"
    ),
    "a column that cannot be given": (
        "UPDATE sessions SET display_name = 'new', user_id = iif(name = 'b', 'other', user_id)"
    ),
}


class TestAStatementThatFailsHalfWay:
    @pytest.fixture(params=["memory", "local"])
    def connection(self, request: pytest.FixtureRequest) -> Connection:
        connection: Connection = request.getfixturevalue(request.param)
        connection.create_scalar_function("boom", boom)
        connection.execute(
            "INSERT INTO sessions(name, user_id) VALUES ('sessions/a', 'u'), ('sessions/b', 'u')"
        )
        return connection

    @pytest.mark.parametrize("sql", FAILING.values(), ids=FAILING)
    def test_leaves_nothing_of_itself_and_all_that_came_before(
        self, connection: Connection, sql: str
    ) -> None:
        sql = sql.replace("'x", "'sessions/x").replace("('y'", "('sessions/y'")
        connection.execute("BEGIN; INSERT INTO sessions(name) VALUES ('sessions/before')")

        # What reads what is queued would be refused before it starts.
        if not (sql.startswith("UPDATE") and connection.default == "mem"):
            with pytest.raises((apsw.Error, BoomError, InvalidValueError, UnsupportedError)):
                connection.execute(sql.replace("= 'b'", "= 'sessions/b'"))
        connection.execute("COMMIT")

        assert names(connection) == ["sessions/a", "sessions/b", "sessions/before"]
        assert (
            connection.execute("SELECT count(*) FROM sessions WHERE display_name = 'new'").get == 0
        )

    def test_does_so_after_a_schema_change_made_sqlite_prepare_it_anew(
        self, connection: Connection
    ) -> None:
        sql = "INSERT INTO sessions(name, labels) VALUES (?, '{}'), (?, ?)"
        connection.execute("BEGIN")
        connection.execute(sql, ("sessions/1", "sessions/2", None))
        connection.execute("CREATE TABLE native(x)")

        with pytest.raises(InvalidValueError):
            connection.execute(sql, ("sessions/3", "sessions/4", "bad"))
        connection.execute("COMMIT")

        assert names(connection) == ["sessions/1", "sessions/2", "sessions/a", "sessions/b"]

    def test_does_so_within_savepoints(self, connection: Connection) -> None:
        connection.execute("SAVEPOINT one; INSERT INTO sessions(name) VALUES ('sessions/1')")
        connection.execute("SAVEPOINT two; INSERT INTO sessions(name) VALUES ('sessions/2')")
        with pytest.raises(InvalidValueError):
            connection.execute(
                "INSERT INTO sessions(name, labels) VALUES ('sessions/3', NULL), ('sessions/4', 'bad')"
            )
        connection.execute("RELEASE two; RELEASE one")

        assert names(connection) == ["sessions/1", "sessions/2", "sessions/a", "sessions/b"]


class TestSavepoints:
    @pytest.mark.parametrize("connection", ["memory", "local"])
    @pytest.mark.parametrize(
        ("script", "left"),
        [
            ("BEGIN; +1; SAVEPOINT a; +2; ROLLBACK TO a; +3; COMMIT", "1 3"),
            ("BEGIN; SAVEPOINT a; +1; RELEASE a; +2; COMMIT", "1 2"),
            ("SAVEPOINT a; +1; SAVEPOINT b; +2; ROLLBACK TO a; +3; RELEASE a", "3"),
            ("SAVEPOINT a; SAVEPOINT b; +1; RELEASE b; ROLLBACK TO a; RELEASE a", ""),
            ("SAVEPOINT a; +1; SAVEPOINT a; +2; ROLLBACK TO a; RELEASE a; RELEASE a", "1"),
            ("BEGIN; +1; SAVEPOINT a; *2; ROLLBACK TO a; COMMIT", "1"),
            ("BEGIN; SAVEPOINT a; +1; SAVEPOINT b; *2; RELEASE b; ROLLBACK TO a; COMMIT", ""),
            ("BEGIN; SAVEPOINT a; +1; ROLLBACK TO a; ROLLBACK TO a; +2; ROLLBACK TO a; COMMIT", ""),
            ("SAVEPOINT a; +1; ROLLBACK TO a; +2; COMMIT", "2"),
            ("SAVEPOINT a; +1; ROLLBACK", ""),
            (
                "BEGIN; +1; CREATE TABLE n(x); SAVEPOINT a; +2; ROLLBACK TO a; DROP TABLE n; COMMIT",
                "1",
            ),
        ],
    )
    def test_rolling_back_to_one_takes_what_came_after_it(
        self, request: pytest.FixtureRequest, connection: str, script: str, left: str
    ) -> None:
        """``+1`` inserts session 1; ``*2`` inserts an event, so another table joins late."""
        database: Connection = request.getfixturevalue(connection)
        database.execute("INSERT INTO sessions(name, session_id) VALUES ('sessions/0', '0')")
        for step in script.split("; "):
            if step[0] in "+*":
                table, name = {
                    "+": ("sessions(name)", f"('sessions/{step[1:]}')"),
                    "*": (
                        "events(name, session_id, author)",
                        f"('sessions/0/events/{step[1:]}', '0', 'user')",
                    ),
                }[step[0]]
                database.execute(f"INSERT INTO {table} VALUES {name}")
            else:
                database.execute(step)

        assert names(database) == ["sessions/0", *(f"sessions/{one}" for one in left.split())]
        assert names(database, "events") == []


class TestReadingWhatIsQueued:
    @pytest.fixture(autouse=True)
    def _queued(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('known'), ('changed'), ('gone')")
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('q')")
        memory.execute("UPDATE sessions SET display_name = 'new' WHERE name = 'changed'")
        memory.execute("DELETE FROM sessions WHERE name = 'gone'")

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM sessions",
            "SELECT count(*) FROM mem.sessions",
            "UPDATE sessions SET display_name = 'x'",
            "SELECT * FROM sessions WHERE name = 'known'",
            "DELETE FROM sessions WHERE name = 'q'",
            "DELETE FROM sessions WHERE name IN ('known', 'q')",
            "DELETE FROM sessions WHERE name > 'k'",
            "DELETE FROM sessions WHERE user_id = 'ann'",
            "UPDATE sessions SET display_name = 'x' WHERE name = 'changed'",
            "UPDATE sessions SET display_name = 'x' WHERE name = 'changed' AND labels IS NULL",
            "UPDATE sessions SET display_name = 'x' WHERE name = 'gone'",
            "DELETE FROM sessions WHERE name = (SELECT max(name) FROM sessions)",
            "SELECT 1 FROM events WHERE session_id IN (SELECT session_id FROM sessions)",
            "INSERT INTO sessions(name) SELECT name FROM sessions",
        ],
    )
    def test_is_refused_with_a_hint(self, memory: Connection, sql: str) -> None:
        memory.execute(
            "INSERT INTO events(name, session_id) VALUES ('e', 's')"
        ) if "FROM events" not in sql else None

        with pytest.raises(QueuedWritesError, match="COMMIT first, or use RETURNING"):
            memory.execute(sql).fetchall()

        memory.execute("COMMIT")
        assert ("insert", "q") in writes_sent(memory)

    @pytest.mark.parametrize(
        ("sql", "sent"),
        [
            ("UPDATE sessions SET display_name = 'x' WHERE name = 'known'", [("update", "known")]),
            ("DELETE FROM sessions WHERE name IN ('known', 'no')", [("delete", "known")]),
            ("DELETE FROM sessions WHERE name = 'known' AND user_id = 'ann'", []),
            ("UPDATE sessions SET display_name = 'x' WHERE name = 'nobody'", []),
        ],
    )
    def test_is_not_needed_to_change_another_row_by_its_key(
        self, memory: Connection, sql: str, sent: list[Any]
    ) -> None:
        memory.execute(sql)
        memory.execute("COMMIT")

        assert writes_sent(memory)[3:] == [
            ("insert", "q"),
            ("update", "changed"),
            ("delete", "gone"),
            *sent,
        ]

    def test_of_another_table_or_source_is_not(self, memory: Connection) -> None:
        assert memory.execute("SELECT count(*) FROM events").get == 0
        assert memory.execute("SELECT count(*) FROM writes").get == 3

    def test_is_possible_again_after_rollback_to_before_it(self, memory: Connection) -> None:
        memory.execute("ROLLBACK; BEGIN; SAVEPOINT a; INSERT INTO sessions(name) VALUES ('r')")
        memory.execute("ROLLBACK TO a")

        assert names(memory) == ["changed", "gone", "known"]


def test_a_transactional_source_shows_its_own_writes_before_commit(local: Connection) -> None:
    local.execute("BEGIN; INSERT INTO sessions(session_id) VALUES ('a'), ('b')")
    local.execute("UPDATE sessions SET display_name = 'x' WHERE session_id = 'a'")
    local.execute("DELETE FROM sessions WHERE session_id = 'b'")

    assert local.execute("SELECT session_id, display_name FROM sessions").fetchall() == [("a", "x")]
    local.execute("ROLLBACK")
    assert local.execute("SELECT count(*) FROM sessions").get == 0
