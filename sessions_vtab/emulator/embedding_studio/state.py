"""What the clickstream API keeps, and what requests do to sessions, events and batches.

Contract, sections 2 and 3. The payload filter comes back changed (section 6): a query is read as
the first form that fits, and what that form does not know is lost. The data of a seed: a released
batch and a collecting one.
"""

from __future__ import annotations

import random
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from sessions_vtab.emulator.service import DrawnState, EmulatorSettings, Refusal, Stateful

Scalar: TypeAlias = str | int | float | bool


class _Target(BaseModel):
    # First, as it is the first key of what comes back.
    force_not_payload: bool = False
    field: str


class _Text(_Target):
    value: str


class _Value(_Target):
    value: Scalar


class _Values(_Target):
    values: list[Scalar]


class Match(BaseModel):
    """`{"match": {field, value}}`."""

    match: _Text


class Term(BaseModel):
    """`{"term": {field, value}}`."""

    term: _Value


class Terms(BaseModel):
    """`{"terms": {field, values}}`."""

    terms: _Values


class MatchPhrase(BaseModel):
    """`{"match_phrase": {field, value}}`."""

    match_phrase: _Text


class All(BaseModel):
    """`{"all": {field, values}}`."""

    all: _Values


class AnyOf(BaseModel):
    """`{"any": {field, values}}`."""

    any: _Values


class Exists(_Target):
    """`{field}`; it comes before the range, whose bounds it swallows."""


class Wildcard(BaseModel):
    """`{"wildcard": {field, value}}`."""

    wildcard: _Text


class Bounds(BaseModel):
    """The bounds of a range; absent ones come back as null."""

    gte: float | None = None
    lte: float | None = None
    gt: float | None = None
    lt: float | None = None
    eq: float | None = None


class Range(_Target):
    """`{field, range}`; reached only inside a boolean."""

    range: Bounds


class Boolean(BaseModel):
    """Boolean parts; last, as it fits every object and drops whatever it does not know."""

    must: list[Part] | None = None
    should: list[Part] | None = None
    filter: list[Part] | None = None
    must_not: list[Part] | None = None


Part: TypeAlias = Annotated[
    Match | Term | Terms | MatchPhrase | All | AnyOf | Wildcard | Range | Boolean,
    Field(union_mode="left_to_right"),
]
"""A part of a boolean: no bare `{field}`, which therefore becomes an empty boolean."""


class PayloadFilter(BaseModel):
    """What `payload_filter` holds; dumping it gives what the service returns."""

    query: Annotated[
        Match | Term | Terms | MatchPhrase | All | AnyOf | Exists | Wildcard | Range | Boolean,
        Field(union_mode="left_to_right"),
    ]


Boolean.model_rebuild()


class SearchResult(BaseModel):
    """An object that a search found."""

    object_id: str
    rank: float | None = None
    meta: dict[str, Any] | None = None


class SortBy(BaseModel):
    """How a search was ordered."""

    field: str
    order: Literal["asc", "desc"] = "asc"
    force_not_payload: bool = False


class RegisterSession(BaseModel):
    """Body that registers a session; unknown fields are ignored.

    Attributes:
        created_at: Whole seconds UTC, like every time here; None is the server's clock.
    """

    session_id: str
    search_query: str
    search_results: list[SearchResult]
    search_meta: dict[str, Any] | None = None
    payload_filter: PayloadFilter | None = None
    sort_by: SortBy | None = None
    user_id: str | None = None
    created_at: int | None = None


class PushedEvent(BaseModel):
    """An event of a body; type and object are not checked."""

    event_id: str
    object_id: str
    event_type: str = "click"
    created_at: int | None = None
    meta: dict[str, Any] | None = None


class PushEvents(BaseModel):
    """Body that stores events of a session, which need not be registered."""

    session_id: str
    events: list[PushedEvent]


class SessionId(BaseModel):
    """Body that names a session."""

    session_id: str


class Release(BaseModel):
    """Body that releases the collecting batch; the id makes it idempotent."""

    release_id: str


class Session(RegisterSession):
    """A registered session.

    Attributes:
        batch_id: Its batch, for ever the one of its first registration; so is its number.
    """

    batch_id: str
    session_number: int
    is_irrelevant: bool = False


class Batch(BaseModel):
    """A batch of sessions; at most one is collecting.

    Attributes:
        session_counter: The last number given out; repeated registrations use numbers up.
    """

    batch_id: str
    created_at: int
    status: Literal["collecting", "released"] = "collecting"
    session_counter: int = 0
    release_id: str | None = None
    released_at: int | None = None


class Improvement(BaseModel):
    """A row of the improvement queue, which no route shows."""

    session_id: str
    created_at: int
    status: Literal["pending"] = "pending"


class StudioState(DrawnState):
    """Everything; events by session id and event id, in the order of their arrival."""

    batches: list[Batch] = Field(default_factory=list)
    sessions: dict[str, Session] = Field(default_factory=dict)
    events: dict[str, dict[str, PushedEvent]] = Field(default_factory=dict)
    improvements: list[Improvement] = Field(default_factory=list)


SESSIONS, RELEASED = 40, 25
HOURS_BACK = 10
MANY_EVENTS = 120
"""Events of one session: more than its route shows."""

WORDS = ("red", "blue", "cotton", "wool", "shirt", "coat", "boots", "scarf")


def _name(number: int) -> str:
    return f"seed-{number:02}"


def _session(source: random.Random, number: int, at: int) -> RegisterSession:
    found = [
        SearchResult(object_id=f"object-{n}", rank=round(source.random(), 3)) for n in range(5)
    ]
    return RegisterSession(
        session_id=_name(number),
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


BACK, AHEAD = 43_200, 300
"""Seconds before and after now that a timestamp may lie (contract, section 4)."""

EVENTS_SHOWN = 100
"""Events that the session route returns, without saying that there are more."""


class Clickstream(Stateful[StudioState]):
    """State, ids and time of one emulated Embedding Studio."""

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__("embedding_studio", StudioState, settings)

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
        batch = Batch(batch_id=self.draws.hexadecimal(24), created_at=self.now())
        self.state.batches.append(batch)
        return batch

    def show(self, session: Session, events_limit: int = EVENTS_SHOWN) -> dict[str, Any]:
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
            self.register(_session(source, number, at))
            events = _events(source, number, at)
            if events:
                self.push(PushEvents(session_id=_name(number), events=events))
            if number + 1 == RELEASED:
                self.release(f"seed-{seed}")
        self.find(_name(1)).is_irrelevant = True

    def counts(self) -> dict[str, int]:
        """Return how many sessions and events there are."""
        events = sum(map(len, self.state.events.values()))
        return {"sessions": len(self.state.sessions), "events": events}


def _count(limit: int) -> int | None:
    """Return how many rows a limit allows, as MongoDB reads it: 0 is all, -n is n."""
    return abs(limit) or None
