from __future__ import annotations

from typing import Any

import pytest

from sessions_vtab.cli.explain import explain

ONE = "11111111-1111-4111-8111-111111111111"
LIST = "/upload_sessions?page_number=1&is_expired={}&limit=100"
ACTIVE, EXPIRED = LIST.format("false"), LIST.format("true")


@pytest.mark.parametrize(
    ("sql", "requests"),
    [
        ("SELECT * FROM upload_sessions", [ACTIVE, EXPIRED]),
        ("SELECT count(*) FROM upload_sessions WHERE is_expired = 1", [EXPIRED]),
        (
            f"SELECT failed_files FROM upload_sessions WHERE session_id = '{ONE}'",
            [f"/upload_sessions/{ONE}"],
        ),
        (f"SELECT status FROM upload_sessions WHERE session_id = '{ONE}'", [ACTIVE]),
        ("SELECT * FROM files WHERE meta->>'k' = 'v'", ["/files?limit=100&filter=k+eq+%27v%27"]),
        (
            f"SELECT * FROM upload_session_files WHERE session_id = '{ONE}' LIMIT 5",
            [f"/upload_sessions/{ONE}/files?page_number=1&limit=5"],
        ),
        (
            "SELECT * FROM upload_session_files WHERE ingestion_status = 'FAILED'",
            [
                ACTIVE,
                EXPIRED,
                "/upload_sessions/{session_id}/files?page_number=1&limit=100&ingestion_status=FAILED",
            ],
        ),
    ],
)
def test_a_preview_shows_the_first_requests_and_sends_nothing(
    deepset: Any, sql: str, requests: list[str]
) -> None:
    deepset.server.control.reset_log()

    shown = [(one.method, one.url) for _, one in deepset.connection.preview(sql)]

    base = f"{deepset.server.url}/api/v1/workspaces/ws"
    assert shown == [("GET", base + request) for request in requests]
    assert deepset.sent == []


@pytest.mark.parametrize(
    ("tail", "words"), [("", " and 1 more"), (" LIMIT 5", " and at most 1 more")]
)
def test_of_lists_that_limit_may_not_need_it_says_at_most(deepset, tail, words):
    (line, *_) = explain(deepset.connection, f"SELECT session_id FROM upload_sessions{tail}")

    size = 5 if tail else 100
    assert f"is_expired=false&limit={size}{words}," in line
