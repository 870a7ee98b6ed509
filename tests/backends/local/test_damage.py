"""Files that are no stores, damaged or cannot be written, and the errors that say so."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from sessions_vtab.backends.local import LocalBackend
from sessions_vtab.backends.local.file import (
    network_file_system,
    translate,
)
from sessions_vtab.errors import (
    BusyError,
    SessionsError,
    StoreError,
)

ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid"), reason="permissions are not those of POSIX here"
)


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
        "sessions_vtab.backends.local.file.network_file_system", lambda _path: "nfs4"
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
