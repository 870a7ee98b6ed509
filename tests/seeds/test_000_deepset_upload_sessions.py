"""Seed 000, row by row: deepset's upload sessions in SQL, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import InvalidValueError, UnsupportedError

KEY = "api_seed-000-key"
BASE = "/api/v1/workspaces/docs/upload_sessions"


class Walk:
    """One connection to the emulator, whose clock the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.server: Running
        self.connection: Connection

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows; the log holds the requests of this statement."""
        self.server.control.reset_log()
        return self.connection.execute(sql, values).fetchall()

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.server.control.requests()

    @property
    def went_out(self) -> list[tuple[str, str, Any, Any]]:
        """Method, path, query and body of each request."""
        return [(one["method"], one["path"], one["query"], one["body"]) for one in self.sent]

    def pass_time(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def opened(self, count: int = 1, **values: Any) -> list[str]:
        names = ", ".join(["write_mode", *values])
        marks = ", ".join("?" * (1 + len(values)))
        sql = f"INSERT INTO upload_sessions({names}) VALUES ({marks}) RETURNING session_id"
        return [self(sql, "KEEP", *values.values())[0][0] for _ in range(count)]


@pytest.fixture(scope="module")
def started() -> Iterator[Walk]:
    walk = Walk()
    with running(EmulatorSettings(clock=lambda: walk.now)) as walk.server:
        yield walk


@pytest.fixture
def walk(started: Walk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    monkeypatch.setenv("DEEPSET_API_KEY", KEY)
    started.server.control.reset()
    opened = connect(f"deepset://docs?base_url={started.server.url}/api/v1")
    with closing(opened) as started.connection:
        yield started


# list_upload_sessions


def test_the_api_key_is_sent_as_a_bearer_token_and_never_appears_in_sql(walk: Walk) -> None:
    walk("SELECT session_id FROM upload_sessions WHERE is_expired = 0")

    assert [one["headers"]["authorization"] for one in walk.sent] == [f"Bearer {KEY}"]


@pytest.mark.parametrize("option", ["api_key_env", "api_key_file"])
def test_the_source_names_the_api_key(
    walk: Walk, option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TEAM_KEY", "api_of-the-team")
    (tmp_path / "key").write_text("api_of-the-team\n")
    place = {"api_key_env": "TEAM_KEY", "api_key_file": str(tmp_path / "key")}[option]
    options = {"base_url": walk.server.url, option: place}
    source = Source("team", "deepset", "docs", options)
    with closing(connect(sources=[source])) as connection:
        walk.server.control.reset_log()
        connection.execute("SELECT count(*) FROM upload_sessions").fetchall()

    assert {one["headers"]["authorization"] for one in walk.sent} == {"Bearer api_of-the-team"}


def test_the_workspace_is_the_sources_unless_where_names_others(walk: Walk) -> None:
    (here,) = walk.opened()
    (there,) = walk.opened(workspace="other")

    assert walk("SELECT session_id, workspace FROM upload_sessions") == [(here, "docs")]
    rows = walk("SELECT session_id, workspace FROM upload_sessions WHERE workspace = 'other'")
    assert rows == [(there, "other")]
    rows = walk("SELECT session_id FROM upload_sessions WHERE workspace IN ('docs', 'other')")
    assert sorted(rows) == sorted([(here,), (there,)])
    assert {one["path"] for one in walk.sent} == {BASE, BASE.replace("docs", "other")}


@pytest.mark.parametrize(
    ("where", "lists", "kinds"),
    [
        ("WHERE is_expired = 0", ["false"], {0}),
        ("WHERE is_expired = 1", ["true"], {1}),
        ("WHERE is_expired IN (0, 1)", ["false", "true"], {0, 1}),
        ("", ["false", "true"], {0, 1}),
    ],
)
def test_is_expired_selects_the_list_and_without_it_both_are_merged(
    walk: Walk, where: str, lists: list[str], kinds: set[int]
) -> None:
    (short,) = walk.opened(expires_in_seconds=60)
    walk.pass_time(minutes=2)
    (long,) = walk.opened()

    rows = walk(f"SELECT session_id, is_expired FROM upload_sessions {where}")

    assert sorted(rows) == sorted([row for row in [(long, 0), (short, 1)] if row[1] in kinds])
    assert sorted(one["query"]["is_expired"] for one in walk.sent) == lists


def test_batch_size_is_the_hidden_page_size(walk: Walk) -> None:
    ids = walk.opened(5)

    rows = walk("SELECT session_id FROM upload_sessions WHERE is_expired = 0 AND page_size = 2")

    assert sorted(row[0] for row in rows) == sorted(ids)
    pages = [(one["query"]["limit"], one["query"]["page_number"]) for one in walk.sent]
    assert pages == [("2", "1"), ("2", "2"), ("2", "3")]


def test_limit_sets_the_page_size(walk: Walk) -> None:
    walk.opened(5)

    assert len(walk("SELECT session_id FROM upload_sessions LIMIT 3")) == 3
    assert [one["query"]["limit"] for one in walk.sent] == ["3"]


def test_the_count_of_active_sessions_is_one_request(walk: Walk) -> None:
    for _ in range(12):
        walk.opened(10)
        walk("UPDATE upload_sessions SET status = 'CLOSED' WHERE status = 'OPEN'")

    assert walk("SELECT count(*) FROM upload_sessions WHERE is_expired = 0") == [(120,)]
    assert len(walk.sent) == 1
    assert walk("SELECT count(*) FROM upload_sessions") == [(120,)]
    assert len(walk.sent) == 2


# get_upload_session


def test_session_id_is_one_get_with_counts_and_expiry(walk: Walk) -> None:
    (session_id,) = walk.opened()

    rows = walk(
        "SELECT failed_files, finished_files, expire_time FROM upload_sessions"
        " WHERE session_id = ?",
        session_id,
    )

    tomorrow = (walk.now + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    assert rows == [(0, 0, tomorrow)]
    assert walk.went_out == [("GET", f"{BASE}/{session_id}", {}, None)]


def test_a_session_id_that_is_not_a_uuid_is_an_error_before_anything_is_sent(walk: Walk) -> None:
    with pytest.raises(InvalidValueError, match=r"'latest' is not a valid upload session id"):
        walk("SELECT * FROM upload_sessions WHERE session_id = 'latest'")

    assert walk.sent == []


def test_failed_finished_and_creation_time_come_together(walk: Walk) -> None:
    (session_id,) = walk.opened()
    walk("SELECT * FROM upload_file(?, 'a.txt', 'text')", session_id)
    walk("SELECT * FROM upload_file(?, 'b.txt', 'text', '{}')", session_id)
    walk("SELECT * FROM close_upload_session(?)", session_id)
    walk.pass_time(seconds=1)

    ((failed, finished, created),) = walk(
        "SELECT failed_files, finished_files, create_time FROM upload_sessions"
        " WHERE session_id = ?",
        session_id,
    )

    assert (failed, finished) == (0, 2)
    assert created == (walk.now - timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    assert [one["path"] for one in walk.sent] == [BASE, f"{BASE}/{session_id}"]


def test_files_uploaded_are_a_table(walk: Walk) -> None:
    (session_id,) = walk.opened()
    walk("SELECT * FROM upload_file(?, 'a.txt', 'text')", session_id)

    rows = walk(
        "SELECT session_id, file_name, ingestion_status FROM upload_session_files"
        " WHERE session_id = ?",
        session_id,
    )

    assert rows == [(session_id, "a.txt", "PENDING")]
    query = {"limit": "100", "page_number": "1"}
    assert walk.went_out == [("GET", f"{BASE}/{session_id}/files", query, None)]


# close


_UPDATE = "UPDATE upload_sessions SET status = 'CLOSED' WHERE session_id = ?"
_FUNCTION = "SELECT * FROM close_upload_session(?)"


@pytest.mark.parametrize("sql", [_UPDATE, _FUNCTION])
def test_closing_sends_the_status_closed(walk: Walk, sql: str) -> None:
    (session_id,) = walk.opened()

    walk(sql, session_id)

    closed = ("PUT", f"{BASE}/{session_id}", {}, {"status": "CLOSED"})
    assert [one for one in walk.went_out if one[0] != "GET"] == [closed]
    rows = walk("SELECT status FROM upload_sessions WHERE session_id = ?", session_id)
    assert rows == [("CLOSED",)]


def test_closing_by_function_returns_the_session(walk: Walk) -> None:
    (session_id,) = walk.opened()

    rows = walk(_FUNCTION, f"workspaces/docs/upload_sessions/{session_id}")

    name = f"workspaces/docs/upload_sessions/{session_id}"
    assert rows == [(name, session_id, "CLOSED", None)]


@pytest.mark.parametrize("status", ["OPEN", "EXPIRED", "closed", "", None])
def test_every_other_status_is_refused(walk: Walk, status: str | None) -> None:
    (session_id,) = walk.opened()
    walk("UPDATE upload_sessions SET status = 'CLOSED' WHERE session_id = ?", session_id)

    with pytest.raises(InvalidValueError, match=r"can only be set to 'CLOSED'"):
        walk("UPDATE upload_sessions SET status = ? WHERE session_id = ?", status, session_id)

    assert {one["method"] for one in walk.sent} == {"GET"}


def test_a_session_cannot_be_deleted_and_the_error_says_how_it_ends(walk: Walk) -> None:
    walk.opened()

    with pytest.raises(UnsupportedError, match=r"SET status = 'CLOSED' ends one"):
        walk("DELETE FROM upload_sessions")

    assert walk.sent == []


# (start) upload


def test_an_insert_opens_a_session_with_mode_parallel_and_expiry(walk: Walk) -> None:
    ((session_id, url, fields),) = walk(
        "INSERT INTO upload_sessions(write_mode, parallel_processing_enabled, expires_in_seconds)"
        " VALUES ('OVERWRITE', 1, 3600) RETURNING session_id, upload_url, upload_fields"
    )

    body = {
        "write_mode": "OVERWRITE",
        "parallel_processing_enabled": True,
        "expires_in_seconds": 3600,
    }
    assert walk.went_out == [("POST", BASE, {}, body)]
    assert url == f"{walk.server.url}/deepset-uploads/{session_id}"
    assert "policy" in json.loads(fields)
    rows = walk("SELECT write_mode, upload_url FROM upload_sessions WHERE status = 'OPEN'")
    assert rows == [("OVERWRITE", url)]


def _form(body: str) -> list[tuple[str, str]]:
    """Header line and text of each part of a multipart body."""
    boundary = body.split("\r\n", 1)[0]
    parts = [part.strip("\r\n") for part in body.split(boundary)[1:-1]]
    return [(part.split("\r\n")[0], part.split("\r\n\r\n", 1)[-1]) for part in parts]


def test_a_file_with_metadata_is_uploaded_with_the_presigned_form(walk: Walk) -> None:
    ((session_id, fields),) = walk(
        "INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')"
        " RETURNING session_id, upload_fields"
    )

    rows = walk(
        "SELECT session_name, stored_name, size FROM upload_file(?, ?, ?, ?)",
        session_id,
        "a b+ü.txt",
        "Grüße",
        '{"category": "news"}',
    )

    assert rows == [(f"workspaces/docs/upload_sessions/{session_id}", "a b+ü.txt", 7)]
    assert [(one["method"], one["path"]) for one in walk.sent] == [
        ("POST", f"/deepset-uploads/{session_id}")
    ] * 2
    assert all("authorization" not in one["headers"] for one in walk.sent)
    meta, file = (_form(one["body"]) for one in walk.sent)
    assert [text for _, text in file[:-1]] == list(json.loads(fields).values())
    disposition = 'Content-Disposition: form-data; name="file"; filename="{}"'
    assert file[-1] == (disposition.format("a%20b%2B%C3%BC.txt"), "Grüße")
    wanted = (disposition.format("a%20b%2B%C3%BC.txt.meta.json"), '{"category":"news"}')
    assert meta[-1] == wanted


@pytest.mark.parametrize(("content", "size"), [("text", 4), (b"\x00\xff\x00", 3), ("", 0), (12, 2)])
def test_content_is_sent_unchanged_as_text_or_bytes(walk: Walk, content: Any, size: int) -> None:
    (session_id,) = walk.opened()

    assert walk("SELECT size FROM upload_file(?, 'f.bin', ?)", session_id, content) == [(size,)]
    walk("SELECT * FROM close_upload_session(?)", session_id)
    walk.pass_time(seconds=1)
    assert walk("SELECT file_name, size FROM files") == [("f.bin", size)]


def test_another_connection_uploads_with_the_forms_address_and_fields(walk: Walk) -> None:
    ((session_id, url, fields),) = walk(
        "INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')"
        " RETURNING session_id, upload_url, upload_fields"
    )
    with closing(connect(f"deepset://docs?base_url={walk.server.url}")) as other:
        sql = "SELECT stored_name FROM upload_file(?, 'a.txt', 'x', NULL, ?, ?)"
        rows = other.execute(sql, (session_id, url, fields)).fetchall()

    assert rows == [("a.txt",)]
