"""The writes that the store's tables support, as data; the rest is checked row by row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.tables import FACT_COLUMNS, FACT_REMEDY

__all__ = ["WRITES"]

_MUTABLE: Final = frozenset(
    [
        "display_name",
        "labels",
        "state",
        "expire_time",
        "ttl",
        "description",
        "enabled",
        "settings",
        "deleted",
        "search_query",
        "search_results",
        "search_meta",
        "payload_filter",
        "sort_by",
        "is_irrelevant",
        "is_payload_search",
    ]
)

WRITES: Final[Mapping[str, Writes]] = {
    "sessions": Writes(
        insert=_MUTABLE | {"name", "session_id", "user_id", "create_time", "update_time"},
        update=_MUTABLE,
        delete=True,
        remedies=MappingProxyType(
            {
                "name": "It is derived from session_id.",
                "batch_id": (
                    "Sessions inserted with a search_query are added to the batch"
                    " that is collecting."
                ),
                "session_number": "The batch assigns it.",
            }
        ),
    ),
    "events": Writes(
        insert=frozenset(
            [
                "name",
                "session_name",
                "session_id",
                "event_id",
                "timestamp",
                "author",
                "content",
                "text",
                "invocation_id",
                "actions",
                "error_code",
                "error_message",
                "event_metadata",
                "raw_event",
                "sequence",
            ]
        ),
        required=("author",),
        remedies=MappingProxyType(
            {
                "update": "Events are append-only; append another one.",
                "delete": (
                    "Events are append-only; they are removed with their session"
                    " (DELETE FROM sessions, twice)."
                ),
                **dict.fromkeys(FACT_COLUMNS, FACT_REMEDY),
            }
        ),
    ),
    "event_parts": Writes(
        remedies=MappingProxyType(
            {
                "insert": "Parts are derived from events.content; use INSERT INTO events.",
                "update": "Parts are derived from events.content, and events are append-only.",
                "delete": "Parts are derived from events.content, and events are append-only.",
            }
        ),
    ),
    "upload_sessions": Writes(
        insert=frozenset(
            [
                "name",
                "session_id",
                "write_mode",
                "parallel_processing_enabled",
                "expires_in_seconds",
            ]
        ),
        update=frozenset(("status",)),
        delete=True,
        remedies=MappingProxyType(
            {
                "status": (
                    "A new upload session is always OPEN; close it with SELECT * FROM"
                    " close_upload_session(session)."
                ),
                "expire_time": "Give expires_in_seconds (1 to 86400) on INSERT.",
            }
        ),
    ),
    "upload_session_files": Writes(
        remedies=MappingProxyType(
            {
                "insert": "Upload with SELECT * FROM upload_file(session, file_name, content).",
                "update": (
                    "To replace a file, upload it again into a session with write_mode OVERWRITE."
                ),
                "delete": "Files are removed with their session: DELETE FROM upload_sessions.",
            }
        ),
    ),
    "participants": Writes(
        insert=frozenset(["name", "session_name", "session_id", "participant", "participant_type"]),
        required=("participant",),
        delete=True,
        remedies=MappingProxyType({"update": "DELETE the binding and INSERT another one."}),
    ),
}
"""By table name. An UPDATE may set a column that cannot change only to its current value."""
