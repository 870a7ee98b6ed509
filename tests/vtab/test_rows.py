"""UPDATE and DELETE whose subqueries read the table that they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sessions_vtab import Connection
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.vtab.rows import OldRows

_LAST = "(SELECT max(t.session_id) FROM sessions t WHERE t.user_id = sessions.user_id)"
_ROWS = [("a", "ann", "A"), ("b", "ann", "B"), ("c", "bob", "C")]


@pytest.fixture(params=["local", "memory"])
def database(request: pytest.FixtureRequest, opened: Callable[..., Connection]) -> Connection:
    connection = opened(src=request.param)
    connection.executemany(
        "INSERT INTO sessions(name, session_id, user_id, display_name)"
        " VALUES ('sessions/' || ?1, ?1, ?2, ?3)",
        _ROWS,
    )
    return connection


def _shown(connection: Connection) -> dict[str, Any]:
    rows = connection.execute("SELECT session_id, display_name FROM sessions").fetchall()
    return dict(rows)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"UPDATE sessions SET display_name = NULL WHERE session_id = {_LAST}",
         {"a": "A", "b": None, "c": None}),
        (f"UPDATE sessions SET display_name = 'x' WHERE session_id = {_LAST}",
         {"a": "A", "b": "x", "c": "x"}),
        ("UPDATE sessions SET display_name = NULL WHERE (SELECT count(*) FROM sessions) > 1",
         {"a": None, "b": None, "c": None}),
        ("UPDATE sessions SET display_name = (SELECT count(*) FROM sessions)",
         {"a": "3", "b": "3", "c": "3"}),
        (("UPDATE sessions SET display_name = (SELECT max(t.user_id) FROM sessions t)"
         " WHERE EXISTS (SELECT 1 FROM sessions t WHERE t.session_id > sessions.session_id)"),
         {"a": "bob", "b": "bob", "c": "C"}),
        (("UPDATE sessions SET (display_name) = (SELECT t.user_id FROM sessions t"
         " WHERE t.session_id = sessions.session_id)"), {"a": "ann", "b": "ann", "c": "bob"}),
        (("UPDATE sessions SET display_name = NULL FROM sessions AS o"
         " WHERE o.session_id = sessions.session_id AND o.user_id = 'ann'"),
         {"a": None, "b": None, "c": "C"}),
        (("UPDATE sessions AS s SET display_name = o.top FROM (SELECT user_id, max(session_id) AS"
         " top FROM sessions GROUP BY user_id) o WHERE o.user_id = s.user_id"),
         {"a": "b", "b": "b", "c": "c"}),
        (f"DELETE FROM sessions WHERE session_id = {_LAST}", {"a": "A"}),
        ("DELETE FROM sessions WHERE (SELECT count(*) FROM sessions) > 2 AND user_id = 'ann'",
         {"c": "C"}),
    ],
)  # fmt: skip
def test_a_change_that_reads_its_own_table_writes_what_sqlite_writes(
    database: Connection, sql: str, expected: dict[str, Any]
) -> None:
    database.execute(sql)

    assert _shown(database) == expected


def test_the_rows_it_returns_are_whole(database: Connection) -> None:
    sql = f"DELETE FROM sessions WHERE session_id = {_LAST} RETURNING session_id, display_name"

    assert sorted(database.execute(sql)) == [("b", "B"), ("c", "C")]


def test_what_does_not_change_is_not_sent(memory: Connection) -> None:
    memory.execute("INSERT INTO sessions(name, user_id, display_name) VALUES ('a', 'u', 'u')")
    memory.execute("INSERT INTO sessions(name, user_id, display_name) VALUES ('b', 'u', 'x')")
    sent = memory.sources["mem"].backend.sent
    sent.clear()

    memory.execute(
        "UPDATE sessions SET display_name ="
        " (SELECT t.user_id FROM sessions t WHERE t.name = sessions.name)"
    )

    assert [(one.key, dict(one.values)) for one in sent] == [("b", {"display_name": "u"})]


class TestOldRows:
    """The first column of a row is its name, the second its session id."""

    @staticmethod
    def _row(name: str, session_id: str | None) -> tuple[Any, ...]:
        return (name, session_id, *(None for _ in SESSIONS.columns[2:]))

    def _read(self, old: OldRows, *names: str, statement: int = 1, whole: bool = True) -> None:
        rows = [self._row(name, f"id-{name}") for name in names]
        assert list(old.remembered(rows, statement, whole=whole)) == rows

    def test_a_scan_of_some_columns_tells_who_the_row_is_and_no_more(self) -> None:
        old = OldRows(SESSIONS, (0, 1))

        self._read(old, "a", whole=False)

        assert (old.row("a"), old.identity("a")) == (None, ("a", "id-a"))

    def test_it_does_not_replace_a_row_that_was_read_whole(self) -> None:
        old = OldRows(SESSIONS, (0, 1))

        self._read(old, "a")
        self._read(old, "a", whole=False)

        assert old.row("a") == self._row("a", "id-a")

    def test_another_statement_begins_anew(self) -> None:
        old = OldRows(SESSIONS, (0, 1))

        self._read(old, "a")
        self._read(old, "b", statement=2)

        assert (old.row("a"), old.identity("a")) == (None, ("a", None))
        assert old.row("b") is not None

    def test_it_remembers_the_last_ten_thousand(self) -> None:
        old = OldRows(SESSIONS, (0, 1))

        self._read(old, *(f"n{number}" for number in range(10_001)))

        assert old.row("n0") is None
        assert old.row("n1") is not None

    def test_whole_is_every_column_that_has_values_of_its_own(self) -> None:
        old = OldRows(SESSIONS, (0, 1))
        every = frozenset(SESSIONS.names)

        assert old.are_whole(every - {"_push", "_args"})
        assert not old.are_whole(every - {"state"})
