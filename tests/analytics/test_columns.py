"""The columns that are read from an event's documents are the same in every source."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.errors import UnsupportedError

FULL = "WHERE session_id = 'full'"


ROWS: list[tuple[str, list[tuple[Any, ...]]]] = [
    (
        "SELECT branch, count(*) FROM events GROUP BY branch",
        [(None, 32), ("desk.refunds", 8)],
    ),
    ("SELECT text FROM events WHERE partial = 1", [("I w",), ("I w",)]),
    (f"SELECT transfer_to FROM events {FULL} AND transfer_to NOTNULL", [("refunds",)]),
    (
        f"SELECT author, text FROM events {FULL} AND escalate",
        [("refunds", "A human takes over. 😀")],
    ),
    (
        f"SELECT long_running_tool_ids ->> 0 FROM events {FULL} AND long_running_tool_ids NOTNULL",
        [("c2",)],
    ),
    (
        (
            "SELECT model_version, finish_reason, input_tokens, output_tokens, cached_tokens,"
            f" reasoning_tokens, total_tokens FROM events {FULL} AND input_tokens NOTNULL"
            " AND partial IS NULL ORDER BY timestamp"
        ),
        [
            ("gemini-2.5-flash", "STOP", 120, 39, 100, 30, 159),
            (None, None, 200, 12, None, None, 212),
        ],
    ),
    (f"SELECT rewind_before FROM events {FULL} AND rewind_before NOTNULL", [("e-3",)]),
    (
        (
            "SELECT compaction ->> '$.compactedContent.parts[0].text' FROM events"
            f" {FULL} AND compaction NOTNULL"
        ),
        [("summary",)],
    ),
    (
        (
            "SELECT part, kind, mime_type, file_uri, size FROM event_parts"
            f" {FULL} AND mime_type NOTNULL ORDER BY part"
        ),
        [
            (1, "inlineData", "image/png", None, 400),
            (2, "fileData", "application/pdf", "gs://b/x.pdf", None),
        ],
    ),
    (
        f"SELECT author, invocation_id, timestamp, text FROM event_parts {FULL} AND thought",
        [("desk", "e-1", "2026-01-05 09:00:03.100000", "thinking")],
    ),
    (
        (
            "SELECT kind, args ->> 'code', response ->> 'output' FROM event_parts"
            f" {FULL} AND kind LIKE '%code%' ORDER BY part"
        ),
        [("executableCode", "1+1", None), ("codeExecutionResult", None, "2")],
    ),
]


@pytest.mark.parametrize(("sql", "rows"), ROWS, ids=[sql[:60] for sql, _ in ROWS])
def test_every_source_has_the_same_rows(
    source: Connection, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    assert source.execute(sql).fetchall() == rows


@pytest.mark.parametrize("column", ["branch", "input_tokens", "rewind_before"])
def test_a_column_that_is_read_from_others_cannot_be_given(
    vertex: Connection, local: Connection, column: str
) -> None:
    for connection in (vertex, local):
        with pytest.raises(UnsupportedError, match="It is read from event_metadata, actions and"):
            connection.execute(
                f"INSERT INTO events(session_id, author, {column}) VALUES ('full', 'user', 'x')"
            )


def test_returning_tells_what_was_read(local: Connection, vertex: Connection) -> None:
    for connection in (local, vertex):
        connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('told', 'dave')")
        rows = connection.execute(
            "INSERT INTO events(session_id, author, event_metadata) VALUES"
            " ('told', 'desk', '{\"branch\":\"a.b\"}') RETURNING branch, partial, rewind_before"
        ).fetchall()
        connection.execute("DELETE FROM sessions WHERE session_id = 'told'")

        assert rows == [("a.b", None, None)]


def test_documents_that_another_program_wrote_and_are_not_json_say_nothing(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with closing(connect(f"local://{file}")) as connection:
        connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s', 'u')")
        connection.execute("INSERT INTO events(session_id, author) VALUES ('s', 'desk')")
    with closing(apsw.Connection(str(file))) as other:
        other.execute("UPDATE events SET event_metadata = '{', raw_event = '[1', actions = '7'")

    with closing(connect(f"local://{file}")) as connection:
        rows = connection.execute("SELECT author, branch, input_tokens FROM events").fetchall()

    assert rows == [("desk", None, None)]
