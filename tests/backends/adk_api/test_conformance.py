"""The conformance kit on a server in this process that answers as the ADK server does.

``SESSIONS_VTAB_CONFORMANCE=full`` asks everything; otherwise a few cases of each kind.
"""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
import pytest

from sessions_vtab.testing.conformance import Sample, Suite, run_suite
from tests.declared import connected

FULL = os.environ.get("SESSIONS_VTAB_CONFORMANCE") == "full"
NOW = 1_795_999_418.5

EMPTY = {
    "events": ["error_code", "error_message"],
    "event_parts": ["thought", "mime_type", "file_uri", "size"],
}
SESSION = {"app_name": "desk", "user_id": "ann", "session_id": "kit", "state": '{"step":1}'}
SAMPLE = Sample(SESSION, {"state": '{"step":2}'})


def _events(number: int) -> list[dict[str, Any]]:
    """A question, a call with its response, and an answer."""
    said: list[tuple[str, dict[str, Any]]] = [
        ("user", {"text": f"Where is order {number}?"}),
        ("desk", {"functionCall": {"id": f"c{number}", "name": "look", "args": {"n": number}}}),
        ("desk", {"functionResponse": {"id": f"c{number}", "name": "look", "response": {"n": 1}}}),
        ("desk", {"text": "On its way."}),
    ]
    return [
        {
            "id": f"{number}-{place}",
            "author": author,
            "timestamp": NOW + number + place / 2,
            "invocationId": f"e-{number}",
            "content": {"role": "user" if author == "user" else "model", "parts": [part]},
            "actions": {"stateDelta": {}},
        }
        for place, (author, part) in enumerate(said[: 1 + number % 4])
    ]


class Server:
    """Sessions of one user of one app; lists have no events."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], dict[str, Any]] = {}
        for number in range(16 if FULL else 5):
            made = self.create("ann", {"sessionId": f"s{number}", "state": {"step": number % 3}})
            made["events"] = _events(number)

    def create(self, user: str, sent: dict[str, Any]) -> dict[str, Any]:
        made = {
            "id": sent.get("sessionId") or f"made-{len(self.sessions)}",
            "appName": "desk",
            "userId": user,
            "state": sent.get("state") or {},
            "events": [],
            "lastUpdateTime": NOW + len(self.sessions) // 2,
        }
        self.sessions[user, made["id"]] = made
        return made

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/list-apps":
            return httpx.Response(200, json=["desk"])
        _, _, app, _, user, _, *key = request.url.path.split("/")
        sent = json.loads(request.content or b"{}")
        if not key and request.method == "GET":
            mine = (
                one for (owner, _), one in self.sessions.items() if (app, owner) == ("desk", user)
            )
            return httpx.Response(200, json=[one | {"events": []} for one in mine])
        if not key:
            if (user, sent.get("sessionId")) in self.sessions:
                return httpx.Response(409, json={"detail": "Session already exists"})
            return httpx.Response(200, json=self.create(user, sent))
        found = self.sessions.get((user, key[0])) if app == "desk" else None
        if request.method == "DELETE":
            self.sessions.pop((user, key[0]), None)
            return httpx.Response(200, json=None)
        if found is None:
            return httpx.Response(404, json={"detail": "Session not found"})
        found["state"] |= sent.get("stateDelta") or {}
        return httpx.Response(200, json=found)


@pytest.mark.timeout(3_600 if FULL else 300)
def test_the_declaration_says_what_the_server_does() -> None:
    most, samples = None if FULL else 2, {"sessions": SAMPLE}
    with connected("adk_api", Server(), location="desk/ann") as connection:
        assert run_suite(connection, "t", most=most, samples=samples, empty=EMPTY) == []


def test_a_server_that_forgets_the_state_is_found() -> None:
    server = Server()

    def forgetful(request: httpx.Request) -> httpx.Response:
        response = server(request)
        if request.method == "PATCH":
            response = httpx.Response(200, json=response.json() | {"state": {}})
        return response

    with (
        connected("adk_api", forgetful, location="desk/ann") as connection,
        pytest.raises(AssertionError, match=r"t\.sessions: writes"),
    ):
        Suite(connection, "t", empty=EMPTY).check_writes("sessions", SAMPLE)


@pytest.mark.parametrize("name", ["turns", "events"])
def test_a_subquery_says_of_which_sessions_events_are_wanted(name: str) -> None:
    server, paths = Server(), list[str]()

    def counted(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return server(request)

    for number in range(40):
        server.create("ann", {"sessionId": f"none-{number}"})
    sql = (
        "SELECT session_id FROM sessions WHERE session_id < 'o' AND session_id > 'none-38'"
        f" AND session_id NOT IN (SELECT session_id FROM {name})"
    )
    with connected("adk_api", counted, location="desk/ann") as connection:
        rows = connection.execute(sql).fetchall()

    found = [("none-39",), *((f"none-{one}",) for one in range(4, 10))]
    assert sorted(rows) == sorted(found)
    assert len(paths) <= 2 * (1 + len(found)) + 3
