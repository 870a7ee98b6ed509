from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect, register
from sessions_vtab.contract.backend import Arguments, Context, Source
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    QueuedWritesError,
    ReadOnlyError,
    SessionsError,
    StatementError,
    UnknownNameError,
    UnsupportedError,
)
from sessions_vtab.vtab.host import RecentTexts
from tests.memory import MemoryBackend


class Calls:
    """Two functions of a backend, one with an effect and one without, and how they were called."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def truncate_session(self, arguments: Arguments, context: Context) -> list[Row]:
        self.seen.append(dict(arguments))
        session = str(arguments["session"])
        core = (f"sessions/{session}", session, *(None,) * 7)
        return [(*core, '{"done":true}')]

    def batch_sessions(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        self.seen.append(dict(arguments))
        for number in range(int(arguments.get("after_number", 0)), 3):
            yield (f"n{number}", *(None,) * 9, number, None, None, None, "[]")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    routines = {
        "truncate_session": calls.truncate_session,
        "batch_sessions": calls.batch_sessions,
    }
    monkeypatch.setattr(MemoryBackend, "routines", routines)
    return calls


@pytest.fixture
def database(calls: Calls, memory: Connection) -> Connection:
    return memory


def test_arguments_are_canonical_and_named(database: Connection, calls: Calls) -> None:
    rows = database.execute("SELECT name, session_number FROM batch_sessions('b1', 1.0)").fetchall()

    assert rows == [("n1", 1), ("n2", 2)]
    assert calls.seen == [{"batch": "b1", "after_number": 1}]


def test_arguments_can_be_named_in_where(database: Connection, calls: Calls) -> None:
    database.execute(
        "SELECT 1 FROM batch_sessions WHERE batch = ? AND events_limit = 5", ("b",)
    ).fetchall()

    assert calls.seen == [{"batch": "b", "events_limit": 5}]


def test_an_argument_that_is_null_counts_as_not_given(database: Connection, calls: Calls) -> None:
    database.execute("SELECT 1 FROM batch_sessions('b1', NULL, NULL)").fetchall()

    assert calls.seen == [{"batch": "b1"}]


def test_parameters_answer_with_the_argument_as_it_was_given(database: Connection) -> None:
    row = database.execute("SELECT batch, after_number, events_limit FROM batch_sessions('b', 2.0)")

    assert row.get == ("b", 2.0, None)


def test_the_row_id_of_a_row_is_its_place(database: Connection) -> None:
    rows = database.execute("SELECT rowid, name FROM batch_sessions('b')").fetchall()

    assert rows == [(0, "n0"), (1, "n1"), (2, "n2")]


def test_a_function_is_called_for_each_row_beside_it(database: Connection, calls: Calls) -> None:
    database.execute(
        "SELECT count(*) FROM json_each('[0, 1, 2]') j, batch_sessions('b', j.value)"
    ).fetchall()

    assert [one["after_number"] for one in calls.seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("session_number = 1", 1),
        ("session_number > 0", 2),
        ("session_number IN (0, 2, 7)", 2),
        ("session_id = 's'", 0),
        ("session_id IS NULL", 3),
        ("name LIKE 'n%'", 3),
        ("name BETWEEN 'n1' AND 'n2'", 2),
        ("events = '[]' AND after_number IS TRUE", 0),
    ],
)
def test_a_condition_on_what_a_function_returns_filters_its_rows(
    database: Connection, calls: Calls, condition: str, count: int
) -> None:
    sql = f"SELECT count(*) FROM batch_sessions('b') WHERE {condition}"

    assert database.execute(sql).get == count
    assert calls.seen == [{"batch": "b"}]


@pytest.mark.parametrize("name", ["batch_sessions", "mem.batch_sessions", "main.batch_sessions"])
def test_a_function_is_in_its_sources_schema_and_the_default_needs_no_prefix(
    database: Connection, name: str
) -> None:
    assert database.execute(f"SELECT count(*) FROM {name}('b')").get == 3


def test_a_function_of_no_source_is_not_there(database: Connection) -> None:
    with pytest.raises((apsw.SQLError, UnknownNameError)):
        database.execute("SELECT * FROM nosuch.batch_sessions('b')")


@pytest.mark.parametrize(
    ("sql", "error", "says"),
    [
        ("SELECT * FROM batch_sessions", MissingParameterError,
         r"mem\.batch_sessions requires batch: batch_sessions\(batch, after_number, events_limit\)"),
        ("SELECT * FROM batch_sessions(NULL)", MissingParameterError, "requires batch"),
        ("SELECT * FROM batch_sessions WHERE after_number = 1", MissingParameterError,
         "requires batch"),
        ("SELECT * FROM batch_sessions('b') WHERE batch = 'c'", StatementError,
         "give the parameter batch only once"),
        ("SELECT * FROM batch_sessions WHERE batch > 'a'", StatementError,
         "give the parameter batch only once"),
        ("SELECT * FROM batch_sessions('b', 'one')", InvalidValueError,
         r"mem\.batch_sessions: after_number must be an integer"),
        ("SELECT * FROM truncate_session()", MissingParameterError, "requires session"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused_by_name_and_nothing_is_called(
    database: Connection, calls: Calls, sql: str, error: type[SessionsError], says: str
) -> None:
    with pytest.raises(error, match=says):
        database.execute(sql).fetchall()

    assert calls.seen == []


class TestAnEffect:
    def test_runs_once_and_returns_the_session(self, database: Connection, calls: Calls) -> None:
        rows = database.execute(
            "SELECT session_id, response FROM truncate_session('s1')"
        ).fetchall()

        assert rows == [("s1", '{"done":true}')]
        assert calls.seen == [{"session": "s1"}]

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM truncate_session('a') LIMIT 1",
            "SELECT * FROM truncate_session('a') UNION ALL SELECT * FROM truncate_session('b')",
            "SELECT * FROM (SELECT 1) LEFT JOIN truncate_session('a')",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM truncate_session('a'))",
            "WITH t AS (SELECT * FROM truncate_session('a')) SELECT * FROM t",
        ],
    )
    def test_in_another_shape_is_refused_before_it_happens(
        self, database: Connection, calls: Calls, sql: str
    ) -> None:
        with pytest.raises(StatementError):
            database.execute(sql).fetchall()

        assert calls.seen == []

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM truncate_session('a') WHERE session = 'b'",
            "SELECT * FROM truncate_session('a') WHERE 'b' <> +session",
            "SELECT * FROM truncate_session('a') AS t WHERE t.session IS NOT NULL",
            "SELECT * FROM mem.truncate_session('a') WHERE truncate_session.session LIKE 'a%'",
            "SELECT 1 FROM truncate_session('a') t WHERE EXISTS (SELECT 1 WHERE t.session = 'b')",
            "SELECT 1 FROM seeds k, truncate_session(k.n) WHERE k.n > 1 AND session = 2",
        ],
    )
    @pytest.mark.parametrize("opened", [connect, register], ids=["connect", "register"])
    def test_with_a_parameter_in_where_is_refused_before_it_happens(
        self, calls: Calls, opened: Any, sql: str
    ) -> None:
        connection = apsw.Connection(":memory:") if opened is register else None
        database = connection or connect(sources=[Source("mem", "memory")])
        if connection is not None:
            register(connection, sources=[Source("mem", "memory")])
        database.execute("CREATE TABLE seeds(n); INSERT INTO seeds VALUES (1), (2)")

        with pytest.raises(StatementError):
            database.execute(sql).fetchall()
        database.close()

        assert calls.seen == []

    @pytest.mark.parametrize(
        ("sql", "called"),
        [
            (
                "SELECT 1 FROM sessions s, truncate_session(s.session_id) WHERE s.deleted = 1",
                ["b", "d"],
            ),
            (
                (
                    "SELECT 1 FROM sessions, truncate_session(sessions.session_id)"
                    " WHERE deleted AND session_number < 4"
                ),
                ["b"],
            ),
            ("SELECT 1 FROM sessions s, truncate_session(s.session_number)", [1, 2, 3, 4]),
            (
                (
                    "SELECT s.deleted, t.* FROM sessions AS s, truncate_session(s.session_id) AS t"
                    " WHERE s.deleted = 0 OR t.session_id = 'b'"
                ),
                ["a", "b", "c", "d"],
            ),
            (
                (
                    "SELECT session_number FROM sessions, truncate_session(sessions.session_id)"
                    " WHERE sessions.user_id = ? ORDER BY deleted"
                ),
                ["a", "b"],
            ),
        ],
    )
    def test_runs_over_a_table_with_hidden_columns(
        self, database: Connection, calls: Calls, sql: str, called: list[Any]
    ) -> None:
        database.executemany(
            "INSERT INTO sessions(name, session_id, user_id, deleted, session_number)"
            " VALUES (?1, ?1, ?2, ?3, ?4)",
            [("a", "ann", 0, 1), ("b", "ann", 1, 2), ("c", "bob", 0, 3), ("d", "bob", 1, 4)],
        )

        database.execute(sql, ("ann",) if "?" in sql else ()).fetchall()

        assert sorted(one["session"] for one in calls.seen) == [str(one) for one in called]

    def test_runs_over_the_row_ids_of_a_table_of_the_users_own(
        self, database: Connection, calls: Calls
    ) -> None:
        database.execute("CREATE TABLE k(id); INSERT INTO k VALUES ('a'), ('b'), ('c')")

        database.execute(
            "SELECT 1 FROM k, truncate_session(k.id) WHERE k.rowid IN (1, 3)"
        ).fetchall()

        assert [one["session"] for one in calls.seen] == ["a", "c"]

    def test_over_hidden_columns_is_refused_beside_a_star(
        self, database: Connection, calls: Calls
    ) -> None:
        for star in ("*", "s.*"):
            with pytest.raises(UnsupportedError, match=r"deleted is a hidden column"):
                database.execute(f"SELECT {star} FROM sessions s, truncate_session(s.deleted)")

        assert calls.seen == []

    def test_is_refused_in_a_view(self, database: Connection, calls: Calls) -> None:
        with contextlib.suppress(StatementError):
            database.execute("CREATE TEMP VIEW v AS SELECT * FROM truncate_session('a')")
        with pytest.raises((apsw.SQLError, StatementError)):
            database.execute("SELECT * FROM v").fetchall()

        assert calls.seen == []

    def test_is_refused_while_writes_are_queued(self, database: Connection, calls: Calls) -> None:
        database.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a')")

        with pytest.raises(QueuedWritesError, match=r"truncate_session\(\) cannot be used"):
            database.execute("SELECT * FROM truncate_session('a')").fetchall()

        assert calls.seen == []

    def test_is_refused_on_a_source_that_is_read_only(self, calls: Calls) -> None:
        connection = apsw.Connection(":memory:")
        register(connection, sources=[Source("mem", "memory", read_only=True)])

        with pytest.raises(ReadOnlyError, match=r"truncate_session\(\) would write to mem"):
            connection.execute("SELECT * FROM truncate_session('a')").fetchall()
        assert connection.execute("SELECT count(*) FROM batch_sessions('b')").get == 3
        connection.close()

        assert len(calls.seen) == 1


class TestOfAStoreInATransaction:
    """A function of a transactional source acts inside the transaction that is open."""

    APPEND = "SELECT event_id FROM append_event('s', 'user', 'x')"
    WRITE = "UPDATE sessions SET display_name = 'x'"

    @pytest.fixture
    def store(self, local: Connection) -> Connection:
        local.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s', 'ann')")
        return local

    @pytest.mark.parametrize(
        ("steps", "events"),
        [
            ((APPEND,), 1),
            (("BEGIN", APPEND, "COMMIT"), 1),
            (("BEGIN", APPEND, "ROLLBACK"), 0),
            (("BEGIN", WRITE, APPEND, "ROLLBACK"), 0),
            (("BEGIN", APPEND, WRITE, "ROLLBACK"), 0),
            (("BEGIN IMMEDIATE", APPEND, APPEND, "ROLLBACK"), 0),
            (("SAVEPOINT a", APPEND, "ROLLBACK TO a", "RELEASE a"), 0),
            (("SAVEPOINT a", APPEND, "RELEASE a"), 1),
            (("BEGIN", APPEND, "SAVEPOINT a", APPEND, "ROLLBACK TO a", "COMMIT"), 1),
            (("BEGIN", "SAVEPOINT a", APPEND, "ROLLBACK TO a", APPEND, "COMMIT"), 1),
            (("BEGIN", f"CREATE TEMP TABLE r AS {APPEND}", "ROLLBACK"), 0),
            (("BEGIN", APPEND.replace("append", "loc.append"), "ROLLBACK"), 0),
        ],
    )
    def test_goes_the_way_of_the_transaction(
        self, store: Connection, steps: tuple[str, ...], events: int
    ) -> None:
        for step in steps:
            store.execute(step).fetchall()

        assert not store.in_transaction
        assert store.execute("SELECT count(*) FROM events").get == events

    def test_is_seen_before_commit(self, store: Connection) -> None:
        store.execute("BEGIN")
        store.execute(self.APPEND).fetchall()

        assert store.execute("SELECT text FROM events").fetchall() == [("x",)]
        store.execute("ROLLBACK")


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_no_parameter_shares_a_name_with_a_result(function: Any) -> None:
    """SQLite would call it a duplicate column; ``SELECT *`` would hide one of them."""
    names = [column.name for column in (*function.results, *function.parameters)]

    assert len(names) == len(set(names))
    assert set(function.required) <= {column.name for column in function.parameters}


def test_only_the_texts_that_were_marked_last_are_remembered() -> None:
    texts = RecentTexts(most=2)

    for text in ("a", "b", "a", "c"):
        texts.add(text)

    assert [text in texts for text in ("a", "b", "c")] == [True, False, True]
