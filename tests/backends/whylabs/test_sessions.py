from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import quote

import pytest

from sessions_vtab.errors import (
    CredentialError,
    ForbiddenError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SessionsError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)

GET = "SELECT org_id FROM sessions WHERE session_id = ?"
CREATE = "INSERT INTO sessions(user_id) VALUES (?)"
REFERENCE = "SELECT * FROM create_reference_profile_upload(?)"
CLAIM = "SELECT * FROM claim_guest_session(?, 'org-1')"
LINKS = "SELECT * FROM session_profile_observatory_link(?, '[]', '[\"r\"]')"
CALLS = (
    GET,
    REFERENCE,
    CLAIM,
    LINKS,
    "SELECT * FROM create_dataset_profile_upload(?, '2026-03-01', '{}')",
    "SELECT * FROM batch_create_reference_profile_upload(?, '[{}]')",
)


def _songbird(kind: str, message: str) -> dict[str, str]:
    return {"message": message, "requestId": "r-1", "type": kind}


# Reading


def test_a_session_can_be_read_by_its_name(whylabs: Any) -> None:
    rows = whylabs("SELECT session_id FROM sessions WHERE name = ?", f"sessions/{whylabs.session}")

    assert rows == [(whylabs.session,)]
    assert len(whylabs.sent) == 1


def test_several_ids_are_requested_concurrently(whylabs: Any) -> None:
    other = whylabs("INSERT INTO sessions(user_id) VALUES ('bob') RETURNING session_id")[0][0]

    rows = whylabs(
        "SELECT session_id FROM sessions WHERE session_id IN (?, ?, 'session-none', '', '..')",
        whylabs.session,
        other,
    )

    assert sorted(rows) == sorted([(whylabs.session,), (other,)])
    assert len(whylabs.sent) == 3


@pytest.mark.parametrize("name", ["", "x", "sessions/", "session-1", "a/b", "sessions/a/b"])
def test_a_name_that_no_session_has_sends_no_request(whylabs: Any, name: str) -> None:
    assert whylabs("SELECT * FROM sessions WHERE name = ?", name) == []
    assert whylabs.sent == []


def test_columns_that_the_service_does_not_know_are_null(whylabs: Any) -> None:
    ((*_, created, updated, expires, org, model),) = whylabs(
        "SELECT * FROM sessions WHERE session_id = ?", whylabs.session
    )

    assert (created, updated, expires, model) == (None, None, None, "model-1")
    assert org.startswith("org-")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE sessions SET user_id = 'x' WHERE session_id = ?", "cannot be changed"),
        ("DELETE FROM sessions WHERE session_id = ?", "claim_guest_session.*ends one at once"),
        ("INSERT INTO sessions(session_id, user_id) VALUES (?, 'x')", "the source sets it"),
        ("INSERT INTO sessions(org_id, user_id) VALUES (?, 'x')", "the source sets it"),
    ],
)
def test_what_the_api_cannot_do_is_refused(whylabs: Any, sql: str, told: str) -> None:
    with pytest.raises(UnsupportedError, match=told):
        whylabs(sql, whylabs.session)

    assert {one["method"] for one in whylabs.sent} <= {"GET"}


def test_a_user_is_required(whylabs: Any) -> None:
    with pytest.raises(MissingParameterError, match="requires user_id"):
        whylabs("INSERT INTO sessions(user_id) VALUES (NULL)")


# The key


def test_the_key_goes_out_on_two_routes_only(whylabs: Any) -> None:
    with_key = []
    for sql in CALLS:
        whylabs(sql, whylabs.session) if sql != CLAIM else None
        with_key += [one["path"] for one in whylabs.sent if "x-api-key" in one["headers"]]
    whylabs(CREATE, "bob")
    with_key += [one["path"] for one in whylabs.sent if "x-api-key" in one["headers"]]
    whylabs(CLAIM, whylabs.session)
    with_key += [one["path"] for one in whylabs.sent if "x-api-key" in one["headers"]]

    session = f"/v0/sessions/{whylabs.session}"
    assert with_key == [session, f"{session}/claim"]


@pytest.mark.parametrize("sql", [GET, CLAIM])
def test_without_a_key_the_error_names_the_variable_before_sending(whylabs: Any, sql: str) -> None:
    guest = whylabs.connect(api_key_env="NO_SUCH_KEY")
    whylabs.server.control.reset_log()

    with pytest.raises(CredentialError, match=r"\$NO_SUCH_KEY\. .* is not set"):
        guest.execute(sql, ("session-1",)).fetchall()

    assert whylabs.sent == []


def test_returning_stays_null_where_the_service_refuses_the_key(whylabs: Any) -> None:
    whylabs.server.control.fault("status", method="GET", status=403)

    ((session_id, org),) = whylabs(f"{CREATE} RETURNING session_id, org_id", "bob")

    assert (session_id[:8], org) == ("session-", None)


def test_the_org_of_a_claim_may_be_the_sources(whylabs: Any) -> None:
    sql = "SELECT org_id FROM claim_guest_session(?)"
    with pytest.raises(MissingParameterError, match="requires org"):
        whylabs(sql, whylabs.session)

    mine = whylabs.connect(org_id="org-mine")
    assert mine.execute(sql, (whylabs.session,)).fetchall() == [("org-mine",)]


# What the service refuses


@pytest.mark.parametrize(
    ("sql", "status", "body", "error", "told"),
    [
        (REFERENCE, 400, _songbird("IllegalArgument", "no"), RefusedError, "400 Bad Request: no"),
        (GET, 401, _songbird("Unauthorized", "No key"), CredentialError, "No key.*X-API-Key from"),
        (
            GET,
            403,
            _songbird("Forbidden", "Not valid"),
            ForbiddenError,
            "Not valid.*The key is unknown",
        ),
        (CREATE, 403, "IP not allowed", ForbiddenError, "IP not allowed"),
        (
            REFERENCE,
            404,
            _songbird("ResourceNotFound", "Resource session not found."),
            NotFoundError,
            "404 Not Found: Resource session not found. The guest session does not exist.*another one",
        ),
        (REFERENCE, 404, "", NotFoundError, "open-source server.*without them.*base_url"),
        (GET, 404, "", NotFoundError, "no session routes"),
        (CREATE, 404, "", NotFoundError, "no session routes"),
        (CLAIM, 409, _songbird("ResourceAlreadyExists", "taken"), SessionsError, "taken"),
        (GET, 410, _songbird("PermanentlyRemoved", "gone"), NotFoundError, "gone"),
        (CREATE, 429, "Too many requests...", ThrottledError, "Too many requests.*recovers slowly"),
        (GET, 500, _songbird("Internal", "broken"), UnavailableError, "after 5 attempts: broken"),
        (LINKS, 500, _songbird("Internal", "broken"), UnavailableError, "after 5 attempts: broken"),
        (GET, 501, _songbird("NotImplemented", "not yet"), UnavailableError, "not yet"),
        (REFERENCE, 500, _songbird("Internal", "b"), UnknownOutcomeError, "may or may not have"),
        (CREATE, 503, "", UnknownOutcomeError, "may or may not have acted"),
    ],
)
def test_every_refusal_says_what_happened_and_what_to_do(
    whylabs: Any, sql: str, status: int, body: Any, error: type[SessionsError], told: str
) -> None:
    kind = "text/plain" if isinstance(body, str) else "application/json"
    whylabs.server.control.fault(
        "status",
        status=status,
        body=body,
        headers={"content-type": kind},
        retry_after=0,
        count=None,
    )

    with pytest.raises(error, match=told) as raised:
        whylabs(sql, whylabs.session)

    assert re.match(r"guest\.(sessions|create|claim|session_profile)\w*: ", str(raised.value))
    assert whylabs.session not in str(raised.value)


def test_a_missing_session_is_no_row_and_a_missing_route_is_an_error(whylabs: Any) -> None:
    assert whylabs(GET, "session-none") == []

    whylabs.server.control.fault("status", status=404, body={"detail": "Not Found"})
    with pytest.raises(NotFoundError, match="no session routes"):
        whylabs(GET, "session-none")


@pytest.mark.parametrize(
    ("sql", "body", "field"),
    [
        (GET, {}, "session"),
        (GET, {"session": {"orgId": "o"}}, "sessionId"),
        (GET, {"session": {"sessionId": "s", "orgId": 5}}, "orgId"),
        (REFERENCE, {"id": "r"}, "alias"),
        (
            REFERENCE,
            {
                "id": "r",
                "alias": "a",
                "modelId": "m",
                "uploadUrl": "u",
                "observatoryUrl": "o",
                "uploadTimestamp": "now",
            },
            "uploadTimestamp",
        ),
        (CALLS[4], {"id": "l", "uploadUrl": "u", "observatoryUrl": "o"}, "datasetId"),
        (CALLS[5], {"references": [], "observatoryUrl": "o"}, "references"),
        (CALLS[5], {"references": [5], "observatoryUrl": "o"}, "references"),
        (LINKS, {"observatoryUrl": "o", "individualObservatoryUrls": []}, "individualObs"),
        (LINKS, {"individualObservatoryUrls": ["l"]}, "observatoryUrl"),
        (REFERENCE, [], "JSON object"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(whylabs: Any, sql: str, body: Any, field: str) -> None:
    whylabs.server.control.fault("body", body=body)
    # What only asks can be asked again; of the others it is known that the service accepted them.
    error = ProtocolError if sql in {GET, LINKS} else UnknownOutcomeError

    with pytest.raises(error, match=rf"http://127.*{field}") as raised:
        whylabs(sql, whylabs.session)

    assert ("accepted the POST" in str(raised.value)) is (error is UnknownOutcomeError)
    assert whylabs.session not in str(raised.value)


def test_a_creation_that_cannot_be_understood_may_have_happened(whylabs: Any) -> None:
    whylabs.server.control.fault("body", body={"session": 5})

    with pytest.raises(
        UnknownOutcomeError, match=r"field id should be text.*may have been created"
    ):
        whylabs(CREATE, "bob")


# Secrets and hostile values


def test_ids_and_keys_are_in_no_error_log_schema_or_repr(
    whylabs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    backend = whylabs.connection.sources["guest"].backend
    shown = [backend.describe(), repr(whylabs.connection.sources)]
    shown += [repr(value) for value in vars(backend).values()]
    echo = {"message": f"{whylabs.session} {whylabs.key}", "type": "IllegalArgument"}
    for sql in CALLS:
        whylabs.server.control.fault("status", status=400, body=echo)
        with pytest.raises(RefusedError) as raised:
            whylabs(sql, whylabs.session)
        shown.append(str(raised.value))
        # What may be sent again would be, for some seconds.
        fault = {"kind": "body", "body": "<p>"} if sql in {GET, LINKS} else {"kind": "drop"}
        whylabs.server.control.fault(**fault)
        with pytest.raises(SessionsError) as raised:
            whylabs(sql, whylabs.session)
        shown.append(str(raised.value))
        whylabs.server.control.clear_faults()
    for sql in sorted(CALLS, key=lambda sql: sql == CLAIM):
        if sql != GET:
            shown += [str(row[-1]) for row in whylabs(sql, whylabs.session)]
    shown += map(str, whylabs("SELECT * FROM http_requests"))
    shown += map(str, whylabs("SELECT * FROM writes"))
    for schema in ("main", "guest"):
        shown += map(str, whylabs(f"SELECT * FROM {schema}.sqlite_schema"))
    ours = [one for one in caplog.records if not one.name.startswith("uvicorn")]
    shown += [one.getMessage() for one in ours]

    text = "\n".join(shown)
    assert "[cut]" in text
    assert [secret for secret in (whylabs.session, whylabs.key) if secret in text] == []


def test_responses_hold_neither_signatures_nor_the_id(whylabs: Any) -> None:
    ((response, upload),) = whylabs(
        "SELECT response, upload_url FROM create_reference_profile_upload(?)", whylabs.session
    )

    signature = upload.rpartition("X-Amz-Signature=")[2]
    assert len(signature) == 64
    assert signature not in response
    assert whylabs.session not in response


HOSTILE = ["a/../b", "evil.example/", "..%2f", "ü ☃", "?x=1", "#x", "a\\b", "%00", "'; --", "a\nb"]


@pytest.mark.parametrize("sql", CALLS)
@pytest.mark.parametrize("session", HOSTILE)
def test_any_text_stays_one_segment_of_the_path(whylabs: Any, sql: str, session: str) -> None:
    if sql == GET:
        assert whylabs(sql, session) == []
    else:
        with pytest.raises(NotFoundError, match="The guest session does not exist"):
            whylabs(sql, session)

    (one,) = whylabs.sent
    assert quote(session, safe="") in one["raw_path"].split("/")
    log = whylabs("SELECT url FROM http_requests ORDER BY number DESC LIMIT 1")
    assert quote(session, safe="") not in log[0][0]


@pytest.mark.parametrize("session", ["", ".", ".."])
def test_a_session_that_would_be_another_path_is_refused(whylabs: Any, session: str) -> None:
    with pytest.raises(InvalidValueError, match="cannot be part of a resource name"):
        whylabs(REFERENCE, session)

    assert whylabs.sent == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_of_fields_and_queries_are_values(whylabs: Any, text: str) -> None:
    whylabs(CREATE, text)
    assert whylabs.sent[0]["body"] == {"userId": text}
    whylabs("SELECT * FROM create_reference_profile_upload(?, ?)", whylabs.session, text)
    assert whylabs.sent[0]["body"] == {"alias": text}
    whylabs("SELECT * FROM claim_guest_session(?, ?)", whylabs.session, text)
    assert whylabs.sent[0]["query"] == {"org_id": text}


def test_a_query_shows_what_it_would_ask_without_the_id(whylabs: Any) -> None:
    whylabs.server.control.reset_log()

    shown = whylabs.connection.preview(GET, (whylabs.session,))

    (url,) = (one.url for _, one in shown)
    assert url == f"{whylabs.server.url}/v0/sessions/[cut]"
    assert whylabs.sent == []
