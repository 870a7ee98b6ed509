"""An older file is brought up to date, a newer one is left alone."""

from __future__ import annotations

import pytest

from sessions_vtab.backends.local.ddl import MIGRATIONS
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract import times
from sessions_vtab.errors import (
    StoreError,
)


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
