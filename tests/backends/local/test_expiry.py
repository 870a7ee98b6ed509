"""Expired sessions: who sees them, who removes them, and that their text is gone then."""

from __future__ import annotations

import pytest

from sessions_vtab.contract.predicate import Compare, Field, Null, Op

DAY = 86_400


def expired(op=Op.LT, value="2030-01-01 00:00:00.000000"):
    return Compare(Field("expire_time"), op, value, "TIMESTAMP")


def deleted(value):
    return Compare(Field("deleted"), Op.EQ, value)


@pytest.fixture
def four(local):
    """A living session, an expired one, a deleted one, and one that is both."""
    for name in ("deleted", "both", "expired", "living"):
        local.create(name, **({"ttl": "60s"} if name in {"expired", "both"} else {}))
    for name in ("deleted", "both"):
        local.delete("sessions", f"sessions/{name}")
    local.clock.forward(61)
    return local


@pytest.mark.parametrize(
    ("terms", "parameters", "shown"),
    [
        ([], {}, {"living"}),
        ([], {"include_deleted": 1}, {"living", "expired", "deleted", "both"}),
        ([], {"include_deleted": 0}, {"living"}),
        ([expired()], {}, {"expired"}),
        ([expired(Op.GT)], {}, set()),
        ([Null(Field("expire_time"), negated=True)], {}, {"expired"}),
        ([Null(Field("expire_time"), negated=False)], {}, {"living"}),
        ([deleted(1)], {}, {"deleted", "both"}),
        ([deleted(0)], {}, {"living"}),
        ([deleted(1), expired()], {}, {"both"}),
        ([deleted(0), expired()], {}, {"expired"}),
        ([expired()], {"include_deleted": 1}, {"expired", "both"}),
    ],
)
def test_they_show_where_the_statement_asks_for_them(four, terms, parameters, shown):
    assert set(four.values("sessions", "session_id", *terms, **parameters)) == shown


@pytest.mark.parametrize("name", ["expired", "both"])
def test_delete_removes_one_with_all_it_has(four, name):
    four.sql(
        "INSERT INTO events(name, session_id, event_id, timestamp, author, content)"
        " VALUES ('n', ?, 'e', '2026', 'user', '{\"parts\":[{}]}')",
        name,
    )
    four.delete("sessions", f"sessions/{name}")
    left = four.sql("SELECT session_id FROM sessions WHERE session_id = ?", name)
    assert (left, four.sql("SELECT * FROM events"), four.sql("SELECT * FROM parts")) == ([], [], [])


def test_an_update_brings_one_back(four):
    four.update("sessions", "sessions/expired", expire_time=None)
    assert set(four.values("sessions", "session_id")) == {"living", "expired"}


def stored(store):
    return [name for (name,) in store.sql("SELECT session_id FROM sessions ORDER BY 1")]


def files(path):
    """The bytes of a store: of its file and of its write-ahead log."""
    log = path.with_name(path.name + "-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


def filled(open_store):
    store = open_store()
    store.create("old", ttl="60s", display_name="canary-of-the-name")
    store.append("old", content="canary-of-the-text " * 2_000)
    store.create("young", ttl="7200s")
    return store


@pytest.mark.parametrize(("hours", "left"), [(1, ["old", "young"]), (24.1, ["young"]), (27, [])])
def test_opening_purges_what_expired_more_than_a_day_ago(open_store, path, hours, left):
    store = filled(open_store)
    store.close()
    store.clock.forward(hours * 3_600)
    later = open_store(clock=store.clock)
    assert stored(later) == left
    assert (b"canary" in files(path)) == ("old" in left)


def test_a_read_only_source_purges_nothing(open_store):
    store = filled(open_store)
    store.clock.forward(3 * DAY)
    assert stored(open_store(clock=store.clock, read_only=True)) == ["old", "young"]


def test_while_another_connection_writes_the_purge_waits_for_the_first_write(open_store, path):
    store = filled(open_store)
    store.begin()
    store.clock.forward(3 * DAY)
    later = open_store(clock=store.clock)
    assert stored(later) == ["old", "young"]
    store.rollback()
    later.create("new")
    assert stored(later) == ["new"]
    assert b"canary" not in files(path)


@pytest.mark.parametrize("include", [True, False])
def test_what_a_delete_removes_leaves_file_and_log(open_store, path, include):
    store = filled(open_store)
    assert b"canary" in files(path)
    store.clock.forward(61 if include else 1)
    store.delete("sessions", "sessions/old")
    if not include:  # The first DELETE of a living session is soft.
        assert b"canary" in files(path)
        store.delete("sessions", "sessions/old")
    assert stored(store) == ["young"]
    assert b"canary" not in files(path)


def test_a_log_that_is_being_read_is_emptied_later(open_store, path):
    store, reader = filled(open_store), open_store()
    reader.backend.transaction.hold()
    assert stored(reader) == ["old", "young"]
    store.clock.forward(61)
    store.delete("sessions", "sessions/old")
    assert b"canary" in files(path)
    reader.backend.transaction.let_go()
    store.create("next")
    assert b"canary" not in files(path)


def test_the_files_of_a_removed_upload_session_leave_it_too(open_store, path):
    store = open_store()
    store.insert("upload_sessions", session_id="u")
    store.call("upload_file", "u", "a.txt", b"canary " * 2_000)
    assert b"canary" in files(path)
    store.delete("upload_sessions", "upload_sessions/u")
    assert b"canary" not in files(path)
