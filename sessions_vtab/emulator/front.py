"""Middleware of the emulator: Host check, control token, and what faults do to answers.

Pure ASGI: it stands before every request, so it costs a few microseconds without a fault.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, unquote_plus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sessions_vtab.emulator.faults import PLAN_KEY, Entry, Fault
from sessions_vtab.emulator.service import Emulator

CONTROL = "/_emulator/"
"""Paths below it are the control API."""

TOKEN_HEADER = b"x-emulator-token"
TRANSPORT_KEY = "emulator.transport"
"""Where the server leaves the connection in the ASGI state (see `serve`)."""

_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
_MISDIRECTED = 421


class Front:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, emulator: Emulator) -> None:
        self._app = app
        self._emulator = emulator
        self._token = emulator.settings.control_token.encode()
        self._answered = 0
        self._late: list[tuple[int, asyncio.Event]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        # A web page can make a browser call 127.0.0.1 under a name of its own (DNS rebinding).
        if not _is_loopback(headers.get(b"host", b"").decode("latin-1")):
            text = "The emulator accepts only the hosts 127.0.0.1, localhost and [::1]."
            await _respond(send, json_answer(_MISDIRECTED, {"error": text}))
        elif not _is_same_site(headers):
            text = "The emulator refuses requests that a web page of another site makes."
            await _respond(send, json_answer(403, {"error": text}))
        elif not scope["path"].startswith(CONTROL):
            await self._logged(scope, receive, send)
        elif not secrets.compare_digest(headers.get(TOKEN_HEADER, b""), self._token):
            text = (
                "The header X-Emulator-Token is missing or wrong; the token is printed at startup."
            )
            await _respond(send, json_answer(403, {"error": text}))
        else:
            await self._app(scope, receive, send)

    async def _logged(self, scope: Scope, receive: Receive, send: Send) -> None:
        log = self._emulator.log
        query = scope["query_string"]
        raw_path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        entry = log.begin(scope["method"], raw_path, query, scope["headers"])

        async def noting_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                log.keep_body(entry, message.get("body", b""))
            return message

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            else:
                entry.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._serve(scope, noting_receive, noting_send, entry)
        finally:
            log.end(entry)
            self._note_answer()

    async def _serve(self, scope: Scope, receive: Receive, send: Send, entry: Entry) -> None:
        emulator = self._emulator
        if emulator.delay:
            await asyncio.sleep(emulator.delay)
        if emulator.empty_page is not None and EMPTY_PAGE_TOKEN in _page_tokens(entry.query):
            # No fault of its own: the service itself knows nothing of this token.
            await _drain(receive)
            await _respond(send, json_answer(200, emulator.empty_page.empty))
        elif (fault := self._fault(entry)) is not None:
            entry.fault = fault.kind
            await self._faulty(fault, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _fault(self, entry: Entry) -> Fault | None:
        if not self._emulator.faults:
            return None
        path = unquote(entry.target.decode("latin-1"))
        fault = self._emulator.faults.take(
            entry.method, path, unquote_plus(entry.query.decode("latin-1"))
        )
        if fault is not None and fault.kind == "empty_page":
            self._emulator.empty_page = fault
        return fault

    async def _faulty(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "operation":
            scope[PLAN_KEY] = fault.plan.model_dump(exclude_unset=True)
        if fault.acts:
            answer = await _captured(self._app, scope, receive)
        else:
            await _drain(receive)
            answer = WholeResponse(200, [], b"")
        await (self._overtaken(fault) if fault.kind == "late" else asyncio.sleep(fault.seconds))
        if fault.kind == "trickle":
            await _trickle(send, answer, fault.seconds)
        elif fault.kind == "status":
            await _respond(send, error_answer(fault))
        elif fault.kind == "drop":
            await _disconnect(scope, receive, fault.reset)
        elif fault.kind == "drop_body":
            await _respond(send, answer, fault.fraction)
            await _disconnect(scope, receive, fault.reset)
        else:
            await _respond(send, altered(fault, answer, scope["query_string"]))

    async def _overtaken(self, fault: Fault) -> None:
        """Wait until so many other requests have been answered, or time is up."""
        passed = asyncio.Event()
        self._late.append((self._answered + fault.behind, passed))
        with suppress(TimeoutError):
            async with asyncio.timeout(fault.seconds):
                await passed.wait()

    def _note_answer(self) -> None:
        self._answered += 1
        for goal, passed in self._late:
            if goal <= self._answered:
                passed.set()
        self._late = [one for one in self._late if one[0] > self._answered]


def _is_loopback(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    return name.lower() in _LOOPBACK and (not port or port.isdigit())


def _is_same_site(headers: dict[bytes, bytes]) -> bool:
    """Say whether no web page made this request, or one on this machine.

    A page of any site may make a browser POST a form or plain text here; the browser then names
    the page's origin, or "null" where it hides it.
    """
    if headers.get(b"sec-fetch-site") == b"cross-site":
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    scheme, found, host = origin.decode("latin-1").partition("://")
    return bool(found) and scheme in {"http", "https"} and _is_loopback(host)


def _page_tokens(query: bytes) -> list[str]:
    return parse_qs(query.decode("latin-1")).get("pageToken", [])


async def _captured(app: ASGIApp, scope: Scope, receive: Receive) -> WholeResponse:
    """Let the application answer and keep the answer."""
    status, headers, body = 500, [], bytearray()

    async def keep(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    return WholeResponse(status, headers, bytes(body))


async def _drain(receive: Receive) -> None:
    """Read the request's body, so that the log has it."""
    while (await receive()).get("more_body"):
        pass


async def _send_head(send: Send, answer: WholeResponse) -> None:
    headers = [pair for pair in answer.headers if pair[0].lower() != b"content-length"]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _respond(send: Send, answer: WholeResponse, fraction: float | None = None) -> None:
    """Send an answer; with a fraction only so much of the body, as if more were to come."""
    await _send_head(send, answer)
    body = answer.body if fraction is None else cut(answer.body, fraction)
    message = {"type": "http.response.body", "body": body, "more_body": fraction is not None}
    await send(message)


async def _trickle(send: Send, answer: WholeResponse, seconds: float) -> None:
    """Send the body byte by byte. A client that has gone ends it: sending to it does nothing."""
    await _send_head(send, answer)
    for place in range(len(answer.body)):
        await asyncio.sleep(seconds)
        part = answer.body[place : place + 1]
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _disconnect(scope: Scope, receive: Receive, reset: bool) -> None:
    """Close the connection under the server's hands and wait until it has noticed."""
    transport = scope.get("state", {}).get(TRANSPORT_KEY)
    if transport is None:
        raise ConnectionAbortedError("the emulator was told to drop this connection")
    if reset:
        transport.abort()
    else:
        transport.close()
    with suppress(ConnectionError):
        while (await receive())["type"] != "http.disconnect":
            pass


EMPTY_PAGE_TOKEN = "emulator-empty-page"  # noqa: S105 (a page token)
"""The token that the fault `empty_page` puts on a last page."""

_RPC_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class WholeResponse(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def encode(value: Any) -> bytes:
    """Return a text as it is, anything else as JSON."""
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def json_answer(status: int, value: Any, headers: dict[str, str] | None = None) -> WholeResponse:
    """Return an answer with a JSON (or given text) body."""
    named = {"content-type": "application/json; charset=UTF-8", **(headers or {})}
    encoded = [(name.lower().encode(), text.encode()) for name, text in named.items()]
    return WholeResponse(status, encoded, encode(value))


def error_answer(fault: Fault) -> WholeResponse:
    """Return the answer of the fault `status`."""
    body = fault.body
    if body is None:
        message = f"Injected by the emulator: {HTTPStatus(fault.status).phrase}."
        name = _RPC_NAMES.get(fault.status, "UNKNOWN")
        body = {"error": {"code": fault.status, "message": message, "status": name}}
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    return json_answer(fault.status, body, headers)


def altered(fault: Fault, answer: WholeResponse, query: bytes) -> WholeResponse:
    """Return an answer as a fault changes it; kinds that change none return it unchanged."""
    if fault.kind == "truncate":
        return answer._replace(body=cut(answer.body, fault.fraction))
    if fault.kind == "body":
        return answer._replace(body=encode(fault.body))
    if fault.kind == "bomb":
        return bomb(answer, fault.size)
    if fault.kind == "wrong_types":
        return _changed(answer, lambda value: wrong_types(value, set(fault.fields)))
    if fault.kind == "repeat_token":
        token = (_page_tokens(query) or [""])[-1]
        return _changed(answer, lambda value: _with_token(value, token, True))
    if fault.kind == "empty_page":
        return _changed(answer, lambda value: _with_token(value, EMPTY_PAGE_TOKEN, False))
    return answer


def bomb(answer: WholeResponse, size: int) -> WholeResponse:
    """Return an answer whose body is small on the wire, and blanks of this size to its reader."""
    kept = [pair for pair in answer.headers if pair[0].lower() != b"content-encoding"]
    return answer._replace(
        headers=[*kept, (b"content-encoding", b"gzip")], body=gzip.compress(b" " * size, 1)
    )


def cut(body: bytes, fraction: float) -> bytes:
    """Return the first part of a body, never all of it."""
    return body[: int(len(body) * fraction)]


def _changed(answer: WholeResponse, change: Any) -> WholeResponse:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return answer
    return answer._replace(body=encode(change(value)))


def _with_token(value: Any, token: str, replace: bool) -> Any:
    if isinstance(value, dict) and token and (replace or not value.get("nextPageToken")):
        return {**value, "nextPageToken": token}
    return value


def wrong_types(value: Any, fields: set[str]) -> Any:
    """Return JSON in which the leaves (or the values of `fields`) have another type."""
    if isinstance(value, list):
        return [wrong_types(item, fields) for item in value]
    if not isinstance(value, dict):
        return value if fields else _wrong(value)
    return {
        key: _wrong(item) if key in fields else wrong_types(item, fields)
        for key, item in value.items()
    }


def _wrong(value: Any) -> Any:
    return len(value) if isinstance(value, str) else json.dumps(value)
