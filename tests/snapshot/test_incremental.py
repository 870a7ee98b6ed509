"""The second snapshot reads what changed, and is then what a fresh one would be."""

from __future__ import annotations

from typing import Any

import pytest

import sessions_vtab
from tests.snapshot.conftest import EVENTS, SESSIONS, copied, paths_of, rows, stock

PAGES = 1
"""Requests of the list of sessions."""

ABC = ("chat-0000", "chat-0004", "chat-0008")


def lists_of_events(emulator) -> list[str]:
    return sorted(path.split("/")[1] for path in paths_of(emulator) if path.endswith("/events"))


def append(db, session: str, **values: Any) -> None:
    names = {"author": "user", "content": "news", **values}
    marks = ", ".join("?" * len(names))
    db.execute(
        f"INSERT INTO events(session_id, {', '.join(names)}) VALUES (?, {marks})",
        (session, *names.values()),
    )


def expect_the_source(path, db) -> None:
    for table in ("sessions", "events"):
        assert copied(path, table) == rows(db, table)


def test_nothing_changed_costs_the_list_of_sessions(take, emulator):
    take()

    report = take()

    assert (report.incremental, report.changed.get("events", 0)) == (True, 0)
    assert paths_of(emulator) == ["sessions"] * PAGES


def test_events_of_a_changed_session_are_read_again(take, path, db, emulator):
    take()
    for session in ABC:
        append(db, session)

    report = take()

    assert lists_of_events(emulator) == sorted(ABC)
    assert report.requests == PAGES + len(ABC)
    assert report.changed == {"sessions": len(ABC), "events": len(ABC)}
    assert report.rows == {"sessions": SESSIONS, "events": EVENTS + len(ABC)}
    expect_the_source(path, db)


def test_a_new_event_with_an_old_timestamp_is_not_missed(take, path, db):
    take()
    append(db, ABC[0], timestamp="2020-01-01 00:00:00")

    take()

    expect_the_source(path, db)
    assert stock(path, "SELECT count(*) FROM events WHERE timestamp < '2021'") == [[1]]


def test_new_and_changed_sessions_come_and_deleted_ones_go(take, path, db):
    take()
    ((gone,),) = stock(path, f"SELECT count(*) FROM events WHERE session_id = '{ABC[1]}'")
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('new-one', 'zoe')")
    append(db, "new-one")
    db.execute("UPDATE sessions SET display_name = 'other' WHERE session_id = ?", ABC[:1])
    db.execute("DELETE FROM sessions WHERE session_id = ?", ABC[1:2])

    report = take()

    expect_the_source(path, db)
    assert report.deleted == {"sessions": 1, "events": gone}
    assert report.changed == {"sessions": 2, "events": 1}


def test_a_deleted_sessions_text_does_not_stay_in_the_file(take, path, db):
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('secret', 'zoe')")
    append(db, "secret", content="a-very-private-word")
    take()
    assert b"a-very-private-word" in path.read_bytes()
    db.execute("DELETE FROM sessions WHERE session_id = 'secret'")

    take()

    assert b"a-very-private-word" not in path.read_bytes()


def test_state_that_another_session_wrote_is_seen_without_an_update_time(take, path, db):
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('one', 'zoe'), ('two', 'zoe')")
    take()
    append(db, "one", actions='{"stateDelta":{"user:theme":"dark"}}')

    take()

    ((state,),) = stock(path, "SELECT state FROM sessions WHERE session_id = 'two'")
    assert "user:theme" in state
    expect_the_source(path, db)


def test_events_are_compared_by_name(take, path, db, emulator):
    """An event that went away, and one that came with its name changed, as no client can do it."""
    take()
    state = emulator.control.dump()
    sessions = state["vertex"]["engines"][0]["sessions"]
    session = max(sessions, key=lambda one: len(one["events"]))
    del session["events"][0]
    session["events"][0]["author"] = "someone-else"
    session["updateTime"] = "2026-01-01T00:00:00Z"
    emulator.control.load(state)

    report = take()

    assert (report.changed["events"], report.deleted["events"]) == (1, 1)
    expect_the_source(path, db)


@pytest.mark.parametrize(("overlap", "read_again"), [(0.0, []), (5.0, [ABC[0]])])
def test_a_session_that_was_just_written_is_read_once_more(take, db, emulator, overlap, read_again):
    """The service may not have shown its last event yet."""
    append(db, ABC[0])
    take(overlap=overlap)

    take(overlap=overlap)

    assert lists_of_events(emulator) == read_again


def test_full_reads_everything(take, path, db, emulator):
    take()

    report = take(full=True)

    assert not report.incremental
    assert len(lists_of_events(emulator)) >= SESSIONS
    expect_the_source(path, db)


def test_other_columns_or_tables_read_everything(take, emulator):
    take(tables=["sessions"])

    report = take(without=["content"])

    assert not report.incremental
    assert len(lists_of_events(emulator)) >= SESSIONS


def test_another_condition_reads_only_what_it_adds(take, path, db, emulator):
    take(where="user_id = 'émile'")
    before = {row[0] for row in copied(path, "sessions")}

    take(where="user_id IN ('émile', 'bob2')")

    now = {row[0] for row in copied(path, "sessions")}
    assert before < now
    assert set(lists_of_events(emulator)) == {name.rpartition("/")[2] for name in now - before}
    wanted = "SELECT * FROM sessions WHERE user_id IN ('émile', 'bob2') ORDER BY name"
    assert copied(path, "sessions") == db.execute(wanted).fetchall()

    take(where="user_id = 'bob2'")

    assert not before & {row[0] for row in copied(path, "sessions")}
    assert stock(
        path, "SELECT count(*) FROM events WHERE session_name NOT IN (SELECT name FROM sessions)"
    ) == [[0]]


def test_a_session_that_vanishes_meanwhile_is_gone_the_next_time(take, path, db):
    def delete_one(progress) -> None:
        if progress.table == "sessions" and not deleted:
            db.execute("DELETE FROM sessions WHERE session_id = ?", ABC[:1])
            deleted.append(True)

    deleted: list[bool] = []
    take(progress=delete_one)
    take()

    expect_the_source(path, db)


def test_a_local_source_is_copied_too(take, tmp_path, path):
    store = sessions_vtab.connect(f"local://{tmp_path / 'store.db'}")
    store.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann'), ('b', 'bob')")
    append(store, "a")
    store.execute("INSERT INTO participants(session_id, participant) VALUES ('b', 'bob')")
    source = f"local://{tmp_path / 'store.db'}"
    first = take(source=source)
    append(store, "a", timestamp="2020-01-01")
    store.execute("INSERT INTO participants(session_id, participant) VALUES ('a', 'ann')")
    store.execute("DELETE FROM sessions WHERE session_id = 'b'")

    second = take(source=source)

    assert first.rows["events"] == 1
    assert (second.rows["sessions"], second.rows["events"], second.rows["participants"]) == (
        1,
        2,
        1,
    )
    for table in ("sessions", "events", "participants", "event_parts"):
        assert copied(path, table) == rows(store, table)
    store.close()
