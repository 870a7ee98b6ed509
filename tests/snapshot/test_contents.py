"""What is in a snapshot's file, by what was asked for."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab.errors import InvalidValueError, UnknownNameError
from tests.snapshot.conftest import EVENTS, SESSIONS, copied, paths_of, rows, stock


def test_the_file_records_its_source(take, path, emulator):
    report = take(where="user_id <> 'bob2'", without=("state",), max_requests=5_000)

    columns = (
        "source, backend, location, complete, tables, row_counts, condition, without, requests"
    )
    ((source, backend, location, complete, tables, counts, condition, without, requests),) = stock(
        path, f"SELECT {columns} FROM _snapshot WHERE finished >= started"
    )

    assert (source, backend, complete) == ("prod", "vertex", 1)
    assert location == f"vertex://demo/us-central1/42?base_url={emulator.url}"
    assert sorted(json.loads(tables)) == ["events", "sessions"]
    assert json.loads(counts) == report.rows
    assert (condition, json.loads(without)) == ("user_id <> 'bob2'", ["state"])
    assert requests == report.requests


def test_what_names_a_credential_is_not_in_it(take, path, url, monkeypatch):
    monkeypatch.setenv("CANARY_ENV", "canary-secret")

    take(source=f"{url}&api_key_env=CANARY_ENV")

    content = path.read_bytes()
    assert b"canary-secret" not in content
    assert b"CANARY_ENV" not in content


def test_only_its_owner_reads_it(take, path):
    take(tables=["sessions"])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["out.db"]


def test_who_may_read_it_is_kept(take, path):
    take(tables=["sessions"])
    path.chmod(0o644)

    take(tables=["sessions"])

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_some_tables_only(take, path, emulator):
    report = take(tables=["sessions"])

    assert report.rows == {"sessions": SESSIONS}
    assert paths_of(emulator) == ["sessions"]
    assert stock(path, "SELECT name FROM sqlite_schema WHERE name = 'events'") == []


def test_events_without_their_sessions(take, db, path):
    report = take(tables=["events"])

    assert report.rows == {"events": EVENTS}
    assert copied(path, "events") == rows(db, "events")


def test_what_is_made_from_events_can_be_a_table_too(take, db, path):
    take(tables=["event_parts"], where="user_id = 'émile'")

    query = "SELECT * FROM event_parts {} ORDER BY event_name, part"
    wanted = query.format(
        "WHERE session_name IN (SELECT name FROM sessions WHERE user_id = 'émile')"
    )
    connection = sessions_vtab.connect(f"local://{path}")
    assert connection.execute(query.format("")).fetchall() == db.execute(wanted).fetchall()
    connection.close()


def test_a_condition_chooses_sessions_and_their_events(take, path, db, emulator):
    report = take(where="user_id = 'émile' -- only his")

    sessions = db.execute("SELECT * FROM sessions WHERE user_id = 'émile' ORDER BY name").fetchall()
    names = {row[0] for row in sessions}
    assert copied(path, "sessions") == sessions
    assert copied(path, "events") == [row for row in rows(db, "events") if row[1] in names]
    assert report.requests == 1 + len(names)


def test_columns_that_are_left_out_are_not_there(take, path):
    take(without=["content", "state"])

    columns = stock(path, "SELECT name FROM pragma_table_info('events')")
    assert ["content"] not in columns
    assert ["text"] in columns
    assert ["state"] not in stock(path, "SELECT name FROM pragma_table_info('sessions')")
    assert b"functionCall" not in path.read_bytes()


def test_a_column_that_tells_what_changed_can_be_left_out(take, db):
    take(without=["update_time", "create_time"])
    db.execute("INSERT INTO events(session_id, author, content) VALUES ('chat-0000', 'u', 'new')")

    assert take(without=["update_time", "create_time"]).changed["events"] == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tables": ["event"]}, UnknownNameError, "Did you mean events"),
        ({"tables": []}, InvalidValueError, "No table"),
        ({"without": ["contents"]}, UnknownNameError, "Did you mean content"),
        ({"without": ["name"]}, InvalidValueError, "name cannot be left out"),
        ({"without": ["session_name"]}, InvalidValueError, "session_name cannot be left out"),
        ({"name": "prodd"}, UnknownNameError, "Did you mean prod"),
        ({"where": "nope = 1"}, InvalidValueError, "no such column: nope"),
        ({"where": "user_id = "}, InvalidValueError, "syntax error"),
        ({"where": "count(*) > 1"}, InvalidValueError, "misuse of aggregate"),
        ({"where": "create_time > 'yesterday'"}, InvalidValueError, "yesterday"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_sent(
    take, path, emulator, options, error, message
):
    with pytest.raises(error, match=message):
        take(**options)

    assert emulator.control.log()["total"] == 0
    assert list(Path(path.parent).iterdir()) == []


def test_a_store_s_hidden_columns_come_along_and_stay_hidden(take, tmp_path, path):
    store = sessions_vtab.connect(f"local://{tmp_path / 'store.db'}")
    store.execute(
        "INSERT INTO sessions(session_id, description, settings, search_query, search_results, ttl)"
        " VALUES ('a', 'what it is', '{\"a\":1}', 'shoes', '[{\"object_id\":\"o\"}]', '100000s')"
    )
    hidden = "description, settings, enabled, search_query, search_results, is_irrelevant, batch_id"

    take(source=f"local://{tmp_path / 'store.db'}", tables=["sessions"])

    names = {name for (name,) in stock(path, "SELECT name FROM pragma_table_xinfo('sessions')")}
    assert names >= set(hidden.split(", "))
    assert names.isdisjoint({"ttl", "include_deleted", "_push", "_args"})
    with closing(sessions_vtab.connect(f"local://{path}")) as copy:
        for columns in ("*", hidden):
            query = f"SELECT {columns} FROM sessions"
            assert copy.execute(query).fetchall() == store.execute(query).fetchall()
    store.close()


def test_a_remote_source_s_hidden_columns_are_not_read(take, path):
    take(tables=["sessions"])

    names = {name for (name,) in stock(path, "SELECT name FROM pragma_table_xinfo('sessions')")}
    assert names.isdisjoint({"ttl", "filter", "page_size", "next_page_token", "update_mask"})


_REFLECT = """
import sys
from sqlalchemy import MetaData, create_engine
source, target = (create_engine(f"sqlite:///{path}") for path in sys.argv[1:])
tables = MetaData()
tables.reflect(source)
tables.create_all(target)
with source.connect() as old, target.begin() as new:
    for table in tables.sorted_tables:
        plain = [column for column in table.columns if column.computed is None]
        rows = [row._asdict() for row in old.execute(table.select().with_only_columns(*plain))]
        if rows:
            new.execute(table.insert(), rows)
        print(table.name, len(rows))
"""


def test_its_tables_can_be_created_elsewhere_by_sqlalchemy(take, path, tmp_path):
    report = take()

    done = subprocess.run(
        [sys.executable, "-c", _REFLECT, str(path), str(tmp_path / "other.db")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    copied = dict(line.split() for line in done.stdout.splitlines())
    assert (int(copied["sessions"]), int(copied["events"])) == tuple(
        report.rows[name] for name in ("sessions", "events")
    )
    short = "SELECT max(timestamp_ms) FROM events"
    assert stock(tmp_path / "other.db", short) == stock(path, short)
