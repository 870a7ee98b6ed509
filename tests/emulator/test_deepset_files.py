"""The emulated deepset Cloud: the files of a workspace and their filter language."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sessions_vtab.emulator.deepset.files import parse_filter
from tests.emulator.apis import START, DeepsetApi, of_each_test

api = of_each_test(DeepsetApi)


# Workspace files


def test_an_uploaded_file_can_be_read_and_deleted(api):
    answer = api.upload("a b.txt", {"kind": "news"}, b"\xff\x00")
    file_id = answer.json()["file_id"]
    assert answer.status_code == 201
    (row,) = api.rows("files")
    assert row == {
        "file_id": file_id,
        "url": f"http://e.test/api/v1/workspaces/ws/files/{file_id}",
        "name": "a b.txt",
        "size": 2,
        "created_at": START.isoformat(),
        "meta": {"kind": "news"},
    }
    assert api("GET", row["url"]).content == b"\xff\x00"
    assert api("GET", f"files/{file_id}/meta").json() == {"kind": "news"}
    assert api("DELETE", f"files/{file_id}").status_code == 204
    for method, suffix in (("GET", ""), ("GET", "/meta"), ("DELETE", "")):
        assert api(method, f"files/{file_id}{suffix}").status_code == 404


@pytest.mark.parametrize(
    ("meta", "status"), [("null", 201), ("{}", 201), ("[]", 422), ("{", 422), ("3", 422)]
)
def test_metadata_of_an_upload_are_an_object(api, meta, status):
    answer = api("POST", "files", data={"meta": meta}, files={"file": ("a", b"")})
    assert answer.status_code == status


def test_an_upload_may_fail_on_a_taken_name(api):
    api.upload("a.txt")
    assert api.upload("a.txt", write_mode="FAIL").status_code == 409
    assert api.upload("a.txt", write_mode="TEMPORARY").status_code == 422
    assert api.upload("a.txt", write_mode="KEEP").status_code == 201
    assert len(api.rows("files")) == 2
    assert api.upload("a.txt", write_mode="OVERWRITE").status_code == 201
    assert len(api.rows("files")) == 1


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, ["three.TXT", "two.txt", "one.txt"]),
        ({"name": ".txt"}, ["two.txt", "one.txt"]),
        ({"name": "o"}, ["two.txt", "one.txt"]),
        ({"content": "fox QUICK"}, ["two.txt", "one.txt"]),
        ({"content": "quick hen"}, []),
        ({"filter": "n ge 2"}, ["three.TXT", "two.txt"]),
        ({"filter": "n gt 1 and kind eq 'a'"}, ["three.TXT"]),
        ({"filter": "n lt 3", "name": "w"}, ["two.txt"]),
        ({"meta_key": "kind", "meta_value": "a"}, ["three.TXT", "one.txt"]),
        ({"meta_key": "n"}, ["three.TXT", "two.txt", "one.txt"]),
    ],
    ids=str,
)
def test_files_are_searched(api, params, names):
    texts = [b"The quick fox.", b"Quick, a fox!", b"a hen"]
    for i, name in enumerate(["one.txt", "two.txt", "three.TXT"]):
        api.upload(name, {"n": i + 1, "kind": "ab"[i % 2]}, texts[i])
        api.pass_time(seconds=1)
    body = api("GET", "files", params=params).json()
    assert [row["name"] for row in body["data"]] == names
    assert (body["total"], body["has_more"]) == (len(names), False)


def test_a_filter_that_cannot_be_read_is_422(api):
    answer = api("GET", "files", params={"filter": "a eq 'x' or b eq 'y'"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "filter"]


def test_the_cursor_walks_files_of_one_moment(api):
    for i in range(12):
        api.upload(f"{i}.txt")
        if i % 5 == 0:
            api.pass_time(microseconds=1)
    seen, cursor = [], {}
    while True:
        body = api("GET", "files", params={"limit": 5, **cursor}).json()
        assert body["total"] == 12
        seen += [row["name"] for row in body["data"]]
        if not body["has_more"]:
            break
        last = body["data"][-1]
        cursor = {"after_value": last["created_at"], "after_file_id": last["file_id"]}
    assert sorted(seen) == sorted(f"{i}.txt" for i in range(12))


@pytest.mark.parametrize(
    "params",
    [
        {"after_value": START.isoformat()},
        {"after_file_id": str(uuid4())},
        {"after_value": "yesterday", "after_file_id": str(uuid4())},
        {"after_value": "2026-01-01T00:00:00", "after_file_id": str(uuid4())},
        {"limit": 101},
    ],
    ids=["no id", "no value", "no time", "no zone", "limit"],
)
def test_wrong_cursors_are_422(api, params):
    assert api("GET", "files", params=params).status_code == 422


# The filter language

META = {"text": "b", "number": 2, "flag": True, "nothing": None, "list": ["b"], "it's": 1}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("text eq 'b'", True),
        ("text eq 'B'", False),
        ("text ge 'a'", True),
        ("text lt 'b'", False),
        ("number eq 2", True),
        ("number eq 2.0", True),
        ("number eq '2'", False),
        ("number le 2", True),
        ("number gt 2", False),
        ("number ge -1e3", True),
        ("number eq true", False),
        ("flag eq true", True),
        ("flag eq 1", False),
        ("flag ge true", False),
        ("nothing eq null", True),
        ("missing eq null", False),
        ("list eq 'b'", False),
        ("text eq 'b' and number eq 2", True),
        ("text eq 'b'  and  number eq 3", False),
        ("text eq 'it''s'", False),
    ],
)
def test_a_filter_compares_within_one_type(text, holds):
    assert all(condition.holds(META) for condition in parse_filter(text)) == holds


def test_a_doubled_quote_is_a_quote():
    (condition,) = parse_filter("a eq 'it''s and so'")
    assert condition.value == "it's and so"


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a eq", "a eq b", "a ne 1", "a eq 1 or b eq 2", "a eq 1 and", "not a eq 1"),
        *("a eq 'x", "contains(a, 'b')", "(a eq 1)", "a eq 1 b eq 2", "a eq 'x'y"),
    ],
)
def test_other_odata_is_refused(text):
    with pytest.raises(ValueError, match="cannot read the filter"):
        parse_filter(text)
