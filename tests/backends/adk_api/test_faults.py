"""Each outcome is what the server has, or ``unknown``, whatever goes wrong with a write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

import apsw
import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.errors import SessionsError, UnknownOutcomeError

FAULTS = ("reset before acting", "reset after acting", "500 after acting", "truncated", "refused")


class Server(httpx.BaseTransport):
    """Sessions of one user, kept as the ADK server keeps them; GET always works.

    Args:
        fault: what goes wrong.
        count: with how many requests that are not GET.
    """

    def __init__(self, fault: str, count: int) -> None:
        self.sessions: dict[str, dict[str, Any]] = {"old": self._session("old", {"step": 1})}
        self._fault = fault
        self._left = count

    @staticmethod
    def _session(name: str, state: dict[str, Any]) -> dict[str, Any]:
        return {"id": name, "userId": "ann", "appName": "desk", "state": state, "events": []}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or self._left == 0:
            return self._act(request)
        self._left -= 1
        if self._fault == "refused":
            return httpx.Response(400, json={"detail": "no"})
        response = None if self._fault == "reset before acting" else self._act(request)
        if self._fault == "500 after acting":
            return httpx.Response(500, json={"detail": "oops"})
        if self._fault == "truncated" and response is not None:
            return httpx.Response(
                response.status_code,
                content=response.content[:-1] + b"[",
                headers={"content-type": "application/json"},
            )
        raise httpx.ReadError("reset")

    def _act(self, request: httpx.Request) -> httpx.Response:
        body, name = json.loads(request.content or b"{}"), request.url.path.rpartition("/")[2]
        match request.method, name:
            case "POST", "run":
                event = {"id": f"e{len(self.sessions['old']['events'])}", "timestamp": 1.0}
                self.sessions["old"]["events"].append(event)
                return httpx.Response(200, json=[event])
            case "POST", _:
                name = body.get("sessionId") or f"made-{len(self.sessions)}"
                if name in self.sessions:
                    return httpx.Response(409, json={"detail": f"Session already exists: {name}"})
                self.sessions[name] = self._session(name, body.get("state") or {})
            case _ if name not in self.sessions:
                return httpx.Response(404, json={"detail": "Session not found"})
            case "PATCH", _:
                self.sessions[name]["state"] |= body["stateDelta"]
            case "DELETE", _:
                return httpx.Response(200, json=self.sessions.pop(name) and None)
        return httpx.Response(200, json=self.sessions[name])


WRITES: dict[str, Callable[[dict[str, Any]], int]] = {
    "INSERT INTO desk.sessions(session_id, state) VALUES ('new', '{\"a\": 1}')": lambda now: int(
        "new" in now
    ),
    "INSERT INTO desk.sessions(state) VALUES ('{}')": lambda now: len(now) - 1,
    "UPDATE desk.sessions SET state = '{\"step\": 2}' WHERE session_id = 'old'": lambda now: int(
        now["old"]["state"] == {"step": 2}
    ),
    "DELETE FROM desk.sessions WHERE session_id = 'old'": lambda now: int("old" not in now),
    "SELECT * FROM desk.run_agent('old', 'x')": lambda now: len(now["old"]["events"]),
}


@pytest.mark.parametrize("count", [1, 99])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("sql", WRITES)
def test_each_outcome_is_what_the_server_has_or_unknown(sql: str, fault: str, count: int) -> None:
    server = Server(fault, count)
    source = {
        "backend": "adk_api",
        "base_url": "http://127.0.0.1:1",
        "location": "desk/ann",
        "transport": server,
    }
    with closing(connect(sources={"desk": source}, config=os.devnull)) as connection:
        error: Exception | None = None
        try:
            connection.execute(sql).fetchall()
        except (SessionsError, apsw.Error) as raised:
            error = raised
        usual = "sent" if error is None else "failed"
        usual = "unknown" if isinstance(error, UnknownOutcomeError) else usual
        outcome = connection.execute("SELECT outcome FROM writes").get or usual

    times = WRITES[sql](server.sessions)
    assert {"sent": times == 1, "unknown": times <= 1}.get(str(outcome), times == 0), error
    assert (outcome == "sent") == (error is None)
    assert fault != "refused" or outcome == "failed"
