from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sessions_vtab import connect, register
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError

SOURCES = [Source("mem", "memory"), Source("loc", "local", ":memory:")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A user's own file, which has a table ``events`` of its own."""
    path = tmp_path / "own.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE events(mine); INSERT INTO events VALUES ('my event')")
    connection.close()
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(file))
    opened = register(connection, sources=SOURCES, default="mem")
    yield connection
    connection.close()
    for source in opened.values():
        source.backend.close()


def _schema(connection: apsw.Connection, schema: str) -> list[str]:
    rows = connection.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'")
    return sorted(name for (name,) in rows)


def test_the_users_file_is_not_written(file: Path, connection: apsw.Connection) -> None:
    before = hashlib.sha256(file.read_bytes()).digest()

    connection.execute("INSERT INTO sessions(name) VALUES ('a')")
    connection.execute("INSERT INTO loc.sessions(session_id) VALUES ('b')")
    connection.execute("SELECT * FROM sessions").fetchall()

    assert hashlib.sha256(file.read_bytes()).digest() == before
    assert _schema(connection, "main") == ["events"]


def test_the_file_works_without_us_afterwards(file: Path, connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO events VALUES ('second')")
    connection.close()

    plain = apsw.Connection(str(file))

    assert plain.execute("SELECT mine FROM events").fetchall() == [("my event",), ("second",)]
    assert plain.execute("PRAGMA integrity_check").get == "ok"
    plain.close()


def test_tables_of_the_default_source_need_no_schema(connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO sessions(name) VALUES ('a')")

    assert connection.execute("SELECT name FROM temp.sessions").get == "a"
    assert connection.execute("SELECT name FROM mem.sessions").get == "a"
    assert connection.execute("SELECT count(*) FROM loc.sessions").get == 0


def test_a_table_of_the_user_is_not_hidden_by_ours(connection: apsw.Connection) -> None:
    assert connection.execute("SELECT * FROM events").get == "my event"
    assert connection.execute("SELECT count(*) FROM mem.events").get == 0


def test_the_logs_are_in_temp(connection: apsw.Connection) -> None:
    assert {"http_requests", "writes"} <= set(_schema(connection, "temp"))


def test_writes_and_native_tables_share_a_transaction(connection: apsw.Connection) -> None:
    connection.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a')")
    connection.execute("INSERT INTO loc.sessions(session_id) VALUES ('b')")
    connection.execute("INSERT INTO events VALUES ('second')")
    connection.execute("ROLLBACK")

    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").get
        for table in ("sessions", "loc.sessions", "events")
    ]
    assert counts == [0, 0, 1]


def test_collations_are_there_before_the_tables(connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO sessions(name, create_time) VALUES ('a', '2026-01-01 09:00')")

    found = connection.execute(
        "SELECT count(*) FROM sessions WHERE create_time = '2026-01-01T10:00:00+01:00'"
    )
    assert found.get == 1


def _everything(connection: apsw.Connection) -> list[tuple[object, ...]]:
    """Databases, and what is in their schemas."""
    found = connection.execute("PRAGMA database_list").fetchall()
    return [
        (name, *connection.execute(f'SELECT name, sql FROM "{name}".sqlite_schema').fetchall())
        for _, name, _ in found
    ]


def _works_after_a_schema_reload(connection: apsw.Connection) -> bool:
    connection.execute("CREATE TABLE temp.reload(a); DROP TABLE temp.reload")
    connection.execute("SELECT count(*) FROM sessions").fetchall()
    return bool(connection.execute("SELECT count(*) FROM loc.sessions").get == 0)


@pytest.mark.parametrize(
    "again", [SOURCES, [Source("other", "memory")], [Source("loc", "local", ":memory:")]]
)
def test_a_second_call_is_refused_and_changes_nothing(
    connection: apsw.Connection, again: list[Source]
) -> None:
    connection.execute("INSERT INTO sessions(name) VALUES ('a')")
    before, logged = _everything(connection), connection.execute("SELECT * FROM writes").fetchall()
    with pytest.raises(ConfigurationError, match="already has the tables of sources"):
        register(connection, sources=again, default=again[0].name)
    assert _everything(connection) == before
    assert connection.execute("SELECT * FROM writes").fetchall() == logged
    assert _works_after_a_schema_reload(connection)


def test_a_connection_of_ours_has_its_sources_already() -> None:
    with closing(connect("local://:memory:")) as db, pytest.raises(ConfigurationError):
        register(db, sources=SOURCES, default="mem")


@pytest.mark.parametrize(
    "prepare",
    [
        "ATTACH ':memory:' AS Loc",
        ";".join(f"ATTACH ':memory:' AS x{n}" for n in range(9)),
        "CREATE TEMP TABLE writes(mine)",
    ],
)
def test_what_fails_half_way_is_taken_back(file: Path, prepare: str) -> None:
    connection = apsw.Connection(str(file))
    connection.execute(prepare)
    before = _everything(connection)
    try:
        opened = register(connection, sources=SOURCES, default="mem")
    except (ConfigurationError, apsw.Error):
        assert _everything(connection) == before
        connection.execute("CREATE TABLE temp.reload(a); DROP TABLE temp.reload")
        assert connection.execute("SELECT * FROM events").get == "my event"
        for name in [one for _, one, _ in connection.execute("PRAGMA database_list")]:
            if name not in {"main", "temp"}:
                connection.execute(f"DETACH {name}")
        connection.execute("DROP TABLE IF EXISTS temp.writes")
        opened = register(connection, sources=SOURCES, default="mem")
    assert connection.execute("SELECT count(*) FROM loc.sessions").get == 0
    connection.close()
    for source in opened.values():
        source.backend.close()
