"""Sessions: ids, names, expiry, labels, state scopes, patch and delete."""

from __future__ import annotations

import re

import pytest

NUMBER = r"projects/\d{9,12}/locations/us-central1/reasoningEngines/\d+"


def error(response) -> tuple[int, str, str]:
    body = response.json()["error"]
    assert response.headers["content-type"].startswith("application/json")
    assert body["code"] == response.status_code
    return response.status_code, body["status"], body["message"]


def test_create_returns_a_finished_operation(api) -> None:
    sent = {"userId": "ann", "sessionState": {"a": 1, "app:b": 2}, "ttl": "172800s"}
    operation = api.ok(api.call("POST", "/sessions", sent, sessionId="s-1"))
    assert re.fullmatch(NUMBER + r"/sessions/s-1/operations/\d+", operation["name"])
    assert operation["done"] is True
    kind = "type.googleapis.com/google.cloud.aiplatform.v1beta1."
    assert operation["metadata"]["@type"] == kind + "CreateSessionOperationMetadata"
    assert set(operation["metadata"]["genericMetadata"]) == {"createTime", "updateTime"}
    response = operation["response"]
    assert response["@type"] == kind + "Session"
    assert response["sessionState"] == sent["sessionState"]
    assert re.fullmatch(NUMBER + "/sessions/s-1", response["name"])
    assert not {"ttl", "expireTime"} & set(response)
    assert response["createTime"] != api.get("s-1")["createTime"]


def test_get_has_these_fields(api) -> None:
    api.create("s-1", displayName='"Ä" 👟', labels={"env": "prod"}, sessionState={"k": None})
    session = api.get("s-1")
    assert set(session) == {
        "name",
        "createTime",
        "updateTime",
        "expireTime",
        "sessionState",
        "userId",
        "displayName",
        "labels",
    }
    assert session["displayName"] == '"Ä" 👟'
    assert session["labels"] == {"env": "prod"}
    assert session["sessionState"] == {"k": None}


def test_what_is_not_set_is_not_answered(api) -> None:
    api.create("s-1", displayName="", labels={}, sessionState={})
    assert set(api.get("s-1")) == {"name", "createTime", "updateTime", "expireTime", "userId"}


def test_the_server_makes_numeric_ids(api) -> None:
    ids = {api.create() for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch(r"\d{17,19}", session_id) for session_id in ids)


def test_a_request_under_the_answered_name_works(api) -> None:
    api.create("s-1")
    name = api.get("s-1")["name"]
    assert "acme" not in name
    again = api.ok(api.client.get(f"{api.server.url}/v1beta1/{name}"))
    assert again["name"] == name


def test_projects_locations_and_engines_are_apart(api) -> None:
    api.create("s-1")
    for other in (
        api.base.replace("acme", "other"),
        api.base.replace("us-central1", "europe-west4"),
        api.base + "1",
    ):
        assert api.client.get(other + "/sessions/s-1").status_code == 404


@pytest.mark.parametrize("session_id", ["a", "0", "1234567890", "a-b", "a--b", "a" * 63, "0" * 63])
def test_session_ids_that_are_fine(api, session_id: str) -> None:
    assert api.create(session_id) == session_id
    assert api.last(api.get(session_id)) == session_id


@pytest.mark.parametrize(
    "session_id", ["A", "a_b", "-a", "a-", "a" * 64, "a/b", "..", "é", "a b", "a:b", "a\n", "a%2Fb"]
)
def test_session_ids_that_are_refused(api, session_id: str) -> None:
    response = api.call("POST", "/sessions", {"userId": "u"}, sessionId=session_id)
    assert error(response)[:2] == (400, "INVALID_ARGUMENT")
    assert api.sessions() == []


def test_an_existing_id_is_400_not_409(api) -> None:
    api.create("s-1")
    name = api.get("s-1")["name"]
    response = api.call("POST", "/sessions", {"userId": "other"}, sessionId="s-1")
    text = f"Session with user-provided ID '{name}' already exists."
    assert error(response) == (400, "INVALID_ARGUMENT", text)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_a_missing_session(api, method: str) -> None:
    response = api.call(method, "/sessions/nope", {} if method == "PATCH" else None)
    code, status, text = error(response)
    assert (code, status) == (404, "NOT_FOUND")
    assert re.fullmatch(rf"Session {NUMBER}/sessions/nope not found\.", text)


@pytest.mark.parametrize("session_id", ["a_b", "A", "a%2Fb", "a%20b", "%2e%2e", "a%3Ab", "%C3%A9"])
def test_an_id_that_cannot_be_one_is_400(api, session_id: str) -> None:
    response = api.call("GET", f"/sessions/{session_id}")
    text = "List of found errors:\t1.Field: name; Message: Invalid Session resource name.\t"
    assert error(response) == (400, "INVALID_ARGUMENT", text)
    violations = response.json()["error"]["details"][0]
    assert violations["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert violations["fieldViolations"][0]["field"] == "name"


def test_a_user_is_required(api) -> None:
    text = "List of found errors:\t1.Field: session.user_id; Message: Required field is not set.\t"
    for body in ({}, {"userId": ""}, {"user_id": None}):
        assert error(api.call("POST", "/sessions", body)) == (400, "INVALID_ARGUMENT", text)


@pytest.mark.parametrize("user", ['"', "\\", "'", "a/b", "..", "\n", "👟", '" OR user_id!="', "%"])
def test_any_text_is_a_user(api, user: str) -> None:
    session_id = api.create(user=user)
    api.create(user="other")
    assert api.get(session_id)["userId"] == user
    escaped = user.replace("\\", "\\\\").replace('"', '\\"')
    assert api.ids(filter=f'user_id="{escaped}"') == [session_id]


@pytest.mark.parametrize(
    ("labels", "fine"),
    [
        ({"env": "prod"}, True),
        ({"a_b-c1": "x_y-2"}, True),
        ({"größe": "größe", "注文": "状況"}, True),
        ({"a": ""}, True),
        ({"a" * 64: "b" * 64}, True),
        ({"a" * 65: "b"}, False),
        ({"a": "b" * 65}, False),
        ({"Env": "prod"}, False),
        ({"env": "Prod"}, False),
        ({"env": "Ä"}, False),
        ({"env": "a b"}, False),
        ({"a.b": "c"}, False),
        ({"": "c"}, False),
        ({"env": "👟"}, False),
    ],
)
def test_labels(api, labels: dict[str, str], fine: bool) -> None:
    response = api.call("POST", "/sessions", {"userId": "u", "labels": labels}, sessionId="s-1")
    if fine:
        assert api.ok(response)
        assert api.get("s-1")["labels"] == labels
        assert api.patch("s-1", {"labels": labels}).status_code == 200
    else:
        assert error(response)[:2] == (400, "INVALID_ARGUMENT")


def test_expiry_is_365_days_after_creation_and_stays(start, clock) -> None:
    api = start(clock=clock)
    api.create("s-1")
    assert api.get("s-1")["createTime"] == "2026-03-01T12:00:00.123456Z"
    assert api.get("s-1")["expireTime"] == "2027-03-01T12:00:00.123456Z"
    clock.advance(days=3)
    assert api.append("s-1").status_code == 200
    session = api.get("s-1")
    assert session["expireTime"] == "2027-03-01T12:00:00.123456Z"
    assert session["updateTime"] == "2026-03-04T12:00:00.123456Z"


def test_an_expired_session_is_neither_found_nor_listed(start, clock) -> None:
    api = start(clock=clock)
    api.create("short", ttl="86400s")
    api.create("dated", expireTime="2026-03-03T00:00:00Z", sessionState={"user:k": 1})
    api.create("long")
    clock.advance(seconds=86_399)
    assert api.ids() == ["long", "dated", "short"]
    clock.advance(seconds=1)
    assert api.ids() == ["long", "dated"]
    assert api.call("GET", "/sessions/short").status_code == 404
    assert api.append("short").status_code == 404
    # A longer life given in time holds.
    assert api.patch("dated", {"ttl": "864000s"}).json()["expireTime"] == (
        "2026-03-12T12:00:00.123456Z"
    )
    clock.advance(days=5)
    assert api.ids() == ["long", "dated"]
    clock.advance(days=5)
    assert api.ids() == ["long"]
    assert api.create("dated") == "dated"
    assert api.get("dated")["sessionState"] == {"user:k": 1}


@pytest.mark.parametrize("ttl", ["86399s", "7200s", "0s", "-1s", "86399.999999999s"])
def test_a_ttl_under_24_hours_is_refused_unless_lenient(api, start, ttl: str) -> None:
    body = {"userId": "u", "ttl": ttl}
    assert error(api.call("POST", "/sessions", body))[:2] == (400, "INVALID_ARGUMENT")
    api.create("s-1")
    assert api.patch("s-1", {"ttl": ttl}).status_code == 400


def test_lenient_ttl(start) -> None:
    api = start(lenient_ttl=True)
    assert api.create(ttl="7200s")
    assert api.call("POST", "/sessions", {"userId": "u", "ttl": "0s"}).status_code == 400


def test_expire_time_must_be_in_the_future(api) -> None:
    body = {"userId": "u", "expireTime": "2001-01-01T00:00:00Z"}
    assert error(api.call("POST", "/sessions", body))[:2] == (400, "INVALID_ARGUMENT")


def test_expire_time_is_24_hours_after_creation_at_least(start, clock) -> None:
    for lenient, code in ((False, 400), (True, 200)):
        api = start(clock=clock, lenient_ttl=lenient)
        body = {"userId": "u", "expireTime": "2026-03-02T12:00:00.123455Z"}
        assert api.call("POST", "/sessions", body).status_code == code
        body["expireTime"] = "2026-03-02T12:00:00.123456Z"
        assert api.call("POST", "/sessions", body).status_code == 200


def test_state_scopes(api) -> None:
    state = {"own": 1, "app:a": 1, "user:u": 1, "temp:t": 1}
    api.create("one", "ann", sessionState=state)
    api.create("two", "ann")
    api.create("three", "bob")
    assert api.get("one")["sessionState"] == {"app:a": 1, "own": 1, "user:u": 1}
    assert api.get("two")["sessionState"] == {"app:a": 1, "user:u": 1}
    assert api.get("three")["sessionState"] == {"app:a": 1}
    delta = {"own": None, "app:a": 2, "user:u": {"x": 1}, "temp:t": 2}
    api.append("two", actions={"stateDelta": delta})
    assert api.get("one")["sessionState"] == {"app:a": 2, "own": 1, "user:u": {"x": 1}}
    listed = {api.last(item): item["sessionState"] for item in api.sessions()}
    assert listed == {
        "one": {"app:a": 2, "own": 1, "user:u": {"x": 1}},
        "two": {"app:a": 2, "own": None, "user:u": {"x": 1}},
        "three": {"app:a": 2},
    }
    # temp: keys stay in the event alone.
    assert api.events("two")[0]["actions"]["stateDelta"]["temp:t"] == 2


@pytest.mark.parametrize(
    ("scope", "seen"), [("app", {"one", "two", "three"}), ("user", {"one", "two"})]
)
def test_a_change_of_shared_state_is_seen_at_once(api, scope: str, seen: set[str]) -> None:
    for session, user in (("one", "ann"), ("two", "ann"), ("three", "bob")):
        api.create(session, user)
    assert not any("sessionState" in item for item in api.sessions())
    api.append("one", actions={"stateDelta": {f"{scope}:k": 1}})
    found = {api.last(item) for item in api.sessions() if item.get("sessionState")}
    assert found == seen


def test_shared_state_outlives_its_sessions(api) -> None:
    api.create("one", "ann", sessionState={"own": 1, "app:a": 1, "user:u": 1})
    api.ok(api.call("DELETE", "/sessions/one"))
    api.create("two", "ann")
    assert api.get("two")["sessionState"] == {"app:a": 1, "user:u": 1}


def test_a_state_delta_replaces_top_level_keys(api) -> None:
    api.create("s-1", sessionState={"a": {"x": 1, "y": 2}, "b": 1})
    api.append("s-1", actions={"state_delta": {"a": {"x": 3}}})
    assert api.get("s-1")["sessionState"] == {"a": {"x": 3}, "b": 1}


FULL = {"displayName": "old", "labels": {"env": "dev"}, "sessionState": {"a": 1}}
PATCHES = [
    # mask, body, what changes
    ("displayName", {"displayName": "new"}, {"displayName": "new"}),
    ("display_name", {"displayName": "new", "labels": {"x": "y"}}, {"displayName": "new"}),
    ("displayName,labels", {"displayName": "new"}, {"displayName": "new", "labels": None}),
    (
        " display_name , labels ",
        {"labels": {"x": "y"}},
        {"displayName": None, "labels": {"x": "y"}},
    ),
    ("sessionState", {"session_state": {"b": 2}}, {"sessionState": {"b": 2}}),
    ("session_state", {}, {"sessionState": None}),
    ("", {"displayName": "new"}, {"displayName": "new"}),
    (
        "",
        {"displayName": "new", "userId": "ann", "labels": {"x": "y"}},
        {"displayName": "new", "labels": {"x": "y"}},
    ),
    ("", {}, {}),
    ("", {"displayName": ""}, {}),
    ("userId", {"userId": "ann"}, {}),
    ("name,createTime", {"name": "x", "createTime": "2001-01-01T00:00:00Z"}, {}),
    (
        "*",
        {"userId": "ann", "displayName": "new"},
        {"displayName": "new", "labels": None, "sessionState": None},
    ),
]


@pytest.mark.parametrize(("mask", "body", "changes"), PATCHES)
def test_patch(api, mask: str, body: dict, changes: dict) -> None:
    api.create("s-1", "ann", **FULL)
    before = api.get("s-1")
    answer = api.ok(api.patch("s-1", body, **({"updateMask": mask} if mask else {})))
    assert answer == api.get("s-1")
    expected = {**before, **changes, "updateTime": answer["updateTime"]}
    assert answer == {name: value for name, value in expected.items() if value is not None}
    assert answer["updateTime"] > before["updateTime"]


@pytest.mark.parametrize("mask", ["ttl", "expire_time", "expireTime", ""])
def test_patch_of_the_expiry(start, clock, mask: str) -> None:
    api = start(clock=clock)
    api.create("s-1")
    clock.advance(days=1)
    query = {"update_mask": mask} if mask else {}
    answer = api.ok(api.patch("s-1", {"ttl": "172800s", "userId": "ann"}, **query))
    assert answer["expireTime"] == "2026-03-04T12:00:00.123456Z"
    answer = api.ok(api.patch("s-1", {"expireTime": "2026-06-01T00:00:00.5Z"}, **query))
    assert answer["expireTime"] == "2026-06-01T00:00:00.500Z"
    if mask:
        # Cleared: the default again, counted from the creation.
        assert api.ok(api.patch("s-1", {}, **query))["expireTime"] == "2027-03-01T12:00:00.123456Z"


@pytest.mark.parametrize(
    ("mask", "body"),
    [
        ("", {"userId": "bob"}),
        ("userId", {"userId": "bob"}),
        ("userId", {}),
        ("nonsense", {}),
        ("displayName,nonsense", {"displayName": "new"}),
        ("labels.env", {"labels": {"env": "x"}}),
        ("displayName,", {"displayName": "new"}),
        ("", {"labels": {"BAD": "x"}}),
        ("", {"nonsense": 1}),
        ("ttl", {"ttl": "1s"}),
    ],
)
def test_patches_that_change_nothing(api, mask: str, body: dict) -> None:
    api.create("s-1", "ann", **FULL)
    before = api.get("s-1")
    response = api.patch("s-1", body, **({"updateMask": mask} if mask else {}))
    assert error(response)[:2] == (400, "INVALID_ARGUMENT")
    assert api.get("s-1") == before


def test_patch_of_state_merges_the_shared_scopes(api) -> None:
    api.create("one", "ann", sessionState={"a": 1, "app:x": 1, "user:y": 1})
    api.create("two", "bob")
    api.ok(api.patch("one", {"sessionState": {"b": 2, "app:x": 2, "temp:z": 1}}))
    assert api.get("one")["sessionState"] == {"app:x": 2, "b": 2, "user:y": 1}
    assert api.get("two")["sessionState"] == {"app:x": 2}


def test_delete(api) -> None:
    api.create("s-1")
    api.append("s-1")
    operation = api.ok(api.call("DELETE", "/sessions/s-1"))
    name = r"projects/\d+/locations/us-central1/operations/\d+"
    assert re.fullmatch(name, operation["name"])
    assert operation["done"] is True
    kind = "type.googleapis.com/google.cloud.aiplatform.v1beta1.DeleteOperationMetadata"
    assert operation["metadata"]["@type"] == kind
    assert operation["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert api.call("GET", "/sessions/s-1").status_code == 404
    assert api.call("GET", "/sessions/s-1/events").status_code == 404
    assert api.sessions() == []
    # The id is free again, and its events are gone.
    api.create("s-1")
    assert api.events("s-1") == []
