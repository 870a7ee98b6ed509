"""The same as Parquet files."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import dataset
from pyarrow import parquet as pq

import sessions_vtab
from sessions_vtab.columnar import Declared
from sessions_vtab.errors import MissingExtraError, StoreError
from sessions_vtab.snapshot import parquet, snapshot
from sessions_vtab.snapshot.parquet import write_parquet
from tests.snapshot.conftest import stock

LAST_YEAR = Path(__file__).parents[1] / "data" / "parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "parquet"


def test_rows_are_those_of_the_snapshot(take, path, folder, monkeypatch):
    take()
    monkeypatch.setattr(parquet, "_ROWS_A_GROUP", 40)

    written = write_parquet(path, folder)

    assert sorted(one.name for one in folder.iterdir()) == ["events.parquet", "sessions.parquet"]
    assert sorted(written) == sorted(folder.iterdir())
    names = "name, session_id, author, content, text"
    table = pq.read_table(folder / "events.parquet").select(names.split(", "))
    found = sorted(tuple(row.values()) for row in table.to_pylist())
    assert found == sorted(map(tuple, stock(path, f"SELECT {names} FROM events")))


def test_times_are_timestamps_in_utc_and_json_is_text(take, path, folder):
    take()
    write_parquet(path, folder)

    table = pq.read_table(folder / "sessions.parquet")

    assert table.schema.field("create_time").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("state").type == pa.string()
    text = stock(path, "SELECT create_time FROM sessions ORDER BY create_time LIMIT 1")[0][0]
    first = min(table.column("create_time").to_pylist())
    assert first == datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("table", ["sessions", "events"])
def test_last_years_file_can_be_read_beside_todays(take, path, folder, table):
    """The files in ``tests/data`` were written when this test was; their schema stays for ever.

    A version may add columns behind them, and no other.
    """
    take()
    write_parquet(path, folder)
    before, now = LAST_YEAR / f"{table}.parquet", folder / f"{table}.parquet"

    last, today = pq.read_schema(before), pq.read_schema(now)
    both = dataset.dataset([now, before]).to_table()

    assert [(one.name, one.type) for one in today][: len(last)] == [
        (one.name, one.type) for one in last
    ]
    assert both.schema.equals(today)
    assert both.num_rows == pq.read_metadata(before).num_rows + pq.read_metadata(now).num_rows


def test_a_snapshot_without_rows_or_with_nanoseconds_has_the_same_schema(path, folder, tmp_path):
    schemas = []
    for number, times in enumerate([[], ["2026-01-01 10:00:00.123456789"], ["9999-12-31"]]):
        store = sessions_vtab.connect(f"local://{tmp_path / f'{number}.db'}")
        for time in times:
            store.execute("INSERT INTO sessions(user_id, expire_time) VALUES ('ann', ?)", (time,))
        report = snapshot(store, path.with_name(f"out{number}.db"), tables=["sessions"])
        (written,) = write_parquet(report.path, folder / str(number))
        schemas.append(pq.read_schema(written).remove_metadata())
        store.close()

    assert schemas[0] == schemas[1] == schemas[2]


def test_booleans_are_booleans(take, path, folder, emulator):
    take(source=f"eleanor://demo?base_url={emulator.url}")
    write_parquet(path, folder)

    table = pq.read_table(folder / "sessions.parquet")

    assert set(table.column("enabled").to_pylist()) == {True, False}


def test_files_that_cannot_be_written_leave_the_last_ones(take, path, folder, monkeypatch):
    take(tables=["sessions"])
    write_parquet(path, folder)
    before = (folder / "sessions.parquet").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Declared, "batch", fail)
    with pytest.raises(StoreError, match=r"No space left.*is complete"):
        write_parquet(path, folder)

    assert (folder / "sessions.parquet").read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["sessions.parquet"]


def test_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"-m pip install 'pyarrow"):
        parquet.require_pyarrow()


@pytest.mark.parametrize("name", ["events.parquet", "sessions.parquet.partial"])
def test_what_is_no_regular_file_is_left_alone(take, path, folder, name):
    take()
    folder.mkdir()
    os.mkfifo(folder / name)

    with pytest.raises(StoreError, match=f"{name} is a named pipe, not a regular file"):
        write_parquet(path, folder)

    assert [one.name for one in folder.iterdir()] == [name]
    assert (folder / name).is_fifo()
