"""Files that ADK wrote: the rows of Vertex AI, but for what is said here.

ADK's own services keep no chunks of streamed answers, and set ``update_time`` by the events; up to
1.17 they keep no model. Everything else is the same, on both services and both schemas.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from conversations import written_by_adk
from test_columns import ROWS as COLUMNS
from test_questions import ROWS as ANSWERS
from test_questions import SQL, given
from test_report import Page
from test_views import ROWS as VIEWS

from sessions_vtab import Connection, connect
from sessions_vtab.report import report
from sessions_vtab.snapshot import snapshot
from tests.documented import EVAL_SET

Rows = list[tuple[Any, ...]]

SAME: Final = [
    *((SQL[question], rows) for question, rows in ANSWERS.items()),
    *VIEWS,
    *COLUMNS,
]
WITHOUT_CHUNKS: Final[dict[str, Rows]] = {
    "SELECT count(*) FROM live_events": [(32,)],
    "SELECT branch, count(*) FROM events GROUP BY branch": [(None, 30), ("desk.refunds", 8)],
    "SELECT text FROM events WHERE partial = 1": [],
}
IDLE: Final = SQL["Which sessions are idle, and which are empty?"]


def expected(sql: str, rows: Rows, model: bool) -> Rows:
    """What a file has instead of the rows of Vertex AI."""
    rows = WITHOUT_CHUNKS.get(sql, rows)
    if not model:
        unknown = {"gemini-2.5-flash", "STOP"}
        rows = [tuple(None if one in unknown else one for one in row) for row in rows]
    if sql == IDLE:
        return [(session, 16 if count == 17 else count) for session, _, count in rows]
    return rows


@pytest.mark.parametrize(("sql", "rows"), SAME, ids=[sql[:60] for sql, _ in SAME])
def test_the_rows_are_those_of_vertex(adk: Connection, sql: str, rows: Rows) -> None:
    (model,) = (adk.execute("SELECT count(model_version) > 0 FROM events").get,)
    found = adk.execute(sql, given(sql)).fetchall()
    if sql == IDLE:  # By the time of the events, which is always longer ago.
        found = [(session, count) for session, _, count in found]

    assert sorted(found, key=str) == sorted(expected(sql, rows, bool(model)), key=str)


def test_a_transcript_is_in_the_order_of_writing(adk: Connection) -> None:
    said = "What was said in a session?"
    assert adk.execute(SQL[said], given(SQL[said])).fetchall() == ANSWERS[said]


def test_an_id_of_two_users_is_two_sessions_in_every_view(tmp_path: Path) -> None:
    """In ADK's files an id belongs to an app and a user."""
    url = f"prod=adk://{Path(__file__).parents[1] / 'data' / 'adk' / '2.13.0_sqlite_utc.db'}"
    with closing(connect(url)) as connection:
        counts = [
            connection.execute(
                f"SELECT count(*), count(DISTINCT session_name) FROM {view}"
                " WHERE session_id = 'full'"
            ).get
            for view in ("turns", "tool_calls", "usage_by_session", "live_events")
        ]

    assert counts == [(15, 3), (12, 3), (3, 3), (39, 3)]


def test_the_eval_set_has_the_turns_that_count(adk: Connection) -> None:
    ((text,),) = adk.execute(EVAL_SET, given(EVAL_SET)).fetchall()
    (case,) = json.loads(text)["eval_cases"]

    assert [turn["invocation_id"] for turn in case["conversation"]] == ["e-1", "e-2"]


def test_the_report_is_that_of_vertex_without_chunks(adk: Connection, vertex: Connection) -> None:
    made, there = report(adk), report(vertex)
    ours, theirs = Page(made.html), Page(there.html)

    assert (made.sessions, made.events, made.requests) == (5, 38, 0)
    for title in ("Sessions", "Turns", "Errors", "Tokens in", "Tokens out", "First answer, p95"):
        assert ours.tile(title) == theirs.tile(title)
    for tool_or_handover in (row for row in theirs.rows if row[0] in {"lookup", "desk", "refunds"}):
        assert tool_or_handover in ours.rows
    assert "A human takes over. 😀" in ours.texts


def test_a_snapshot_has_the_rows_of_its_file(adk: Connection, tmp_path: Path) -> None:
    snapshot(adk, tmp_path / "copy.db")
    with closing(connect(f"prod=local://{tmp_path / 'copy.db'}", read_only=True)) as copied:
        for sql, _ in SAME:
            rows = [
                sorted(one.execute(sql, given(sql)).fetchall(), key=str) for one in (adk, copied)
            ]
            assert rows[0] == rows[1], sql


@pytest.mark.parametrize("name", ["0.5.0_db_utc", "1.10.0_db_ny"])
def test_what_a_version_does_not_store_is_null(name: str, tmp_path: Path) -> None:
    """Before 1.17: neither the use of tokens, nor rewinds, nor compaction."""
    with closing(connect(written_by_adk(name, tmp_path))) as connection:
        counts = connection.execute(
            "SELECT count(input_tokens), count(model_version), count(rewind_before),"
            " count(compaction), count(transfer_to), count(escalate) FROM events"
        ).get
        tools = connection.execute(
            "SELECT tool, count(latency_ms), count(error) FROM tool_calls GROUP BY tool"
        ).fetchall()

    assert counts == (0, 0, 0, 0, 2, 2)
    assert tools == [("approve", 0, 0), ("lookup", 4, 2), ("transfer_to_agent", 2, 0)]
