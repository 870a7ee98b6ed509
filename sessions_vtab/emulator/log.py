"""The request log: what the emulator was asked, in order, for tests to count."""

from __future__ import annotations

import base64
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

_KEPT = 200_000
"""Entries that are kept; older ones are forgotten but still counted."""

_BODY_KEPT = 1_000_000
"""Bytes of a request body that are kept."""

_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-api-key",
        "x-goog-api-key",
        "x-goog-user-project",
        "x-request-id",
    }
)
"""Request headers that are kept. Credentials are among them: the log never leaves the memory of
the emulator but through the control API."""


@dataclass(slots=True)
class Entry:
    """One request as received; decoded only when it is read."""

    number: int
    method: str
    target: bytes
    query: bytes
    raw_headers: list[tuple[bytes, bytes]]
    started: float
    in_flight: int
    body: bytearray = field(default_factory=bytearray)
    status: int | None = None
    sent: int = 0
    ended: float | None = None
    fault: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers that are kept."""
        decoded = ((name.decode(), value.decode("latin-1")) for name, value in self.raw_headers)
        return {name: value for name, value in decoded if name in _HEADERS}

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control API shows it; times are seconds since the reset."""
        target = self.target.decode("latin-1")
        return {
            "number": self.number,
            "method": self.method,
            "path": unquote(target),
            "raw_path": target,
            "query": _decode_query(self.query),
            "headers": self.headers(),
            "body": _decode_body(bytes(self.body)),
            "status": self.status,
            "bytes": self.sent,
            "started": self.started,
            "ended": self.ended,
            "in_flight": self.in_flight,
            "fault": self.fault,
        }


def _decode_query(query: bytes) -> dict[str, str | list[str]]:
    """Return the parameters; one that was repeated has a list."""
    result: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        known = result.get(name)
        if known is None:
            result[name] = value
        else:
            result[name] = [*(known if isinstance(known, list) else [known]), value]
    return result


def _decode_body(body: bytes) -> Any:
    """Return a body as JSON, else as text, else as an object with its base64."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


class RequestLog:
    """The requests since the last reset and how many were under way at once."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget all entries; requests under way still count as such."""
        self._start = time.monotonic()
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self.total = 0
        self.max_in_flight = self._in_flight

    def begin(
        self, method: str, target: bytes, query: bytes, headers: list[tuple[bytes, bytes]]
    ) -> Entry:
        """Note a request that has arrived."""
        self._in_flight += 1
        self.total += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        entry = Entry(self.total, method, target, query, headers, self._elapsed(), self._in_flight)
        self._entries.append(entry)
        return entry

    def end(self, entry: Entry) -> None:
        """Note that a request has been answered or dropped."""
        self._in_flight -= 1
        entry.ended = self._elapsed()

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def entries(self) -> list[dict[str, Any]]:
        """Return what is kept, in order of arrival."""
        # Copied at once: another thread may be adding to it.
        return [entry.as_json() for entry in list(self._entries)]

    @staticmethod
    def keep_body(entry: Entry, chunk: bytes) -> None:
        """Add a piece of the request's body, up to a limit."""
        if len(entry.body) < _BODY_KEPT:
            entry.body += chunk[: _BODY_KEPT - len(entry.body)]
