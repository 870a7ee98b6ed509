"""The store's file: its settings, its locks, and what may not happen to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import apsw
import pytest

from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS
from sessions_vtab.backends.local.file import create_file
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract import times
from sessions_vtab.errors import StoreError


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("foreign_keys", 1), ("trusted_schema", 0), ("secure_delete", 1), ("cache_size", -32_768)],
)
def test_the_settings_of_a_connection(local, pragma, value):
    assert local.sql(f"PRAGMA {pragma}") == [(value,)]


@pytest.mark.parametrize("config", [apsw.SQLITE_DBCONFIG_DQS_DML, apsw.SQLITE_DBCONFIG_DQS_DDL])
def test_text_in_double_quotes_is_no_literal(local, config):
    assert local.backend._store.connection.config(config, -1) == 0


def moved(path):
    path.rename(path.with_suffix(".moved"))


def replaced(path):
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be taken away there")
@pytest.mark.parametrize("happens", [os.unlink, moved, replaced])
class TestAFileThatIsTakenAway:
    def test_is_neither_read_nor_written(self, open_store, path, happens):
        store = open_store()
        store.create("a")
        happens(path)
        for use in (store.backend.transaction.hold, store.begin):
            with pytest.raises(StoreError, match="was deleted or replaced while it was open"):
                use()

    def test_takes_no_commit(self, open_store, path, happens):
        store = open_store()
        store.create("a")
        store.begin()
        store.create("b")
        happens(path)
        with pytest.raises(StoreError, match="deleted or replaced"):
            store.commit()
        store.rollback()


def test_a_file_named_relative_to_the_folder_of_then_is_the_same_later(
    local_class, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    store = local_class("sessions.db")
    store.create("a")
    monkeypatch.chdir("/")
    store.create("b")
    store.close()
    assert (tmp_path / "sessions.db").exists()


@pytest.mark.parametrize("content", [b"x", b"S", b"\0", b"ab", b"x" * 99, b"x" * 5_000])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_left_alone(open_store, path, content, read_only):
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not an SQLite database"):
        open_store(read_only=read_only).rows("sessions")
    assert path.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_opening_a_second_connection_keeps_the_locks_of_the_first(path, open_store):
    """POSIX gives up all locks of a process on a file when it closes any descriptor of it."""
    store = open_store()
    store.create("a")
    create_file(path)
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+b')\n"
        "try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)\n"
        "except OSError: print('locked')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "locked"


# Older versions.


def first_version(path):
    """A store as the first release wrote it, with events of every kind."""
    store = Store(str(path), "local", times.now, migrations=MIGRATIONS[:1])
    contents = [
        '{"parts":[{"text":"a"},{"functionCall":{"id":"c1","name":"f","args":{"x":1}}}]}',
        '{"parts":[{"function_response":{"id":"c1","name":"f","response":{"y":2}}},7,null]}',
        '{"parts":{"text":"x"}}',
        '{"role":"user"}',
        None,
    ]
    store.begin()
    store.run(
        "INSERT INTO sessions(session_id, name, create_time, update_time)"
        " VALUES ('s', 'sessions/s', '2026', '2026')"
    )
    for number, content in enumerate(contents):
        store.run(
            "INSERT INTO events(name, session_id, event_id, timestamp, author, content)"
            " VALUES ('sessions/s/events/' || ?1, 's', ?1, '2026', 'user', ?2)",
            (str(number), content),
        )
    store.commit()
    assert store.run("PRAGMA user_version") == [(1,)]
    store.close()
    return contents


def test_a_store_of_the_first_version_is_migrated_with_its_parts(open_store, path):
    contents = first_version(path)
    store = open_store()
    columns = ("event_name", "part", "kind", "text", "function_name", "call_id", "args", "response")
    old = store.rows("event_parts", columns=columns)
    assert old == [
        ("sessions/s/events/0", 0, "text", "a", None, None, None, None),
        ("sessions/s/events/0", 1, "functionCall", None, "f", "c1", '{"x":1}', None),
        ("sessions/s/events/1", 0, "functionResponse", None, "f", "c1", None, '{"y":2}'),
        ("sessions/s/events/1", 1, None, None, None, None, None, None),
        ("sessions/s/events/1", 2, None, None, None, None, None, None),
    ]
    assert store.sql("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert store.sql("PRAGMA application_id") == [(APPLICATION_ID,)]
    # What is written now is told as what was migrated.
    store.create("t")
    for content in filter(None, contents):
        store.append("t", content=content)
    new = store.rows("event_parts", columns=("session_id", *columns[1:]))
    assert [row[1:] for row in new if row[0] == "t"] == [row[1:] for row in old]


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_file_of_any_version_ends_with_the_same_schema(open_store, path, tmp_path, version):
    """Triggers and indexes too, with the same text: version 0 is a new file."""
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
    new = Store(str(tmp_path / "new.db"), "local", times.now)
    if version:
        old = Store(str(path), "local", times.now, migrations=MIGRATIONS[:version])
        assert old.run("PRAGMA user_version") == [(version,)]
        old.close()

    store = open_store()
    store.create("s")
    store.append("s", content='{"parts":[{"text":"a"}]}')

    assert store.sql(schema) == new.run(schema)
    triggers = {name for kind, name, *_ in store.sql(schema) if kind == "trigger"}
    assert triggers == {
        "parts_of_new_event",
        "parts_of_changed_event",
        "parts_of_removed_event",
        "sequence_of_new_event",
    }
    assert store.values("event_parts", "text") == ["a"]
    new.close()


def test_a_reader_asks_for_the_migration(open_store, path):
    first_version(path)
    with pytest.raises(StoreError, match="Open it once without read_only to upgrade it"):
        open_store(read_only=True).rows("sessions")


def test_parts_follow_the_events_whatever_program_writes_them(local):
    local.create()
    name = local.append(content='{"parts":[{"text":"a"},{"text":"b"}]}')["name"]
    local.sql('UPDATE events SET content = \'{"parts":[{"fileData":{}}]}\'')
    assert local.values("event_parts", "kind") == ["fileData"]
    local.sql("UPDATE events SET content = 'no JSON'")
    assert local.sql("SELECT * FROM parts") == []
    local.sql("UPDATE events SET content = '{\"parts\":[{}]}'")
    local.sql("DELETE FROM events WHERE name = ?", name)
    assert local.sql("SELECT * FROM parts") == []


def test_events_have_a_number_whatever_program_writes_them(local):
    """Stores of versions 1 and 2 had no such column, and what wrote them may still run."""
    local.create("a")
    local.create("b")
    local.append("a")
    for session in ("a", "b", "a"):
        local.sql(
            "INSERT INTO events(name, session_id, event_id, timestamp, author)"
            f" SELECT name || '/events/x' || last_sequence, session_id, 'x' || last_sequence, '2026',"
            f" 'user' FROM sessions WHERE session_id = '{session}'"
        )
    local.append("a")
    local.append("b")

    numbered = local.rows("events", columns=("session_id", "event_id", "sequence"))
    assert sorted((row[0], row[-1]) for row in numbered) == [
        *(("a", number) for number in (1, 2, 3, 4)),
        *(("b", number) for number in (1, 2)),
    ]
