"""What tests ask of the emulator: the log of its requests, and faults that go wrong on demand.

A fault says what is to go wrong, with which requests, and how often.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

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

    def as_json(self) -> dict[str, Any]:
        """Return the log as the control API shows it."""
        return {
            "requests": self.entries(),
            "total": self.total,
            "max_in_flight": self.max_in_flight,
        }

    def entries(self) -> list[dict[str, Any]]:
        """Return what is kept, in order of arrival."""
        # Copied at once: another thread may be adding to it.
        return [entry.as_json() for entry in list(self._entries)]

    @staticmethod
    def keep_body(entry: Entry, chunk: bytes) -> None:
        """Add a piece of the request's body, up to a limit."""
        if len(entry.body) < _BODY_KEPT:
            entry.body += chunk[: _BODY_KEPT - len(entry.body)]


Kind = Literal[
    "status",
    "delay",
    "late",
    "drop",
    "drop_body",
    "truncate",
    "body",
    "trickle",
    "bomb",
    "wrong_types",
    "repeat_token",
    "empty_page",
    "operation",
]


class Status(BaseModel):
    """A `google.rpc.Status`: the number of an RPC code and a text."""

    model_config = ConfigDict(extra="forbid")

    code: int
    message: str


PLAN_KEY = "emulator.plan"
"""Where an injected fault leaves the plan of the next operation in the ASGI scope."""


class OperationPlan(BaseModel):
    """How a long-running operation goes; what is not given goes as usual.

    `polls` find it not done; `never` is it done; it ends in `error`; `hidden_gets` do not find
    the session that it created.
    """

    model_config = ConfigDict(extra="forbid")

    polls: int = Field(default=0, ge=0)
    never: bool = False
    error: Status | None = None
    hidden_gets: int = Field(default=0, ge=0)


class Fault(BaseModel):
    """One fault. Unknown fields are refused.

    Which requests: those whose `method` (None: any), percent-decoded path (`path`, a regular
    expression that is searched) and decoded query (`query`, likewise) match; of them the first
    `skip` go through, then `count` (None: all) are hit. The first fault that matches a request is
    the one applied. Control requests are never hit.

    What happens, by `kind`:

    * `status`: answers with `status`, `body` (default: an error in Google's form), `headers` and,
      if given, `Retry-After: {retry_after}`
    * `delay`: answers as usual after `seconds`
    * `late`: answers as usual once `behind` other requests have been answered, after `seconds` at
      the latest: answers arrive in another order than the requests
    * `drop`: closes the connection without an answer; `reset` resets it (RST) instead
    * `drop_body`: sends the header and `fraction` of the body, then closes the connection
    * `truncate`: a complete answer whose body is cut to `fraction`
    * `body`: the usual status with another `body` (JSON, or a text that is sent as it is)
    * `trickle`: a complete answer whose body comes byte by byte, `seconds` before each
    * `bomb`: the usual status with `size` blanks as the body, compressed
    * `wrong_types`: texts become numbers, everything else texts; of `fields` only, if given
    * `repeat_token`: answers with the page token that it was asked with; endless
    * `empty_page`: the last page carries a token, which leads to the page `empty`
    * `operation`: the operation that the request starts goes by `plan`: `{"polls": 3}` (polls
      that find it not done), `{"never": true}`, `{"error": {"code": 13, "message": "..."}}`,
      `{"hidden_gets": 2}` (GETs that do not find the new session)

    `seconds` delays any other. With `act` the service first does what was asked, and `status`,
    `drop` or the delay come after: the client cannot know what became of its write. Kinds that
    change the answer always act.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    method: str | None = None
    path: str = ""
    query: str = ""
    skip: int = Field(default=0, ge=0)
    count: int | None = Field(default=1, ge=1)
    act: bool = False
    seconds: float = Field(default=0.0, ge=0)
    behind: int = Field(default=1, ge=1)
    status: int = Field(default=503, ge=200, le=599)
    body: Any = None
    headers: dict[str, str] = Field(default_factory=dict)
    retry_after: str | int | None = None
    reset: bool = False
    fraction: float = Field(default=0.5, ge=0, lt=1)
    size: int = Field(default=100_000_000, ge=0)
    fields: list[str] = Field(default_factory=list)
    empty: Any = Field(default_factory=dict)
    plan: OperationPlan = Field(default_factory=OperationPlan)

    _seen: int = PrivateAttr(0)
    _hits: int = PrivateAttr(0)

    @field_validator("path", "query")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a valid regular expression: {error}") from error
        return value

    @property
    def hits(self) -> int:
        """How many requests it has been applied to."""
        return self._hits

    @property
    def acts(self) -> bool:
        """Whether the service does what was asked."""
        return self.act or self.kind not in {"status", "drop"}

    def take(self, method: str, path: str, query: str) -> bool:
        """Say whether this request is to be hit, and count it."""
        if self.count is not None and self._hits >= self.count:
            return False
        if self.method not in {None, method}:
            return False
        if not (re.search(self.path, path) and re.search(self.query, query)):
            return False
        self._seen += 1
        if self._seen <= self.skip:
            return False
        self._hits += 1
        return True


class FaultBook:
    """The faults in force, in the order they were given."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._next = 1

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, fault: Fault) -> int:
        """Put a fault in force; return its number."""
        number, self._next = self._next, self._next + 1
        self._faults[number] = fault
        return number

    def clear(self) -> None:
        """Take all faults out of force."""
        self._faults.clear()

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """Return the fault that hits this request, if any."""
        for fault in self._faults.values():
            if fault.take(method, path, query):
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the faults in force with the number of their hits."""
        return [
            {"id": number, "hits": fault.hits, **fault.model_dump()}
            for number, fault in self._faults.items()
        ]
