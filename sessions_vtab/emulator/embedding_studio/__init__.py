"""Embedding Studio: clickstream sessions, their events, batches and improvement requests.

Written from the Embedding Studio contract, whose observed behaviours are kept as they are, the
lossy ones too. What is not emulated: the worker that later takes the queued improvements (no
route shows them), and CORS. There is no authentication.

Here are the routes; `state` has what is kept, and what a registration, an event or a release does
to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from sessions_vtab.emulator.embedding_studio.state import (
    Clickstream,
    PushEvents,
    RegisterSession,
    Release,
    SessionId,
)
from sessions_vtab.emulator.service import Refusal, Route, Service, add_routes, detail

if TYPE_CHECKING:
    from fastapi import Response
    from fastapi.exceptions import RequestValidationError
    from starlette.types import Receive, Scope, Send

    from sessions_vtab.emulator.service import EmulatorSettings

__all__ = ["service"]


ERROR_PAGES = "https://errors.pydantic.dev/2.5/v/"
INT64 = 2**63


def service(settings: EmulatorSettings) -> Service:
    """Return an emulated Embedding Studio with its own state.

    Its paths are `/api/v1/ping` and `/api/v1/clickstream/...`.
    """
    clickstream = Clickstream(settings)
    router = APIRouter(route_class=ClickstreamRoute)
    ClickstreamRoutes(clickstream).mount(router)
    return clickstream.service(router)


class ClickstreamRoute(Route):
    """A route with the 422 of the service's own, older pydantic: rows name an error page."""

    def invalid(self, error: RequestValidationError) -> Response:
        """Answer a request that breaks the schema."""
        rows = detail(error)
        for row in rows:
            if row["type"] != "json_invalid":  # Broken JSON has no page.
                row["url"] = ERROR_PAGES + row["type"]
        return JSONResponse({"detail": rows}, 422)


class UnhandledError(Exception):
    """Stands for an exception that the real service does not handle."""


class _Crash(PlainTextResponse):
    """A plain 500 after which the connection is gone, without a header that says so.

    The server closes a connection whose application fails after its answer, so it really fails.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("Internal Server Error", 500)
        self._reason = reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        raise UnhandledError(self._reason)


def crash(reason: str) -> NoReturn:
    """End a request as an unhandled exception of the service does (contract, section 5)."""
    raise Refusal(_Crash(reason))


class ClickstreamRoutes:
    """The operations of the clickstream; a write answers 200 `null` and never its resource."""

    def __init__(self, clickstream: Clickstream) -> None:
        self._clickstream = clickstream

    def mount(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        base = "/api/v1/clickstream"
        add_routes(
            router,
            ("GET", "/api/v1/ping", self.ping),
            ("POST", f"{base}/session", self.register),
            ("GET", f"{base}/session", self.get),
            ("POST", f"{base}/session/events", self.push),
            ("POST", f"{base}/session/irrelevant", self.irrelevant),
            ("POST", f"{base}/internal/session/use-for-improvement", self.improve),
            ("GET", f"{base}/internal/batch/sessions", self.batch_sessions),
            ("POST", f"{base}/internal/batch/release", self.release),
        )

    async def ping(self) -> dict[str, Any]:
        """Answer `{}`."""
        return {}

    async def register(self, body: RegisterSession) -> None:
        """Register a session; the first registration of an id wins, without a word."""
        self._clickstream.register(body)

    async def get(self, session_id: str) -> dict[str, Any]:
        """Return a session with its first hundred events; raises 404."""
        return self._clickstream.show(self._clickstream.find(session_id))

    async def push(self, body: PushEvents) -> None:
        """Store events; an empty list is what the real service fails on."""
        if not body.events:
            crash("documents must be a non-empty list")
        self._clickstream.push(body)

    async def irrelevant(self, body: SessionId) -> None:
        """Mark a session as irrelevant, for good; raises 404."""
        self._clickstream.find(body.session_id).is_irrelevant = True

    async def improve(self, body: SessionId) -> None:
        """Queue a session for improvement, or not: the answer is the same; raises 404."""
        self._clickstream.improve(body.session_id)

    async def batch_sessions(
        self, batch_id: str, after_number: int = 0, limit: int = 10, events_limit: int = 100
    ) -> dict[str, Any]:
        """Return a page of a batch by session number; an unknown batch is empty."""
        if not all(-INT64 <= number < INT64 for number in (after_number, limit, events_limit)):
            crash("MongoDB can only handle up to 8-byte ints")
        found = self._clickstream.batch_sessions(batch_id, after_number, limit)
        sessions = [
            {**self._clickstream.show(s, events_limit), "session_number": s.session_number}
            for s in found
        ]
        last = found[-1].session_number if found else None
        return {"batch_id": batch_id, "last_number": last, "sessions": sessions}

    async def release(self, body: Release) -> dict[str, Any]:
        """Release the collecting batch; the same id again gets the same answer; raises 404."""
        batch = self._clickstream.release(body.release_id)
        return {
            "release_id": batch.release_id,
            "batch_id": batch.batch_id,
            "released_at": batch.released_at,
        }
