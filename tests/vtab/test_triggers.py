"""Triggers of the user's own tables that write to ours: what they read is right, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sessions_vtab import Connection
from sessions_vtab.errors import QueuedWritesError

_INSERT = (
    "INSERT INTO sessions(name, session_id, user_id) VALUES ('sessions/' || new.id, new.id, 'u')"
)
_CHANGE = "UPDATE sessions SET display_name = coalesce(display_name, '') || {0!r} WHERE name = {1}"


def _change(text: str, key: str = "'sessions/' || new.id") -> str:
    return _CHANGE.format(text, key)


_COUNT = "INSERT INTO counts SELECT count(*) FROM sessions"


@contextmanager
def _trigger(connection: Connection, *body: str) -> Iterator[None]:
    text = "; ".join(body)
    connection.execute(f"CREATE TEMP TRIGGER t AFTER INSERT ON own BEGIN {text}; END")
    yield
    connection.execute("DROP TRIGGER temp.t")


def _prepared(connection: Connection) -> Connection:
    connection.execute("CREATE TABLE own(id); CREATE TABLE counts(n)")
    connection.execute(
        "INSERT INTO sessions(name, session_id, user_id)"
        " VALUES ('sessions/a', 'a', 'u'), ('sessions/b', 'b', 'u')"
    )
    return connection


def _rows(connection: Connection) -> dict[str, str | None]:
    return dict(connection.execute("SELECT session_id, display_name FROM sessions").fetchall())


_SEES_ITS_OWN_ROWS = [
    ((_INSERT, _change("x")), "n", {"a": None, "b": None, "n": "x"}),
    ((_change("1"), _change("2")), "a", {"a": "12", "b": None}),
    ((_change("1"), _change("2"), _change("3")), "b", {"a": None, "b": "123"}),
    ((_INSERT, _COUNT), "n", {"a": None, "b": None, "n": None}),
    (("DELETE FROM sessions WHERE name = 'sessions/' || new.id", _COUNT), "a", {"b": None}),
    ((_change("1"), "UPDATE sessions SET display_name = 'y' WHERE user_id = 'u'"), "a",
     {"a": "y", "b": "y"}),
    ((_INSERT, "UPDATE sessions SET display_name = 'y' WHERE session_id >= 'b'"), "n",
     {"a": None, "b": "y", "n": "y"}),
    ((_INSERT, "UPDATE sessions SET display_name = (SELECT count(*) FROM sessions)"), "n",
     {"a": "3", "b": "3", "n": "3"}),
]  # fmt: skip
_SENT = [
    ((_INSERT,), "n", {"a": None, "b": None, "n": None}),
    ((_change("1"),), "a", {"a": "1", "b": None}),
    ((_change("1", "'sessions/a'"), _change("2", "'sessions/b'")), "x", {"a": "1", "b": "2"}),
    ((_COUNT, _INSERT), "n", {"a": None, "b": None, "n": None}),
]


@pytest.mark.parametrize(("body", "new", "expected"), [*_SEES_ITS_OWN_ROWS, *_SENT])
def test_a_store_shows_a_trigger_what_it_has_written(
    local: Connection, body: tuple[str, ...], new: str, expected: dict[str, str | None]
) -> None:
    with _trigger(_prepared(local), *body):
        local.execute("INSERT INTO own VALUES (?)", (new,))

    assert _rows(local) == expected
    counted = [n for (n,) in local.execute("SELECT n FROM counts")]
    assert counted == [2 if body[0] == _COUNT else len(expected) for one in body if one == _COUNT]


@pytest.mark.parametrize(("body", "new", "expected"), _SEES_ITS_OWN_ROWS)
def test_of_a_queued_source_reading_them_is_refused_and_nothing_is_sent(
    memory: Connection, body: tuple[str, ...], new: str, expected: dict[str, str | None]
) -> None:
    with (
        _trigger(_prepared(memory), *body),
        pytest.raises(QueuedWritesError, match=r"mem\.sessions cannot be used in this trigger"),
    ):
        memory.execute("INSERT INTO own VALUES (?)", (new,))

    assert _rows(memory) == {"a": None, "b": None} != expected
    assert memory.execute("SELECT count(*) FROM own").get == 0


@pytest.mark.parametrize(("body", "new", "expected"), _SENT)
def test_of_a_queued_source_other_rows_are_written(
    memory: Connection, body: tuple[str, ...], new: str, expected: dict[str, str | None]
) -> None:
    with _trigger(_prepared(memory), *body):
        memory.execute("INSERT INTO own VALUES (?)", (new,))

    assert _rows(memory) == expected


def test_each_row_of_a_statement_runs_the_trigger(memory: Connection) -> None:
    _prepared(memory)
    with _trigger(memory, _change("1")):
        memory.execute("INSERT INTO own VALUES ('a'), ('b')")
        assert _rows(memory) == {"a": "1", "b": "1"}
        with pytest.raises(QueuedWritesError):
            memory.execute("INSERT INTO own VALUES ('a'), ('a')")

    assert _rows(memory) == {"a": "1", "b": "1"}
    # The next statement has no trigger: it may read what it writes.
    memory.execute("UPDATE sessions SET display_name = (SELECT count(*) FROM sessions)")
    assert _rows(memory) == {"a": "2", "b": "2"}


def test_instead_of_a_view(opened: Callable[..., Connection]) -> None:
    for backend in ("local", "memory"):
        database = _prepared(opened(src=backend))
        database.execute("CREATE TEMP VIEW shown AS SELECT name, display_name FROM sessions")
        database.execute(
            "CREATE TEMP TRIGGER t INSTEAD OF UPDATE ON shown BEGIN UPDATE sessions"
            " SET display_name = new.display_name WHERE name = old.name; END"
        )

        database.execute("UPDATE shown SET display_name = 'v' WHERE name = 'sessions/a'")

        assert _rows(database) == {"a": "v", "b": None}
