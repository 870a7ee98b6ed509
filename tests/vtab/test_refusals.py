"""What is refused before anything is sent: changed schemas, conflicts, too many rows."""

from __future__ import annotations

import apsw
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import (
    BudgetError,
    QueuedWritesError,
    ReadOnlyError,
    UnsupportedError,
)
from tests.vtab.conftest import names, outcomes, writes_sent


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

        assert writes_sent(memory) == [("insert", "a")]

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

        assert writes_sent(memory) == [("insert", "a")]

    def test_a_schema_change_that_is_rolled_back_keeps_the_rows_around_it(
        self, memory: Connection
    ) -> None:
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a'); SAVEPOINT s")
        memory.execute("CREATE TABLE native(x); INSERT INTO sessions(name) VALUES ('b')")
        memory.execute("ROLLBACK TO s; INSERT INTO sessions(name) VALUES ('c'); COMMIT")

        assert writes_sent(memory) == [("insert", "a"), ("insert", "c")]

    def test_a_table_of_another_name_can_be_dropped_meanwhile(self, memory: Connection) -> None:
        memory.execute("CREATE TABLE native(x); CREATE TEMP TABLE other(x)")
        memory.execute("BEGIN; INSERT INTO mem.sessions(name) VALUES ('a')")
        memory.execute("DROP TABLE native; DROP TABLE IF EXISTS temp.other; COMMIT")

        assert writes_sent(memory) == [("insert", "a")]

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

        assert names(connection) == ["sessions/a", "sessions/b"]
        assert outcomes(connection)[1:] == [("sessions/a", "skipped"), ("sessions/b", "sent")]

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

        assert names(connection) == ["sessions/a"]
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

        assert names(connection) == ["sessions/a"]

    def test_a_column_that_is_fixed_at_creation_cannot_be_changed(
        self, connection: Connection
    ) -> None:
        with pytest.raises(UnsupportedError, match=r"sessions\.user_id cannot be changed"):
            connection.execute("UPDATE sessions SET user_id = 'v', display_name = 'x'")

        assert connection.execute("SELECT user_id, display_name FROM sessions").get == ("u", None)

    @pytest.mark.parametrize(
        "change",
        [
            "name = 'z'",
            "user_id = 'u'",
            "display_name = 'x', user_id = NULL",
            "(display_name, user_id) = (SELECT 'x', 'v')",
            "user_id = lower(user_id)",
        ],
    )
    @pytest.mark.parametrize("where", ["", "WHERE name = 'no such'", "WHERE 0"])
    def test_a_statement_that_names_it_is_refused_whatever_rows_it_finds(
        self, connection: Connection, change: str, where: str
    ) -> None:
        with pytest.raises(UnsupportedError, match=r"sessions\.(user_id|name) cannot be changed"):
            connection.execute(f"UPDATE sessions SET {change} {where}")

    @pytest.mark.parametrize("change", ["user_id = user_id", "name = sessions.name", "NAME = name"])
    def test_a_column_may_be_set_to_itself(self, connection: Connection, change: str) -> None:
        connection.execute(f"UPDATE sessions SET {change}, display_name = 'x'")

        assert connection.execute("SELECT user_id, display_name FROM sessions").get == ("u", "x")


class TestLimits:
    def test_max_writes_stops_a_statement_before_anything_is_sent(self, memory: Connection) -> None:
        memory.budget.max_writes = 2

        with pytest.raises(BudgetError, match=r"more than 2 rows of mem\.sessions \(max_writes\)"):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        assert writes_sent(memory) == []
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")
        assert len(writes_sent(memory)) == 2

    def test_nobody_to_ask_inside_a_transaction_is_no_permission(self, memory: Connection) -> None:
        memory.budget.max_writes = 2
        memory.execute("BEGIN; INSERT INTO sessions(name) VALUES ('z')")

        with pytest.raises(BudgetError, match=r"more than 2 rows of mem\.sessions \(max_writes\)"):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b'), ('c')")

        memory.execute("COMMIT")
        assert len(writes_sent(memory)) == 1

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

        assert len(writes_sent(database)) == 2
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
        assert names(database) == ["a"]
        database.close()
