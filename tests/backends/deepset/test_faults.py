"""Responses that differ from the API's description, and services that do not answer."""

from __future__ import annotations

from typing import Any

import pytest

from sessions_vtab.errors import (
    NotFoundError,
    ProtocolError,
    UnavailableError,
)
from tests.backends.deepset.conftest import NO_SUCH, with_files

LAST = {"total": 1, "has_more": False}


@pytest.mark.parametrize(
    ("sql", "body", "field"),
    [
        (
            "SELECT status FROM upload_sessions",
            {"data": [{}], "total": 1, "has_more": False},
            "session_id",
        ),
        ("SELECT status FROM upload_sessions", {"data": 5}, "data"),
        ("SELECT status FROM upload_sessions", [], "JSON object"),
        ("SELECT count(*) FROM upload_sessions", {"data": [], "has_more": False}, "total"),
        (
            "SELECT status FROM upload_sessions",
            {"data": [{}], "total": 1, "has_more": "no"},
            "has_more",
        ),
        (
            "SELECT create_time FROM upload_sessions",
            {"data": [{"session_id": "x", "created_at": "soon"}], **LAST},
            "created_at",
        ),
        (
            "SELECT created_by FROM upload_sessions",
            {"data": [{"session_id": "x", "created_by": "ann"}], **LAST},
            "created_by",
        ),
        ("SELECT size FROM files", {"data": [{"file_id": "f", "size": "1"}], **LAST}, "size"),
        ("SELECT name FROM files", {"data": [{"size": 1}], **LAST}, "file_id"),
        (
            "SELECT size FROM files",
            {"data": [{"size": 1}], "total": 2, "has_more": True},
            "created_at or file_id",
        ),
    ],
)
def test_a_field_of_the_wrong_type_is_named(deepset: Any, sql: str, body: Any, field: str) -> None:
    deepset.server.control.fault("body", body=body, count=None)

    with pytest.raises(ProtocolError, match=rf"GET http.*{field}"):
        deepset(sql)


FILE = {"file_id": "f", "name": "a", "created_at": "2026-01-01T00:00:00Z"}


SESSION = {"session_id": NO_SUCH, "status": "OPEN"}


@pytest.mark.parametrize(
    ("sql", "body", "says"),
    [
        (sql, {"data": rows, "total": total, "has_more": more}, says)
        for sql, row in [
            ("SELECT name FROM files WHERE size > 0", FILE),
            ("SELECT status FROM upload_sessions", SESSION),
            (f"SELECT * FROM upload_session_files WHERE session_id = '{NO_SUCH}'", {"name": "a"}),
            ("SELECT count(*) FROM upload_sessions", SESSION),
            ("SELECT count(*) FROM files", FILE),
        ]
        for rows, total, more, says in [
            ([], 5, False, "no rows, but its total is 5"),
            ([], 0, True, "no rows, but says that more follow"),
            ([row], 1, True, "says that more rows follow, but has the last of 1"),
        ]
    ],
)
def test_a_page_that_contradicts_itself_is_no_end_of_a_list(
    deepset: Any, sql: str, body: Any, says: str
) -> None:
    """Rows would be missing, or pages without end be asked for."""
    deepset.server.control.fault("status", status=200, body=body, count=None)

    with pytest.raises(ProtocolError, match=f"GET http.*{says}"):
        deepset(sql)

    assert len(deepset.sent) <= 2


def test_pages_that_do_not_go_on_are_an_error(deepset: Any) -> None:
    body = {"data": [FILE], "total": 1000, "has_more": True}
    deepset.server.control.fault("status", status=200, path="files", body=body, count=None)

    with pytest.raises(ProtocolError, match="the page ends where it should begin"):
        deepset("SELECT name FROM files WHERE size > 0")

    assert len(deepset.sent) == 2


def test_a_missing_workspace_is_not_reported_as_a_missing_session(deepset: Any) -> None:
    body = {"errors": ["Workspace 'ws' was not found."]}
    deepset.server.control.fault("status", status=404, body=body, count=None)

    with pytest.raises(NotFoundError, match="Workspace 'ws' was not found"):
        deepset("SELECT failed_files FROM upload_sessions WHERE session_id = ?", NO_SUCH)


def test_an_unavailable_service_is_reported(deepset: Any) -> None:
    deepset.server.control.fault("status", status=503, retry_after=0, count=None)

    with pytest.raises(UnavailableError, match="503 Service Unavailable after 5 attempts"):
        deepset("SELECT status FROM upload_sessions WHERE is_expired = 0")


def test_a_fan_out_with_limit_requests_few_lists(deepset: Any) -> None:
    with_files(deepset, 30, expired=10)

    deepset("SELECT name, file_name FROM upload_session_files LIMIT 3")

    sent = [one["path"].rpartition("/")[2] for one in deepset.sent]
    # Reading starts with one list and doubles; how many were requested depends on timing.
    assert 3 <= sent.count("files") <= 8
