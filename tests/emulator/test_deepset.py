"""The emulated deepset Cloud: its upload sessions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.emulator.apis import START, DeepsetApi, of_each_test

api = of_each_test(DeepsetApi)


# Keys and names


@pytest.mark.parametrize(
    ("key", "status"), [("any", 200), ("invalid", 401), ("invalid-2", 401), (None, 403)]
)
@pytest.mark.parametrize("path", ["upload_sessions", "files"])
def test_any_key_is_taken_unless_it_starts_with_invalid(api, path, key, status):
    assert api("GET", path, key=key).status_code == status


def test_workspaces_exist_by_being_named_and_share_nothing(api):
    session = api("POST", "upload_sessions", workspace="a%2Fb", json={}).json()
    path = f"upload_sessions/{session['session_id']}"
    assert api("GET", path, workspace="a%2Fb").status_code == 200
    assert api("GET", path, workspace="a").status_code == 404
    assert api("GET", "upload_sessions", workspace="b").json()["total"] == 0


# Opening


def test_an_opened_session_has_a_presigned_form_on_the_same_host(api):
    answer = api("POST", "upload_sessions", json={})
    session = answer.json()
    form = session["aws_prefixed_request_config"]
    assert answer.status_code == 201
    assert str(UUID(session["session_id"])) == session["session_id"]
    assert form["url"].startswith("http://e.test/deepset-uploads/")
    assert next(iter(form["fields"])) == "key"
    assert form["fields"]["key"].endswith("/${filename}")
    assert datetime.fromisoformat(session["expires_at"]) == START + timedelta(days=1)


def test_the_body_may_be_missing(api):
    assert api("POST", "upload_sessions").status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"write_mode": "KEEP"}, 201),
        ({"write_mode": "TEMPORARY"}, 201),
        ({"write_mode": "APPEND"}, 422),
        ({"parallel_processing_enabled": True}, 201),
        ({"parallel_processing_enabled": "maybe"}, 422),
        ({"expires_in_seconds": 1}, 201),
        ({"expires_in_seconds": 86_400}, 201),
        ({"expires_in_seconds": None}, 201),
        ({"expires_in_seconds": 0}, 422),
        ({"expires_in_seconds": 86_401}, 422),
    ],
)
def test_opening_checks_its_body(api, body, status):
    answer = api("POST", "upload_sessions", json=body)
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["detail"][0].keys() >= {"loc", "msg", "type"}


def test_the_free_plan_has_no_sessions(api):
    answer = api("POST", "upload_sessions", key="free", json={})
    assert answer.status_code == 402
    assert answer.json()["details"][0].keys() == {"code", "message"}


def test_a_user_has_ten_open_sessions_over_all_workspaces(api):
    opened = [api.open() for _ in range(9)]
    api("POST", "upload_sessions", workspace="other", json={})
    refused = api("POST", "upload_sessions", json={})
    assert refused.status_code == 406
    assert "per user" in refused.json()["details"][0]["message"]
    assert api("POST", "upload_sessions", key="another", json={}).status_code == 201
    api.close(opened[0])
    assert api("POST", "upload_sessions", json={}).status_code == 201


def test_expired_sessions_do_not_count_as_open(api):
    for _ in range(10):
        api.open(expires_in_seconds=60)
    api.pass_time(seconds=60)
    assert api("POST", "upload_sessions", json={}).status_code == 201


# Listing


def test_a_row_has_what_the_details_lack_and_the_other_way_round(api):
    session = api.open(write_mode="FAIL")
    (row,) = api.rows("upload_sessions")
    detail = api("GET", f"upload_sessions/{session['session_id']}").json()
    assert row == {
        "session_id": session["session_id"],
        "created_by": row["created_by"],
        "created_at": START.isoformat(),
        "expires_at": session["expires_at"],
        "write_mode": "FAIL",
        "status": "OPEN",
    }
    assert row["created_by"].keys() == {"user_id", "given_name", "family_name"}
    assert detail == {
        "session_id": session["session_id"],
        "expires_at": session["expires_at"],
        "documentation_url": "https://docs.cloud.deepset.ai/docs/upload-files",
        "ingestion_status": {"failed_files": 0, "finished_files": 0},
    }


def test_the_creator_is_derived_from_the_key(api):
    for key in ("one", "one", "two"):
        api("POST", "upload_sessions", key=key, json={})
    rows = api.rows("upload_sessions")
    assert len({row["created_by"]["user_id"] for row in rows}) == 2
    assert "one" not in json.dumps(api.service.dump())


def test_is_expired_splits_the_sessions(api):
    short = api.open(expires_in_seconds=60)
    closed, closed_short = api.open(), api.open(expires_in_seconds=60)
    live = api.open()
    api.close(closed)
    api.close(closed_short)
    api.pass_time(seconds=60)
    lists = {
        value: [(row["session_id"], row["status"]) for row in api.rows("upload_sessions", **params)]
        for value, params in {
            "absent": {},
            "false": {"is_expired": "false"},
            "true": {"is_expired": "true"},
        }.items()
    }
    assert lists["absent"] == lists["false"]
    assert lists["absent"] == [(live["session_id"], "OPEN"), (closed["session_id"], "CLOSED")]
    assert lists["true"] == [
        (closed_short["session_id"], "EXPIRED"),
        (short["session_id"], "EXPIRED"),
    ]


@pytest.fixture(scope="module")
def stock():
    """The ids of 25 closed sessions, newest first, and the state with them."""
    own, opened = DeepsetApi(), []
    for _ in range(25):
        opened.append(own.open())
        own.close(opened[-1])
    return [session["session_id"] for session in opened][::-1], own.service.dump()


@pytest.fixture
def many(api, stock):
    ids, state = stock
    api.service.load(state)
    return ids


def test_ten_rows_are_the_default(api, many):
    body = api("GET", "upload_sessions").json()
    assert (len(body["data"]), body["total"], body["has_more"]) == (10, 25, True)


@pytest.mark.parametrize("limit", [1, 7, 25, 100])
def test_page_numbers_and_cursors_walk_the_same_list(api, many, limit):
    by_number, by_cursor, number, cursor = [], [], 1, {}
    while True:
        page = api("GET", "upload_sessions", params={"limit": limit, "page_number": number}).json()
        other = api("GET", "upload_sessions", params={"limit": limit, **cursor}).json()
        assert page == other
        assert page["total"] == 25
        by_number += [row["session_id"] for row in page["data"]]
        by_cursor += [row["session_id"] for row in other["data"]]
        if not page["has_more"]:
            break
        number, cursor = number + 1, {"after": by_cursor[-1]}
    assert by_number == by_cursor == many


def test_before_gives_the_rows_next_to_the_cursor(api, many):
    page = api("GET", "upload_sessions", params={"limit": 5, "before": many[20]}).json()
    assert [row["session_id"] for row in page["data"]] == many[15:20]
    assert page["has_more"]
    page = api("GET", "upload_sessions", params={"limit": 5, "before": many[5]}).json()
    assert not page["has_more"]


def test_a_page_past_the_end_is_empty(api, many):
    body = api("GET", "upload_sessions", params={"page_number": 9}).json()
    assert (body["data"], body["total"], body["has_more"]) == ([], 25, False)


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": "ten"},
        {"page_number": 0},
        {"is_expired": "perhaps"},
        {"before": "no-uuid"},
        {"after": str(UUID(int=1))},
    ],
    ids=str,
)
def test_wrong_paging_is_422(api, params):
    answer = api("GET", "upload_sessions", params=params)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "query"


@pytest.mark.parametrize(
    "names", [("page_number", "after"), ("page_number", "before"), ("before", "after")]
)
def test_the_forms_of_paging_exclude_each_other(api, many, names):
    params = {name: 1 if name == "page_number" else many[5] for name in names}
    answer = api("GET", "upload_sessions", params=params)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", names[1]]


# One session


@pytest.mark.parametrize(
    ("session_id", "status"), [(str(uuid4()), 404), ("no-uuid", 422)], ids=["unknown", "bad"]
)
@pytest.mark.parametrize(
    ("method", "suffix", "body"), [("GET", "", None), ("PUT", "", {}), ("GET", "/files", None)]
)
def test_a_session_has_to_be_one(api, method, suffix, body, session_id, status):
    answer = api(method, f"upload_sessions/{session_id}{suffix}", json=body)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["errors"][0].startswith(
            f"There's no session with the ID '{session_id}'"
        )


def test_a_session_is_closed_once(api):
    session = api.open()
    first, second = api.close(session), api.close(session)
    assert (first.status_code, first.content) == (204, b"")
    assert second.status_code == 409
    assert api.rows("upload_sessions")[0]["status"] == "CLOSED"


@pytest.mark.parametrize(("body", "status"), [({}, 204), ({"status": "OPEN"}, 422)])
def test_closing_knows_one_status(api, body, status):
    session = api.open()
    answer = api("PUT", f"upload_sessions/{session['session_id']}", json=body)
    assert answer.status_code == status


def test_an_expired_session_is_closed_already(api):
    session = api.open(expires_in_seconds=1)
    api.pass_time(seconds=1)
    assert api.close(session).status_code == 409


def test_sessions_cannot_be_deleted(api):
    session = api.open()
    assert api("DELETE", f"upload_sessions/{session['session_id']}").status_code == 405


# The service


def test_the_state_survives_its_dump(api):
    session = api.open()
    api.put(session, "a.txt", b"\xff")
    api.upload("b.txt")
    other = DeepsetApi()
    other.service.load(json.loads(json.dumps(api.service.dump())))
    assert other.service.summary() == "1 upload sessions, 1 files"
    other.ingest(session)
    assert other.counters(session)["finished_files"] == 1
    first = next(row for row in other.rows("files") if row["name"] == "a.txt")
    assert other("GET", f"files/{first['file_id']}").content == b"\xff"
    assert other.open()["session_id"] != session["session_id"]


def test_no_id_is_drawn_twice_after_a_load():
    first, second = DeepsetApi(seed=7), DeepsetApi(seed=7)
    opened = first.open()["session_id"]
    second.service.load(first.service.dump())
    assert second.open()["session_id"] != opened


def test_a_seed_fills_in_the_same_data_every_time():
    first, second, other = DeepsetApi(seed=7), DeepsetApi(seed=7), DeepsetApi(seed=8)
    assert first.service.summary().startswith("24 upload sessions, ")
    assert first.service.dump() == second.service.dump() != other.service.dump()
    listed = first("GET", "upload_sessions?limit=100", workspace="demo").json()
    assert {row["status"] for row in listed["data"]} == {"CLOSED"}
    assert first("GET", "files", workspace="demo").json()["total"] > 20
    first.open()
    first.service.reset(7)
    assert first.service.dump() == second.service.dump()
    first.service.reset(None)
    assert first.service.summary() == ""


def test_foreign_data_are_refused(api):
    with pytest.raises(ValueError, match="sessions"):
        api.service.load({"sessions": 3})
