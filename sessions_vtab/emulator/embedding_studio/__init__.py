"""Embedding Studio: clickstream sessions, their events, batches and improvement requests.

Written from the Embedding Studio contract, whose observed behaviours are kept as they are, the
lossy ones too. What is not emulated: the worker that later takes the queued improvements (no route
shows them), and CORS. There is no authentication. The data of a seed: a released batch and a
collecting one. `models` has the bodies of requests, and what is kept.
"""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from fastapi.responses import JSONResponse, PlainTextResponse

from sessions_vtab.emulator.embedding_studio.models import (
    Batch,
    Improvement,
    PushedEvent,
    PushEvents,
    RegisterSession,
    Release,
    SearchResult,
    Session,
    SessionId,
    StudioState,
)
from sessions_vtab.emulator.service import EmulatorSettings, Refusal, Route, Stateful, detail

if TYPE_CHECKING:
    from fastapi import Response
    from fastapi.exceptions import RequestValidationError
    from starlette.types import Receive, Scope, Send

__all__ = ["EmbeddingStudio"]


ERROR_PAGES = "https://errors.pydantic.dev/2.5/v/"
INT64 = 2**63

BACK, AHEAD = 43_200, 300
"""Seconds before and after now that a timestamp may lie (contract, section 4)."""

EVENTS_SHOWN = 100
"""Events that the session route returns, without saying that there are more."""

SESSIONS, RELEASED = 40, 25
HOURS_BACK = 10
MANY_EVENTS = 120
"""Events of one session: more than its route shows."""

WORDS = ("red", "blue", "cotton", "wool", "shirt", "coat", "boots", "scarf")


class ClickstreamRoute(Route):
    """A route with the 422 of the service's own, older pydantic: rows name an error page."""

    def invalid(self, error: RequestValidationError) -> Response:
        """Answer a request that breaks the schema."""
        rows = detail(error)
        for row in rows:
            if row["type"] != "json_invalid":  # Broken JSON has no page.
                row["url"] = ERROR_PAGES + row["type"]
        return JSONResponse({"detail": rows}, 422)


class _Crash(PlainTextResponse):
    """A plain 500 after which the connection is gone, without a header that says so.

    The server closes a connection whose application fails after its answer, so it really fails.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("Internal Server Error", 500)
        self._reason = reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        raise RuntimeError(self._reason)


def crash(reason: str) -> NoReturn:
    """End a request as an unhandled exception of the service does (contract, section 5)."""
    raise Refusal(_Crash(reason))


class EmbeddingStudio(Stateful[StudioState]):
    """One emulated Embedding Studio; a write answers 200 `null` and never its resource.

    Its paths are `/api/v1/ping` and `/api/v1/clickstream/...`.
    """

    name = "embedding_studio"
    model = StudioState
    route_class = ClickstreamRoute

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__(settings)
        base = "/api/v1/clickstream"
        self.add_routes(
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
        self._register(body)

    async def get(self, session_id: str) -> dict[str, Any]:
        """Return a session with its first hundred events; raises 404."""
        return self._show(self._find(session_id))

    async def push(self, body: PushEvents) -> None:
        """Store events; an empty list is what the real service fails on."""
        if not body.events:
            crash("documents must be a non-empty list")
        self._push(body)

    async def irrelevant(self, body: SessionId) -> None:
        """Mark a session as irrelevant, for good; raises 404."""
        self._find(body.session_id).is_irrelevant = True

    async def improve(self, body: SessionId) -> None:
        """Queue a session that is irrelevant or has events, without a word of it; raises 404."""
        session = self._find(body.session_id)
        if session.is_irrelevant or self.state.events.get(body.session_id):
            row = Improvement(session_id=body.session_id, created_at=self.now())
            self.state.improvements.append(row)

    async def batch_sessions(
        self, batch_id: str, after_number: int = 0, limit: int = 10, events_limit: int = 100
    ) -> dict[str, Any]:
        """Return a page of a batch by session number; an unknown batch is empty."""
        if not all(-INT64 <= number < INT64 for number in (after_number, limit, events_limit)):
            crash("MongoDB can only handle up to 8-byte ints")
        found = [
            session
            for session in self.state.sessions.values()
            if session.batch_id == batch_id and session.session_number > after_number
        ]
        found.sort(key=lambda session: session.session_number)
        found = found[: _count(limit)]
        sessions = [
            {**self._show(s, events_limit), "session_number": s.session_number} for s in found
        ]
        last = found[-1].session_number if found else None
        return {"batch_id": batch_id, "last_number": last, "sessions": sessions}

    async def release(self, body: Release) -> dict[str, Any]:
        """Release the collecting batch; the same id again gets the same answer; raises 404."""
        batch = self._release(body.release_id)
        return {
            "release_id": batch.release_id,
            "batch_id": batch.batch_id,
            "released_at": batch.released_at,
        }

    def now(self) -> int:
        """Return the time in whole seconds."""
        return int(self.clock().timestamp())

    def _timestamp(self, sent: int | None) -> int:
        """Return a time that may be kept: the server's if none was sent; 400 if out of bounds."""
        now = self.now()
        if sent is None:
            return now
        if not now - BACK <= sent <= now + AHEAD:
            raise Refusal.json(400, {"detail": f"Invalid utc timestamp: {sent}"})
        return sent

    def _register(self, body: RegisterSession) -> None:
        """Keep a session unless its id is known; either way it takes a number of the batch."""
        created_at = self._timestamp(body.created_at)
        batch = self._collecting()
        if batch is None:
            batch = Batch(batch_id=self.draws.hexadecimal(24), created_at=self.now())
            self.state.batches.append(batch)
        batch.session_counter += 1
        if body.session_id in self.state.sessions:
            return
        fields = body.model_dump() | {"created_at": created_at}
        self.state.sessions[body.session_id] = Session(
            **fields, batch_id=batch.batch_id, session_number=batch.session_counter
        )

    def _push(self, body: PushEvents) -> None:
        """Keep events; all or none if a time is bad, and no (session, event) id twice."""
        events = [
            event.model_copy(update={"created_at": self._timestamp(event.created_at)})
            for event in body.events
        ]
        kept = self.state.events.setdefault(body.session_id, {})
        for event in events:
            kept.setdefault(event.event_id, event)

    def _find(self, session_id: str) -> Session:
        """Return a registered session; raises 404."""
        session = self.state.sessions.get(session_id)
        if session is None:
            raise Refusal.json(404, {"detail": f"Session with id={session_id} not found"})
        return session

    def _release(self, release_id: str) -> Batch:
        """Return the batch that this id released, now or earlier; raises 404."""
        for batch in self.state.batches:
            if batch.release_id == release_id:
                return batch
        collecting = self._collecting()
        if collecting is None:
            raise Refusal.json(404, {"detail": "There is no collecting batch"})
        collecting.status = "released"
        collecting.release_id, collecting.released_at = release_id, self.now()
        return collecting

    def _collecting(self) -> Batch | None:
        last = self.state.batches[-1:]
        return last[0] if last and last[0].status == "collecting" else None

    def _show(self, session: Session, events_limit: int = EVENTS_SHOWN) -> dict[str, Any]:
        """Return a session as the routes do, its first events with it; events_limit 0 is all."""
        body = session.model_dump(mode="json", exclude={"batch_id", "session_number"})
        events = self.state.events.get(session.session_id, {}).values()
        shown = [event.model_dump(mode="json") for event in islice(events, _count(events_limit))]
        return {**body, "events": shown}

    def fill(self, seed: int) -> None:
        """Add sessions of the last hours with their clicks; the first ones in a released batch."""
        source = random.Random(f"embedding-studio-data:{seed}")
        start = self.now() - HOURS_BACK * 3600
        for number in range(SESSIONS):
            at = start + number * HOURS_BACK * 3600 // SESSIONS
            self._register(_session(source, number, at))
            if events := _events(source, number, at):
                self._push(PushEvents(session_id=f"seed-{number:02}", events=events))
            if number + 1 == RELEASED:
                self._release(f"seed-{seed}")
        self._find("seed-01").is_irrelevant = True

    def counts(self) -> dict[str, int]:
        """Return how many sessions and events there are."""
        events = sum(map(len, self.state.events.values()))
        return {"sessions": len(self.state.sessions), "events": events}


def _session(source: random.Random, number: int, at: int) -> RegisterSession:
    found = [
        SearchResult(object_id=f"object-{n}", rank=round(source.random(), 3)) for n in range(5)
    ]
    return RegisterSession(
        session_id=f"seed-{number:02}",
        search_query=" ".join(source.sample(WORDS, k=2)),
        search_results=found,
        user_id=source.choice((None, "ann", "bob")),
        created_at=at,
    )


def _events(source: random.Random, number: int, at: int) -> list[PushedEvent]:
    count = MANY_EVENTS if number == 0 else source.randint(0, 4)
    return [
        PushedEvent(event_id=f"event-{n}", object_id=f"object-{n % 5}", created_at=at + n)
        for n in range(count)
    ]


def _count(limit: int) -> int | None:
    """Return how many rows a limit allows, as MongoDB reads it: 0 is all, -n is n."""
    return abs(limit) or None
