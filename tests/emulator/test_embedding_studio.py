"""The emulated Embedding Studio: sessions, events and the payload filter."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from http.client import HTTPConnection

import pytest

from sessions_vtab.emulator.serve import running
from tests.emulator.apis import NOW, StudioApi, is_null, of_each_test

api = of_each_test(StudioApi)


# Routes


def test_ping_is_an_empty_object(api):
    assert api("GET", "/api/v1/ping").json() == {}


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("HEAD", "/api/v1/ping", 405, None),
        ("PUT", "session", 405, "Method Not Allowed"),
        ("DELETE", "session", 405, "Method Not Allowed"),
        ("GET", "session/events", 405, "Method Not Allowed"),
        ("GET", "sessions", 404, "Not Found"),
        ("GET", "/api/v1/internal/batch/sessions", 404, "Not Found"),
    ],
)
def test_there_is_nothing_else(api, method, path, status, detail):
    answer = api(method, path)
    assert answer.status_code == status
    assert ("allow" in answer.headers) == (status == 405)
    assert detail is None or answer.json() == {"detail": detail}


def test_a_trailing_slash_is_redirected(api):
    answer = api("GET", "session/?session_id=s")
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/api/v1/clickstream/session?session_id=s")


# Registration


def test_a_session_comes_back_in_this_shape(api):
    results = [{"object_id": "o", "rank": "1", "meta": {"a.b": 1}, "extra": 2}, {"object_id": "p"}]
    assert is_null(api.register(search_results=results, is_irrelevant=True, item_info={}))
    session = api.session()
    assert list(session) == [
        *("session_id", "search_query", "search_results", "search_meta", "payload_filter"),
        *("sort_by", "user_id", "created_at", "is_irrelevant", "events"),
    ]
    assert session["search_results"] == [
        {"object_id": "o", "rank": 1.0, "meta": {"a.b": 1}},
        {"object_id": "p", "rank": None, "meta": None},
    ]
    assert session["created_at"] == NOW
    assert session["is_irrelevant"] is False
    absent = ("search_meta", "payload_filter", "sort_by", "user_id")
    assert [session[key] for key in absent] == [None] * 4
    assert session["events"] == []


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"session_id": ""}, None),
        ({"session_id": 5}, "string_type"),
        ({"search_query": ""}, None),
        ({"search_query": {}}, "string_type"),
        ({"search_results": None}, "list_type"),
        ({"search_results": [{"rank": 1}]}, "missing"),
        ({"search_meta": []}, "dict_type"),
        ({"sort_by": {"field": "f"}}, None),
        ({"sort_by": {"field": "f", "order": "DESC"}}, "literal_error"),
        ({"payload_filter": {}}, "missing"),
        ({"created_at": 12.5}, "int_from_float"),
        ({"created_at": "2026-01-01"}, "int_parsing"),
    ],
    ids=str,
)
def test_registration_checks_its_schema(api, fields, kind):
    answer = api.register(**fields)
    if kind is None:
        assert is_null(answer)
        return
    assert answer.status_code == 422
    (row,) = answer.json()["detail"]
    assert row["type"] == kind
    assert row["url"] == f"https://errors.pydantic.dev/2.5/v/{kind}"
    assert row["loc"][0] == "body"
    assert row.keys() >= {"msg", "input"}


def test_sort_by_has_its_defaults(api):
    api.register(sort_by={"field": "f"})
    expected = {"field": "f", "order": "asc", "force_not_payload": False}
    assert api.session()["sort_by"] == expected


def test_the_first_registration_wins(api):
    api.register(search_query="first", user_id="u")
    assert is_null(api.register(search_query="second", created_at=NOW - 5))
    session = api.session()
    assert (session["search_query"], session["user_id"]) == ("first", "u")
    assert session["created_at"] == NOW


def test_a_body_has_to_be_json(api):
    text = json.dumps({"session_id": "s", "search_query": "q", "search_results": []})
    answer = api("POST", "session", content=text, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "model_attributes_type"
    answer = api("POST", "session", content="{", headers={"Content-Type": "application/json"})
    (row,) = answer.json()["detail"]
    assert (row["type"], row["loc"]) == ("json_invalid", ["body", 1])
    assert "url" not in row
    assert row["ctx"]["error"]


# Timestamps


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, NOW),
        (NOW - 43_200, NOW - 43_200),
        (NOW + 300, NOW + 300),
        (str(NOW), NOW),
        (float(NOW), NOW),
    ],
)
def test_a_time_in_the_window_is_kept(api, sent, kept):
    assert is_null(api.register(created_at=sent))
    assert is_null(api.push({"event_id": "e", "object_id": "o", "created_at": sent}))
    session = api.session()
    assert session["created_at"] == session["events"][0]["created_at"] == kept


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (NOW - 43_201, NOW - 43_201),
        (NOW + 301, NOW + 301),
        (0, 0),
        (NOW * 1000, NOW * 1000),
        (True, 1),
    ],
)
def test_a_time_outside_the_window_is_refused(api, sent, told):
    expected = {"detail": f"Invalid utc timestamp: {told}"}
    answer = api.register(created_at=sent)
    assert (answer.status_code, answer.json()) == (400, expected)
    answer = api.push("good", {"event_id": "e", "object_id": "o", "created_at": sent})
    assert (answer.status_code, answer.json()) == (400, expected)
    assert is_null(api.register())
    assert api.session()["events"] == []


# Reading


def test_an_unknown_session_is_404(api):
    answer = api("GET", "session", params={"session_id": "a/b"})
    assert answer.status_code == 404
    assert answer.json() == {"detail": "Session with id=a/b not found"}


def test_a_missing_parameter_is_422(api):
    answer = api("GET", "session")
    (row,) = answer.json()["detail"]
    assert (answer.status_code, row["loc"]) == (422, ["query", "session_id"])
    assert row["url"] == "https://errors.pydantic.dev/2.5/v/missing"


def test_the_first_hundred_events_are_returned_without_a_word(api):
    api.register()
    ids = [f"e{n}" for n in range(105)]
    api.push(*ids)
    assert api.event_ids() == ids[:100]
    batch_id = api.release().json()["batch_id"]
    for limit, count in ((100, 100), (0, 105), (103, 103), (3, 3)):
        (session,) = api.batch(batch_id, events_limit=limit)["sessions"]
        assert [event["event_id"] for event in session["events"]] == ids[:count]


# Events


def test_an_event_has_its_defaults(api):
    api.register()
    api.push("e", {"event_id": "f", "object_id": "o", "event_type": "any text", "meta": {"a": 1}})
    first, second = api.session()["events"]
    assert list(first) == ["event_id", "object_id", "event_type", "created_at", "meta"]
    assert list(first.values()) == ["e", "o", "click", NOW, None]
    assert (second["event_type"], second["meta"]) == ("any text", {"a": 1})


def test_events_are_in_order_of_arrival(api):
    api.register()
    api.push({"event_id": "z", "object_id": "o", "created_at": NOW}, "a")
    api.push({"event_id": "m", "object_id": "o", "created_at": NOW - 100})
    assert api.event_ids() == ["z", "a", "m"]


def test_a_repeated_event_is_dropped_silently(api):
    api.register()
    api.push({"event_id": "e", "object_id": "first"})
    assert is_null(api.push({"event_id": "e", "object_id": "second"}, "f", "f"))
    assert [event["object_id"] for event in api.session()["events"]] == ["first", "o"]
    assert is_null(api.push("e", session_id="other"))


def test_events_wait_for_their_session(api):
    assert is_null(api.push("e"))
    api.register()
    assert api.event_ids() == ["e"]


def test_one_invalid_event_fails_the_whole_request(api):
    api.register()
    assert api.push("e", {"event_id": "f"}).status_code == 422
    assert api.event_ids() == []


def test_no_events_are_a_plain_500(api):
    answer = api("POST", "session/events", json={"session_id": "s", "events": []})
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["content-type"].startswith("text/plain")


def test_after_the_500_the_connection_is_closed_without_a_header(caplog):
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    body = json.dumps({"session_id": "s", "events": []})
    headers = {"Content-Type": "application/json"}
    with running() as emulator:
        # Less than the five seconds after which an idle connection is closed anyway.
        client = HTTPConnection(emulator.url.removeprefix("http://"), timeout=2)
        with closing(client):
            client.request("GET", "/api/v1/ping")
            assert client.getresponse().read() == b"{}"
            client.request("POST", "/api/v1/clickstream/session/events", body, headers)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (500, b"Internal Server Error")
            assert answer.getheader("connection") is None
            assert client.sock.recv(1) == b""


def test_events_are_taken_after_the_release(api):
    api.register()
    batch_id = api.release().json()["batch_id"]
    api.push("late")
    (session,) = api.batch(batch_id)["sessions"]
    assert [event["event_id"] for event in session["events"]] == ["late"]


# The payload filter

TARGET = {"force_not_payload": False, "field": "f"}
EMPTY = {"must": None, "should": None, "filter": None, "must_not": None}
BOUNDS = {"gte": 1.0, "lte": None, "gt": None, "lt": None, "eq": None}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        *(
            ({name: {"field": "f", "value": "v"}}, {name: {**TARGET, "value": "v"}})
            for name in ("match", "match_phrase", "wildcard", "term")
        ),
        ({"term": {"field": "f", "value": 5}}, {"term": {**TARGET, "value": 5}}),
        ({"term": {"field": "f", "value": True}}, {"term": {**TARGET, "value": True}}),
        ({"match": {"field": "f", "value": 5}}, EMPTY),
        *(
            ({name: {"field": "f", "values": ["a", 1]}}, {name: {**TARGET, "values": ["a", 1]}})
            for name in ("terms", "any", "all")
        ),
        ({"field": "f"}, TARGET),
        ({"field": "f", "range": {"gte": 1}}, TARGET),
        ({"bool": {"must": []}}, EMPTY),
        ({}, EMPTY),
        ({"nonsense": 1}, EMPTY),
        (
            {"must": [{"field": "f", "range": {"gte": 1}}, {"field": "f"}]},
            {**EMPTY, "must": [{**TARGET, "range": BOUNDS}, EMPTY]},
        ),
        (
            {"must_not": [{"should": [{"match": {"field": "f", "value": "v"}}]}]},
            {**EMPTY, "must_not": [{**EMPTY, "should": [{"match": {**TARGET, "value": "v"}}]}]},
        ),
    ],
    ids=str,
)
def test_a_payload_filter_comes_back_changed(api, sent, kept):
    assert is_null(api.register(payload_filter={"query": sent}))
    found = api.session()["payload_filter"]
    assert found == {"query": kept}
    assert json.dumps(found) == json.dumps({"query": kept})


def test_metadata_survive(api):
    meta = {"$a.b": [1, None, {"c": "ü"}]}
    api.register(search_meta=meta)
    assert api.session()["search_meta"] == meta


# The service


def test_the_state_survives_its_dump(api):
    query = {"must": [{"field": "f", "range": {"gte": 1}}, {"field": "f"}]}
    api.register(payload_filter={"query": query}, sort_by={"field": "f"})
    api.push("e")
    other = StudioApi()
    other.service.load(json.loads(json.dumps(api.service.dump())))
    assert other.session() == api.session()
    assert other.service.summary() == "1 sessions, 1 events"
    assert other.service.dump() == api.service.dump()
    with pytest.raises(ValueError, match="sessions"):
        other.service.load({"sessions": 3})


def test_a_seed_fills_in_the_same_data_every_time():
    first, second, other = StudioApi(seed=7), StudioApi(seed=7), StudioApi(seed=8)
    assert first.service.dump() == second.service.dump() != other.service.dump()
    released, collecting = first.service.dump()["batches"]
    assert (released["status"], collecting["status"]) == ("released", "collecting")
    assert len(first.batch(released["batch_id"], limit=0)["sessions"]) == 25
    assert len(first.session("seed-00")["events"]) == 100
    first.service.reset(None)
    assert first.service.summary() == ""
    first.service.reset(7)
    assert first.service.dump() == second.service.dump()
