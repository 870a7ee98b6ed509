"""The tables of vertex and their capabilities, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from sessions_vtab.backends.vertex.filters import Feature
from sessions_vtab.backends.vertex.names import parse_event, parse_session
from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Connective,
    Filter,
    Within,
    Writes,
)
from sessions_vtab.contract.predicate import Op, Value
from sessions_vtab.contract.tables import (
    EVENT_PARTS,
    EVENTS,
    FACT_COLUMNS,
    FACT_REMEDY,
    REASONING_ENGINES,
    SCOPE_COLUMNS,
    SESSIONS,
    event_columns,
    fact_columns,
    session_columns,
)

__all__ = [
    "APPENDS",
    "ENGINES_CAPABILITY",
    "ENGINES_TABLE",
    "EVENTS_TABLE",
    "LISTING",
    "PAGE_CAP",
    "PARTS_TABLE",
    "PLACE",
    "SCOPE",
    "SESSIONS_TABLE",
    "WRITES",
    "events_capability",
    "parts_capability",
    "sessions_capability",
]

PAGE_CAP = 100
"""The maximum number of rows per page (contract, section 5)."""

# https://docs.cloud.google.com/agent-builder/quotas; for each project and region.
WRITES, APPENDS = 100, 300
"""Sessions that may be written in a minute, and events that may be appended."""

PLACE = ("project", "location")
"""Where engines are."""

SCOPE = (*PLACE, "reasoning_engine")

_EVENTS_OF_A_SESSION = 20
"""An estimate that makes SQLite read sessions before their events, not look them up afterwards."""

LISTING = ("filter", "order_by", "page_size", "page_token", "next_page_token")
"""List parameters that a statement can give."""

SESSIONS_TABLE = replace(
    SESSIONS.extended(
        *session_columns(*SCOPE), hidden=session_columns("ttl", *LISTING, "update_mask")
    ),
    filled=frozenset(("create_time", "update_time")),
)
EVENTS_TABLE = replace(
    EVENTS.extended(
        *event_columns(
            "invocation_id",
            "actions",
            "error_code",
            "error_message",
            "event_metadata",
            "raw_event",
            "sequence",
        ),
        *fact_columns(),
        hidden=(*event_columns(*SCOPE, *LISTING), *fact_columns(hidden=True)),
    ),
    filled=frozenset(("timestamp",)),
)
ENGINES_TABLE = REASONING_ENGINES.extended(hidden=tuple(SCOPE_COLUMNS[name] for name in PLACE))
PARTS_TABLE = replace(
    EVENT_PARTS.extended(hidden=tuple(SCOPE_COLUMNS[name] for name in SCOPE)),
    filled=frozenset(("timestamp",)),
)

_REMEDY = (
    "The source has no engine. Add WHERE reasoning_engine = '..', or put it into the source's"
    " URL (vertex://PROJECT/LOCATION/ENGINE)."
)

# appendEvent sets it to the server's time (recorded responses).
_WRITTEN = "update_time"

_ONE_SCOPE = tuple(Filter(name, frozenset((Op.EQ,)), exact=True) for name in SCOPE)
_SCOPES = tuple(Filter(name, EQUALITY, exact=True) for name in SCOPE)
_ONE_PLACE, _PLACES = _ONE_SCOPE[: len(PLACE)], _SCOPES[: len(PLACE)]
_MATCHING = EQUALITY | {Op.NE, Op.NOT_IN}
_PRESENT = frozenset((Op.IS_NULL, Op.IS_NOT_NULL))

_EVENT_TIME = Filter("timestamp", RANGE | {Op.EQ})

_INSERT_SESSION = frozenset(
    (
        "name",
        "session_id",
        "user_id",
        "display_name",
        "labels",
        "state",
        "expire_time",
        "ttl",
        *SCOPE,
    )
)
_UPDATE_SESSION = frozenset(
    ("user_id", "display_name", "labels", "state", "expire_time", "ttl", "update_mask")
)
_INSERT_EVENT = frozenset(
    (
        "session_name",
        "session_id",
        "timestamp",
        "author",
        "content",
        "invocation_id",
        "actions",
        "error_code",
        "error_message",
        "event_metadata",
        "raw_event",
        *SCOPE,
    )
)


def engine_of(name: Value) -> Mapping[str, Value] | None:
    """The scope of the engine that a session's name is in, in the name's own spelling."""
    found = parse_session(name)
    if found is None:
        return None
    engine = found.engine
    values = zip(SCOPE, (engine.project, engine.location, engine.engine), strict=True)
    return {column: value for column, value in values if value is not None}


def session_of(name: Value) -> Mapping[str, Value] | None:
    """The name of the session that an event's name is in."""
    found = parse_event(name)
    return None if found is None else {"session_name": found.session.name}


def sessions_capability(*, engine: bool, refused: frozenset[Feature]) -> Capability:
    """Returns the capability of ``sessions``.

    Args:
        engine: whether the source names an engine.
        refused: grammar that the service rejected.
    """
    scope = () if engine else ("reasoning_engine",)
    connectives = {Connective.OR: Feature.OR, Connective.NOT: Feature.NOT_EQUAL}
    one = "GET {engine}/sessions/{id}"
    return Capability(
        paths=(
            AccessPath(
                "get by name",
                ("name",),
                unique=True,
                cost=50,
                call=one,
                within=Within("list", engine_of),
            ),
            AccessPath(
                "get",
                ("session_id", *scope),
                _ONE_SCOPE,
                unique=True,
                cost=50,
                call=one,
                within=Within("list"),
            ),
            AccessPath(
                "list",
                scope,
                (
                    *_SCOPES,
                    Filter("user_id", _MATCHING),
                    Filter("display_name", _MATCHING),
                    Filter("labels", _MATCHING | _PRESENT, keyed=True, texts=True),
                    Filter("create_time", RANGE, by_order=True),
                    Filter("update_time", RANGE, by_order=True),
                ),
                orders=("create_time", "update_time"),
                connectives=frozenset(c for c, f in connectives.items() if f not in refused),
                page_cap=PAGE_CAP,
                cost=100,
                call="GET {engine}/sessions",
            ),
        ),
        writes=Writes(
            _INSERT_SESSION,
            ("user_id",),
            _UPDATE_SESSION,
            delete=True,
            remedies=MappingProxyType(
                {
                    "user_id": (
                        "A session's user cannot be changed; insert a new session for another user."
                    )
                }
            ),
            calls=MappingProxyType(
                {
                    "insert": "POST {engine}/sessions",
                    "update": "PATCH {engine}/sessions/{session}",
                    "delete": "DELETE {engine}/sessions/{session}",
                }
            ),
            per_minute=MappingProxyType(dict.fromkeys(("insert", "update", "delete"), WRITES)),
        ),
        remedy=_REMEDY,
    )


def events_capability(*, engine: bool) -> Capability:
    """Returns the capability of ``events``."""
    writes = Writes(
        _INSERT_EVENT,
        ("author",),
        remedies=MappingProxyType(
            {
                "update": "Events cannot be changed: append another one.",
                "delete": "Single events cannot be deleted; delete their session.",
                **dict.fromkeys(FACT_COLUMNS, FACT_REMEDY),
            }
        ),
        calls=MappingProxyType({"insert": "POST {engine}/sessions/{session}:appendEvent"}),
        per_minute=MappingProxyType({"insert": APPENDS}),
    )
    return Capability(
        _event_paths("name", engine=engine, extra=(_EVENT_TIME,), orders=("timestamp",)),
        writes,
        rows=100_000,
        remedy=_REMEDY,
        follows=_WRITTEN,
    )


def parts_capability(*, engine: bool) -> Capability:
    """Returns the capability of ``event_parts``, which is built from ``events``."""
    return Capability(
        _event_paths("event_name", engine=engine, extra=(_EVENT_TIME,)),
        rows=200_000,
        remedy=_REMEDY,
        follows=_WRITTEN,
        made_from="events",
    )


_DEPLOYED = "Engines are deployed and deleted with Google's own tools."

ENGINES_CAPABILITY = Capability(
    paths=(
        AccessPath("get by name", ("name",), unique=True, cost=50, call="GET {engine}"),
        AccessPath(
            "get", ("reasoning_engine",), _ONE_PLACE, unique=True, cost=50, call="GET {engine}"
        ),
        AccessPath(
            "list", (), _PLACES, page_cap=PAGE_CAP, cost=100, call="GET {location}/reasoningEngines"
        ),
    ),
    writes=Writes(
        remedies=MappingProxyType(dict.fromkeys(("insert", "update", "delete"), _DEPLOYED))
    ),
    rows=20,
    enumerates="reasoning_engine",
)
"""The capability of ``reasoning_engines``."""


def _event_paths(
    name: str, *, engine: bool, extra: tuple[Filter, ...] = (), orders: tuple[str, ...] = ()
) -> tuple[AccessPath, ...]:
    """The paths that list events by session, even for an event's name: events have no GET."""
    scope = () if engine else ("reasoning_engine",)
    call = "GET {engine}/sessions/{id}/events"

    def listed(
        word: str,
        keys: tuple[str, ...],
        filters: tuple[Filter, ...],
        within: Within | None = None,
    ) -> AccessPath:
        return AccessPath(
            word,
            keys,
            filters,
            orders,
            page_cap=PAGE_CAP,
            cost=100,
            call=call,
            rows_per_key=_EVENTS_OF_A_SESSION,
            within=within,
        )

    of_its_session = Within("list by session name", session_of, through=True)
    return (
        listed("list by event", (name,), extra, of_its_session),
        listed("list by session name", ("session_name",), extra),
        listed("list", ("session_id", *scope), (*_SCOPES, *extra)),
        AccessPath(
            "fan out over sessions",
            scope,
            (*_SCOPES, *extra),
            page_cap=PAGE_CAP,
            cost=10_000,
            call="GET {engine}/sessions, then " + call,
            fans_out=True,
        ),
    )
