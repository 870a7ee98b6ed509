"""With ``cache_ttl`` a statement that only reads may be answered from what was read before.

What is read in order to write is always asked for: the service may have other values by now.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running


@pytest.fixture
def other(emulator: Running) -> Iterator[sessions_vtab.Connection]:
    """Somebody else, who keeps nothing."""
    emulator.control.reset()
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"
    connection = sessions_vtab.connect(url)
    connection.execute(
        "INSERT INTO prod.sessions(session_id, user_id, display_name)"
        " VALUES ('s1', 'ann', 'old'), ('s2', 'bob', 'old')"
    )
    yield connection
    connection.close()


@pytest.fixture
def db(emulator: Running, other: sessions_vtab.Connection) -> Iterator[sessions_vtab.Connection]:
    """A connection that has read the sessions, which have changed since."""
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}&cache_ttl=3600"
    connection = sessions_vtab.connect(url)
    names = connection.execute("SELECT display_name FROM sessions").fetchall()
    assert names == [("old",), ("old",)]
    connection.execute("SELECT count(*) FROM sessions WHERE session_id = 's1'").fetchall()
    other.execute("UPDATE prod.sessions SET display_name = 'new'")
    emulator.control.reset_log()
    yield connection
    connection.close()


_SEEN = "SELECT display_name, count(*) FROM sessions GROUP BY 1"


def test_a_query_is_answered_from_what_was_read(
    db: sessions_vtab.Connection, emulator: Running
) -> None:
    assert db.execute(_SEEN.replace("sessions", "(SELECT display_name FROM sessions)")).get == (
        "old",
        2,
    )
    assert emulator.control.requests() == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE sessions SET display_name = 'old'", [("old", 2)]),
        (
            "UPDATE sessions SET display_name = 'old' WHERE session_id = 's1'",
            [("new", 1), ("old", 1)],
        ),
        ("UPDATE sessions SET display_name = 'x' WHERE display_name || '' = 'old'", [("new", 2)]),
        ("DELETE FROM sessions WHERE display_name || '' = 'old'", [("new", 2)]),
        ("DELETE FROM sessions WHERE display_name = 'new'", []),
        (
            (
                "INSERT INTO sessions(user_id, display_name) SELECT user_id, display_name FROM sessions"
                " WHERE session_id = 's1'"
            ),
            [("new", 3)],
        ),
        (
            "UPDATE sessions SET display_name = (SELECT max(o.display_name) || '!' FROM sessions o)",
            [("new!", 2)],
        ),
    ],
)
def test_what_is_read_to_write_is_asked_for(
    db: sessions_vtab.Connection,
    other: sessions_vtab.Connection,
    statement: str,
    expected: list[tuple[object, ...]],
) -> None:
    db.execute(statement)
    assert other.execute(_SEEN).fetchall() == expected


def test_a_plain_table_filled_from_a_source_has_the_services_rows(
    db: sessions_vtab.Connection,
) -> None:
    db.execute("CREATE TEMP TABLE mine AS SELECT display_name FROM sessions")
    db.execute("INSERT INTO mine SELECT display_name FROM sessions")
    assert db.execute("SELECT DISTINCT display_name FROM mine").get == "new"


def test_what_acts_for_rows_asks_for_the_rows(
    db: sessions_vtab.Connection, other: sessions_vtab.Connection
) -> None:
    found = db.execute(
        "SELECT s.session_id FROM (SELECT * FROM sessions WHERE display_name || '' = 'old') s,"
        " append_event(s.session_id, 'user', 'hello', 'i1', '2026-01-01') e"
    ).fetchall()
    assert found == []
    assert other.execute("SELECT count(*) FROM events").get == 0


def test_what_was_asked_for_replaces_what_was_kept(
    db: sessions_vtab.Connection, emulator: Running
) -> None:
    db.execute("CREATE TEMP TABLE mine AS SELECT display_name FROM sessions")
    emulator.control.reset_log()
    assert db.execute("SELECT display_name FROM sessions").get == ["new", "new"]
    assert emulator.control.requests() == []
