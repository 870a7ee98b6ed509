"""Every way to read a table gives the rows of ``SELECT *``, with the fewest requests."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

import sessions_vtab
from sessions_vtab.scanning import read, scan, schema_of, split
from tests.clocks import delays_end_together
from tests.scanning.conftest import EVENTS, SESSIONS, ordered, sql_rows

TABLES = [
    ("vertex", "sessions"),
    ("vertex", "events"),
    ("vertex", "event_parts"),
    ("deepset", "upload_sessions"),
    ("deepset", "upload_session_files"),
    ("eleanor", "sessions"),
    ("eleanor", "participants"),
]


@pytest.mark.parametrize(("backend", "table"), TABLES)
def test_a_scan_has_the_rows_and_requests_of_select(urls, select, counted, backend, table):
    wanted, least = counted(lambda: select(f"SELECT * FROM {table}", backend))

    found, requests = counted(lambda: scan(urls[backend], table).read_all())

    assert sql_rows(found) == wanted != []
    assert found.schema == schema_of(urls[backend], table)
    assert requests == least


@pytest.mark.parametrize(("backend", "table"), TABLES)
def test_parts_have_every_row_once(urls, select, backend, table):
    url = urls[backend]
    parts = pickle.loads(pickle.dumps(split(url, table, size=20)))

    tables = [read(part).read_all() for part in parts]

    assert sql_rows(pa.concat_tables(tables)) == select(f"SELECT * FROM {table}", backend)
    assert {one.schema for one in tables} == {schema_of(url, table)}


def test_parts_take_the_fewest_requests(url, counted, fewest):
    parts, listed = counted(lambda: split(url, "events", size=30))

    rows, requests = counted(lambda: sum(read(part).read_all().num_rows for part in parts))

    assert [len(part.ids) for part in parts] == [30, 30, 30, 20]
    assert listed == 2  # Pages of 100 sessions.
    assert (rows, requests) == (EVENTS, fewest)


def test_a_table_without_sessions_is_one_part_and_takes_no_request_to_split(url, counted):
    parts, requests = counted(lambda: split(url, "sessions"))

    assert len(parts) == 1
    assert requests == 0


def test_a_part_read_twice_gives_the_same_rows(url):
    part = split(url, "events", size=20)[1]

    assert sql_rows(read(part).read_all()) == sql_rows(read(part).read_all()) != []


def test_parts_come_in_the_same_order_each_time(url):
    assert split(url, "events", size=7) == split(url, "events", size=7)


def test_an_embedded_store_is_one_part(tmp_path):
    url = f"local://{tmp_path / 'store.db'}"
    db = sessions_vtab.connect(url)
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann'), ('b', 'bob')")
    db.execute("INSERT INTO events(session_id, author) VALUES ('a', 'x'), ('b', 'y'), ('b', 'z')")
    wanted = ordered(db.execute("SELECT * FROM events").fetchall())
    db.close()

    (part,) = split(url, "events", size=1)
    (some,) = split(url, "events", sessions_where="user_id = 'bob'")

    assert sql_rows(read(part).read_all()) == wanted
    assert read(some, ["author"]).read_all().column(0).to_pylist() == ["y", "z"]


def test_columns_are_those_that_were_asked_for_in_that_order(url, counted):
    """Hidden ones too: they tell engines apart."""
    names = ["reasoning_engine", "event_id", "session_name"]

    table = scan(url, "events", names).read_all()

    assert table.schema == schema_of(url, "events", names)
    assert set(table.column("reasoning_engine").to_pylist()) == {"42"}
    assert table.num_rows == EVENTS


def test_many_requests_are_in_flight(url, emulator, monkeypatch):
    delays_end_together(monkeypatch, 16)
    emulator.control.fault("delay", path="/events$", seconds=1, count=None)
    try:
        read(split(url, "events", size=SESSIONS)[0]).read_all()
    finally:
        emulator.control.clear_faults()

    assert emulator.control.log()["max_in_flight"] == 16


def test_rows_are_handed_over_as_they_come(url, emulator, monkeypatch):
    """So memory does not grow with the table."""
    monkeypatch.setattr("sessions_vtab.scanning.reading._ROWS", 20)
    reader = scan(url, "events")
    emulator.control.reset_log()

    batch = reader.read_next_batch()
    del reader

    assert batch.num_rows == 20
    assert emulator.control.log()["total"] < SESSIONS / 2


def test_a_limit_asks_for_little(url, counted):
    part = split(url, "events")[0]

    table, requests = counted(lambda: read(part, limit=3).read_all())

    assert table.num_rows == 3
    assert requests <= 3
