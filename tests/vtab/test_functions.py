from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, register
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    QueuedWritesError,
    ReadOnlyError,
    SessionsError,
    StatementError,
    UnknownNameError,
)
from sessions_vtab.schema.functions import FUNCTIONS
from sessions_vtab.spec.backend import Arguments, Context
from sessions_vtab.spec.scan import Row
from sessions_vtab.spec.source import Source
from sessions_vtab.testing.memory import MemoryBackend
from sessions_vtab.vtab.host import RecentTexts


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


def test_a_function_is_called_for_each_row_beside_it(database: Connection, calls: Calls) -> None:
    database.execute(
        "SELECT count(*) FROM json_each('[0, 1, 2]') j, batch_sessions('b', j.value)"
    ).fetchall()

    assert [one["after_number"] for one in calls.seen] == [0, 1, 2]


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
