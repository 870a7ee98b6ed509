"""The emulated deepset Cloud: the presigned form, and what ingestion makes of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sessions_vtab.emulator.deepset import files
from tests.emulator.apis import DeepsetApi, of_each_test

api = of_each_test(DeepsetApi)


# The presigned form


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("plain.txt", "plain.txt"),
        ("a%20b%2B%C3%BC.txt", "a b+ü.txt"),
        ("100%2525.txt", "100%25.txt"),
        ("ü.txt", "ü.txt"),
    ],
)
def test_a_file_name_is_decoded_once(api, wire, name):
    session = api.open()
    assert api.put(session, wire).status_code == 204
    (row,) = api.rows(f"upload_sessions/{session['session_id']}/files")
    assert (row["name"], row["ingestion_status"]) == (name, "PENDING")


def test_a_second_file_of_a_name_replaces_the_first_one(api):
    session = api.open()
    path = f"upload_sessions/{session['session_id']}/files"
    api.put(session, "a.txt", b"old")
    (first,) = api.rows(path)
    api.put(session, "a.txt", b"new")
    assert api.rows(path) == [first]
    api.ingest(session)
    (file,) = api.rows("files")
    assert api("GET", f"files/{file['file_id']}").content == b"new"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"x-amz-signature": "0" * 64}, 403, "AccessDenied"),
        ({"policy": None}, 403, "AccessDenied"),
        ({"key": "elsewhere/${filename}"}, 403, "AccessDenied"),
        ({"key": None}, 400, "InvalidArgument"),
        ({"acl": "public-read"}, 403, "AccessDenied"),
    ],
    ids=["signature", "policy", "other key", "no key", "extra"],
)
def test_the_form_has_to_be_as_it_was_issued(api, fields, status, code):
    answer = api.put(api.open(), "a.txt", **fields)
    assert answer.status_code == status
    assert f"<Error><Code>{code}</Code><Message>" in answer.text


def test_fields_after_the_file_do_not_count(api):
    form = api.open()["aws_prefixed_request_config"]
    parts = [("file", ("a.txt", b"x"))]
    parts += [(name, (None, value)) for name, value in form["fields"].items()]
    assert api("POST", form["url"], key=None, files=parts).status_code == 400


def test_a_form_needs_a_file(api):
    form = api.open()["aws_prefixed_request_config"]
    assert api("POST", form["url"], key=None, data=form["fields"]).status_code == 400


def test_a_file_has_a_limit(api, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 4)
    assert api.put(api.open(), "a.txt", b"1234").status_code == 204
    answer = api.put(api.open(), "a.txt", b"12345")
    assert answer.status_code == 400
    assert "EntityTooLarge" in answer.text


def test_an_unknown_upload_target_is_404(api):
    assert api("POST", f"/deepset-uploads/{uuid4()}", key=None).status_code == 404


@pytest.mark.parametrize("end", ["close", "expire"])
def test_nothing_arrives_after_the_end(api, end):
    session = api.open(expires_in_seconds=60)
    if end == "close":
        api.close(session)
    else:
        api.pass_time(seconds=60)
    answer = api.put(session, "a.txt")
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("application/xml")
    assert "<Code>AccessDenied</Code>" in answer.text


# Ingestion


def test_files_are_counted_soon_after_the_close(api):
    session = api.open()
    api.put(session, "a.txt")
    api.close(session)
    assert api.counters(session) == {"failed_files": 0, "finished_files": 0}
    api.pass_time(milliseconds=200)
    assert api.counters(session) == {"failed_files": 0, "finished_files": 1}
    (row,) = api.rows(f"upload_sessions/{session['session_id']}/files")
    (file,) = api.rows("files")
    assert (row["ingestion_status"], row["file_id"]) == ("FINISHED", file["file_id"])


def test_nothing_is_ingested_from_an_open_session(api):
    session = api.open()
    api.put(session, "a.txt")
    api.pass_time(hours=1)
    assert api.counters(session)["finished_files"] == 0
    assert api.rows("files") == []


def test_expiry_closes_a_session_and_ingests_it(api):
    session = api.open(expires_in_seconds=60)
    api.put(session, "a.txt")
    api.pass_time(seconds=61)
    assert api.counters(session)["finished_files"] == 1


@pytest.mark.parametrize("order", [["a.txt", "a.txt.meta.json"], ["a.txt.meta.json", "a.txt"]])
def test_metadata_meet_their_file_in_any_order(api, order):
    session = api.open()
    for name in order:
        api.put(session, name, b'{"year": 2020}')
    api.ingest(session)
    assert api.counters(session) == {"failed_files": 0, "finished_files": 1}
    (file,) = api.rows("files")
    assert (file["name"], file["meta"]) == ("a.txt", {"year": 2020})


@pytest.mark.parametrize(
    "meta", [b"{", b"[1]", b'{"a": "' + b"x" * 32_766 + b'"}'], ids=["broken", "array", "long"]
)
def test_a_file_with_bad_metadata_fails(api, meta):
    session = api.open()
    api.put(session, "a.txt")
    api.put(session, "a.txt.meta.json", meta)
    api.put(session, "b.txt")
    api.ingest(session)
    assert api.counters(session) == {"failed_files": 1, "finished_files": 1}


@pytest.mark.parametrize(
    ("mode", "contents", "failed"),
    [
        ("KEEP", [b"new", b"old"], 0),
        ("TEMPORARY", [b"new", b"old"], 0),
        ("OVERWRITE", [b"new"], 0),
        ("FAIL", [b"old"], 1),
    ],
)
def test_write_modes_differ_when_the_name_is_taken(api, mode, contents, failed):
    api.upload("a.txt", content=b"old")
    session = api.open(write_mode=mode)
    api.put(session, "a.txt", b"new")
    api.ingest(session)
    files = [api("GET", f"files/{row['file_id']}").content for row in api.rows("files")]
    assert files == contents
    assert api.counters(session) == {"failed_files": failed, "finished_files": 1 - failed}


def test_sessions_are_ingested_in_the_order_of_their_close(api):
    first, second = api.open(write_mode="OVERWRITE"), api.open(write_mode="OVERWRITE")
    api.put(first, "a.txt", b"closed last")
    api.put(second, "a.txt", b"closed first")
    api.close(second)
    api.pass_time(milliseconds=1)
    api.ingest(first)
    (file,) = api.rows("files")
    assert api("GET", f"files/{file['file_id']}").content == b"closed last"


def test_the_files_of_a_session_are_listed_by_status_and_pages(api):
    api.upload("1.txt")
    session = api.open(write_mode="FAIL")
    for i in range(4):
        api.put(session, f"{i}.txt")
        api.put(session, f"{i}.txt.meta.json", b"{}")
    api.ingest(session)
    path = f"upload_sessions/{session['session_id']}/files"

    def names(**params):
        return [row["name"] for row in api.rows(path, **params)]

    assert names() == ["0.txt", "1.txt", "2.txt", "3.txt"]
    assert names(ingestion_status="FAILED") == ["1.txt"]
    assert names(ingestion_status="FINISHED", limit=2, page_number=2) == ["3.txt"]
    assert names(ingestion_status="PENDING") == []
    cursor = api.rows(path)[1]["file_id"]
    assert names(after=cursor, limit=1) == ["2.txt"]
    assert names(before=cursor) == ["0.txt"]
    assert api("GET", path, params={"ingestion_status": "LOST"}).status_code == 422
