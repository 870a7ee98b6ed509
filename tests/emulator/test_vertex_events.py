"""Events: append, what is listed, compaction."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def session(api) -> str:
    return api.create("s-1")


def test_append_returns_an_empty_object_and_the_server_names_the_event(api, session: str) -> None:
    response = api.append(session)
    assert (response.status_code, response.content) == (200, b"{}")
    (event,) = api.events(session)
    assert event["name"].startswith(api.get(session)["name"] + "/events/")
    assert re.fullmatch(r"\d{17,19}", api.last(event))


def test_listed_events_always_have_these_objects(api, session: str) -> None:
    api.append(session)
    (event,) = api.events(session)
    assert (event["content"], event["actions"], event["eventMetadata"]) == ({}, {}, {})
    assert "rawEvent" not in event


def test_an_event_comes_back_as_it_was_sent(api, session: str) -> None:
    sent = {
        "content": {
            "role": "model",
            "parts": [{"functionCall": {"id": "1", "args": {"n_n": 1.5}}}],
        },
        "actions": {"stateDelta": {"a": [1]}, "artifactDelta": {"f.txt": 2}, "transferAgent": "x"},
        "errorCode": "E",
        "errorMessage": "text",
        "eventMetadata": {"branch": "b", "customMetadata": {"_usage_metadata": {"a": 1}}},
        "rawEvent": {"id": "uuid", "timestamp": 1767225600.5},
        "author": "agent",
        "invocationId": "e-1",
    }
    assert api.append(session, "2026-01-01T00:00:00.123456789Z", **sent).status_code == 200
    (event,) = api.events(session)
    del event["name"]
    assert event == {**sent, "timestamp": "2026-01-01T00:00:00.123456789Z"}


@pytest.mark.parametrize(
    ("missing", "paths"),
    [
        (["author"], ["event.author"]),
        (["invocationId"], ["event.invocation_id"]),
        (["timestamp"], ["event.timestamp"]),
        (["author", "invocationId"], ["event.author", "event.invocation_id"]),
    ],
)
def test_required_fields_word_for_word(api, session: str, missing: list, paths: list) -> None:
    body = {"author": "a", "invocationId": "i", "timestamp": "2026-01-01T00:00:00Z"}
    body = {name: value for name, value in body.items() if name not in missing}
    response = api.call("POST", f"/sessions/{session}:appendEvent", body)
    error = response.json()["error"]
    listed = "".join(
        f"{number}.Field: {path}; Message: Required field is not set.\t"
        for number, path in enumerate(paths, 1)
    )
    assert (response.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == f"List of found errors:\t{listed}"
    violations = error["details"][0]["fieldViolations"]
    assert [item["field"] for item in violations] == paths
    assert api.events(session) == []


def test_an_id_that_cannot_be_one(api) -> None:
    response = api.append("a_b")
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "Request contains an invalid argument."


def test_a_session_that_is_not_there(api) -> None:
    for response in (api.append("nope"), api.call("GET", "/sessions/nope/events")):
        error = response.json()["error"]
        assert (response.status_code, error["status"]) == (404, "NOT_FOUND")
        assert error["message"].endswith("/sessions/nope not found.")


def test_there_is_no_dedup_and_no_check_of_order(api, session: str) -> None:
    for moment in ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"):
        assert api.append(session, moment).status_code == 200
    events = api.events(session)
    assert [event["timestamp"][:10] for event in events] == [
        "2026-01-01",
        "2026-01-02",
        "2026-01-02",
    ]
    assert len({event["name"] for event in events}) == 3


def test_events_are_in_order_of_the_clients_timestamp_then_of_appending(api, session: str) -> None:
    moments = ["05", "01", "05", "03", "01", "05"]
    for number, second in enumerate(moments):
        api.append(session, f"2026-01-01T00:00:{second}Z", author=str(number))
    authors = [event["author"] for event in api.events(session)]
    assert authors == ["1", "4", "3", "0", "2", "5"]
    assert [e["author"] for e in api.events(session, orderBy="timestamp desc")] == authors[::-1]


def test_append_moves_the_update_time_by_the_servers_clock(start, clock) -> None:
    api = start(clock=clock)
    session = api.create()
    clock.advance(seconds=5)
    api.append(session, "2030-01-01T00:00:00Z")
    assert api.get(session)["updateTime"] == "2026-03-01T12:00:05.123456Z"


def test_v1_does_not_know_media_processing(api, session: str) -> None:
    part = {"text": "x", "mediaProcessing": "AGENTIC"}
    api.append(session, content={"parts": [part]})
    assert api.events(session)[0]["content"]["parts"] == [part]
    v1 = api.base.replace("v1beta1", "v1")
    listed = api.ok(api.client.get(f"{v1}/sessions/{session}/events"))
    assert listed["sessionEvents"][0]["content"]["parts"] == [{"text": "x"}]


def compact(api, session: str, compaction: object):
    return api.call("POST", f"/sessions/{session}:compact", {"compaction": compaction})


def test_compact_edits_the_history(api, session: str) -> None:
    thought = {"text": "hm", "thought": True}
    long = {"functionResponse": {"id": "1", "response": {"rows": ["x" * 5000]}}}
    short = {"functionResponse": {"id": "2", "response": {"rows": []}}}
    api.append(
        session, content={"role": "model", "parts": [thought, {"text": "answer"}, long, short]}
    )
    operation = api.ok(compact(api, session, {"event_editing": {"mode": "AUTO"}}))
    assert operation["done"] is True
    assert f"/sessions/{session}/operations/" in operation["name"]
    assert api.events(session)[0]["content"]["parts"] == [
        {"text": "answer"},
        {"functionResponse": {"id": "1", "response": {"masked": True}}},
        short,
    ]


def test_summarization_leaves_a_short_history_alone(api, session: str) -> None:
    api.append(session, content={"parts": [{"text": "x", "thought": True}]})
    before = api.events(session)
    api.ok(compact(api, session, {"summarization": {"mode": "AUTO"}}))
    assert api.events(session) == before


@pytest.mark.parametrize(
    "compaction", [None, {}, {"summarization": {}}, {"eventEditing": {"mode": "MODE_UNSPECIFIED"}}]
)
def test_compact_needs_a_category(api, session: str, compaction: object) -> None:
    assert compact(api, session, compaction).status_code == 400
