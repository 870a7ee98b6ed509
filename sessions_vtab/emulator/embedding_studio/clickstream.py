"""What the requests do to sessions, events and batches (contract, sections 2 and 3)."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.draws import Draws
from sessions_vtab.emulator.embedding_studio import seed as data
from sessions_vtab.emulator.embedding_studio.models import Batch, Improvement, Session, State
from sessions_vtab.emulator.routing import Refusal

if TYPE_CHECKING:
    from sessions_vtab.emulator.embedding_studio.models import PushEvents, RegisterSession
    from sessions_vtab.emulator.service import JSON
    from sessions_vtab.emulator.settings import Settings

BACK, AHEAD = 43_200, 300
"""Seconds before and after now that a timestamp may lie (contract, section 4)."""

EVENTS_SHOWN = 100
"""Events that the session route returns, without saying that there are more."""


class Clickstream:
    """State, ids and time of one emulated Embedding Studio."""

    def __init__(self, settings: Settings) -> None:
        self._clock = settings.clock
        self.reset(settings.seed)

    def now(self) -> int:
        """Return the time in whole seconds."""
        return int(self._clock().timestamp())

    def timestamp(self, sent: int | None) -> int:
        """Return a time that may be kept: the server's if none was sent; 400 if out of bounds."""
        now = self.now()
        if sent is None:
            return now
        if not now - BACK <= sent <= now + AHEAD:
            raise Refusal.json(400, {"detail": f"Invalid utc timestamp: {sent}"})
        return sent

    def register(self, body: RegisterSession) -> None:
        """Keep a session unless its id is known; either way it takes a number of the batch."""
        created_at = self.timestamp(body.created_at)
        batch = self._collecting() or self._new_batch()
        batch.session_counter += 1
        if body.session_id in self.state.sessions:
            return
        fields = body.model_dump() | {"created_at": created_at}
        self.state.sessions[body.session_id] = Session(
            **fields, batch_id=batch.batch_id, session_number=batch.session_counter
        )

    def push(self, body: PushEvents) -> None:
        """Keep events; all or none if a time is bad, and no (session, event) id twice."""
        events = [
            event.model_copy(update={"created_at": self.timestamp(event.created_at)})
            for event in body.events
        ]
        kept = self.state.events.setdefault(body.session_id, {})
        for event in events:
            kept.setdefault(event.event_id, event)

    def find(self, session_id: str) -> Session:
        """Return a registered session; raises 404."""
        session = self.state.sessions.get(session_id)
        if session is None:
            raise Refusal.json(404, {"detail": f"Session with id={session_id} not found"})
        return session

    def improve(self, session_id: str) -> None:
        """Queue a session that is irrelevant or has events, every time anew; raises 404."""
        session = self.find(session_id)
        if session.is_irrelevant or self.state.events.get(session_id):
            row = Improvement(session_id=session_id, created_at=self.now())
            self.state.improvements.append(row)

    def batch_sessions(self, batch_id: str, after_number: int, limit: int) -> list[Session]:
        """Return the sessions of a batch, if there is one, after a number; none for limit 0."""
        found = [
            session
            for session in self.state.sessions.values()
            if session.batch_id == batch_id and session.session_number > after_number
        ]
        found.sort(key=lambda session: session.session_number)
        return found[: _count(limit)]

    def release(self, release_id: str) -> Batch:
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

    def _new_batch(self) -> Batch:
        batch = Batch(batch_id=self._draws.hexadecimal(24), created_at=self.now())
        self.state.batches.append(batch)
        return batch

    def show(self, session: Session, events_limit: int = EVENTS_SHOWN) -> dict[str, Any]:
        """Return a session as the routes do, its first events with it; events_limit 0 is all."""
        body = session.model_dump(mode="json", exclude={"batch_id", "session_number"})
        events = self.state.events.get(session.session_id, {}).values()
        shown = [event.model_dump(mode="json") for event in islice(events, _count(events_limit))]
        return {**body, "events": shown}

    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, fill in its data set."""
        self._draws = Draws("embedding_studio", seed)
        self.state = State()
        if seed is not None:
            data.fill(self, seed)

    def summary(self) -> str:
        """Return what is there in a few words, or nothing."""
        sessions = len(self.state.sessions)
        events = sum(map(len, self.state.events.values()))
        return f"{sessions} sessions, {events} events" if sessions or events else ""

    def dump(self) -> JSON:
        """Return the state as JSON."""
        self.state.draws = self._draws.count
        dumped: JSON = self.state.model_dump(mode="json")
        return dumped

    def load(self, dumped: JSON) -> None:
        """Take back what `dump` returned; raises ValueError if it is something else."""
        self.state = State.model_validate_json(json.dumps(dumped))
        self._draws.count = self.state.draws


def _count(limit: int) -> int | None:
    """Return how many rows a limit allows, as MongoDB reads it: 0 is all, -n is n."""
    return abs(limit) or None
