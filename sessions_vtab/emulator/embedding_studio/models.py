"""The request bodies of the clickstream API, and what it keeps."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from sessions_vtab.emulator.embedding_studio.payload import PayloadFilter


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


class State(BaseModel):
    """Everything; events by session id and event id, in the order of their arrival.

    Attributes:
        draws: Number of ids drawn so far.
    """

    batches: list[Batch] = []
    sessions: dict[str, Session] = {}
    events: dict[str, dict[str, PushedEvent]] = {}
    improvements: list[Improvement] = []
    draws: int = 0
