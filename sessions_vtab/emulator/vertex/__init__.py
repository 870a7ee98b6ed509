"""Vertex AI Agent Engine Sessions over REST, written from `docs/contracts/vertex.md` alone.

From the outside in: this module turns a request into an `EmulatedRequest` of `context` and picks
the handler; `sessions` (with events) and `operations` (with engines) hold the handlers; `wire`
(with `messages`) reads request bodies by the rules of proto JSON and writes answers, `filters` and
`listing` read list parameters; `store` keeps the rows; `data` fills and saves them;
`errors` has the service's words.

The path is taken apart before it is percent-decoded: a `/` or `:` inside an id stays in the id
(contract, section 1). One raw route serves everything: this is the hot path, so neither routes are
searched nor parameters validated by the framework.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote

from fastapi import APIRouter
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sessions_vtab.emulator.faults import PLAN_KEY
from sessions_vtab.emulator.service import EmulatorSettings, Service, in_words
from sessions_vtab.emulator.vertex import data, errors, operations, sessions
from sessions_vtab.emulator.vertex.context import EmulatedRequest, ServiceContext
from sessions_vtab.emulator.vertex.errors import ApiError
from sessions_vtab.emulator.vertex.store import project_number

__all__ = ["service"]


Handler: TypeAlias = "Callable[[ServiceContext, EmulatedRequest], bytes]"

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


class VertexApplication:
    """The ASGI application behind the route of the whole API."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context

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
            return 404, _HTML, errors.HTML_NOT_FOUND
        handler, call = found
        call.query, call.body, call.plan = query, body, scope.get(PLAN_KEY, {})
        try:
            _authenticate(scope["headers"], query)
            return 200, _JSON, handler(self._context, call)
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
            project, location = self._context.settings.express
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
        raise errors.unauthenticated(
            "ACCESS_TOKEN_EXPIRED" if expired else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        )
    if key.startswith("invalid"):
        raise errors.bad_api_key()


def service(settings: EmulatorSettings) -> Service:
    """Return the emulated Vertex AI Agent Engine Sessions API with a state of its own."""
    context = ServiceContext(settings)

    def reset(number: int | None) -> None:
        context.reset(number)
        if number is not None:
            data.fill(context, number)

    reset(settings.seed)
    router = APIRouter()
    endpoint = VertexApplication(context)
    for version in (*VERSIONS, UI):
        router.routes.append(Route(f"/{version}/{{rest:path}}", endpoint))
    return Service(
        name="vertex",
        router=router,
        reset=reset,
        summary=lambda: in_words(context.store.counts()),
        dump=lambda: data.dump(context.store),
        load=lambda value: data.load(context.store, value),
    )
