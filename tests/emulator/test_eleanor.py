"""The emulated Eleanor against its contract's PROPOSED mapping."""

from __future__ import annotations

import json
from functools import partial
from uuid import UUID

import httpx
import pytest

from sessions_vtab.emulator.eleanor import Eleanor
from tests.emulator.apis import ServiceApi, of_each_test


class Api(ServiceApi):
    """EleanorAI."""

    def __init__(self, token=None, **settings) -> None:
        super().__init__(partial(Eleanor, token=token), **settings)

    def __call__(self, method, path="", namespace="ns", **options) -> httpx.Response:
        """Send a request; a path without a slash in front is below the namespace's sessions."""
        below = f"/api/v1/sessions/{namespace}" + (f"/{path}" if path else "")
        url = path if path.startswith("/") else below
        return self.request(method, url, **options)

    def create(self, name="s", **body):
        return self("POST", json={"name": name, **body}).json()["session"]

    def session(self, name="s"):
        return self("GET", name).json()["session"]

    def admin(self, method, path, body=None):
        return self(method, f"/_emulator/eleanor/ns/{path}", json=body)


api = of_each_test(Api)


CODES = {
    "INVALID_INPUT": (400, 2),
    "RESOURCE_INVALID_STATE": (400, 3),
    "RESOURCE_NOT_FOUND": (404, 4),
    "RESOURCE_ALREADY_EXISTS": (409, 5),
    "RESOURCE_DELETED": (410, 6),
    "RESOURCE_DISABLED": (403, 7),
    "RESOURCE_INVALID_OWNERSHIP": (403, 8),
}


def fails(answer: httpx.Response, code: str) -> bool:
    """Tell whether an answer is the error of that code, by HTTP status and by number."""
    status = answer.json()["status"]
    assert status.keys() == {"code", "message", "trace"}
    return (answer.status_code, status["code"]) == CODES[code]


# Creating and reading


def test_a_session_has_the_proposed_fields(api):
    answer = api("POST", json={"name": "s"})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"status", "session"}
    assert (body["status"]["code"], body["status"]["message"]) == (0, "SUCCESS")
    assert body["status"]["trace"]
    pkid = body["session"].pop("pkid")
    assert str(UUID(pkid)) == pkid
    assert body["session"] == {
        "namespace": "ns",
        "name": "s",
        "description": None,
        "enabled": True,
        "managed": False,
        "deleted": False,
        "auto_created": False,
        "create_ts": "2026-01-01T12:00:00Z",
        "settings": {},
        "participants": [],
    }


def test_every_field_can_be_given_at_creation(api):
    fields = {"description": "d", "enabled": False, "settings": {"sync_chat": True}}
    made = api.create(**fields, participants=["bob", "ann", "agent-x"])
    assert {key: made[key] for key in fields} == fields
    people = [(p["name"], p["participant_type"]) for p in made["participants"]]
    assert people == [("agent-x", "agent"), ("ann", "user"), ("bob", "user")]
    assert made["participants"][0].keys() == {"pkid", "name", "participant_type"}
    assert api.session() == made


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None},
        {"name": "s", "extra": 1},
        {"name": "s", "managed": True},
        {"name": "s", "enabled": None},
        {"name": "s", "settings": []},
        {"name": "s", "participants": "ann"},
    ],
    ids=str,
)
def test_a_body_of_another_shape_is_422(api, body):
    answer = api("POST", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0].keys() >= {"type", "loc", "msg", "input"}
    assert api("GET").json()["sessions"] == []


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_has_a_length(api, name):
    assert fails(api("POST", json={"name": name}), "INVALID_INPUT")


def test_a_failed_creation_leaves_nothing(api):
    for people in (["ann", "unknown-x"], ["ann", "ann"]):
        assert api("POST", json={"name": "s", "participants": people}).status_code >= 400
    assert api("GET").json()["sessions"] == []


@pytest.mark.parametrize("name", ["a b", "a/b", "ü", "..", "%2F", "a?b#c", "a/undelete", "'"])
def test_a_name_may_be_any_text(api, name):
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())
    made = api.create(name)
    assert api("GET", quoted).json()["session"] == made
    assert api("DELETE", quoted).json()["session"]["deleted"]
    assert api("POST", f"{quoted}/undelete").json()["session"] == made


def test_a_session_is_found_by_its_pkid_too(api):
    made = api.create()
    assert api("GET", made["pkid"]).json()["session"] == made
    assert fails(api("GET", made["pkid"], namespace="other"), "RESOURCE_NOT_FOUND")


def test_a_list_is_by_name_and_hides_the_deleted(api):
    for name in "cab":
        api.create(name)
    api("DELETE", "a")
    api("POST", namespace="other", json={"name": "z"})

    def names(**params):
        body = api("GET", params=params).json()
        assert body.keys() == {"status", "sessions"}
        return [session["name"] for session in body["sessions"]]

    assert names() == names(include_deleted="false") == ["b", "c"]
    assert names(include_deleted="true") == ["a", "b", "c"]
    assert api("GET", params={"include_deleted": "x"}).status_code == 422


# Names


def test_a_name_is_taken_within_its_namespace_also_by_a_deleted_session(api):
    api.create()
    assert fails(api("POST", json={"name": "s"}), "RESOURCE_ALREADY_EXISTS")
    api("DELETE", "s")
    assert fails(api("POST", json={"name": "s"}), "RESOURCE_ALREADY_EXISTS")
    assert api("POST", namespace="other", json={"name": "s"}).status_code == 200


def test_a_session_can_be_renamed_to_a_free_name(api):
    made = api.create()
    api.create("t")
    assert fails(api("PUT", "s", json={"name": "t"}), "RESOURCE_ALREADY_EXISTS")
    assert fails(api("PUT", "s", json={"name": ""}), "INVALID_INPUT")
    assert api("PUT", "s", json={"name": "s"}).status_code == 200
    assert api("PUT", "s", json={"name": "u"}).json()["session"] == {**made, "name": "u"}
    assert fails(api("GET", "s"), "RESOURCE_NOT_FOUND")


# Updates


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "change",
    [{}, {"description": None}, {"enabled": False}, {"settings": {"a": [1]}}, {"description": "e"}],
    ids=str,
)
def test_an_update_changes_only_the_fields_it_has(api, method, change):
    made = api.create(description="d", settings={"b": 2})
    assert api(method, "s", json=change).json()["session"] == {**made, **change}
    assert api.session() == {**made, **change}


@pytest.mark.parametrize(
    "change", [{"name": None}, {"enabled": None}, {"settings": None}, {"deleted": True}], ids=str
)
def test_an_update_of_another_shape_is_422(api, change):
    made = api.create()
    assert api("PUT", "s", json=change).status_code == 422
    assert api.session() == made


# Deletion


def test_a_deletion_can_be_taken_back(api):
    made = api.create(participants=["ann"])
    assert api("DELETE", "s").json()["session"] == {**made, "deleted": True}
    assert api("POST", "s/undelete").json()["session"] == made
    assert fails(api("POST", "s/undelete"), "RESOURCE_INVALID_STATE")


OPERATIONS = [
    ("GET", "s", None),
    ("PUT", "s", {"enabled": False}),
    ("PATCH", "s", {"enabled": False}),
    ("DELETE", "s", None),
    ("PUT", "s/participants/ann", None),
    ("DELETE", "s/participants/ann", None),
    ("POST", "s/truncate", None),
    ("POST", "s/integrate", None),
]


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_a_deleted_session_is_gone_for_everything_else(api, method, path, body):
    api.create()
    api("DELETE", "s")
    assert fails(api(method, path, json=body), "RESOURCE_DELETED")


@pytest.mark.parametrize(("method", "path", "body"), [*OPERATIONS, ("POST", "s/undelete", None)])
def test_an_unknown_session_is_404(api, method, path, body):
    assert fails(api(method, path, json=body), "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [*OPERATIONS, ("GET", "", None), ("POST", "", {"name": "s"}), ("POST", "s/undelete", None)],
)
def test_an_unknown_namespace_is_404(api, method, path, body):
    answer = api(method, path, namespace="unknown-1", json=body)
    assert fails(answer, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("GET", "s", None, False),
        ("PUT", "s", {"enabled": False}, True),
        ("PATCH", "s", {"enabled": False}, True),
        ("DELETE", "s", None, True),
        ("PUT", "s/participants/ann", None, False),
        ("POST", "s/truncate", None, False),
    ],
)
def test_a_managed_session_is_not_changed_or_deleted(api, method, path, body, refused):
    api.create()
    assert api.admin("PATCH", "sessions/s", {"managed": True}).json()["managed"]
    answer = api(method, path, json=body)
    assert (answer.status_code == 403) == refused
    if refused:
        assert fails(answer, "RESOURCE_INVALID_OWNERSHIP")


# Participants


def test_a_participant_is_bound_once_and_unbound_once(api):
    made = api.create()
    bound = api("PUT", "s/participants/ann").json()["session"]
    assert [p["name"] for p in bound["participants"]] == ["ann"]
    assert fails(api("PUT", "s/participants/ann"), "RESOURCE_INVALID_STATE")
    by_pkid = f"s/participants/{bound['participants'][0]['pkid']}"
    assert fails(api("PUT", by_pkid), "RESOURCE_INVALID_STATE")
    assert api("DELETE", by_pkid).json()["session"] == made
    assert fails(api("DELETE", "s/participants/ann"), "RESOURCE_INVALID_STATE")


def test_a_participant_is_the_same_in_all_sessions_of_a_namespace(api):
    people = [api.create(name, participants=["ann"])["participants"] for name in "st"]
    assert people[0] == people[1]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_unknown_participant_is_404(api, method):
    api.create()
    assert fails(api(method, "s/participants/unknown-ann"), "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_participant_of_another_namespace_is_403(api, method):
    api.create()
    other = api("POST", namespace="other", json={"name": "s", "participants": ["ann"]})
    pkid = other.json()["session"]["participants"][0]["pkid"]
    assert fails(api(method, f"s/participants/{pkid}"), "RESOURCE_INVALID_OWNERSHIP")


def test_a_participant_can_be_given_a_type(api):
    made = api.admin("PUT", "participants/iris", {"participant_type": "agent"}).json()
    assert made["participant_type"] == "agent"
    assert api.create(participants=["iris"])["participants"][0] == {
        "pkid": made["pkid"],
        "name": "iris",
        "participant_type": "agent",
    }


# Truncation and integration

TURNS = {"chat_turns": [{"role": "user"}], "insights": ["i"], "last_integration_turn": 1}
EMPTY = {"chat_turns": [], "insights": [], "last_integration_turn": None}


def test_truncating_clears_four_columns_and_nothing_else(api):
    made = api.create(description="d", settings={"a": 1}, participants=["ann", "agent-x"])
    people = {"ann": TURNS, "agent-x": TURNS}
    row = api.admin("PATCH", "sessions/s", {"data": "text", "participants": people}).json()
    assert (row["data"], row["bindings"]) == ("text", people)
    assert api.session() == made
    assert api("POST", "s/truncate").json()["session"] == made
    row = api.admin("GET", "sessions/s").json()
    assert (row["data"], row["bindings"]) == (None, {"ann": EMPTY, "agent-x": EMPTY})


def test_integrating_marks_the_turns_of_agents(api):
    api.create()
    turns = {**EMPTY, "chat_turns": [1, 2]}
    people = {"ann": turns, "agent-x": turns}
    api.admin("PATCH", "sessions/s", {"participants": people})
    tasks = [api("POST", "s/integrate").json() for _ in range(2)]
    assert tasks[0].keys() == {"status", "task_id"}
    assert tasks[0]["task_id"] != tasks[1]["task_id"]
    bindings = api.admin("GET", "sessions/s").json()["bindings"]
    assert bindings == {"ann": turns, "agent-x": {**turns, "last_integration_turn": 2}}


def test_a_disabled_session_is_not_integrated(api):
    api.create(enabled=False)
    assert fails(api("POST", "s/integrate"), "RESOURCE_DISABLED")
    assert api("POST", "s/truncate").status_code == 200


# Credentials


@pytest.mark.parametrize(
    ("header", "status"), [("Bearer t", 200), ("Bearer x", 401), ("t", 401), (None, 401)]
)
def test_the_token_is_required_if_one_is_configured(header, status):
    headers = {"Authorization": header} if header else {}
    assert Api(token="t")("GET", headers=headers).status_code == status
    assert Api()("GET", headers=headers).status_code == 200


# The service


def test_the_state_survives_its_dump(api):
    made = api.create(participants=["ann"])
    api.admin("PATCH", "sessions/s", {"participants": {"ann": TURNS}})
    other = Api()
    other.service.load(json.loads(json.dumps(api.service.dump())))
    assert other.session() == made
    assert other.service.summary() == "1 sessions"
    assert other.create("t", participants=["ann"])["participants"] == made["participants"]
    with pytest.raises(ValueError, match="sessions"):
        other.service.load({"sessions": 3})


def test_a_seed_fills_in_the_same_data_every_time():
    first, second, other = Api(seed=7), Api(seed=7), Api(seed=8)
    assert first.service.dump() == second.service.dump() != other.service.dump()
    assert len(first("GET", namespace="demo").json()["sessions"]) == 18
    first.service.reset(None)
    assert first.service.summary() == ""
    first.service.reset(7)
    assert first.service.dump() == second.service.dump()
