"""The table ``sessions``, and what the API can do with it."""

from __future__ import annotations

from types import MappingProxyType

from sessions_vtab.schema.tables import SESSIONS, session_columns
from sessions_vtab.spec.capability import AccessPath, Capability, Writes

__all__ = ["SESSIONS_CAPABILITY", "SESSIONS_TABLE"]

SESSIONS_TABLE = SESSIONS.extended(*session_columns("org_id", "model_id"))

_GET = "GET /v0/sessions/{id}"

SESSIONS_CAPABILITY = Capability(
    paths=(
        AccessPath("get", ("session_id",), unique=True, cost=50, call=_GET),
        AccessPath("get by name", ("name",), unique=True, cost=50, call=_GET),
    ),
    writes=Writes(
        insert=frozenset(("user_id",)),
        required=("user_id",),
        remedies=MappingProxyType(
            {
                "update": "A guest session cannot be changed.",
                "delete": (
                    "The API cannot delete guest sessions. They expire by themselves;"
                    " claim_guest_session('session-..', 'org-..') ends one at once."
                ),
            }
        ),
        calls=MappingProxyType({"insert": "POST /v0/sessions"}),
    ),
    rows=1,
    remedy=(
        "The API cannot list guest sessions. Keep the id returned by INSERT INTO"
        " sessions(user_id) VALUES ('..') RETURNING session_id, and add WHERE"
        " session_id = '..'."
    ),
)
"""Of ``sessions``. The service makes up a user of its own: user_id is never the one sent."""
