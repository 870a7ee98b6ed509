from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from sessions_vtab.errors import (
    ConfigurationError,
    ForbiddenError,
    InvalidValueError,
    MissingParameterError,
    SessionsError,
    UnknownOutcomeError,
)

OPEN = (
    "INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')"
    " RETURNING session_id, upload_url, upload_fields"
)
UPLOAD = "SELECT stored_name FROM upload_file(?, ?, ?, ?)"
ELSEWHERE = "SELECT stored_name FROM upload_file(?, 'a.txt', 'x', NULL, ?, ?)"
FIELDS = '{"key":"${filename}"}'


def _file(body: str) -> tuple[str, str]:
    """Returns name and text of the last part of a multipart body."""
    last = body.split("\r\n--")[-2]
    return last.split('filename="')[1].split('"')[0], last.split("\r\n\r\n", 1)[1]


# Names and contents


# What deepset-cloud-sdk 1.7.8.post0 (aiohttp 3.14.5) put into the form's file part for each name,
# read from the bodies that its ``S3.upload_from_memory`` sent to a local server.
SDK_NAMES = {
    "plain.txt": "plain.txt",
    "two words.txt": "two%20words.txt",
    "trailing. ": "trailing.%20",
    " ": "%20",
    "a+b&c=d.txt": "a%2Bb%26c%3Dd.txt",
    "a$b!c*(d).txt": "a%24b%21c%2A%28d%29.txt",
    "50%.txt": "50_.txt",
    "%41.txt": "_41.txt",
    "back\\slash.txt": "back_slash.txt",
    'say "hi".txt': "say%20_hi_.txt",
    "O'Brien.txt": "O_Brien.txt",
    "a/b/c.txt": "a%2Fb%2Fc.txt",
    "../up.txt": "..%2Fup.txt",
    "#1.txt": "_1.txt",
    "q?.txt": "q%3F.txt",
    "semi;colon.txt": "semi%3Bcolon.txt",
    "comma,colon:at@.txt": "comma%2Ccolon%3Aat%40.txt",
    "<tag>.txt": "_tag_.txt",
    "{b}[c].txt": "_b__c_.txt",
    "pipe|caret^tick`tilde~.txt": "pipe_caret_tick_tilde_.txt",
    "tab\there.txt": "tab_here.txt",
    "line\nbreak.txt": "line_break.txt",
    "cr\rlf\n.txt": "cr_lf_.txt",
    "nul\x00.txt": "nul_.txt",
    "\x1f.txt": "_.txt",
    "\x80.txt": "%C2%80.txt",
    "caf\u00e9.txt": "caf%C3%A9.txt",
    "cafe\u0301.txt": "cafe%CC%81.txt",
    "\u05e9\u05dc\u05d5\u05dd.txt": "%D7%A9%D7%9C%D7%95%D7%9D.txt",
    "\u202eabc.txt": "%E2%80%AEabc.txt",
    "\U0001f600.txt": "%F0%9F%98%80.txt",
    "\u2028.txt": "%E2%80%A8.txt",
    "\xa0.txt": "%C2%A0.txt",
    "\ufeff.txt": "%EF%BB%BF.txt",
    ".hidden": ".hidden",
    "~": "_",
    "x.meta.json": "x.meta.json",
    "under_score-dash.txt": "under_score-dash.txt",
}
SDK_CANNOT_SEND = "del\x7f.txt"
"""The SDK raises ValueError: "Forbidden control character detected in headers"."""


@pytest.mark.parametrize("name", SDK_NAMES)
def test_file_and_metadata_names_are_sent_as_by_the_sdk(deepset: Any, name: str) -> None:
    session_id = deepset.open()

    deepset(UPLOAD, session_id, name, "x", "{}")

    wire = [_file(one["body"])[0] for one in deepset.sent]
    assert wire == [SDK_NAMES[name] + ".meta.json", SDK_NAMES[name]]


def test_a_name_that_the_sdk_cannot_send_gets_an_underscore(deepset: Any) -> None:
    assert deepset(UPLOAD, deepset.open(), SDK_CANNOT_SEND, "x", None) == [("del_.txt",)]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a b+ü.txt", "a b+ü.txt"),
        ("a\\b#c%d\"e'f|g<h>i.txt", "a_b_c_d_e_f_g_h_i.txt"),
        ("line\nbreak\r\ttab\x7f", "line_break__tab_"),
        ("dir/file:name;x.txt", "dir/file:name;x.txt"),
        ("☃.md", "☃.md"),
    ],
)
def test_names_are_replaced_and_encoded_as_the_sdk_does(
    deepset: Any, name: str, stored: str
) -> None:
    session_id = deepset.open()

    assert deepset(UPLOAD, session_id, name, "x", None) == [(stored,)]
    sql = "SELECT file_name FROM upload_session_files WHERE session_id = ?"
    assert deepset(sql, session_id) == [(stored,)]


@pytest.mark.parametrize(
    ("meta", "sent"),
    [
        (None, None),
        ("{}", "{}"),
        ('{"k": "v", "n": 1.50, "ü": ["\\u00fc"]}', '{"k":"v","n":1.5,"ü":["ü"]}'),
    ],
)
def test_metadata_are_uploaded_as_a_file_beside_it(
    deepset: Any, meta: str | None, sent: str | None
) -> None:
    session_id = deepset.open()

    deepset(UPLOAD, session_id, "a.txt", "x", meta)

    files = dict(_file(one["body"]) for one in deepset.sent)
    wanted = {} if sent is None else {"a.txt.meta.json": sent}
    assert files == {**wanted, "a.txt": "x"}


def test_files_arrive_with_their_metadata(deepset: Any) -> None:
    session_id = deepset.open()
    deepset.upload(session_id, "a.txt", {"category": "news"})
    deepset.close(session_id)

    assert deepset("SELECT file_name, size, meta FROM files") == [
        ("a.txt", 4, '{"category":"news"}')
    ]


@pytest.mark.parametrize(
    ("name", "content", "meta", "told"),
    [
        ("", "x", None, "file_name is empty"),
        ("..", "x", None, "file_name is empty"),
        ("a", "x", "[]", "meta must be a JSON object"),
        ("a", "x", "nothing", "must be JSON"),
        ("a", "x", json.dumps({"k": "v" * 33_000}), "accepts at most 32766"),
        ("a", None, None, "requires content"),
        ("a", b"x" * (200 * 1024 * 1024 + 1), None, "200 MB per file"),
    ],
)
def test_files_that_the_service_would_not_ingest_are_refused_before_sending(
    deepset: Any, name: str, content: Any, meta: str | None, told: str
) -> None:
    session_id = deepset.open()

    with pytest.raises((InvalidValueError, MissingParameterError), match=told):
        deepset(UPLOAD, session_id, name, content, meta)

    assert deepset.sent == []


def test_a_table_of_files_is_uploaded_row_by_row(deepset: Any) -> None:
    session_id = deepset.open()
    deepset("CREATE TEMP TABLE docs(name, body)")
    bindings = [(f"f{number}.txt", "text") for number in range(5)]
    deepset.connection.executemany("INSERT INTO docs VALUES (?, ?)", bindings)

    rows = deepset("SELECT stored_name FROM docs, upload_file(?, docs.name, docs.body)", session_id)

    assert sorted(rows) == [(f"f{number}.txt",) for number in range(5)]
    assert len(deepset.sent) == 5


# Upload targets


def test_another_connection_reports_that_it_does_not_know_the_upload_target(deepset: Any) -> None:
    session_id = deepset.open()
    other = deepset.connect()

    with pytest.raises(
        MissingParameterError, match="known only to the connection that opened the session"
    ):
        other.execute(UPLOAD, (session_id, "a.txt", "x", None))
    sql = "SELECT upload_url, upload_fields FROM upload_sessions WHERE session_id = ?"
    assert other.execute(sql, (session_id,)).fetchall() == [(None, None)]


@pytest.mark.parametrize(
    ("url", "fields", "error", "told"),
    [
        ("https://a", None, MissingParameterError, "pass it to upload_file"),
        (None, FIELDS, MissingParameterError, "pass it to upload_file"),
        ("https://a", "[]", InvalidValueError, "JSON object"),
        ("https://a", '{"key":1}', InvalidValueError, "string values"),
        ("https://a", "{}", InvalidValueError, "including key"),
        ("http://s3.example.com/", FIELDS, ConfigurationError, "is not https"),
        ("https://10.0.0.1/", FIELDS, ConfigurationError, "private address"),
        ("https://169.254.169.254/latest", FIELDS, ConfigurationError, "private address"),
        ("https://[fd00::1]/", FIELDS, ConfigurationError, "private address"),
        ("https://user:pw@s3.example.com/", FIELDS, ConfigurationError, "user name"),
        ("file:///etc/passwd", FIELDS, ConfigurationError, "http"),
        ("", FIELDS, InvalidValueError, "upload_url is empty"),
    ],
)
def test_files_are_not_sent_to_forbidden_targets(
    deepset: Any, url: str | None, fields: str | None, error: type[SessionsError], told: str
) -> None:
    session_id = deepset.open()

    with pytest.raises(error, match=told):
        deepset(ELSEWHERE, session_id, url, fields)

    assert deepset.sent == []


def test_a_closed_session_takes_no_files_and_the_error_says_so(deepset: Any) -> None:
    session_id = deepset.open()
    deepset.close(session_id)

    with pytest.raises(ForbiddenError, match=r"Access Denied.*may be closed or expired") as raised:
        deepset(UPLOAD, session_id, "a.txt", "x", None)

    assert raised.value.status == 403
    assert "The API key is missing" not in str(raised.value)


def test_a_post_is_repeated_because_the_same_file_is_the_same_object(deepset: Any) -> None:
    session_id = deepset.open()
    deepset.server.control.fault("drop", path="uploads", act=True)
    deepset.server.control.fault("status", path="uploads", status=503, retry_after=0)

    assert deepset(UPLOAD, session_id, "a.txt", "x", None) == [("a.txt",)]
    assert len(deepset.sent) == 3


# Secrets


def test_no_secret_is_in_errors_logs_schema_or_reprs(
    deepset: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ((session_id, url, fields),) = deepset(OPEN)
    secrets = [deepset.key, *(v for k, v in json.loads(fields).items() if k != "key")]
    shown = [str(deepset.connection.sources), repr(deepset.connection.sources["docs"].backend)]
    backend = deepset.connection.sources["docs"].backend
    shown += [repr(value) for value in vars(backend).values()] + [backend.describe()]
    echo = f"<Error><Message>{' '.join(secrets)}</Message></Error>"
    for path, sql, values, error in (
        ("uploads", ELSEWHERE, (session_id, url, fields), ForbiddenError),
        ("uploads", UPLOAD, (session_id, "a.txt", "x", None), ForbiddenError),
        ("uploads", ELSEWHERE, (session_id, "https://10.0.0.1/", fields), ConfigurationError),
        ("uploads", ELSEWHERE, (session_id, url, fields + "x"), InvalidValueError),
    ):
        deepset.server.control.fault("status", path=path, status=403, body=echo)
        with pytest.raises(error) as raised:
            deepset(sql, *values)
        shown += [str(raised.value), repr(raised.value)]
        deepset.server.control.clear_faults()
    deepset.server.control.fault("status", path="workspaces", status=403, body=deepset.key)
    with pytest.raises(ForbiddenError) as raised:
        deepset("SELECT status FROM upload_sessions WHERE is_expired = 0")
    shown.append(str(raised.value))
    shown += map(str, deepset("SELECT * FROM http_requests"))
    shown += map(str, deepset("SELECT * FROM writes"))
    for schema in ("main", "docs", "temp"):
        shown += map(str, deepset(f"SELECT * FROM {schema}.sqlite_schema"))
    shown += [record.getMessage() for record in caplog.records]

    text = "\n".join(shown)
    assert "http://127.0.0.1" in text
    assert [secret for secret in secrets if secret in text] == []


def test_an_upload_is_sent_without_the_key_and_reports_a_failing_store(deepset: Any) -> None:
    session_id = deepset.open()
    deepset.server.control.fault("status", path="uploads", status=500, retry_after=0, count=None)

    with pytest.raises(UnknownOutcomeError, match=r"POST http.*500.*It can be repeated"):
        deepset(UPLOAD, session_id, "a.txt", "x", None)

    assert all("authorization" not in one["headers"] for one in deepset.sent)
