"""What a real ADK server answered, recorded and replayed: method, path and body to a response."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

FILE = Path(__file__).with_name("recorded.json")
"""Answers of google-adk 2.13.0; made anew by ``test_the_real_server`` with ``--record``."""


def _asked(request: httpx.Request) -> list[Any]:
    body = json.loads(request.content) if request.content else None
    return [request.method, request.url.raw_path.decode(), body]


class Recorder(httpx.BaseTransport):
    """Sends requests to a real server and notes what it answers."""

    def __init__(self) -> None:
        self.exchanges: list[dict[str, Any]] = []
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._network.handle_request(request)
        answer = {"status": response.status_code, "body": json.loads(response.read() or b"null")}
        self.exchanges.append({"asked": _asked(request), **answer})
        return httpx.Response(answer["status"], json=answer["body"])

    def close(self) -> None:
        """Closes its connections."""
        self._network.close()

    def save(self) -> None:
        FILE.write_text(json.dumps(self.exchanges, indent=1, ensure_ascii=False) + "\n")


class Replay(httpx.BaseTransport):
    """Answers as the real server did: the same request again gets the following answer."""

    def __init__(self) -> None:
        self._left: list[dict[str, Any]] = json.loads(FILE.read_text())
        self.sent: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = _asked(request)
        self.sent.append(f"{asked[0]} {asked[1]}")
        place = next((at for at, one in enumerate(self._left) if one["asked"] == asked), None)
        assert place is not None, f"the real server was not asked {asked}"
        found = self._left.pop(place)
        return httpx.Response(found["status"], json=found["body"])
