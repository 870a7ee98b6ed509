"""Bodies of requests, and the rows that the clickstream API keeps (contract, sections 2 and 3).

The payload filter comes back changed (section 6): a query is read as the first form that fits, and
what that form does not know is lost.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from sessions_vtab.emulator.service import DrawnState

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
