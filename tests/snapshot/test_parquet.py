"""The same as Parquet files."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from sessions_vtab.columnar import Declared
from sessions_vtab.errors import MissingExtraError, StoreError
from sessions_vtab.snapshot import parquet
from sessions_vtab.snapshot.parquet import write_parquet
from tests.snapshot.conftest import stock


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

    with pytest.raises(MissingExtraError, match=r"sessions_vtab\[arrow\]"):
        parquet.require_pyarrow()
