"""The file: created on first use, checked before it is changed, readable by other tools."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from sessions_vtab.backends.local import LocalBackend
from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS
from sessions_vtab.backends.local.errors import translate
from sessions_vtab.backends.local.opening import (
    create_file,
    default_path,
    located,
    network_file_system,
)
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract import times
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import (
    BusyError,
    ConfigurationError,
    SessionsError,
    StoreError,
)

ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid"), reason="permissions are not those of POSIX here"
)


# The path of the file.


@pytest.mark.skipif(sys.platform != "linux", reason="the paths of Linux")
def test_the_default_file_is_in_the_users_data_folder(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == Path("/data/sessions-vtab/sessions.db")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
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


# Migration.


def migrated(path, *more):
    return Store(str(path), "local", times.now, migrations=(*MIGRATIONS, *more))


def test_an_older_store_is_brought_up_to_date_and_keeps_its_rows(open_store, path):
    store = open_store()
    store.create("a")
    store.close()
    newer = migrated(path, "ALTER TABLE sessions ADD COLUMN mood TEXT DEFAULT 'fine';")
    assert newer.run("SELECT session_id, mood FROM sessions") == [("a", "fine")]
    assert newer.run("PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]
    newer.close()


def test_events_of_an_older_store_are_numbered_in_the_order_they_were_written(open_store, path):
    """By ``sequence``, which older stores do not have."""
    old = Store(str(path), "local", times.now, migrations=MIGRATIONS[:1])
    old.run("INSERT INTO sessions(session_id, name, create_time, update_time)"
            " VALUES ('a', 'sessions/a', '2026', '2026'), ('b', 'sessions/b', '2026', '2026')")  # fmt: skip
    for event in ("a/1", "b/1", "a/2", "a/own", "b/2"):
        session, _, number = event.partition("/")
        old.run("INSERT INTO events(name, session_id, event_id, timestamp, author)"
                f" VALUES ('sessions/{session}/events/{number}', '{session}', '{number}', '2026', 'u')")  # fmt: skip
    old.close()

    store = open_store()
    new = store.append("a", content="new")

    numbered = store.rows("events", columns=("session_id", "sequence", "event_id"))
    assert sorted(numbered) == [
        ("a", 1, "1"),
        ("a", 2, "2"),
        ("a", 3, "own"),
        ("a", 4, new["event_id"]),
        ("b", 1, "1"),
        ("b", 2, "2"),
    ]


def test_a_migration_that_fails_leaves_the_store_as_it_was(open_store, path):
    store = open_store()
    store.create("a")
    store.close()
    with pytest.raises(StoreError):
        migrated(path, "ALTER TABLE sessions ADD mood TEXT; CREATE TABLE oops(").run("SELECT 1")
    assert store.values("sessions", "session_id") == ["a"]
    assert store.sql("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert not [row for row in store.sql("PRAGMA table_info(sessions)") if row[1] == "mood"]


def test_a_newer_store_is_refused_and_left_unchanged(open_store, path):
    newer = migrated(path, "CREATE TABLE future(x);")
    newer.run("SELECT 1")
    newer.close()
    before = path.read_bytes()
    known = len(MIGRATIONS)
    with pytest.raises(
        StoreError,
        match=rf"schema version {known + 1}, but this program supports only {known}\. Upgrade",
    ):
        open_store().rows("sessions")
    assert path.read_bytes() == before


def test_a_reader_does_not_migrate(open_store, path):
    store = open_store()
    store.create("a")
    store.close()
    reader = Store(
        str(path), "local", times.now, read_only=True, migrations=(*MIGRATIONS, "SELECT 1")
    )
    with pytest.raises(StoreError, match="Open it once without read_only"):
        reader.run("SELECT 1")


# Files that are not stores.


def foreign(path):
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE accounts(x); INSERT INTO accounts VALUES (1)")
    other.close()


def foreign_id(path):
    other = apsw.Connection(str(path))
    other.execute("PRAGMA application_id = 1234")
    other.close()


def text(path):
    path.write_text("This is not a database, but long enough to look like a file.\n" * 50)


def damaged(path):
    store = LocalBackend(str(path))
    store._store.run("SELECT 1")
    store.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "belongs to another program and was left unchanged"),
        (foreign_id, "belongs to another program"),
        (text, "is not an SQLite database"),
        (damaged, "is damaged"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_files_that_are_not_stores_are_refused_and_left_unchanged(
    open_store, path, make, message, read_only
):
    make(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match=message) as caught:
            open_store(read_only=read_only).rows("sessions")
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(open_store, path):
    path.touch()
    assert open_store().rows("sessions") == []


def test_damage_in_the_middle_is_found_while_reading(open_store, path):
    store = open_store()
    store.create()
    store.begin()
    for number in range(2_000):
        store.append(content=f"event {number} " * 20)
    store.commit()
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(20, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\x55" * 64
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        open_store().rows("events")


def test_a_reader_does_not_create_a_missing_file(open_store, path):
    with pytest.raises(StoreError, match="does not exist"):
        open_store(read_only=True).rows("sessions")
    assert not path.exists()


def test_a_path_through_a_file_is_refused(tmp_path, local_class):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be created or written"):
        local_class(tmp_path / "file" / "sessions.db").rows("sessions")


# A read-only file and folder; opened as another user if the tests run as root.

_AS_NOBODY = """
import os, sys
from sessions_vtab.backends.local.store import Store
from sessions_vtab.errors import StoreError
from sessions_vtab.contract import times
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
store = Store(sys.argv[1], "local", times.now, read_only=sys.argv[2] == "1")
try:
    if sys.argv[2] != "1":
        store.begin()
        store.run("INSERT INTO app_state(id, state) VALUES (1, '{}')")
    print(store.run("SELECT count(*) FROM sessions"))
except StoreError as error:
    print(error)
"""


@pytest.fixture
def public_folder():
    """A folder that another user can access."""
    base = Path("/tmp" if os.name == "posix" else ".")
    folder = base / f"sessions-vtab-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    folder.chmod(0o700)
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()


@ROOT
@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "read_only", "message"),
    [
        (0o444, 0o777, "0", "cannot be created or written"),
        (0o666, 0o555, "0", "is not writable"),
        (0o444, 0o555, "1", "is not writable. SQLite needs write access even to read"),
        (0o000, 0o777, "1", "cannot be opened"),
    ],
)
def test_a_file_that_cannot_be_written_is_an_error_that_says_so(
    public_folder, local_class, file_mode, folder_mode, read_only, message
):
    path = public_folder / "sessions.db"
    store = local_class(path)
    store.create()
    store.close()
    path.chmod(file_mode)
    public_folder.chmod(folder_mode)
    answer = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(path), read_only],
        capture_output=True,
        text=True,
        check=False,
    )
    assert message in answer.stdout, answer.stderr
    assert str(path) in answer.stdout


# Network file systems.

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/ann/tmp tmpfs rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/sessions.db", None),
        ("/home/ann/sessions.db", "nfs4"),
        ("/home/ann/tmp/sessions.db", None),
        ("/homes/sessions.db", None),
        ("/mnt/my share/sessions.db", "cifs"),
        ("\\\\server\\share\\sessions.db", "a Windows share"),
    ],
)
def test_network_file_systems_are_detected(path, kind):
    assert network_file_system(Path(path), MOUNTS) == kind


def test_a_store_on_a_network_file_system_is_refused(monkeypatch, open_store, path):
    monkeypatch.setattr(
        "sessions_vtab.backends.local.opening.network_file_system", lambda _path: "nfs4"
    )
    with pytest.raises(StoreError, match=r"network file system \(nfs4\)"):
        open_store().rows("sessions")
    assert not path.exists()


def test_the_real_mounts_can_be_read(tmp_path):
    assert network_file_system(tmp_path / "sessions.db") is None


# Errors.


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (apsw.BusyError, BusyError, "another process"),
        (apsw.LockedError, BusyError, "another process"),
        (apsw.FullError, StoreError, "disk is full"),
        (apsw.NotADBError, StoreError, "not an SQLite database"),
        (apsw.CorruptError, StoreError, "damaged"),
        (apsw.ReadOnlyError, StoreError, "is not writable"),
        (apsw.CantOpenError, StoreError, "cannot be opened"),
        (apsw.IOError, StoreError, "disk failed"),
        (apsw.NoMemError, StoreError, "SQLite failed"),
        (apsw.TooBigError, SessionsError, "1 GB"),
    ],
)
def test_sqlite_errors_are_translated_with_place_and_hint(error, kind, words):
    found = translate(error("detail"), "mine (the store /x/y.db)")
    assert isinstance(found, kind)
    assert words in str(found)
    assert str(found).startswith("mine (the store /x/y.db): ")
    assert str(pickle.loads(pickle.dumps(found))) == str(found)


def test_an_interrupt_stays_an_interrupt():
    error = apsw.InterruptError("interrupted")
    assert translate(error, "x") is error


def test_a_long_scan_is_interrupted(open_store, monkeypatch):
    monkeypatch.setattr("sessions_vtab.backends.local.store._STEPS", 1_000)
    store = open_store()
    store.create()
    store.begin()
    for _ in range(400):
        store.append(content="x")
    store.commit()
    store.context.stop = True
    with pytest.raises(apsw.InterruptError):
        store.rows("events", order="text")


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
        for about in writes.remedies:
            assert about in {"insert", "update", "delete", *resource.table.names}, name


def test_an_adk_file_is_not_taken_for_a_store():
    adk = Path(__file__).parents[2] / "data" / "adk_sessions.db"
    before = adk.read_bytes()
    assert "belongs to another program" in LocalBackend(str(adk)).describe()
    assert adk.read_bytes() == before
