"""Failures of requests: right rows, or an error with source, call and hint."""

from __future__ import annotations

import re

import pytest

from sessions_vtab.errors import (
    BudgetError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
    WriteError,
)
from tests.clocks import delays_use_up_timeouts

SCAN = "SELECT session_id FROM sessions"
PAGE = {"method": "GET", "path": "/sessions$"}

PASSING = {
    "throttled twice": {"kind": "status", "status": 429, "retry_after": 2, "count": 2},
    "unavailable": {"kind": "status", "status": 503, "skip": 1},
    "bad gateway with a page": {"kind": "status", "status": 502, "body": "<html>bad</html>"},
    "timeout": {"kind": "delay", "seconds": 60.0},
    "dropped before the response": {"kind": "drop", "skip": 1},
    "reset": {"kind": "drop", "reset": True},
    "dropped in the middle of a page": {"kind": "drop_body", "skip": 1},
    "a token to an empty page": {
        "kind": "empty_page",
        "count": None,
    },
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("ids", [250, 500], ids=["one end", "both ends"])
def test_a_temporary_failure_loses_no_row(db, monkeypatch, fault, ids):
    delays_use_up_timeouts(monkeypatch)
    expected = db.fill(ids)
    db.control.fault(**PAGE, **fault)

    rows = [row[0] for row in db.ask(SCAN)]

    assert sorted(rows) == sorted(expected)


LASTING = {
    "throttled": (
        {"kind": "status", "status": 429},
        ThrottledError,
        "429 Too Many Requests after 5 attempts.* quota of the project",
    ),
    "unavailable": (
        {"kind": "status", "status": 503},
        UnavailableError,
        "503 Service Unavailable after 5 attempts.* Try again later",
    ),
    "dropped in the middle": (
        {"kind": "drop_body"},
        UnavailableError,
        "closed before the response was complete.* Check that the service is running",
    ),
    "cut off": (
        {"kind": "truncate"},
        ProtocolError,
        "is not JSON .*the response was discarded.* Does base_url",
    ),
    "a page instead of JSON": (
        {"kind": "body", "body": "<html>hello</html>"},
        ProtocolError,
        "not JSON",
    ),
    "a list instead of an object": (
        {"kind": "body", "body": [1]},
        ProtocolError,
        "should be a JSON object; the response was discarded.* Does base_url",
    ),
    "wrong types": (
        {"kind": "wrong_types", "fields": ["createTime"]},
        ProtocolError,
        r"createTime should be an RFC 3339 time\. The response was discarded\. Does base_url",
    ),
    "a token that is a number": (
        {"kind": "wrong_types", "fields": ["nextPageToken"]},
        ProtocolError,
        "nextPageToken is not a valid page token.* Does base_url",
    ),
    "a loop of tokens": (
        {"kind": "repeat_token"},
        ProtocolError,
        "form a loop, so the rows read were discarded. Try again, or narrow the statement",
    ),
    "expired credentials": (
        {"kind": "status", "status": 401},
        CredentialError,
        "401 Unauthorized.* api_key_env",
    ),
    "no permission": (
        {"kind": "status", "status": 403},
        ForbiddenError,
        "403 Forbidden.*roles/aiplatform.user",
    ),
}


@pytest.mark.parametrize(("fault", "error", "says"), LASTING.values(), ids=LASTING)
@pytest.mark.parametrize("skip", [0, 1], ids=["first page", "second page"])
def test_a_lasting_failure_is_an_error_with_source_call_and_hint(db, fault, error, says, skip):
    db.fill(250)
    skip = max(skip, 1) if fault["kind"] == "repeat_token" else skip
    db.control.fault(**PAGE, **fault, count=None, skip=skip)

    with pytest.raises(error, match=f"(?s)^prod[.]sessions: .*GET http://127.*sessions.*{says}"):
        db.ask(SCAN)


REFUSED = {
    "an expired token": (
        "token_env",
        "expired-7",
        r"401 .*The request was sent with .*\$THE_TOKEN\. If it has expired",
    ),
    "an invalid key": (
        "api_key_env",
        "invalid-7",
        r"400 .*The request was sent with x-goog-api-key from \$THE_TOKEN\. If",
    ),
    "a variable that is not set": (
        "token_env",
        "",
        r"There is no credential in \$THE_TOKEN. It is empty",
    ),
}


@pytest.mark.parametrize(("setting", "value", "says"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("cached", ["", "&cache_ttl=9"], ids=["", "cached"])
def test_a_rejected_credential_is_named_with_its_source(
    open_, monkeypatch, setting, value, says, cached
):
    monkeypatch.setenv("THE_TOKEN", value)
    db = open_(f"&{setting}=THE_TOKEN{cached}")

    for table, sql in (("sessions", SCAN), ("events", APPEND), ("sessions", CREATE)):
        with pytest.raises(CredentialError, match=f"(?s)^prod[.]{table}: .*{says}") as caught:
            db.ask(sql)
        assert "-7" not in str(caught.value)
    assert db.stored() == {}


def test_a_missing_engine_is_an_error_not_an_empty_table(db):
    with pytest.raises(
        NotFoundError, match=r"^prod[.]sessions: GET .*/reasoningEngines/4041/sessions"
    ):
        db.ask("SELECT * FROM sessions WHERE reasoning_engine = '4041'")


def test_a_temporary_failure_of_one_list_of_a_fan_out_loses_no_row(db):
    db.fill(20, 3)
    for number in (3, 7):
        db.control.fault("status", status=503, path=f"ann-{number}/events")
        db.control.fault("drop_body", path=f"ann-{number + 1}/events")

    rows = db.ask("SELECT session_id, text FROM events")

    assert len(rows) == len(set(rows)) == 60


def test_one_list_of_a_fan_out_that_stays_broken_is_an_error(db):
    db.fill(20, 3)
    db.control.fault("truncate", path="ann-7/events", count=None)

    with pytest.raises(ProtocolError, match=r"^prod[.]events: .*ann-7/events"):
        db.ask("SELECT session_id, text FROM events")


def test_the_connection_can_be_used_after_an_error(db):
    db.fill(3)
    db.control.fault("truncate")
    with pytest.raises(ProtocolError):
        db.ask(SCAN)

    assert len(db.ask(SCAN)) == 3


CREATE = "INSERT INTO sessions(session_id, user_id) VALUES ('new', 'bob')"
APPEND = "INSERT INTO events(session_id, author, content) VALUES ('ann-0', 'user', 'hello')"

LOST = {
    "unavailable after it acted": {"kind": "status", "status": 503, "act": True},
    "dropped after it acted": {"kind": "drop", "act": True},
    "dropped in the middle of the answer": {"kind": "drop_body"},
    "an answer that is cut off": {"kind": "truncate"},
    "a timeout": {"kind": "delay", "seconds": 60.0},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
class TestALostResponse:
    @pytest.fixture
    def db(self, db, monkeypatch, fault):
        delays_use_up_timeouts(monkeypatch)
        db.fill(2)
        db.control.fault(**fault, method="POST")
        return db

    def test_a_lost_create_with_an_id_is_looked_up(self, db):
        db.ask(CREATE)

        assert db.calls() == ["POST sessions", "GET new"]
        assert db.writes() == [("new", "sent")]
        assert sorted(db.stored()) == ["ann-0", "ann-1", "new"]

    def test_a_lost_append_is_looked_up(self, db):
        db.ask(APPEND)

        assert db.calls() == ["POST ann-0:appendEvent", "GET events"]
        assert [outcome for _, outcome in db.writes()] == ["sent"]
        assert db.texts("ann-0") == ["hello"]

    def test_a_lost_create_without_an_id_has_an_unknown_outcome(self, db):
        with pytest.raises(
            UnknownOutcomeError,
            match=r"(?s)^prod[.]sessions: .*POST .*session_id can safely be sent again",
        ):
            db.ask("INSERT INTO sessions(user_id) VALUES ('bob')")

        assert db.calls() == ["POST sessions"]
        assert [outcome for _, outcome in db.writes()] == ["unknown"]


class TestAnAppendThatTookNoEffect:
    @pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "drop"}])
    def test_is_not_sent_again_if_the_outcome_is_unknown(self, db, fault):
        db.fill(1)
        db.control.fault(**fault, method="POST")

        with pytest.raises(
            UnknownOutcomeError,
            match=r"(?s)^prod[.]events: POST .*may or may not have acted, so the request was not sent again",
        ):
            db.ask(APPEND)

        assert [call for call in db.calls() if "POST" in call] == ["POST ann-0:appendEvent"]
        assert db.texts("ann-0") == []

    def test_is_sent_again_after_429(self, db):
        db.fill(1)
        db.control.fault("status", status=429, method="POST", count=2, retry_after=1)

        db.ask(APPEND)

        assert db.texts("ann-0") == ["hello"]
        assert db.total == 3


@pytest.mark.parametrize(
    "fault", [*LOST.values(), {"kind": "status", "status": 503}, {"kind": "drop"}], ids=str
)
@pytest.mark.parametrize(
    ("sql", "method"),
    [
        ("UPDATE sessions SET display_name = 'D' WHERE session_id = 'ann-0'", "PATCH"),
        ("DELETE FROM sessions WHERE session_id = 'ann-0'", "DELETE"),
    ],
)
def test_a_failed_update_or_delete_is_repeated_or_has_an_unknown_outcome(
    db, monkeypatch, fault, sql, method
):
    delays_use_up_timeouts(monkeypatch)
    db.fill(2)
    db.control.fault(**fault, method=method)

    if fault["kind"] == "truncate":
        with pytest.raises(
            UnknownOutcomeError,
            match=f"(?s)^prod[.]sessions: .*{method} .*The service accepted the request",
        ):
            db.ask(sql)
    else:
        db.ask(sql)

    outcome = "unknown" if fault["kind"] == "truncate" else "sent"
    assert db.writes() == [("ann-0", outcome)]
    engine = db.control.dump()["vertex"]["engines"][0]["sessions"]
    assert {one["id"]: one["displayName"] for one in engine} == (
        {"ann-1": "n1"} if method == "DELETE" else {"ann-0": "D", "ann-1": "n1"}
    )


class TestAnOperation:
    def test_a_slow_operation_is_followed(self, db):
        db.control.fault("operation", plan={"polls": 3}, method="POST")

        db.ask(CREATE)

        assert len(db.calls()) == 1 + 3 + 1
        assert db.writes() == [("new", "sent")]

    def test_a_session_that_is_not_yet_visible_is_waited_for(self, db):
        db.control.fault("operation", plan={"hidden_gets": 2}, method="POST")

        assert db.ask(f"{CREATE} RETURNING session_id, user_id") == [("new", "bob")]
        assert db.calls() == ["POST sessions"] + ["GET new"] * 3

    @pytest.mark.parametrize(
        ("sql", "method"),
        [(CREATE, "POST"), ("DELETE FROM sessions WHERE session_id = 'ann-0'", "DELETE")],
    )
    def test_a_failed_operation_is_an_error(self, db, sql, method):
        db.fill(1)
        db.control.fault(
            "operation", plan={"error": {"code": 13, "message": "boom"}}, method=method
        )

        with pytest.raises(
            RefusedError, match=f"^prod[.]sessions: {method} .* ended in an error .*: boom"
        ):
            db.ask(sql)
        assert [outcome for _, outcome in db.writes()] == ["failed"]

    def test_an_operation_that_never_ends_has_an_unknown_outcome_with_its_name(self, db):
        db.fill(1)
        db.control.fault("operation", plan={"never": True}, method="DELETE")

        with pytest.raises(
            UnknownOutcomeError,
            match=r"^prod[.]sessions: the operation projects/\S+/operations/\d+ did not finish within 120 s",
        ):
            db.ask("DELETE FROM sessions WHERE session_id = 'ann-0'")
        assert db.writes() == [("ann-0", "unknown")]

    def test_a_create_whose_operation_never_ends_is_resolved_by_reading(self, db):
        db.control.fault("operation", plan={"never": True}, method="POST")

        db.ask(CREATE)

        assert (db.writes(), list(db.stored())) == ([("new", "sent")], ["new"])


class TestAPartialFailure:
    def test_is_counted_and_every_row_is_in_writes(self, db):
        db.fill(1)
        db.control.fault("status", status=400, method="POST", query="sessionId=b")

        with pytest.raises(
            WriteError,
            match=r"^1 of 3 writes did not succeed \(2 were sent\).*prod[.]sessions: POST .*sessionId=b",
        ):
            db.ask(
                "INSERT INTO sessions(session_id, user_id) VALUES ('a', 'x'), ('b', 'x'), ('c', 'x')"
            )

        found = db.connection.execute(
            "SELECT outcome, http_status, error FROM writes ORDER BY number"
        )
        outcomes = [(outcome, status, bool(error)) for outcome, status, error in found]
        assert sorted(outcomes) == [
            ("failed", 400, True),
            ("sent although rolled back", 200, False),
            ("sent although rolled back", 200, False),
        ]
        assert sorted(db.stored()) == ["a", "ann-0", "c"]

    def test_a_failed_row_stops_only_later_rows_of_its_session(self, db):
        db.fill(2)
        db.control.fault("status", status=400, method="POST", path="ann-0:", skip=1)
        rows = "('ann-0','user','1'), ('ann-0','user','2'), ('ann-0','user','3'), ('ann-1','user','1'), ('ann-1','user','2')"

        with pytest.raises(WriteError, match=r"^2 of 5 writes did not succeed \(3 were sent\)"):
            db.ask(f"INSERT INTO events(session_id, author, content) VALUES {rows}")

        assert (db.texts("ann-0"), db.texts("ann-1")) == (["1"], ["1", "2"])
        outcomes = [outcome for _, outcome in db.writes()]
        assert sorted(outcomes) == ["failed", "not sent"] + ["sent although rolled back"] * 3


class TestBudgets:
    def test_max_requests_ends_a_read_and_names_the_scan(self, open_):
        db = open_("&max_requests=5")
        db.fill(20, 1)

        with pytest.raises(
            BudgetError, match=r"more than 5 requests \(max_requests\).*prod.events"
        ):
            db.ask("SELECT * FROM events")
        assert db.total == 5

    def test_max_requests_counts_repeated_attempts(self, open_):
        db = open_("&max_requests=2")
        db.control.fault("status", status=503, count=None)

        with pytest.raises(BudgetError):
            db.ask(SCAN)
        assert db.total == 2

    def test_max_writes_is_checked_before_anything_is_sent(self, open_):
        db = open_("&max_writes=3")
        db.fill(5)

        with pytest.raises(
            BudgetError,
            match=r"remove more than 3 rows of prod.sessions \(max_writes\)\. Nothing was written",
        ):
            db.ask("DELETE FROM sessions")
        assert not [call for call in db.calls() if "DELETE" in call]

    def test_max_writes_applies_to_each_statement(self, open_):
        db = open_("&max_writes=3")
        db.fill(5)

        db.ask("DELETE FROM sessions WHERE session_id IN ('ann-0', 'ann-1', 'ann-2')")
        db.ask("DELETE FROM sessions")

        assert db.stored() == {}


def test_errors_escape_control_characters_from_the_service(db):
    body = {"error": {"code": 400, "message": "bad\x1b[31m\nrow" + "x" * 2000, "status": "INVALID"}}
    db.control.fault("status", status=400, body=body)

    with pytest.raises(RefusedError) as caught:
        db.ask(SCAN)

    text = str(caught.value)
    assert re.search(r"[\x00-\x1f]", text) is None
    assert len(text) < 1000
