"""The tables of embedding_studio and their capabilities, as data."""

from __future__ import annotations

from types import MappingProxyType

from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Filter,
    Writes,
)
from sessions_vtab.contract.tables import EVENTS, SESSIONS, event_columns, session_columns

__all__ = ["EVENTS_CAPABILITY", "EVENTS_TABLE", "SESSIONS_CAPABILITY", "SESSIONS_TABLE"]

SESSIONS_TABLE = SESSIONS.extended(
    *session_columns(
        "search_query",
        "search_results",
        "search_meta",
        "payload_filter",
        "sort_by",
        "is_irrelevant",
        "batch_id",
        "session_number",
        "events",
    ),
    hidden=session_columns("page_size"),
)
EVENTS_TABLE = EVENTS.extended(
    *event_columns("object_id", "event_type", "meta"), hidden=event_columns("batch_id")
)

_GET = "GET /clickstream/session?session_id={id}"
_BATCH = "GET /clickstream/internal/batch/sessions?batch_id={id}"
_NUMBER = Filter("session_number", EQUALITY | RANGE)
_IN_BATCH = Filter("batch_id", EQUALITY)
_IN_SESSION = Filter("session_id", EQUALITY)

SESSIONS_CAPABILITY = Capability(
    (
        AccessPath("get by name", ("name",), (_IN_BATCH, _NUMBER), unique=True, cost=50, call=_GET),
        AccessPath("get", ("session_id",), (_IN_BATCH, _NUMBER), unique=True, cost=50, call=_GET),
        AccessPath(
            "batch",
            ("batch_id",),
            (_NUMBER, _IN_SESSION),
            page_cap=100,
            cost=100,
            call=_BATCH,
            ascending=("session_number",),
        ),
    ),
    Writes(
        frozenset(
            (
                "name",
                "session_id",
                "user_id",
                "create_time",
                "search_query",
                "search_results",
                "search_meta",
                "payload_filter",
                "sort_by",
            )
        ),
        ("search_query", "search_results"),
        frozenset(("is_irrelevant",)),
        remedies=MappingProxyType(
            {
                "delete": (
                    "Embedding Studio never deletes sessions; mark_session_irrelevant()"
                    " excludes one from training."
                ),
                "update": (
                    "A registered session cannot be changed, except by setting is_irrelevant = 1."
                ),
                "is_irrelevant": "Register the session, then set is_irrelevant = 1.",
                "batch_id": "The session is added to the batch that is collecting.",
                "session_number": "The batch assigns it.",
                "events": "Use INSERT INTO events(session_id, object_id).",
            }
        ),
        calls=MappingProxyType(
            {
                "insert": "POST /clickstream/session",
                "update": "POST /clickstream/session/irrelevant",
            }
        ),
    ),
    rows=1_000,
    remedy=(
        "Embedding Studio cannot list all sessions. Give session_id, or a batch_id returned"
        " by SELECT batch_id FROM release_batch('..')."
    ),
)

EVENTS_CAPABILITY = Capability(
    (
        AccessPath("get by event", ("name",), cost=50, call=_GET),
        AccessPath("get by session name", ("session_name",), cost=50, call=_GET),
        AccessPath("get", ("session_id",), cost=50, call=_GET),
        AccessPath("batch", ("batch_id",), page_cap=100, cost=1_000, call=_BATCH),
    ),
    Writes(
        frozenset(
            (
                "name",
                "session_name",
                "session_id",
                "event_id",
                "timestamp",
                "object_id",
                "event_type",
                "meta",
                "batch_id",
            )
        ),
        ("object_id",),
        remedies=MappingProxyType(
            {
                "update": "Events cannot be changed: insert another one.",
                "delete": "Embedding Studio never deletes events.",
                "author": "Events are clicks here; use object_id, event_type and meta.",
                "content": "Events are clicks here; use object_id, event_type and meta.",
            }
        ),
        calls=MappingProxyType({"insert": "POST /clickstream/session/events"}),
    ),
    rows=10_000,
    remedy=(
        "Embedding Studio cannot list all events. Give a session, or a batch to read the"
        " events of all its sessions."
    ),
)
