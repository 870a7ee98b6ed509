"""Vertex AI Agent Engine Sessions over REST, written from `docs/contracts/vertex.md` alone.

From the outside in: this module turns a request into an `EmulatedRequest` and picks the handler;
`sessions` (with events) and `operations` (with engines) hold the handlers; `wire` (with `messages`)
reads request bodies by the rules of proto JSON and writes answers, `filters` and `listing` read
list parameters; `store` keeps the rows; `data` fills and saves them.

The path is taken apart before it is percent-decoded: a `/` or `:` inside an id stays in the id
(contract, section 1). One raw route serves everything: this is the hot path, so neither routes are
searched nor parameters validated by the framework.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sessions_vtab.emulator.faults import PLAN_KEY, OperationPlan
from sessions_vtab.emulator.service import JSON, EmulatorSettings, Service
from sessions_vtab.emulator.vertex import data, operations, sessions
from sessions_vtab.emulator.vertex.messages import (
    HTML_NOT_FOUND,
    NO_ENGINE,
    ApiError,
    bad_api_key,
    found_errors,
    from_datetime,
    not_found,
    unauthenticated,
)
from sessions_vtab.emulator.vertex.store import (
    Engine,
    EngineKey,
    EngineStore,
    Session,
    plausible_session_id,
    project_number,
)

__all__ = ["Vertex"]


@dataclass(slots=True)
class EmulatedRequest:
    """One request.

    Attributes:
        version: `v1` or `v1beta1`.
        express: Whether the path named no project and location.
        project: The project's number.
        location: The location.
        path: The rest of the path: collections and ids in turn, percent-decoded.
        query: Its query; the last of repeated parameters counts.
        body: Its body as received.
        plan: A plan for the operation this request starts, from an injected fault.
    """

    version: str
    express: bool
    project: str
    location: str
    path: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """What names in the answer begin with: the project and location, nothing in express."""
        return "" if self.express else f"projects/{self.project}/locations/{self.location}/"

    def name(self, *segments: str) -> str:
        """Return a resource name in the spelling of this request."""
        return self.base + "/".join(segments)

    @property
    def engine_key(self) -> EngineKey:
        """The engine that the path names."""
        return EngineKey(self.project, self.location, self.path[1])


Handler: TypeAlias = "Callable[[Vertex, EmulatedRequest], bytes]"

VERSIONS = ("v1", "v1beta1")
UI = "ui"
"""A prefix for operations alone, under which GAPIC polls names without an engine (seen)."""

_SESSIONS = ("reasoningEngines", "*", "sessions")
_SESSION = (*_SESSIONS, "*")

HANDLERS: dict[tuple[str, tuple[str, ...], str], Handler] = {
    ("POST", ("reasoningEngines",), ""): operations.create_engine,
    ("GET", ("reasoningEngines",), ""): operations.list_engines,
    ("GET", ("reasoningEngines", "*"), ""): operations.get_engine,
    ("DELETE", ("reasoningEngines", "*"), ""): operations.delete_engine,
    ("POST", _SESSIONS, ""): sessions.create,
    ("GET", _SESSIONS, ""): sessions.list_page,
    ("GET", _SESSION, ""): sessions.get,
    ("PATCH", _SESSION, ""): sessions.patch,
    ("DELETE", _SESSION, ""): sessions.delete,
    ("POST", _SESSION, "appendEvent"): sessions.append_event,
    ("POST", _SESSION, "compact"): sessions.compact,
    ("GET", (*_SESSION, "events"), ""): sessions.list_events,
    ("GET", (*_SESSION, "operations"), ""): operations.list_under,
    ("GET", ("reasoningEngines", "*", "operations"), ""): operations.list_under,
    ("GET", ("operations",), ""): operations.list_under,
}
"""Method, shape of the path behind project and location, and custom verb of each call."""

_OPERATION_HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", ""): operations.get,
    ("POST", "wait"): operations.get,
    ("POST", "cancel"): operations.cancel,
    ("DELETE", ""): operations.delete,
}

_JSON = b"application/json; charset=UTF-8"
_HTML = b"text/html; charset=UTF-8"


_ID_RANGE = (10**16, 10**19)
"""Server-made ids are numbers of 17 to 19 digits (contract, section 3, recorded)."""


class Vertex(Service):
    """The emulated Vertex AI Agent Engine Sessions API: its state, which handlers are given.

    It is the ASGI application behind the route of the whole API, too.
    """

    name = "vertex"

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__(settings)
        for version in (*VERSIONS, UI):
            self.router.routes.append(Route(f"/{version}/{{rest:path}}", self))

    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, server-made ids are the same in every run."""
        self.store = EngineStore(self.settings.engines)
        self.operations = operations.Operations()
        self.random = random.Random(seed)
        if seed is not None:
            data.fill(self, seed)

    def counts(self) -> dict[str, int]:
        """Return how many sessions and events there are."""
        return self.store.counts()

    def dump(self) -> JSON:
        """Return all engines, users, sessions and events; operations are not kept."""
        return data.dump(self.store)

    def load(self, dumped: JSON) -> None:
        """Take back what `dump` returned; raises ValueError if it is something else."""
        data.load(self.store, dumped)

    def now(self) -> int:
        """Return the server's time in nanoseconds."""
        return from_datetime(self.settings.clock())

    def new_id(self) -> str:
        """Return a number as the service makes ids."""
        return str(self.random.randrange(*_ID_RANGE))

    def plan(self, call: EmulatedRequest) -> OperationPlan:
        """Return how the operation of this call goes: as the fault says, else as usual."""
        usual = {"polls": self.settings.operation_polls, "hidden_gets": self.settings.hidden_gets}
        return OperationPlan.model_validate({**usual, **call.plan})

    def engine(self, call: EmulatedRequest) -> Engine:
        """Return the engine that a path names.

        Raises:
            ApiError: 404 NOT_FOUND: there is no such engine.
        """
        engine = self.store.find(call.engine_key, self.now())
        if engine is None:
            raise not_found(NO_ENGINE)
        return engine

    def session(self, call: EmulatedRequest, field: str = "name") -> tuple[Engine, Session]:
        """Return the session that a path names, with its engine.

        Raises:
            ApiError: 400 if the id cannot be one, 404 if there is no such engine or session.
        """
        session_id = call.path[3]
        if not plausible_session_id(session_id):
            raise found_errors((field, "Invalid Session resource name."))
        engine = self.engine(call)
        session = engine.sessions.get(session_id)
        if session is None:
            raise not_found(engine.missing(session_id))
        return engine, session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await _read(receive)
        status, kind, answer = self._answer(scope, body)
        length = str(len(answer)).encode()
        headers = [(b"content-type", kind), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, scope: Scope, body: bytes) -> tuple[int, bytes, bytes]:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        found = self._resolve(scope["method"], scope.get("raw_path") or scope["path"].encode())
        if found is None:
            return 404, _HTML, HTML_NOT_FOUND
        handler, call = found
        call.query, call.body, call.plan = query, body, scope.get(PLAN_KEY, {})
        try:
            _authenticate(scope["headers"], query)
            return 200, _JSON, handler(self, call)
        except ApiError as error:
            return error.code, _JSON, error.body()

    def _resolve(self, method: str, raw_path: bytes) -> tuple[Handler, EmulatedRequest] | None:
        """Return the handler of a path and the request so far, None if it matches no method."""
        path = raw_path.decode("latin-1").partition("?")[0]
        _, version, *segments = path.split("/")
        if version not in (*VERSIONS, UI) or not segments or not all(segments):
            return None
        segments[-1], _, verb = segments[-1].partition(":")
        names = tuple(unquote(segment) for segment in segments)
        express = names[0] != "projects"
        if express:
            project, location = self.settings.express
        elif len(names) > 4 and names[2] == "locations":  # noqa: PLR2004 (and a rest)
            project, location, names = names[1], names[3], names[4:]
        else:
            return None
        handler = _handler(method, names, verb, version, express)
        call = EmulatedRequest(version, express, project_number(project), location, names)
        return handler and (handler, call)


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def _handler(
    method: str, names: tuple[str, ...], verb: str, version: str, express: bool
) -> Handler | None:
    """Return the handler of a path behind its project and location.

    An operation is served under any prefix: SDKs ask for it under the session's name or under the
    location alone (section 4). Express paths exist in part only: v1beta1 has all but `compact`,
    v1 nothing but operations (section 1).
    """
    if len(names) % 2 == 0 and names[-2] == "operations":
        return _OPERATION_HANDLERS.get((method, verb))
    if version == UI:
        return None
    shape = tuple("*" if index % 2 else name for index, name in enumerate(names))
    if express and (verb == "compact" or (version == "v1" and shape[-1] != "operations")):
        return None
    return HANDLERS.get((method, shape, verb))


def _authenticate(headers: list[tuple[bytes, bytes]], query: dict[str, str]) -> None:
    """Accept any token or key, or none, but those made to fail (section 8).

    Raises:
        ApiError: 401 for a bearer token that begins with `invalid` or `expired`, 400 for an API
            key that begins with `invalid`.
    """
    token = query.get("access_token", "")
    key = query.get("key", "")
    for name, value in headers:
        if name == b"authorization":
            scheme, _, credential = value.decode("latin-1").partition(" ")
            token = credential.strip() if scheme.lower() == "bearer" else token
        elif name == b"x-goog-api-key":
            key = value.decode("latin-1")
    if token.startswith(("invalid", "expired")):
        expired = token.startswith("expired")
        raise unauthenticated(
            "ACCESS_TOKEN_EXPIRED" if expired else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        )
    if key.startswith("invalid"):
        raise bad_api_key()
