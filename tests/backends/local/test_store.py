"""The file: created on first use, checked before it is changed, readable by other tools."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sessions_vtab.backends.local import LocalBackend
from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS
from sessions_vtab.backends.local.file import (
    create_file,
    default_path,
    located,
)
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.errors import (
    ConfigurationError,
)

# The path of the file.


@pytest.mark.skipif(sys.platform != "linux", reason="the paths of Linux")
def test_the_default_file_is_in_the_users_data_folder(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == Path("/data/sessions-vtab/sessions.db")
    monkeypatch.setenv("HOME", "/home/ann")
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_DATA_HOME", ignored)
        assert default_path() == Path("/home/ann/.local/share/sessions-vtab/sessions.db")


@pytest.mark.parametrize(
    ("platform", "variable", "folder", "expected"),
    [
        ("win32", "LOCALAPPDATA", "/appdata", "/appdata/sessions-vtab/sessions.db"),
        (
            "darwin",
            "HOME",
            "/Users/ann",
            "/Users/ann/Library/Application Support/sessions-vtab/sessions.db",
        ),
    ],
)
def test_the_default_file_on_other_systems(monkeypatch, platform, variable, folder, expected):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, folder)
    assert default_path() == Path(expected)


@pytest.mark.parametrize(
    ("location", "path"),
    [(":memory:", ":memory:"), ("/x/y.db", "/x/y.db"), ("~/y.db", "/home/ann/y.db")],
)
def test_a_source_names_the_file(monkeypatch, location, path):
    monkeypatch.setenv("HOME", "/home/ann")
    assert LocalBackend.open(Source("local", "local", location))._store.path == path


def test_a_windows_drive_follows_a_slash(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert located("/C:/data/sessions.db") == str(Path("C:/data/sessions.db"))


def test_a_source_without_location_is_the_default_file(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    backend = LocalBackend.open(Source("local", "local"))
    assert backend._store.path == str(default_path())


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigurationError, match="the local backend has no setting speed"):
        LocalBackend.open(Source("mine", "local", "", {"speed": "1"}))


def test_a_folder_is_not_a_store(tmp_path):
    with pytest.raises(ConfigurationError, match="is a folder"):
        LocalBackend.open(Source("local", "local", str(tmp_path)))


# When the file is created.


def test_opening_and_describing_create_nothing(tmp_path):
    path = tmp_path / "new" / "sessions.db"
    backend = LocalBackend(str(path))
    assert "created on first use" in backend.describe()
    backend.close()
    assert not path.parent.exists()


def test_the_first_scan_creates_the_file_for_its_owner_only(local_class, tmp_path):
    path = tmp_path / "new" / "folder" / "sessions.db"
    store = local_class(path)
    assert store.rows("sessions") == []
    if os.name == "posix":
        modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)]
        assert modes == [0o600, 0o700]
        assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}
    store.close()


def test_closing_twice_and_using_again_work(open_store):
    store = open_store()
    store.create("a")
    store.close()
    store.close()
    assert store.values("sessions", "session_id") == ["a"]


@pytest.mark.parametrize(("count", "words"), [(0, "0 sessions"), (1, "1 session"), (2, "2 sess")])
def test_describe_reports_the_content_of_the_file(open_store, path, count, words):
    store = open_store()
    store.rows("sessions")
    for number in range(count):
        store.create(f"{number}")
    assert store.backend.describe() == f"{path}, {words}".replace("2 sess", "2 sessions")


def test_memory_is_described_as_such(local_class):
    assert "memory" in local_class(":memory:").backend.describe()


# The content of the file.


def test_the_file_is_marked_and_versioned(open_store, path):
    store = open_store()
    store.create()
    store.close()
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(header[60:64], "big") == len(MIGRATIONS)


def test_other_tools_find_plain_tables(open_store):
    store = open_store()
    store.create(user_id="ann", state='{"k":1}', expire_time="2030-01-01 00:00:00.123456")
    store.append(content="hello", timestamp="2026-01-01 00:00:00.123456789")
    assert store.sql("SELECT typeof(timestamp_ms), timestamp_ms FROM events") == [
        ("text", "2026-01-01 00:00:00.123")
    ]
    assert store.sql(
        "SELECT s.user_id, s.state ->> 'k', e.text, s.expire_time_ms"
        " FROM sessions s JOIN events e USING (session_id)"
    ) == [("ann", 1, "hello", "2030-01-01 00:00:00.123")]


def test_every_time_has_a_column_with_milliseconds_beside_it(open_store):
    store = open_store()
    tables = [row[0] for row in store.sql("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    seen = 0
    for table in tables:
        columns = {row[1]: row[2] for row in store.sql(f"PRAGMA table_xinfo({table})")}
        for name, declared in columns.items():
            if name == "timestamp" or name.endswith("_time"):
                seen += 1
                assert declared == "TEXT"
                assert columns[f"{name}_ms"] == "DATETIME"
    assert seen == 10


def test_the_sqlite_of_python_reads_the_file(open_store, path):
    """Runs in a separate process: two SQLite libraries in one would break each other's locks."""
    store = open_store()
    store.create(user_id="ann")
    store.append(content="hello")
    code = "import sqlite3, sys; print(list(sqlite3.connect(sys.argv[1]).execute(sys.argv[2])))"
    query = "SELECT session_name, text FROM events"
    answer = subprocess.run(
        [sys.executable, "-c", code, str(path), query], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[('sessions/s', 'hello')]"


def test_an_existing_file_is_not_touched_by_creating_it(tmp_path):
    path = tmp_path / "x.db"
    path.write_bytes(b"content")
    create_file(path)
    assert path.read_bytes() == b"content"


# Declarations.


def test_functions_are_those_of_the_schema(local):
    assert set(local.backend.routines) == {
        "append_event",
        "batch_sessions",
        "bind_participant",
        "close_upload_session",
        "integrate_session",
        "mark_session_irrelevant",
        "release_batch",
        "truncate_session",
        "unbind_participant",
        "undelete_session",
        "upload_file",
        "use_session_for_improvement",
    }
    assert set(local.backend.routines) <= set(FUNCTIONS)


def test_declared_writes_are_columns(local):
    for name, resource in local.backend.resources.items():
        writes = resource.capability.writes
        declared = {*writes.insert, *writes.update, *writes.required}
        assert declared <= set(resource.table.names), name
        for about in writes.hints:
            assert about in {"insert", "update", "delete", *resource.table.names}, name


def test_an_adk_file_is_not_taken_for_a_store():
    adk = Path(__file__).parents[2] / "data" / "adk_sessions.db"
    before = adk.read_bytes()
    assert "belongs to another program" in LocalBackend(str(adk)).describe()
    assert adk.read_bytes() == before
