from __future__ import annotations

import re
from typing import Any

import pytest

from sessions_vtab.errors import (
    ConflictError,
    CredentialError,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    RefusedError,
    SessionsError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
    WriteError,
)
from tests.clocks import delays_end_together

NO_SUCH = "11111111-1111-4111-8111-111111111111"
OPEN = "INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')"
CLOSE = f"SELECT * FROM close_upload_session('{NO_SUCH}')"
READ = f"SELECT failed_files FROM upload_sessions WHERE session_id = '{NO_SUCH}'"


def _details(text: str) -> Any:
    return {"details": [{"code": "c", "message": text}]}


# Errors of the service


@pytest.mark.parametrize(
    ("sql", "status", "body", "error", "told"),
    [
        (
            OPEN,
            401,
            {"errors": ["Invalid API key."]},
            CredentialError,
            "Invalid API key.*DEEPSET_API",
        ),
        (OPEN, 402, _details("free plan"), RefusedError, "free plan.*another plan"),
        (
            OPEN,
            403,
            {"detail": "Not authenticated"},
            ForbiddenError,
            "Not authenticated.*The API key",
        ),
        (OPEN, 406, _details("maximum"), RefusedError, "maximum.*10 open.*close_upload_session"),
        # "Request Entity Too Large" before Python 3.13.
        (OPEN, 413, "too large", RefusedError, "413 .*Too Large: too large"),
        (
            OPEN,
            422,
            {"detail": [{"loc": ["body"], "msg": "not an enum", "type": "enum"}]},
            RefusedError,
            "not an enum.*rejected a value",
        ),
        (OPEN, 429, "slow down", ThrottledError, "slow down"),
        (
            CLOSE,
            404,
            {"errors": ["There's no session"]},
            NotFoundError,
            "no session.*lists the existing",
        ),
        (CLOSE, 404, "<h1>No route</h1>", NotFoundError, "No route.*base_url"),
        (
            CLOSE,
            409,
            {"errors": [{"msg": "already closed", "type": "conflict"}]},
            ConflictError,
            "already closed.*Open another one with INSERT INTO upload_sessions",
        ),
        (CLOSE, 424, {"message": "failed before"}, RefusedError, "failed before"),
        (READ, 400, {"detail": "odd"}, RefusedError, "400 Bad Request: odd"),
        (READ, 415, "text", RefusedError, "415"),
        (READ, 500, "", UnavailableError, "500 Internal Server Error after 5 attempts"),
        (READ, 591, "standby", UnavailableError, "591 after 5 attempts: standby"),
        (READ, 307, "", RefusedError, "307.*Redirects are not followed"),
    ],
)
def test_every_refusal_says_what_happened_and_what_to_do(
    deepset: Any, sql: str, status: int, body: Any, error: type[SessionsError], told: str
) -> None:
    kind = "text/html" if isinstance(body, str) else "application/json"
    deepset.server.control.fault(
        "status",
        status=status,
        body=body,
        headers={"content-type": kind},
        retry_after=0,
        count=None,
        path="workspaces",
    )

    with pytest.raises(error, match=told) as raised:
        deepset(sql)

    assert type(raised.value) is error
    where = "close_upload_session" if sql == CLOSE else "upload_sessions"
    assert re.match(rf"docs\.{where}: (GET|POST|PUT) http://127", str(raised.value))
    assert deepset.key not in str(raised.value)


def test_the_eleventh_open_session_is_refused_and_closing_one_makes_room(deepset: Any) -> None:
    ids = [deepset.open() for _ in range(10)]

    with pytest.raises(RefusedError, match=r"406 Not Acceptable.*maximum number.*close one with"):
        deepset(OPEN)

    deepset.close(ids[0])
    assert deepset.open() not in ids


def test_closing_and_opening_in_one_transaction_keep_their_order(deepset: Any) -> None:
    for _ in range(10):
        deepset.open()

    deepset("BEGIN")
    deepset("UPDATE upload_sessions SET status = 'CLOSED' WHERE status = 'OPEN'")
    for _ in range(10):
        deepset(OPEN)
    deepset("COMMIT")

    assert deepset.methods == ["PUT"] * 10 + ["POST"] * 10


def test_many_sessions_are_opened_concurrently(
    deepset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays_end_together(monkeypatch, 2)
    deepset.server.control.fault("delay", method="POST", seconds=1, count=None)
    deepset.connection.executemany(
        "INSERT INTO upload_sessions(write_mode, workspace) VALUES (?, ?)",
        [("KEEP", f"w{number}") for number in range(8)],
    )

    assert 1 < deepset.server.control.log()["max_in_flight"] <= 8


def test_failed_writes_of_several_are_counted(deepset: Any) -> None:
    bindings = [("KEEP",)] * 12

    with pytest.raises(WriteError, match="2 of 12 writes did not succeed"):
        deepset.connection.executemany(
            "INSERT INTO upload_sessions(write_mode) VALUES (?)", bindings
        )

    sql = "SELECT outcome, http_status, count(*) FROM writes GROUP BY 1, 2 ORDER BY 1"
    assert deepset(sql) == [("failed", 406, 2), ("sent although rolled back", 201, 10)]


# Lost responses


def test_a_close_whose_response_was_lost_is_repeated_and_succeeds(deepset: Any) -> None:
    session_id = deepset.open()
    deepset.server.control.fault("drop", method="PUT", act=True)

    rows = deepset("SELECT status FROM close_upload_session(?)", session_id)

    assert rows == [("CLOSED",)]
    assert [(one["method"], one["status"]) for one in deepset.sent if one["status"]] == [
        ("PUT", 409)
    ]


def test_opening_a_session_is_not_repeated_after_a_lost_response(deepset: Any) -> None:
    deepset.server.control.fault("drop", method="POST", act=True)

    with pytest.raises(UnknownOutcomeError, match="may or may not have acted"):
        deepset(OPEN)

    assert deepset.methods == ["POST"]
    assert deepset("SELECT outcome FROM writes") == [("unknown",)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "session_id"),
        ({"session_id": NO_SUCH}, "aws_prefixed_request_config"),
        (
            {
                "session_id": NO_SUCH,
                "aws_prefixed_request_config": {"url": "u", "fields": {"a": 1}},
            },
            "aws_prefixed_request_config.fields",
        ),
        ({"session_id": NO_SUCH, "aws_prefixed_request_config": {"fields": {}}}, "url"),
        (
            {
                "session_id": NO_SUCH,
                "expires_at": 5,
                "aws_prefixed_request_config": {"url": "u", "fields": {}},
            },
            "expires_at",
        ),
    ],
)
def test_an_unusable_response_is_an_error_saying_that_a_session_was_opened(
    deepset: Any, body: Any, field: str
) -> None:
    deepset.server.control.fault("body", method="POST", body=body)

    with pytest.raises(
        UnknownOutcomeError, match=f"{field} should be.*opened an upload session anyway"
    ):
        deepset(OPEN)


# Rows


@pytest.mark.parametrize(
    ("columns", "values", "body"),
    [
        ("write_mode", "NULL", {}),
        ("workspace", "'ws'", {}),
        ("write_mode", "'FAIL'", {"write_mode": "FAIL"}),
        ("parallel_processing_enabled", "0", {"parallel_processing_enabled": False}),
        ("expires_in_seconds", "86400", {"expires_in_seconds": 86400}),
    ],
)
def test_only_given_values_are_sent(
    deepset: Any, columns: str, values: str, body: dict[str, Any]
) -> None:
    deepset(f"INSERT INTO upload_sessions({columns}) VALUES ({values})")

    assert [one["body"] for one in deepset.sent] == [body]


def test_returning_has_the_values_that_the_service_returned(deepset: Any) -> None:
    ((*known, created, creator),) = deepset(
        "INSERT INTO upload_sessions(write_mode) VALUES ('FAIL')"
        " RETURNING status, write_mode, is_expired, expire_time, workspace, create_time, created_by"
    )

    assert known == ["OPEN", "FAIL", 0, "2026-03-02 12:00:00.000000", "ws"]
    assert (created, creator) == (None, None)
    assert deepset.methods == ["POST"]


def test_update_returning_has_the_session_as_stored(deepset: Any) -> None:
    session_id = deepset.open()

    rows = deepset(
        "UPDATE upload_sessions SET status = 'CLOSED' WHERE session_id = ?"
        " RETURNING session_id, status, write_mode, finished_files",
        session_id,
    )

    assert rows == [(session_id, "CLOSED", "KEEP", 0)]


def test_closing_a_closed_session_changes_nothing_and_sends_nothing(deepset: Any) -> None:
    deepset.close(deepset.open())

    deepset("UPDATE upload_sessions SET status = 'CLOSED'")

    assert set(deepset.methods) == {"GET"}


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("write_mode", "TEMPORARY", "must be one of KEEP, OVERWRITE, FAIL, not 'TEMPORARY'"),
        ("write_mode", "keep", "must be one of KEEP"),
        ("expires_in_seconds", 0, "must be an integer, at least 1, at most 86400"),
        ("expires_in_seconds", 86_401, "must be an integer, at least 1, at most 86400"),
        ("parallel_processing_enabled", 2, "must be 0 or 1"),
        ("workspace", "..", "is not a valid workspace"),
    ],
)
def test_values_that_the_api_would_reject_are_refused_before_sending(
    deepset: Any, column: str, value: Any, told: str
) -> None:
    with pytest.raises(InvalidValueError, match=told):
        deepset(f"INSERT INTO upload_sessions({column}) VALUES (?)", value)

    assert deepset.sent == []


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO upload_sessions(session_id) VALUES ('x')",
        "INSERT INTO upload_sessions(failed_files) VALUES (1)",
        "INSERT INTO upload_session_files(file_name) VALUES ('x')",
        "INSERT INTO files(file_name) VALUES ('x')",
        "REPLACE INTO upload_sessions(write_mode) VALUES ('KEEP')",
    ],
)
def test_columns_that_the_service_sets_cannot_be_written(deepset: Any, sql: str) -> None:
    with pytest.raises(UnsupportedError):
        deepset(sql)

    assert deepset.sent == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM upload_sessions",
        "DELETE FROM upload_sessions WHERE session_id = '00000000-0000-4000-8000-000000000001'",
        "DELETE FROM docs.upload_sessions WHERE is_expired = 0 AND finished_files > 0",
        "DELETE FROM upload_sessions WHERE session_id IN (SELECT session_id FROM upload_sessions)",
        "WITH x(id) AS (SELECT 'a') DELETE FROM upload_sessions WHERE session_id IN x",
        "DELETE FROM upload_sessions RETURNING *",
        "SELECT 1; DELETE FROM upload_sessions WHERE 0",
        "DELETE FROM upload_session_files WHERE ingestion_status = 'FAILED'",
        "UPDATE files SET file_name = 'x'",
        "INSERT INTO files(file_name) SELECT file_name FROM upload_session_files",
    ],
)
@pytest.mark.parametrize("begin", [False, True])
def test_an_unsupported_change_sends_nothing_not_even_to_find_the_rows(
    deepset: Any, sql: str, begin: bool
) -> None:
    deepset.fill(active=2)
    if begin:
        deepset("BEGIN")

    with pytest.raises(UnsupportedError, match="Nothing was written"):
        deepset(sql)

    assert deepset.sent == []
    if begin:
        deepset("COMMIT")
        assert deepset.sent == []


@pytest.mark.parametrize("session", ["", "x", "workspaces/ws", "workspaces/ws/upload_sessions/x"])
@pytest.mark.parametrize(
    "call", ["close_upload_session(?)", "upload_file(?, 'a', 'x', NULL, 'https://a', '{}')"]
)
def test_an_invalid_session_is_refused_before_sending(
    deepset: Any, session: str, call: str
) -> None:
    with pytest.raises(InvalidValueError, match="upload session"):
        deepset(f"SELECT * FROM {call}", session)

    assert deepset.sent == []
