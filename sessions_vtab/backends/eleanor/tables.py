"""What the tables of eleanor have and can do, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sessions_vtab.backends.eleanor.names import parse_session
from sessions_vtab.schema.tables import PARTICIPANTS, SCOPE_COLUMNS, SESSIONS, session_columns
from sessions_vtab.spec.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Filter,
    HiddenRows,
    Within,
    Writes,
)
from sessions_vtab.spec.predicate import Op, Value

__all__ = [
    "PARTICIPANTS_TABLE",
    "SESSIONS_TABLE",
    "participants_capability",
    "sessions_capability",
]

SESSIONS_TABLE = SESSIONS.extended(
    *session_columns(
        "namespace",
        "pkid",
        "description",
        "enabled",
        "managed",
        "auto_created",
        "deleted",
        "settings",
    ),
    hidden=session_columns("include_deleted"),
)
PARTICIPANTS_TABLE = PARTICIPANTS.extended(hidden=(SCOPE_COLUMNS["namespace"],))

_REMEDY = (
    "The source has no namespace. Add WHERE namespace = '..', or put it into the source's URL"
    " (eleanor://NAMESPACE?base_url=..)."
)
_ONE_NAMESPACE = Filter("namespace", frozenset((Op.EQ,)), exact=True)
_NAMESPACES = Filter("namespace", EQUALITY, exact=True)

# Every condition on ``deleted`` counts: it lifts the filter that hides deleted rows.
_DELETED = Filter("deleted", EQUALITY | RANGE | {Op.NE, Op.IS_NULL, Op.IS_NOT_NULL})

_GET = "GET /sessions/{namespace}/{session}"
_LIST = "GET /sessions/{namespace}"


def namespace_of(name: Value) -> Mapping[str, Value] | None:
    """The namespace that a session's name is in."""
    found = parse_session(name)
    return None if found is None else {"namespace": found.namespace}


def sessions_capability(*, namespace: bool) -> Capability:
    """Of ``sessions``.

    Args:
        namespace: the source names one.
    """
    scope = () if namespace else ("namespace",)
    return Capability(
        (
            AccessPath(
                "get by name",
                ("name",),
                (_DELETED,),
                unique=True,
                cost=50,
                call=_GET,
                within=Within("list", namespace_of),
            ),
            AccessPath(
                "get",
                ("session_id", *scope),
                (_ONE_NAMESPACE, _DELETED),
                unique=True,
                cost=50,
                call=_GET,
                within=Within("list"),
            ),
            AccessPath("list", scope, (_NAMESPACES, _DELETED), cost=100, call=_LIST),
        ),
        Writes(
            frozenset(("name", "session_id", "namespace", "description", "enabled", "settings")),
            (),
            frozenset(("session_id", "description", "enabled", "settings", "deleted")),
            delete=True,
            remedies=MappingProxyType(
                {
                    "name": (
                        "It is derived from session_id; UPDATE session_id to rename a session."
                    ),
                    "deleted": "A session cannot be inserted as deleted.",
                    "user_id": (
                        "To bind a user, INSERT INTO participants(session_id, participant)."
                    ),
                }
            ),
            calls=MappingProxyType(
                {
                    "insert": "POST /sessions/{namespace}",
                    "update": "PUT /sessions/{namespace}/{session}",
                    "delete": "DELETE /sessions/{namespace}/{session}",
                }
            ),
        ),
        rows=1_000,
        remedy=_REMEDY,
        hides=HiddenRows("deleted", "include_deleted"),
    )


def participants_capability(*, namespace: bool) -> Capability:
    """Of ``participants``, which come with their sessions."""
    scope = () if namespace else ("namespace",)
    return Capability(
        (
            AccessPath("get by name", ("name",), unique=True, cost=50, call=_GET),
            AccessPath("get by session name", ("session_name",), cost=50, call=_GET),
            AccessPath("get", ("session_id", *scope), (_NAMESPACES,), cost=50, call=_GET),
            AccessPath("list", scope, (_NAMESPACES,), cost=100, call=_LIST),
        ),
        Writes(
            frozenset(("name", "session_name", "session_id", "namespace", "participant")),
            ("participant",),
            delete=True,
            remedies=MappingProxyType(
                {
                    "update": "DELETE the binding and INSERT another one.",
                    "participant_type": ("It is the type of the user or agent and cannot be set."),
                }
            ),
            calls=MappingProxyType(
                {
                    "insert": "PUT /sessions/{namespace}/{session}/participants/{participant}",
                    "delete": "DELETE /sessions/{namespace}/{session}/participants/{participant}",
                }
            ),
        ),
        rows=2_000,
        remedy=_REMEDY,
    )
