"""Versions, express paths, engines, operations, auth and URLs that match nothing."""

from __future__ import annotations

import pytest


def test_v1_returns_types_of_v1(api) -> None:
    v1 = api.base.replace("v1beta1", "v1")
    response = api.client.post(f"{v1}/sessions", params={"sessionId": "s-1"}, json={"userId": "u"})
    operation = api.ok(response)
    kind = "type.googleapis.com/google.cloud.aiplatform.v1."
    assert operation["response"]["@type"] == kind + "Session"
    assert operation["metadata"]["@type"] == kind + "CreateSessionOperationMetadata"
    # The type follows the URL of the poll, and both versions see the same data.
    polled = api.ok(api.client.get(f"{api.server.url}/v1beta1/{operation['name']}"))
    assert polled["response"]["@type"].endswith("aiplatform.v1beta1.Session")
    assert api.get("s-1")["userId"] == "u"


def test_express_paths_stand_for_one_project(start) -> None:
    api = start(express=("acme", "us-central1"))
    express = f"{api.server.url}/v1beta1/reasoningEngines/42"
    body = {"userId": "u"}
    headers = {"x-goog-api-key": "k"}
    response = api.client.post(f"{express}/sessions?sessionId=s-1", json=body, headers=headers)
    operation = api.ok(response)
    assert operation["name"].startswith("reasoningEngines/42/sessions/s-1/operations/")
    assert operation["response"]["name"] == "reasoningEngines/42/sessions/s-1"
    for prefix in ("v1beta1", "v1"):
        assert api.ok(api.client.get(f"{api.server.url}/{prefix}/{operation['name']}"))["done"]
    assert api.ok(api.client.get(f"{express}/sessions"))["sessions"][0]["name"] == (
        "reasoningEngines/42/sessions/s-1"
    )
    api.ok(api.client.post(f"{express}/sessions/s-1:appendEvent", json=EVENT))
    events = api.ok(api.client.get(f"{express}/sessions/s-1/events"))["sessionEvents"]
    assert events[0]["name"].startswith("reasoningEngines/42/sessions/s-1/events/")
    # The same data under the full name.
    assert api.get("s-1")["name"].startswith("projects/")
    operation = api.ok(api.client.delete(f"{express}/sessions/s-1"))
    assert api.ok(api.client.get(f"{api.server.url}/v1beta1/{operation['name']}"))["done"]


EVENT = {"author": "u", "invocationId": "i", "timestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/reasoningEngines/42/sessions"),
        ("POST", "/v1/reasoningEngines/42/sessions/s:appendEvent"),
        ("POST", "/v1beta1/reasoningEngines/42/sessions/s:compact"),
        ("GET", "/v1beta1/{e}/sessions/s/events/1"),
        ("DELETE", "/v1beta1/{e}/sessions/s/events/1"),
        ("PUT", "/v1beta1/{e}/sessions/s"),
        ("POST", "/v1beta1/{e}/sessions/s"),
        ("PATCH", "/v1beta1/{e}/sessions"),
        ("GET", "/v1beta1/{e}/sessions/s:appendEvent"),
        ("POST", "/v1beta1/{e}/sessions/s:nonsense"),
        ("GET", "/v1beta1/{e}/sessions/"),
        ("GET", "/v1beta1/{e}//sessions"),
        ("GET", "/v1beta1/{e}/sessions/a/b"),
        ("GET", "/v1beta1/{e}/nonsense"),
        ("GET", "/v1beta1/projects/p/reasoningEngines/42/sessions"),
        ("GET", "/v1beta1/projects/p/locations/l"),
        ("GET", "/v1beta1/"),
        ("GET", "/ui/{e}/sessions"),
        ("GET", "/v1/nonsense"),
    ],
)
def test_urls_that_match_no_method_are_html(api, method: str, path: str) -> None:
    engine = f"projects/p/locations/l/reasoningEngines/{api.engine}"
    response = api.client.request(method, api.server.url + path.replace("{e}", engine))
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert "Error 404 (Not Found)" in response.text


@pytest.mark.parametrize("path", ["/sessions", "/sessions/a", "/sessions/a/events"])
@pytest.mark.parametrize("engine", ["404", "4041", "abc"])
def test_engines_that_do_not_exist(api, engine: str, path: str) -> None:
    response = api.client.get(f"{api.location}/reasoningEngines/{engine}{path}")
    error = response.json()["error"]
    assert (response.status_code, error["status"]) == (404, "NOT_FOUND")
    assert error["message"] == "The ReasoningEngine does not exist."


def test_only_the_configured_and_created_engines_exist(start) -> None:
    api = start(engines=("42",))
    assert api.call("GET", "/sessions").status_code == 200
    other = f"{api.location}/reasoningEngines/43/sessions"
    assert api.client.get(other).status_code == 404
    created = api.ok(api.client.post(f"{api.location}/reasoningEngines"))
    name = created["response"]["name"]
    assert api.client.get(f"{api.server.url}/v1beta1/{name}/sessions").status_code == 200


def test_the_id_of_a_configured_engine_is_a_number(start) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        start(engines=("prod",))


def test_engines_are_created_listed_and_deleted(start) -> None:
    api = start()
    engines = f"{api.location}/reasoningEngines"
    operation = api.ok(api.client.post(engines, json={"displayName": "one"}))
    assert operation["done"] is True
    name = operation["response"]["name"]
    engine = f"{api.server.url}/v1beta1/{name}"
    assert api.ok(api.client.get(f"{api.server.url}/v1beta1/{operation['name']}"))["done"]
    assert api.ok(api.client.get(engine))["displayName"] == "one"
    api.ok(api.client.post(engines))
    listed = api.ok(api.client.get(engines, params={"pageSize": 1}))
    more = api.ok(api.client.get(engines, params={"pageToken": listed["nextPageToken"]}))
    assert len(listed["reasoningEngines"] + more["reasoningEngines"]) == 2
    api.ok(api.client.post(f"{engine}/sessions", json={"userId": "u"}))
    refused = api.client.delete(engine)
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    # vertexai sends force in the body of the DELETE.
    api.ok(api.client.request("DELETE", engine, json={"force": True}))
    assert api.client.get(engine).status_code == 404
    assert api.client.get(f"{engine}/sessions").status_code == 404


def test_an_operation_is_served_under_any_prefix(api) -> None:
    operation = api.ok(api.call("POST", "/sessions", {"userId": "u"}, sessionId="s-1"))
    number = operation["name"].rpartition("/")[2]
    for prefix in (api.location, api.base, f"{api.base}/sessions/s-1", f"{api.base}/sessions/zz"):
        assert api.ok(api.client.get(f"{prefix}/operations/{number}")) == operation
    assert (
        api.ok(api.client.post(f"{api.location}/operations/{number}:wait?timeout=5s")) == operation
    )
    assert api.ok(api.client.post(f"{api.location}/operations/{number}:cancel")) == {}
    assert api.ok(api.client.get(f"{api.location}/operations/{number}")) == operation
    assert api.ok(api.client.delete(f"{api.location}/operations/{number}")) == {}
    assert api.client.get(f"{api.location}/operations/{number}").status_code == 404


def test_gapic_polls_under_ui(api) -> None:
    api.create("s-1")
    operation = api.ok(api.call("DELETE", "/sessions/s-1"))
    assert api.ok(api.client.get(f"{api.server.url}/ui/{operation['name']}")) == operation


def test_operations_of_a_session_are_listed(api) -> None:
    api.create("s-1")
    api.create("s-2")
    api.call("POST", "/sessions/s-1:compact", {"compaction": {"summarization": {"mode": "AUTO"}}})
    page = api.ok(api.call("GET", "/sessions/s-1/operations", pageSize=1))
    rest = api.ok(api.call("GET", "/sessions/s-1/operations", pageToken=page["nextPageToken"]))
    kinds = [item["metadata"]["@type"] for item in page["operations"] + rest["operations"]]
    assert [kind.rpartition(".")[2] for kind in kinds] == [
        "CreateSessionOperationMetadata",
        "CompactSessionOperationMetadata",
    ]
    assert len(api.ok(api.call("GET", "/operations"))["operations"]) == 3
    assert api.ok(api.call("GET", "/sessions/nope/operations")) == {}


def test_slow_operations_and_late_sessions(start) -> None:
    api = start(operation_polls=2, hidden_gets=2)
    operation = api.ok(api.call("POST", "/sessions", {"userId": "u"}, sessionId="s-1"))
    assert not {"done", "response", "error"} & set(operation)
    url = f"{api.server.url}/v1beta1/{operation['name']}"
    assert ["done" in api.ok(api.client.get(url)) for _ in range(4)] == [False, False, True, True]
    assert api.ok(api.client.get(url))["response"]["userId"] == "u"
    codes = [api.call("GET", "/sessions/s-1").status_code for _ in range(3)]
    assert codes == [404, 404, 200]


def test_a_pending_operation_can_be_cancelled(start) -> None:
    api = start(operation_polls=100)
    operation = api.ok(api.call("POST", "/sessions", {"userId": "u"}))
    url = f"{api.server.url}/v1beta1/{operation['name']}"
    assert api.ok(api.client.post(f"{url}:cancel")) == {}
    assert api.ok(api.client.get(url))["error"]["code"] == 1


ACCEPTED = [
    {},
    {"authorization": "Bearer anything"},
    {"x-goog-api-key": "anything"},
    {"authorization": "Basic invalid"},
]
REFUSED = [
    ({"authorization": "Bearer invalid-1"}, 401, "UNAUTHENTICATED"),
    ({"authorization": "bearer expired.x"}, 401, "UNAUTHENTICATED"),
    ({"x-goog-api-key": "invalid"}, 400, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize("headers", ACCEPTED)
def test_any_credential_or_none_is_accepted(api, headers: dict) -> None:
    assert api.client.get(f"{api.base}/sessions", headers=headers).status_code == 200


@pytest.mark.parametrize(("headers", "code", "status"), REFUSED)
def test_credentials_made_to_fail(api, headers: dict, code: int, status: str) -> None:
    response = api.client.get(f"{api.base}/sessions", headers=headers)
    assert (response.status_code, response.json()["error"]["status"]) == (code, status)


@pytest.mark.parametrize(
    ("query", "code"),
    [({"key": "invalid"}, 400), ({"access_token": "expired"}, 401), ({"key": "k"}, 200)],
)
def test_credentials_in_the_query(api, query: dict, code: int) -> None:
    assert api.call("GET", "/sessions", **query).status_code == code
