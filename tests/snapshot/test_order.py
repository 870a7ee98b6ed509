"""A copy has events in the source's order, also where their times are equal."""

from __future__ import annotations

from contextlib import closing

import pytest

import sessions_vtab
from sessions_vtab.contract.backend import Source
from sessions_vtab.snapshot import snapshot
from tests.snapshot.conftest import stock

ADD = "INSERT INTO {}events(session_id, author, timestamp, content) VALUES ('long', 'user', ?, ?)"
BY_TIME = "SELECT text FROM events WHERE session_id = 'long' ORDER BY timestamp, sequence"


def pairs(count):
    """Times in pairs, and texts in the order of writing; what is later sorts first as text."""
    return [
        (f"2026-01-01 00:{n // 120:02}:{n // 2 % 60:02}", f"{count - n:04}") for n in range(count)
    ]


@pytest.fixture
def long(db):
    """A session of 6 pages, whose events have the same time in pairs: the texts in order."""
    db.budget.max_writes = 1_000
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('long', 'ann')")
    db.executemany(ADD.format(""), pairs(560))
    return [text for _, text in pairs(560)]


def test_a_snapshot_keeps_it(take, path, long):
    take()

    assert [text for (text,) in stock(path, BY_TIME)] == long
    backwards = BY_TIME.replace("timestamp, sequence", "timestamp DESC, sequence DESC")
    assert [text for (text,) in stock(path, backwards)] == long[::-1]
    assert stock(
        path,
        "SELECT DISTINCT min(sequence), max(sequence) - count(*) FROM events GROUP BY session_id",
    ) == [[1, 0]]
    with closing(sessions_vtab.connect(f"local://{path}")) as copy:
        assert [text for (text,) in copy.execute(BY_TIME)] == long


def test_an_import_into_a_store_keeps_it(long, db):
    sources = [db.sources["prod"].settings, Source("l", "local", ":memory:")]
    with closing(sessions_vtab.connect(sources=sources)) as both:
        both.execute("INSERT INTO l.sessions(session_id, user_id) VALUES ('long', 'ann')")
        both.execute(
            "INSERT INTO l.events(session_id, author, timestamp, content)"
            " SELECT session_id, author, timestamp, content FROM prod.events"
            " WHERE session_id = 'long'"
        )
        found = both.execute(BY_TIME.replace("events", "l.events")).fetchall()
    assert [text for (text,) in found] == long


def test_an_event_of_an_old_time_takes_its_place(take, path, db, long):
    take()
    db.execute(ADD.format(""), ("2025-01-01", "first"))

    report = take()

    assert report.changed["events"] == 1
    assert stock(path, f"SELECT group_concat(sequence) = '{','.join(map(str, range(1, 562)))}'"
                 f" FROM ({BY_TIME.replace('text', 'sequence', 1)})") == [[1]]  # fmt: skip
    assert [text for (text,) in stock(path, BY_TIME)] == ["first", *long]


def test_a_store_s_own_numbers_are_kept(tmp_path):
    store, copy = tmp_path / "store.db", tmp_path / "copy.db"
    with closing(sessions_vtab.connect(f"local://{store}")) as own:
        own.execute("INSERT INTO sessions(session_id) VALUES ('long')")
        own.executemany(ADD.format(""), pairs(10))
        own.execute(
            "INSERT INTO events(session_id, author, content, sequence) VALUES ('long', 'u', 'x', 40)"
        )
        snapshot(own, copy)

    assert stock(copy, "SELECT sequence FROM events ORDER BY sequence DESC LIMIT 2") == [[40], [10]]


def test_it_can_be_left_out_as_in_snapshots_of_before(take, path, long):
    take(without=["sequence"])

    with closing(sessions_vtab.connect(f"local://{path}")) as copy:
        found = copy.execute(
            "SELECT text FROM events WHERE session_id = 'long' ORDER BY timestamp"
        ).fetchall()
        columns = [row[1] for row in copy.execute("PRAGMA table_xinfo(events)")]
    assert "sequence" not in columns
    assert [text for (text,) in found] == long
