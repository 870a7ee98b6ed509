"""Snapshots of services that can do less: what they declare decides how they are read."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import ForbiddenError, MissingParameterError
from sessions_vtab.snapshot import snapshot
from tests.snapshot.conftest import copied, stock


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=5, events=5)) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: Running) -> Running:
    served.control.reset()
    return served


@pytest.fixture
def source(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Connects to a service of the emulator."""
    monkeypatch.setenv("DEEPSET_API_KEY", "api_key")
    monkeypatch.setenv("WHYLABS_API_KEY", f"{'k' * 10}.{'s' * 53}")
    opened: list[Connection] = []

    def open_(name: str) -> Connection:
        opened.append(connect(f"{name}?base_url={emulator.url}"))
        return opened[-1]

    yield open_
    for connection in opened:
        connection.close()


def selected(db: Connection, path, table: str) -> list[tuple[Any, ...]]:
    """The rows of the source that the snapshot ought to have, with its columns."""
    names = [row[0] for row in stock(path, f"SELECT name FROM pragma_table_info('{table}')")]
    return db.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY name").fetchall()


def test_participants_come_as_one_list(source, path, emulator):
    db = source("eleanor://demo")
    first = snapshot(db, path)
    emulator.control.reset_log()

    second = snapshot(db, path)

    assert second.requests == emulator.control.log()["total"] < first.rows["sessions"]
    for table in ("sessions", "participants"):
        assert copied(path, table) == selected(db, path, table)


def test_participants_follow_a_condition_on_sessions(source, path):
    db = source("eleanor://demo")

    snapshot(db, path, where="session_id < 'session-05'")

    wanted = {row[0] for row in copied(path, "sessions")}
    assert len(wanted) == 5
    assert {row[0] for row in stock(path, "SELECT session_name FROM participants")} == wanted


def test_upload_sessions_and_their_files(source, path):
    db = source("deepset://demo")

    snapshot(db, path, where="is_expired = 0")

    columns = [name for (name,) in stock(path, "SELECT name FROM pragma_table_info('files')")]
    assert "file_name" in columns
    sessions = {row[0] for row in stock(path, "SELECT name FROM upload_sessions")}
    files = stock(path, "SELECT DISTINCT session_name FROM upload_session_files")
    assert {row[0] for row in files} == sessions
    assert copied(path, "files") == selected(db, path, "files")


@pytest.mark.parametrize(("age", "read_again"), [(0, False), (3_600, True)])
def test_files_that_were_read_long_before_are_read_again(
    source, path, emulator, monkeypatch, age, read_again
):
    """Nothing says whether they changed between the run that ended early and this one."""
    monkeypatch.setattr("sessions_vtab.snapshot.rows._FIRST_BATCH", 2)
    db = source("deepset://demo")
    options = {"tables": ["upload_session_files"], "where": "is_expired = 0"}
    emulator.control.fault("status", path="/files", skip=4, status=403)
    with pytest.raises(ForbiddenError):
        snapshot(db, path, **options)
    partial = path.with_name("out.db.partial")
    os.utime(partial, (time.time() - age,) * 2)
    emulator.control.reset_log()

    snapshot(db, path, **options)

    sessions = db.execute("SELECT count(*) FROM upload_sessions WHERE is_expired = 0").get
    lists = len([one for one in emulator.control.requests() if one["path"].endswith("/files")])
    assert (lists == sessions) == read_again


def test_where_files_go_is_not_kept(source, path):
    """It lets anyone upload; the connection that opened the session knows it."""
    db = source("deepset://demo")
    db.execute("INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')")
    assert (
        db.execute("SELECT count(upload_fields) FROM upload_sessions WHERE is_expired=0").get == 1
    )

    snapshot(db, path, tables=["upload_sessions"])

    names = [row[0] for row in stock(path, "SELECT name FROM pragma_table_info('upload_sessions')")]
    assert {"upload_url", "upload_fields"}.isdisjoint(names)


@pytest.mark.parametrize("service", ["whylabs://", "embedding_studio://"])
def test_a_service_without_a_list_asks_for_a_condition(source, path, service):
    with pytest.raises(MissingParameterError, match="session_id"):
        snapshot(source(service), path)

    assert list(path.parent.iterdir()) == []


def test_a_service_without_a_list_is_copied_by_key(source, path, emulator):
    db = source("embedding_studio://")
    where = "session_id IN ('seed-01', 'seed-02', 'seed-03')"
    snapshot(db, path, where=where)
    db.execute("INSERT INTO events(session_id, object_id) VALUES ('seed-02', 'object-9')")
    emulator.control.reset_log()

    report = snapshot(db, path, where=where)

    # Nothing says when events came: those of all three are read again.
    assert report.requests == 6
    assert report.changed["events"] == 1
    names = "name, session_id, object_id, event_type, meta"
    wanted = f"SELECT {names} FROM events WHERE {where} ORDER BY name"
    connection = connect(f"local://{path}")
    assert (
        connection.execute(f"SELECT {names} FROM events ORDER BY name").fetchall()
        == db.execute(wanted).fetchall()
    )
    connection.close()


def test_a_snapshot_of_a_snapshot(source, path, tmp_path):
    db = source("eleanor://demo")
    snapshot(db, path)

    snapshot(f"local://{path}", tmp_path / "again.db")

    for table in ("sessions", "participants"):
        assert copied(tmp_path / "again.db", table) == copied(path, table)


def test_sqlite_needs_no_newer_version_than_generated_columns_do(source, path):
    """Nothing in the schema that SQLite 3.31 cannot read, such as ``->>`` in a view."""
    snapshot(source("eleanor://demo"), path)

    schema = " ".join(str(row[0]) for row in stock(path, "SELECT sql FROM sqlite_schema"))
    assert sqlite3.sqlite_version_info >= (3, 31)
    assert "->" not in schema
    assert "STRICT" not in schema
