"""An agent that writes while the file is read: neither waits for the other, nor fails.

The writer is another process, as ADK is: closing a file that two SQLite libraries of one process
have open would release the locks of both.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab import registry
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.scan import Order, Scan
from sessions_vtab.errors import StoreError
from tests.backends.adk.files import written
from tests.fakes import FakeContext

_APPEND = """
import sqlite3, sys
path, count, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
wait = sys.argv[4] == "wait"
connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
for number in range(count):
    if wait:
        assert sys.stdin.readline(), "the reader is gone"
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO events SELECT 'new-' || count(*), 'shop', 'carol', 'empty', 'i', 1767603700.0,"
        " '{\\"author\\":\\"bot\\"}' FROM events"
    )
    connection.execute("UPDATE sessions SET update_time = 1767603700.0 WHERE id = 'empty'")
    connection.execute("COMMIT")
"""
APPENDS = 60
POLLS = int(os.environ.get("SESSIONS_VTAB_ADK_POLLS", "300"))
"""Fewest reads in all; more of them meet more moments of an append."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written("2.13.0_sqlite_utc", tmp_path).path


def _append(
    path: Path, count: int, patience: float, *, wait: bool = False
) -> subprocess.Popen[str]:
    """Another process that appends; where it is to wait, one event for each line it is sent."""
    options = (str(path), str(count), str(patience), "wait" if wait else "at once")
    return subprocess.Popen(
        [sys.executable, "-c", _APPEND, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_open_cursor_blocks_no_append(path: Path) -> None:
    """With no patience at all, the writer fails if anything of ours holds a lock."""
    with sessions_vtab.connect(f"adk=adk://{path}") as connection:
        cursors = [
            connection.execute(f"SELECT * FROM {table} {tail}")
            for table in ("sessions", "events", "event_parts")
            for tail in ("", "LIMIT 50", "WHERE session_id = 'full'")
        ]
        first = [next(cursor) for cursor in cursors]
        writer = _append(path, 3, patience=0)

        assert writer.communicate()[1] == ""
        assert writer.returncode == 0
        assert all(first)
        for cursor in cursors:
            cursor.fetchall()
        assert connection.execute("SELECT count(*) FROM events").get == 54 + 3


def test_polling_and_appending_succeed(path: Path) -> None:
    """From when an append is asked for until it is seen, the file is read without a pause."""
    seen: list[int] = []
    statement = "SELECT count(*), max(timestamp) FROM events WHERE session_id = 'empty'"
    with sessions_vtab.connect(f"adk=adk://{path}") as connection:
        # A lock of ours that lasts makes it fail: "database is locked".
        writer = _append(path, APPENDS, patience=5, wait=True)
        assert writer.stdin is not None
        for append in range(APPENDS):
            writer.stdin.write("\n")
            writer.stdin.flush()
            least = len(seen) + POLLS // APPENDS
            while writer.poll() in {None, 0} and (len(seen) < least or seen[-1] <= append):
                seen.append(connection.execute(statement).get[0])
        _, errors = writer.communicate()

    assert (writer.returncode, errors) == (0, "")
    assert seen == sorted(seen)
    assert set(seen) - {0} == set(range(1, APPENDS + 1)), "each append was seen by itself"


@pytest.mark.parametrize("offset", [0, 7])
@pytest.mark.parametrize("order", [(), (Order("timestamp"),)])
def test_rows_beyond_the_expected_ones_come_once_each(
    path: Path, order: tuple[Order, ...], offset: int
) -> None:
    """A limit is a hint. The rest is read when it is asked for, and the agent may have written."""
    backend = registry.opened(Source("adk", "adk", str(path)))
    events = backend.resources["events"]
    listing = next(one for one in events.capability.paths if not one.keys)
    scan = Scan(listing, order=order, columns=frozenset(("event_id",)), limit=5, offset=offset)

    pages = events.scan(scan, FakeContext())
    first = list(next(pages))
    assert _append(path, 2, patience=0).communicate()[1] == ""
    rows = [*first, *(row for page in pages for row in page)]
    whole = [row for page in events.scan(replace(scan, limit=None), FakeContext()) for row in page]
    backend.close()

    place = events.table.positions["event_id"]
    assert len(first) == 5
    assert [row[place] for row in rows] == [row[place] for row in whole]
    assert len(rows) == 54 + 2 - offset


def test_a_limit_reads_no_more_than_it_says(path: Path) -> None:
    """A table of any size can be looked at: values are made for the first rows alone."""
    with sessions_vtab.connect(f"adk=adk://{path}") as connection:
        store = connection.sources["adk"].backend._store
        connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchall()
        made = []
        noted = made.append
        store.connection.create_scalar_function("adk_text", lambda text: noted(text) or "x", 1)
        connection.execute("SELECT text FROM events LIMIT 3").fetchall()

    assert len(made) == 3


def test_a_file_in_wal_mode_is_read_while_a_transaction_is_open(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = wal")
        file.execute("UPDATE sessions SET state = '{}'")
        folder = path.parent / "copy"
        folder.mkdir()
        for one in path.parent.glob("2.13*"):  # As another process sees it.
            shutil.copy(one, folder)
    with sessions_vtab.connect(f"adk=adk://{folder / path.name}") as connection:
        assert connection.execute("SELECT count(*) FROM events").get == 54


def test_a_transaction_that_a_crash_left_is_an_error_that_says_so(path: Path) -> None:
    crashed = path.with_name("crashed.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA cache_size = 1")
        file.execute("BEGIN")
        for _ in range(20):  # So much that SQLite writes into the file before COMMIT.
            file.execute("UPDATE events SET event_data = event_data || ' '")
            file.execute("UPDATE sessions SET state = state || ' '")
        shutil.copy(path, crashed)
        shutil.copy(f"{path}-journal", f"{crashed}-journal")
    with sessions_vtab.connect(f"adk=adk://{crashed}") as connection:
        with pytest.raises(
            StoreError, match=r"unfinished\. Open the file once with ADK or sqlite3"
        ):
            connection.execute("SELECT * FROM events").fetchall()
        with closing(sqlite3.connect(crashed)) as file:
            assert file.execute("SELECT count(*) FROM events").fetchone() == (54,)
        assert connection.execute("SELECT count(*) FROM events").get == 54


def test_a_file_that_was_replaced_is_read_anew(path: Path, tmp_path: Path) -> None:
    """``adk migrate`` writes another file, which then takes the place of the old one."""
    with sessions_vtab.connect(f"adk=adk://{path}?timezone=UTC") as connection:
        assert connection.execute("SELECT count(*) FROM events").get == 54
        folder = tmp_path / "other"
        folder.mkdir()
        written("0.5.0_db_utc", folder).path.replace(path)
        assert connection.execute("SELECT count(*) FROM events").get == 45
        path.unlink()
        with pytest.raises(StoreError, match="does not exist"):
            connection.execute("SELECT count(*) FROM events").fetchall()


def test_writes_are_refused_with_what_to_do(path: Path) -> None:
    with sessions_vtab.connect(f"adk=adk://{path}") as connection:
        for statement in (
            "INSERT INTO sessions(user_id) VALUES ('u')",
            "UPDATE sessions SET state = '{}'",
            "DELETE FROM events",
        ):
            with pytest.raises(sessions_vtab.errors.SessionsError, match="Only ADK writes"):
                connection.execute(statement)
