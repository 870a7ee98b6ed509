"""A stream: offsets, and what a sink that merges by key has after each batch."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pytest

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.spark import Stream, batches, parsed
from tests.scanning.conftest import ordered, sql_rows
from tests.spark.conftest import append


class Lake:
    """A table that is merged by its first column, as Delta's MERGE does."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Any, ...]] = {}

    def merge(self, table: pa.Table) -> None:
        self.rows |= {row[0]: row for row in sql_rows(table)}

    def keep(self, keys: set[str]) -> None:
        """The anti-join with the present keys."""
        self.rows = {key: row for key, row in self.rows.items() if key in keys}

    @property
    def all(self) -> list[tuple[Any, ...]]:
        return ordered(list(self.rows.values()))


class Run:
    """A streaming query without Spark: offsets are written before a batch is run."""

    def __init__(self, url: str, table: str = "events", **options: str) -> None:
        self.options = parsed({"url": url, "path": table, "overlap": "0", **options})
        self.stream = pickle.loads(pickle.dumps(Stream(self.options)))
        self.offset = self.stream.initial()
        self.lake = Lake()

    def plan(self) -> tuple[dict[str, str], dict[str, str]]:
        return self.offset, self.stream.latest(self.offset)

    def read(self, start: dict[str, str], end: dict[str, str]) -> list[Any]:
        parts = self.stream.parts(start, end)
        return [batch for part in parts for batch in batches(part, self.options)]

    def step(self) -> int:
        """One batch; how many rows it had."""
        start, end = self.plan()
        found = self.read(start, end)
        if found:
            self.lake.merge(pa.Table.from_batches(found))
        self.offset = end
        return sum(batch.num_rows for batch in found)


def present(db, table: str = "events") -> list[tuple[Any, ...]]:
    return ordered(db.execute(f"SELECT * FROM {table}").fetchall())


def test_the_lake_follows_the_service(db, url, emulator):
    run = Run(url)

    emulator.control.reset_log()
    assert run.step() == 18
    assert emulator.control.log()["total"] == 1 + 1 + 6  # The offset, the list, 6 sessions.
    assert run.lake.all == present(db)

    append(db, "s-1", "more")
    append(db, "s-3", "late", "2020-01-01 00:00:00")  # A client's clock.
    append(db, "s-5", "more")
    start, end = run.plan()
    emulator.control.reset_log()
    found = run.read(start, end)
    assert emulator.control.log()["total"] == 1 + 3
    assert sum(batch.num_rows for batch in found) == 12
    run.lake.merge(pa.Table.from_batches(found))
    assert run.lake.all == present(db)

    # The process dies after MERGE, before the offset is committed: the batch runs again.
    again = Run(url)
    again.lake = run.lake
    again.lake.merge(pa.Table.from_batches(again.read(start, end)))
    again.offset = end
    assert again.lake.all == present(db)
    assert again.step() == 0

    db.execute("DELETE FROM sessions WHERE session_id = 's-0'")
    append(db, "s-2", "after the deletion")
    assert again.step() == 4
    gone = set(again.lake.all) - set(present(db))
    assert {row[2] for row in gone} == {"s-0"}  # Deleted rows stay ..
    again.lake.keep({row[0] for row in present(db)})
    assert again.lake.all == present(db)  # .. until an anti-join removes them.


def test_nothing_new_takes_one_request(db, url, emulator):
    run = Run(url)
    run.step()
    emulator.control.reset_log()

    assert run.step() == 0
    assert emulator.control.log()["total"] == 1


def test_a_session_that_moves_on_is_in_the_next_batch(db, url):
    run = Run(url)
    start, end = run.plan()
    append(db, "s-4", "between the offset and the list")

    found = run.read(start, end)

    assert sum(batch.num_rows for batch in found) == 15
    run.lake.merge(pa.Table.from_batches(found))
    run.offset = end
    assert run.step() == 4
    assert run.lake.all == present(db)


def test_the_overlap_reads_again_what_the_service_may_have_shown_late(db, url, clock):
    run, wide = Run(url), Run(url, overlap="86400")
    for one in (run, wide):
        one.step()
    append(db, "s-0", "new")

    assert (run.step(), wide.step()) == (4, 19)
    assert run.lake.all == wide.lake.all == present(db)


def test_an_offset_never_goes_back(db, url):
    run = Run(url)
    run.step()
    before = run.offset
    db.execute("DELETE FROM sessions WHERE session_id = 's-5'")

    assert run.stream.latest(run.offset) == before
    assert run.step() == 0


def test_sessions_themselves_are_read_by_their_time_of_change(db, url, emulator):
    run = Run(url, "sessions")
    assert run.step() == 6
    append(db, "s-3", "new")
    emulator.control.reset_log()

    assert run.step() == 1
    assert emulator.control.log()["total"] == 2
    assert run.lake.all == present(db, "sessions")


@pytest.mark.parametrize("table", ["events", "sessions"])
def test_a_condition_on_sessions_holds_in_a_stream(db, url, table):
    run = Run(url, table, sessionsWhere="session_id >= 's-4'")

    assert run.step() == (6 if table == "events" else 2)
    append(db, "s-0", "new")
    assert run.step() == 0
    append(db, "s-4", "new")
    assert run.step() == (4 if table == "events" else 1)


def test_an_empty_service_has_an_empty_offset(emulator, url):
    run = Run(url)

    assert run.plan() == ({url: ""}, {url: ""})
    assert run.step() == 0


def test_a_service_that_does_not_report_changes_cannot_be_streamed(emulator):
    with pytest.raises(UnsupportedError, match=r"does not report which sessions changed"):
        Run(f"eleanor://demo?base_url={emulator.url}", "participants")
