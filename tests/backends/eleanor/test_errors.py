"""Every error of the contract as an error of SQL; hostile values; secrets."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from sessions_vtab.errors import (
    ConflictError,
    CredentialError,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from sessions_vtab.testing.hostile import KINDS

MESSAGE = "Something is wrong with it."
STATUS = {"status": {"code": 9, "message": MESSAGE, "trace": "t"}}
DETAIL = {"detail": [{"type": "missing", "loc": ["body", "name"], "msg": MESSAGE}]}


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (400, STATUS, RefusedError, MESSAGE),
        (401, STATUS, CredentialError, "No credential was sent. Give one with api_key_env"),
        (403, STATUS, ForbiddenError, "disabled or managed"),
        (404, STATUS, NotFoundError, "the server may use another route"),
        (404, {"detail": "Not Found"}, NotFoundError, "Correct api_prefix or routes"),
        (405, {"detail": "Method Not Allowed"}, RefusedError, "expects another method"),
        (409, STATUS, ConflictError, "The name is already taken"),
        (410, STATUS, NotFoundError, "undelete_session"),
        (
            422,
            DETAIL,
            RefusedError,
            f"body.name: {MESSAGE[:-1]}. The server may use another name for the field",
        ),
        (418, "<h1>teapot</h1>", RefusedError, "418 I'm a Teapot: teapot"),
        (429, STATUS, ThrottledError, MESSAGE),
        (307, "", RefusedError, "Redirects are not followed"),
    ],
)
def test_each_status_is_an_error_with_its_message_and_what_to_do(sql, status, body, error, words):
    sql.control.fault("status", status=status, body=body, count=None, headers={"retry-after": "0"})
    with pytest.raises(error) as caught:
        sql("SELECT * FROM truncate_session('s')")
    text = str(caught.value)
    assert words in text
    assert text.startswith("eleanor.truncate_session: POST http://127.0.0.1:")
    assert "/demo/s/truncate" in text


def test_a_general_error_of_a_read_is_retried(sql):
    sql.add("s")
    sql.control.fault("status", method="GET", status=500, body=STATUS)
    assert sql("SELECT session_id FROM sessions") == [("s",)]
    assert len(sql.sent()) == 2


def test_a_general_error_that_stays_is_an_error_with_its_message(sql):
    sql.control.fault("status", method="GET", status=500, body=STATUS, count=None)
    with pytest.raises(UnavailableError, match=f"500 .* after 5 attempts: {MESSAGE}"):
        sql("SELECT session_id FROM sessions")


def test_an_unknown_field_is_an_error_that_names_the_setting(source):
    eleanor = source(**{"fields.description": "about"})
    with pytest.raises(RefusedError, match=r"422 .* correct fields in the source's settings"):
        eleanor("INSERT INTO sessions(session_id, description) VALUES ('s', 'd')")


def test_a_name_that_is_too_long_is_the_services_own_error(sql):
    with pytest.raises(RefusedError, match="400 Bad Request: A name must have 1 to 255 characters"):
        sql("INSERT INTO sessions(session_id) VALUES (?)", "x" * 256)


# Hostile values


def segments(sent):
    """The path of each request as segments, still encoded."""
    return [path.split("/") for _, path, _ in sent]


@pytest.mark.parametrize("text", KINDS)
def test_any_text_is_one_segment_of_the_path(sql, text):
    assert sql("SELECT * FROM sessions WHERE session_id = ?", text) == []
    assert segments(sql.sent()) == [["demo", quote(text, safe="")], ["demo"]]


@pytest.mark.parametrize("text", KINDS)
def test_any_text_survives_a_round_trip(sql, text):
    insert = (
        "INSERT INTO sessions(session_id, description, settings)"
        " VALUES (?1, ?1, json_object('k', ?1)) RETURNING session_id"
    )
    assert sql(insert, text) == [(text,)]
    found = "SELECT session_id, description, settings->>'k' FROM sessions WHERE session_id = ?"
    assert sql(found, text) == [(text, text, text)]
    ((name,),) = sql("SELECT name FROM sessions")
    assert sql("SELECT session_id FROM sessions WHERE name = ?", name) == [(text,)]
    assert sql("SELECT session_id FROM bind_participant(?1, ?1)", text) == [(text,)]
    assert sql("SELECT participant FROM participants WHERE session_id = ?", text) == [(text,)]
    sql("DELETE FROM participants WHERE session_id = ?1 AND participant = ?1", text)
    sql("DELETE FROM sessions WHERE session_id = ?", text)
    assert sql("SELECT count(*) FROM sessions") == [(0,)]


@pytest.mark.parametrize("text", [*KINDS, "a/../b", "evil.example/", "?x=1", "#"])
def test_any_text_is_one_namespace(sql, text):
    assert sql("SELECT * FROM sessions WHERE namespace = ?", text) == []
    assert segments(sql.sent()) == [[quote(text, safe="")]]


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_texts_that_would_be_another_path_are_not_sent(sql, text):
    for statement in (
        "SELECT * FROM sessions WHERE namespace = ?",
        "SELECT * FROM truncate_session(?)",
        "SELECT * FROM bind_participant('s', ?)",
        "INSERT INTO participants(session_id, participant) VALUES (?1, 'ann')",
        "INSERT INTO participants(session_id, participant) VALUES ('s', ?1)",
    ):
        with pytest.raises(InvalidValueError):
            sql(statement, text)
    assert sql.sent() == []


# Secrets

CANARY = "canary-5f1c9e"


def test_the_key_goes_out_in_its_header_and_shows_nowhere(source, monkeypatch):
    monkeypatch.setenv("ELEANOR_KEY", CANARY)
    eleanor = source(api_key_env="ELEANOR_KEY")
    eleanor.control.fault(
        "status", method="POST", status=403, body={"status": {"message": f"no {CANARY}"}}
    )
    with pytest.raises(ForbiddenError) as caught:
        eleanor("SELECT * FROM truncate_session('s')")
    backend = eleanor.connection.sources["eleanor"].backend
    shown = [str(caught.value), repr(backend), repr(vars(backend)), backend.describe()]
    for table in ("sqlite_schema", "http_requests", "writes"):
        shown += map(repr, eleanor(f"SELECT * FROM {table}"))
    assert CANARY not in "".join(shown)
    (request,) = eleanor.control.requests()
    assert request["headers"]["authorization"] == f"Bearer {CANARY}"


def test_without_a_key_no_credential_goes_out(sql, monkeypatch):
    monkeypatch.setenv("API_KEY", CANARY)
    sql("SELECT * FROM sessions")
    (request,) = sql.control.requests()
    assert "authorization" not in request["headers"]
