"""One whole snapshot beside its source: the same rows, whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running
from sessions_vtab.snapshot import SnapshotReport, snapshot
from tests.snapshot.conftest import EVENTS, SESSIONS, rows, stock

CORE = "name, session_id, user_id, display_name, labels, state, create_time, update_time"


@dataclass(frozen=True)
class Taken:
    """A snapshot, opened as a source beside the one it was taken from."""

    path: Path
    report: SnapshotReport
    copy: sessions_vtab.Connection
    source: sessions_vtab.Connection


@pytest.fixture(scope="module")
def taken(served: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    served.control.reset()
    path = tmp_path_factory.mktemp("snapshot") / "out.db"
    source = sessions_vtab.connect(f"vertex://demo/us-central1/42?base_url={served.url}")
    report = snapshot(source, path)
    copy = sessions_vtab.connect(f"local://{path}")
    yield Taken(path, report, copy, source)
    copy.close()
    source.close()


def test_it_has_the_rows_of_the_source(taken):
    assert taken.report.rows == {"sessions": SESSIONS, "events": EVENTS}
    for table in ("sessions", "events"):
        assert rows(taken.copy, table) == rows(taken.source, table)


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {CORE} FROM sessions ORDER BY name",
        "SELECT user_id, count(*) FROM sessions GROUP BY user_id ORDER BY user_id",
        "SELECT count(*) FROM sessions WHERE labels->>'env' = 'prod'",
        "SELECT name FROM sessions WHERE create_time > '2026-01-01T10:00:00+02:00' ORDER BY name",
        (
            "SELECT s.name, count(*) FROM sessions s JOIN events e ON e.session_name = s.name"
            " GROUP BY 1 ORDER BY 1"
        ),
        (
            "SELECT event_name, part, kind, text, function_name, call_id, args, response"
            " FROM event_parts ORDER BY event_name, part"
        ),
        "SELECT text FROM events WHERE session_id = 'chat-0000' ORDER BY timestamp, name",
    ],
)
def test_a_snapshot_as_a_source_returns_the_rows_of_its_source(taken, query):
    assert taken.copy.execute(query).fetchall() == taken.source.execute(query).fetchall()


def test_the_stock_module_reads_it(taken):
    assert stock(taken.path, "SELECT count(*) FROM events") == [[EVENTS]]
    assert stock(taken.path, "PRAGMA integrity_check") == [["ok"]]


def test_a_time_is_text_and_has_milliseconds_beside_it(taken):
    ((text, short, declared),) = stock(
        taken.path,
        "SELECT e.timestamp, e.timestamp_ms, c.type FROM events e, pragma_table_xinfo('events') c"
        " WHERE c.name = 'timestamp_ms' LIMIT 1",
    )

    assert len(text) in {26, 29}
    assert short == text[:23]
    assert declared == "DATETIME"


def test_rows_are_found_by_key_and_by_the_sources_filters(taken):
    def plan(where: str) -> str:
        return str(stock(taken.path, f"EXPLAIN QUERY PLAN SELECT * FROM {where}")[0][3])

    assert "sqlite_autoindex_sessions_1 (name=?)" in plan("sessions WHERE name = 'x'")
    assert "sessions_by_user_id" in plan("sessions WHERE user_id = 'x'")
    assert "sessions_by_update_time" in plan("sessions WHERE update_time > '2026'")
    by_session = plan("events WHERE session_id = 'x' ORDER BY timestamp")
    assert "events_by_session_id (session_id=?)" in by_session
