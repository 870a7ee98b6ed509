from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.write import Action
from sessions_vtab.errors import (
    BudgetError,
    ConflictError,
    InvalidValueError,
    QueuedWritesError,
    ReadOnlyError,
    UnknownOutcomeError,
    UnsupportedError,
    WriteError,
)


def _sent(connection: Connection, source: str = "mem") -> list[tuple[str, Any]]:
    writes = connection.sources[source].backend.sent
    return [(one.action.value, one.key or one.values["name"]) for one in writes]


def _names(connection: Connection, table: str = "sessions") -> list[str]:
    return [name for (name,) in connection.execute(f"SELECT name FROM {table} ORDER BY name")]


def _outcomes(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT key, outcome FROM writes ORDER BY number").fetchall()


class BoomError(Exception):
    pass


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
        assert _sent(memory) == []

        memory.execute("COMMIT")

        assert _sent(memory) == [("insert", "s1"), ("insert", "e1"), ("insert", "s2")]
        assert memory.sources["mem"].backend.batches == [3]

    def test_rollback_sends_nothing(self, memory: Connection) -> None:
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a'); ROLLBACK")

        assert _sent(memory) == []

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
        assert (_sent(memory)[3:], backend.batches) == (sent, [3, 2])

    def test_executemany_that_fails_for_one_row_sends_none(self, memory: Connection) -> None:
        with pytest.raises(InvalidValueError, match="labels"):
            memory.executemany(
                "INSERT INTO sessions(name, labels) VALUES (?, ?)", [("a", None), ("b", "bad")]
            )

        assert _sent(memory) == []

    def test_nested_blocks_are_sent_when_the_outermost_is_left(self, memory: Connection) -> None:
        with memory:
            memory.execute("INSERT INTO sessions(name) VALUES ('a')")
            with contextlib.suppress(BoomError), memory:
                memory.execute("INSERT INTO sessions(name) VALUES ('b')")
                raise BoomError
            with memory:
                memory.execute("INSERT INTO sessions(name) VALUES ('c')")
            assert _sent(memory) == []

        assert _sent(memory) == [("insert", "a"), ("insert", "c")]

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

        assert len(_sent(memory)) == 2
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

        assert _names(memory) == ["a", "a2", "b", "b2"]


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

        assert _names(connection) == ["sessions/a", "sessions/b", "sessions/before"]
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

        assert _names(connection) == ["sessions/1", "sessions/2", "sessions/a", "sessions/b"]

    def test_does_so_within_savepoints(self, connection: Connection) -> None:
        connection.execute("SAVEPOINT one; INSERT INTO sessions(name) VALUES ('sessions/1')")
        connection.execute("SAVEPOINT two; INSERT INTO sessions(name) VALUES ('sessions/2')")
        with pytest.raises(InvalidValueError):
            connection.execute(
                "INSERT INTO sessions(name, labels) VALUES ('sessions/3', NULL), ('sessions/4', 'bad')"
            )
        connection.execute("RELEASE two; RELEASE one")

        assert _names(connection) == ["sessions/1", "sessions/2", "sessions/a", "sessions/b"]


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

        assert _names(database) == ["sessions/0", *(f"sessions/{one}" for one in left.split())]
        assert _names(database, "events") == []


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
        assert ("insert", "q") in _sent(memory)

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

        assert _sent(memory)[3:] == [
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

        assert _names(memory) == ["changed", "gone", "known"]


def test_a_transactional_source_shows_its_own_writes_before_commit(local: Connection) -> None:
    local.execute("BEGIN; INSERT INTO sessions(session_id) VALUES ('a'), ('b')")
    local.execute("UPDATE sessions SET display_name = 'x' WHERE session_id = 'a'")
    local.execute("DELETE FROM sessions WHERE session_id = 'b'")

    assert local.execute("SELECT session_id, display_name FROM sessions").fetchall() == [("a", "x")]
    local.execute("ROLLBACK")
    assert local.execute("SELECT count(*) FROM sessions").get == 0


class TestWhenCommitDoesNotEndIt:
    def test_a_second_sync_sends_nothing(self, memory: Connection, tmp_path: Path) -> None:
        """A locked file makes COMMIT fail after our rows were sent; the retry sends no row again."""
        file = str(tmp_path / "native.db")
        other = apsw.Connection(file)
        other.execute("CREATE TABLE t(x)")
        memory.execute("ATTACH ? AS native", (file,))
        memory.execute("BEGIN; INSERT INTO native.t VALUES (1)")
        memory.execute("INSERT INTO sessions(name) VALUES ('a')")
        reader = other.execute("SELECT * FROM sqlite_schema")
        next(reader)

        with pytest.raises(apsw.BusyError):
            memory.execute("COMMIT")
        assert memory.in_transaction
        reader.close()
        memory.execute("COMMIT")

        assert _sent(memory) == [("insert", "a")]
        assert _outcomes(memory) == [("a", "sent")]
        other.close()

    def test_a_rollback_after_sending_is_recorded(self, memory: Connection) -> None:
        memory.set_commit_hook(lambda: True)

        with pytest.raises(apsw.ConstraintError):
            memory.execute("INSERT INTO sessions(name) VALUES ('a')")

        memory.set_commit_hook(None)
        assert _sent(memory) == [("insert", "a")]
        assert _outcomes(memory) == [("a", "sent although rolled back")]

    def test_a_row_that_fails_rolls_back_native_tables_and_counts_what_was_sent(
        self, memory: Connection
    ) -> None:
        memory.execute("CREATE TABLE native(x)")
        memory.execute("INSERT INTO sessions(name) VALUES ('taken')")
        memory.execute("BEGIN; INSERT INTO native VALUES (1)")
        memory.execute("INSERT INTO sessions(name) VALUES ('new'), ('taken')")

        with pytest.raises(
            WriteError, match=r"1 of 2 writes .*\(1 was sent\).* already has a row taken\. The"
        ):
            memory.execute("COMMIT")

        assert not memory.in_transaction
        assert memory.execute("SELECT count(*) FROM native").get == 0
        assert _outcomes(memory) == [
            ("taken", "sent"),
            ("new", "sent although rolled back"),
            ("taken", "failed"),
        ]

    def test_the_only_row_fails_with_its_own_error(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('taken')")

        with pytest.raises(ConflictError, match="already has a row taken"):
            memory.execute("INSERT INTO sessions(name) VALUES ('taken')")


class TestSeveralSources:
    def test_are_written_in_one_transaction(self, opened: Callable[..., Connection]) -> None:
        database = opened(one="memory", two="memory")
        database.execute("BEGIN; INSERT INTO two.sessions(name) VALUES ('b1')")
        database.execute("INSERT INTO one.sessions(name) VALUES ('a')")
        database.execute("INSERT INTO two.sessions(name) VALUES ('b2')")
        assert _sent(database, "one") == _sent(database, "two") == []

        database.execute("COMMIT")

        assert _sent(database, "one") == [("insert", "a")]
        assert _sent(database, "two") == [("insert", "b1"), ("insert", "b2")]

    def test_after_one_has_failed_the_next_is_not_sent_to(
        self, opened: Callable[..., Connection]
    ) -> None:
        database = opened(one="memory", two="memory")
        database.execute("INSERT INTO one.sessions(name) VALUES ('taken')")
        database.execute("BEGIN; INSERT INTO one.sessions(name) VALUES ('taken')")
        database.execute("INSERT INTO two.sessions(name) VALUES ('b')")

        with pytest.raises(WriteError, match="2 of 2"):
            database.execute("COMMIT")

        assert _sent(database, "two") == []
        assert _outcomes(database)[1:] == [("taken", "failed"), ("b", "not sent")]

    @pytest.mark.parametrize("order", [("loc", "mem"), ("mem", "loc")])
    def test_a_store_of_our_own_comes_last_and_undoes_what_a_remote_refused(
        self, opened: Callable[..., Connection], order: tuple[str, str]
    ) -> None:
        database = opened(loc="local", mem="memory")
        database.execute("INSERT INTO mem.sessions(name) VALUES ('sessions/taken')")
        database.execute("BEGIN")
        for source in order:
            database.execute(f"INSERT INTO {source}.sessions(name) VALUES ('sessions/taken')")

        with pytest.raises(ConflictError):
            database.execute("COMMIT")

        assert database.execute("SELECT count(*) FROM loc.sessions").get == 0


class TestSchemaChanges:
    @pytest.mark.parametrize(
        "drop",
        [
            "DROP TABLE mem.sessions",
            'drop table if exists "MEM" . [Sessions] -- and more',
            "SELECT 1; DROP TABLE mem.sessions; SELECT 2",
        ],
    )
    def test_drop_of_a_table_with_queued_rows_is_refused_and_the_rows_are_kept(
        self, memory: Connection, drop: str
    ) -> None:
        memory.execute("BEGIN; INSERT INTO mem.sessions(name) VALUES ('a')")

        with pytest.raises(QueuedWritesError, match=r"mem\.sessions has writes .* before DROP"):
            memory.execute(drop)
        memory.execute("COMMIT")

        assert _sent(memory) == [("insert", "a")]

    @pytest.mark.parametrize("table", ["sessions", "mem.sessions"])
    def test_a_table_keeps_its_name(self, memory: Connection, table: str) -> None:
        with pytest.raises(UnsupportedError, match='CREATE TEMP VIEW "mine" AS SELECT'):
            memory.execute(f"ALTER TABLE {table} RENAME TO mine")

        assert memory.execute(f"SELECT count(*) FROM {table}").get == 0

    def test_detach_of_a_source_with_queued_rows_is_refused(self, memory: Connection) -> None:
        memory.execute("BEGIN; INSERT INTO mem.sessions(name) VALUES ('a')")

        with pytest.raises(apsw.SQLError, match=r"locked|within transaction"):
            memory.execute("DETACH mem")
        memory.execute("COMMIT")

        assert _sent(memory) == [("insert", "a")]

    def test_a_schema_change_that_is_rolled_back_keeps_the_rows_around_it(
        self, memory: Connection
    ) -> None:
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a'); SAVEPOINT s")
        memory.execute("CREATE TABLE native(x); INSERT INTO sessions(name) VALUES ('b')")
        memory.execute("ROLLBACK TO s; INSERT INTO sessions(name) VALUES ('c'); COMMIT")

        assert _sent(memory) == [("insert", "a"), ("insert", "c")]

    def test_a_table_of_another_name_can_be_dropped_meanwhile(self, memory: Connection) -> None:
        memory.execute("CREATE TABLE native(x); CREATE TEMP TABLE other(x)")
        memory.execute("BEGIN; INSERT INTO mem.sessions(name) VALUES ('a')")
        memory.execute("DROP TABLE native; DROP TABLE IF EXISTS temp.other; COMMIT")

        assert _sent(memory) == [("insert", "a")]

    @pytest.mark.parametrize(
        "using",
        ["USING sessions_vtab(mem)", 'USING "Sessions_VTab"', "using sessions_vtab_function"],
    )
    def test_users_cannot_create_virtual_tables_of_this_package(
        self, memory: Connection, using: str
    ) -> None:
        with pytest.raises(UnsupportedError, match=r"not by CREATE VIRTUAL TABLE"):
            memory.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS mine {using}")

        assert memory.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'").get == 0


class TestConflicts:
    @pytest.fixture(params=["memory", "local"])
    def connection(self, request: pytest.FixtureRequest) -> Connection:
        connection: Connection = request.getfixturevalue(request.param)
        connection.execute("INSERT INTO sessions(name, user_id) VALUES ('sessions/a', 'u')")
        return connection

    def test_or_ignore_skips_rows_that_exist(self, connection: Connection) -> None:
        connection.execute(
            "INSERT OR IGNORE INTO sessions(name) VALUES ('sessions/a'), ('sessions/b')"
        )

        assert _names(connection) == ["sessions/a", "sessions/b"]
        assert _outcomes(connection)[1:] == [("sessions/a", "skipped"), ("sessions/b", "sent")]

    @pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE"])
    def test_replace_is_refused_with_what_to_use(self, connection: Connection, verb: str) -> None:
        with pytest.raises(UnsupportedError, match=r"(?i)use UPDATE"):
            connection.execute(f"{verb} INTO sessions(name) VALUES ('sessions/a')")

    @pytest.mark.parametrize(
        ("verb", "says"),
        [
            ("OR FAIL", "OR FAIL would keep the rows before .* Use INSERT, or INSERT OR IGNORE"),
            (
                "OR ROLLBACK",
                "OR ROLLBACK would roll back at the first row .* ROLLBACK after an error",
            ),
        ],
    )
    def test_conflict_clauses_that_cannot_work_as_in_sqlite_are_refused(
        self, connection: Connection, verb: str, says: str
    ) -> None:
        connection.execute("CREATE TABLE native(x); BEGIN; INSERT INTO native VALUES (1)")

        with pytest.raises(UnsupportedError, match=says):
            connection.execute(f"INSERT {verb} INTO sessions(name) VALUES ('sessions/b')")
        connection.execute("COMMIT")

        assert _names(connection) == ["sessions/a"]
        assert connection.execute("SELECT x FROM native").get == 1

    @pytest.mark.parametrize("verb", ["", "OR ABORT", "OR FAIL", "OR IGNORE", "OR ROLLBACK"])
    def test_an_update_without_possible_conflicts_accepts_every_conflict_clause(
        self, connection: Connection, verb: str
    ) -> None:
        connection.execute(f"UPDATE {verb} sessions SET display_name = 'x'")

        assert connection.execute("SELECT display_name FROM sessions").get == "x"

    def test_a_key_cannot_be_changed(self, connection: Connection) -> None:
        with pytest.raises(UnsupportedError, match=r"sessions\.name cannot be changed"):
            connection.execute("UPDATE sessions SET name = 'sessions/z'")

        assert _names(connection) == ["sessions/a"]

    def test_a_column_that_is_fixed_at_creation_cannot_be_changed(
        self, connection: Connection
    ) -> None:
        with pytest.raises(UnsupportedError, match=r"sessions\.user_id cannot be changed"):
            connection.execute("UPDATE sessions SET user_id = 'v', display_name = 'x'")

        assert connection.execute("SELECT user_id, display_name FROM sessions").get == ("u", None)


class TestLimits:
    def test_max_writes_stops_a_statement_before_anything_is_sent(self, memory: Connection) -> None:
        memory.budget.max_writes = 2

        with pytest.raises(BudgetError, match=r"more than 2 rows of mem\.sessions \(max_writes\)"):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        assert _sent(memory) == []
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")
        assert len(_sent(memory)) == 2

    def test_nobody_to_ask_inside_a_transaction_is_no_permission(self, memory: Connection) -> None:
        memory.budget.max_writes = 2
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('z')")

        with pytest.raises(BudgetError, match=r"more than 2 rows of mem\.sessions \(max_writes\)"):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        memory.execute("COMMIT")
        assert len(_sent(memory)) == 1

    def test_max_requests_ends_a_read(self, memory: Connection) -> None:
        memory.executemany("INSERT INTO sessions(name) VALUES (?)", [(f"{n}",) for n in range(20)])
        memory.budget.max_requests = 2

        with pytest.raises(BudgetError, match=r"more than 2 requests .* mem\.sessions"):
            memory.execute("SELECT * FROM sessions").fetchall()

    def test_a_limit_of_the_source_holds_unless_the_connection_sets_its_own(self) -> None:
        database = connect(sources=[Source("mem", "memory", max_writes=1)])

        with pytest.raises(BudgetError):
            database.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")
        database.budget.max_writes = 5
        database.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")

        assert len(_sent(database)) == 2
        database.close()

    @pytest.mark.parametrize(
        "sql",
        [
            "INSERT INTO sessions(name) VALUES ('b')",
            "UPDATE sessions SET display_name = 'x'",
            "DELETE FROM sessions",
        ],
    )
    @pytest.mark.parametrize("how", ["connection", "source"])
    def test_what_is_read_only_is_not_written(self, how: str, sql: str) -> None:
        source = Source("mem", "memory", read_only=how == "source")
        database = connect(sources=[source], read_only=how == "connection")
        rows = database.sources["mem"].backend.tables["sessions"]
        rows.rows["a"] = dict.fromkeys(rows.table.names) | {"name": "a"}

        said = r"mem\.sessions would write .* read-only \(read_only\)\. Nothing was sent"
        with pytest.raises(ReadOnlyError, match=said):
            database.execute(sql)
        with pytest.raises(ReadOnlyError, match=said):
            database.execute(f"BEGIN; {sql}")
        database.execute("ROLLBACK")

        assert rows.pages == 0
        assert _names(database) == ["a"]
        database.close()


class TestABackendThatIsCutShort:
    def _cut(self, monkeypatch: pytest.MonkeyPatch, memory: Connection, error: Exception | None):
        backend = memory.sources["mem"].backend
        whole = backend.send

        def send(writes, context):
            yield from whole(writes[:1], context)
            if error is not None:
                raise error

        monkeypatch.setattr(backend, "send", send)

    def test_by_an_error_leaves_the_rest_unknown(
        self, memory: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._cut(monkeypatch, memory, BoomError())

        with pytest.raises(BoomError):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")

        assert _outcomes(memory) == [("a", "sent although rolled back"), ("b", "unknown")]

    def test_without_a_word_leaves_the_rest_unknown(
        self, memory: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._cut(monkeypatch, memory, None)

        with pytest.raises(UnknownOutcomeError, match=r"1 of 2 .* 1 has an unknown outcome"):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")
