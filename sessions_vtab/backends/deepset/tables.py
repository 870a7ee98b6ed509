"""The tables, and what the API can do with them."""

from __future__ import annotations

from types import MappingProxyType

from sessions_vtab.contract.capability import (
    EQUALITY,
    AccessPath,
    Capability,
    Filter,
    ValueForm,
    Writes,
)
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.tables import (
    FILES,
    SCOPE_COLUMNS,
    SESSION_COLUMNS,
    UPLOAD_SESSION_COLUMNS,
    UPLOAD_SESSION_FILES,
    UPLOAD_SESSIONS,
)

__all__ = [
    "FILES_CAPABILITY",
    "FILES_TABLE",
    "ID_FORM",
    "PAGE_CAP",
    "SESSIONS_CAPABILITY",
    "SESSIONS_TABLE",
    "SESSION_FILES_CAPABILITY",
    "SESSION_FILES_TABLE",
]

PAGE_CAP = 100

ID_FORM = ValueForm(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "upload session id; ids are UUIDs such as 6f1c9d2e-0b1a-4c55-9d3e-2a7f8b9c0d1e",
)
"""What every id of an upload session looks like."""
_IDS = MappingProxyType({"session_id": ID_FORM})

_WORKSPACE = SCOPE_COLUMNS["workspace"]
_PAGE_SIZE = UPLOAD_SESSION_COLUMNS["page_size"]

SESSIONS_TABLE = UPLOAD_SESSIONS.extended(
    _WORKSPACE,
    hidden=(
        _PAGE_SIZE,
        UPLOAD_SESSION_COLUMNS["parallel_processing_enabled"],
        UPLOAD_SESSION_COLUMNS["expires_in_seconds"],
    ),
)
SESSION_FILES_TABLE = UPLOAD_SESSION_FILES.extended(hidden=(_WORKSPACE, _PAGE_SIZE))
FILES_TABLE = FILES.extended(_WORKSPACE, hidden=(_PAGE_SIZE, SESSION_COLUMNS["filter"]))

_IN_WORKSPACE = Filter("workspace", EQUALITY, exact=True)
_ONE_WORKSPACE = (Filter("workspace", frozenset((Op.EQ,)), exact=True),)
_GET = "GET /workspaces/{workspace}/upload_sessions/{id}"
_LIST_FILES = _GET + "/files"
_LIST = "GET /workspaces/{workspace}/upload_sessions"

SESSIONS_CAPABILITY = Capability(
    paths=(
        AccessPath("get by name", ("name",), unique=True, cost=50, call=_GET),
        AccessPath("get", ("session_id",), _ONE_WORKSPACE, unique=True, cost=50, call=_GET),
        AccessPath(
            "list",
            (),
            (_IN_WORKSPACE, Filter("is_expired", EQUALITY), Filter("status", EQUALITY)),
            page_cap=PAGE_CAP,
            cost=100,
            call=_LIST,
        ),
    ),
    writes=Writes(
        insert=frozenset(
            ("write_mode", "parallel_processing_enabled", "expires_in_seconds", "workspace")
        ),
        update=frozenset(("status",)),
        remedies=MappingProxyType(
            {
                "delete": (
                    "The API cannot delete upload sessions. UPDATE upload_sessions SET status"
                    " = 'CLOSED' ends one and ingests its files; an upload session left open"
                    " ends by itself after 24 hours."
                ),
                "update": "The only possible change is to set status to 'CLOSED'.",
            }
        ),
        calls=MappingProxyType(
            {
                "insert": "POST /workspaces/{workspace}/upload_sessions",
                "update": "PUT /workspaces/{workspace}/upload_sessions/{id}",
            }
        ),
    ),
    rows=1_000,
    forms=_IDS,
)
"""Capability of ``upload_sessions``. The service generates ``session_id`` and ``name``."""


_OF_STATUS = Filter("ingestion_status", EQUALITY)


def _listed(word: str, key: str, *filters: Filter) -> AccessPath:
    return AccessPath(
        word, (key,), (_OF_STATUS, *filters), page_cap=PAGE_CAP, cost=100, call=_LIST_FILES
    )


SESSION_FILES_CAPABILITY = Capability(
    paths=(
        _listed("list by file", "name"),
        _listed("list by session name", "session_name"),
        _listed("list", "session_id", *_ONE_WORKSPACE),
        AccessPath(
            "fan out over sessions",
            (),
            (_IN_WORKSPACE, _OF_STATUS),
            page_cap=PAGE_CAP,
            cost=10_000,
            call=f"{_LIST}, then {_LIST_FILES}",
            fans_out=True,
        ),
    ),
    writes=Writes(
        remedies=MappingProxyType(
            {
                "insert": "Files are uploaded with upload_file(session, file_name, content).",
                "update": "An uploaded file cannot be changed; upload another one.",
                "delete": "The API cannot remove files from an upload session.",
            }
        )
    ),
    forms=_IDS,
)
"""Capability of ``upload_session_files``; without a session, the files of all are listed."""

FILES_CAPABILITY = Capability(
    paths=(
        AccessPath(
            "list",
            (),
            (
                _IN_WORKSPACE,
                Filter("file_name", frozenset((Op.EQ, Op.LIKE, Op.GLOB))),
                Filter("meta", frozenset((Op.EQ,)), keyed=True),
            ),
            page_cap=PAGE_CAP,
            cost=100,
            call="GET /workspaces/{workspace}/files",
        ),
    ),
    writes=Writes(
        remedies=MappingProxyType(
            {
                "insert": (
                    "Add files through an upload session: INSERT INTO upload_sessions,"
                    " upload_file(..), close_upload_session(..)."
                ),
                "update": (
                    "This table is read-only. To replace a file, upload it again with"
                    " write_mode OVERWRITE."
                ),
                "delete": "This table is read-only.",
            }
        )
    ),
)
"""Capability of ``files``.

A range over ``meta->>'key'`` is checked by SQLite only. The service compares only values of one
type, whereas SQLite sorts numbers before texts, so the service would return too few rows.
``filter`` can send a range unchanged.
"""
