"""The store's tables: their columns, and how SQL reads each of them from the file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from sessions_vtab.backends.local.checks import event_name, id_of
from sessions_vtab.backends.local.ddl import expressions, part_columns, parts_of
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.model import Column, Table
from sessions_vtab.contract.tables import (
    AGENT_EVENTS,
    EVENT_PARTS,
    FACT_COLUMNS,
    FACT_REMEDY,
    PARTICIPANTS,
    SESSIONS,
    UPLOAD_SESSION_COLUMNS,
    UPLOAD_SESSION_FILES,
    UPLOAD_SESSIONS,
    session_columns,
)

NOW: Final = "?1"
"""The parameter for the current time as canonical text; it is always the first one."""


class StoreTable(NamedTuple):
    """How a table is read.

    Attributes:
        table: the table as SQL sees it.
        source: the FROM clause.
        expressions: SQL of each column that is not read under its own name. An expression that is
            more than a name is in parentheses.
        alias: alias of the table in ``source`` that has the other columns.
        alive: condition that hides rows of expired and deleted sessions; "" if none can exist.
        unless: the same for a scan that asks for such rows, by the columns of its conditions.
        tie: column that sorts rows with the same time in the order in which they were written.
        same_as: columns that identify the same row or parent by ids, with the function that reads
            the ids from the name: the id itself for one column, a JSON array of ids for a tuple of
            columns. A search by name then becomes a search by id, which has an index.
        lookups: paths that find at most one row, and the columns that identify it.
        composed: composes the row's name from the columns of the second lookup, if only the name
            has an index.
        writes: the supported changes. An UPDATE may set a column that cannot change only to its
            current value.
    """

    table: Table
    source: str
    expressions: Mapping[str, str]
    alias: str
    alive: str = ""
    unless: Mapping[frozenset[str], str] = MappingProxyType({})
    tie: str = ""
    same_as: Mapping[str, tuple[str | tuple[str, ...], Callable[[str], str | None]]] = (
        MappingProxyType({})
    )
    lookups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    composed: Callable[..., str] | None = None
    writes: Writes = Writes()

    def expression(self, column: str) -> str:
        """Returns the SQL of a column."""
        return self.expressions.get(column) or f"{self.alias}.{column}"


def _session_id(name: str) -> str | None:
    return id_of(name, "sessions/")


def _upload_session_id(name: str) -> str | None:
    return id_of(name, "upload_sessions/")


_NOTHING: Final = "NULL"

# The keys of the three scopes cannot collide, so the objects are merged by joining the text between
# their braces. The state of a session without any state stays NULL.
_STATE: Final = """(nullif('{' || concat_ws(',',
    (SELECT substr(state, 2, length(state) - 2) FROM app_state WHERE state <> '{}'),
    (SELECT substr(u.state, 2, length(u.state) - 2) FROM user_states u
        WHERE u.user_id = s.user_id AND u.state <> '{}'),
    nullif(substr(s.state, 2, length(s.state) - 2), '')) || '}',
    CASE WHEN s.state IS NULL THEN '{}' END))"""

_BY_NAME: Final = ("get", ("name",))
_BY_ID: Final = ("get by id", ("session_id",))

_MUTABLE: Final = frozenset(
    (
        *("display_name", "labels", "state", "expire_time", "ttl", "description", "enabled"),
        *("settings", "deleted", "search_query", "search_results", "search_meta"),
        *("payload_filter", "sort_by", "is_irrelevant", "is_payload_search"),
    )
)

_NOT_EXPIRED: Final = f"(s.expire_time IS NULL OR s.expire_time > {NOW})"

_SESSIONS: Final = StoreTable(
    SESSIONS.extended(
        hidden=session_columns(
            *("description", "enabled", "settings", "deleted", "include_deleted", "ttl"),
            *("search_query", "search_results", "search_meta", "payload_filter", "sort_by"),
            *("is_irrelevant", "is_payload_search", "batch_id", "session_number"),
        )
    ),
    "sessions s",
    {"state": _STATE, "ttl": _NOTHING},
    "s",
    alive=f"s.deleted = 0 AND {_NOT_EXPIRED}",
    unless={
        frozenset(("deleted",)): f"(s.deleted = 1 OR {_NOT_EXPIRED})",
        frozenset(("expire_time",)): "s.deleted = 0",
        frozenset(("deleted", "expire_time")): "",
    },
    lookups=(_BY_NAME, _BY_ID),
    writes=Writes(
        insert=_MUTABLE | {"name", "session_id", "user_id", "create_time", "update_time"},
        update=_MUTABLE,
        delete=True,
        hints={
            "name": "It is derived from session_id.",
            "batch_id": "Sessions inserted with a search_query are added to the batch that is"
            " collecting.",
            "session_number": "The batch assigns it.",
        },
    ),
)


_OF_LIVING_SESSION: Final = (
    "NOT EXISTS (SELECT 1 FROM sessions m INDEXED BY sessions_mortal WHERE m.session_id ="
    " e.session_id AND (m.deleted = 1 OR m.expire_time IS NOT NULL)"
    f" AND (m.deleted = 1 OR m.expire_time <= {NOW}))"
)
"""Written so that SQLite uses the index ``sessions_mortal``, which is nearly always empty.

Otherwise it takes the unique index of the ids, and looks up the session of every row.
"""


_EVENTS: Final = StoreTable(
    AGENT_EVENTS,
    "events e",
    expressions("e"),
    "e",
    alive=_OF_LIVING_SESSION,
    tie="e.id",
    same_as={"session_name": ("session_id", _session_id)},
    lookups=(_BY_NAME, ("get by id", ("session_id", "event_id"))),
    composed=event_name,
    writes=Writes(
        insert=frozenset(
            (
                *("name", "session_name", "session_id", "event_id", "timestamp", "author"),
                *("content", "text", "invocation_id", "actions", "error_code", "error_message"),
                *("event_metadata", "raw_event", "sequence"),
            )
        ),
        required=("author",),
        hints={
            "update": "Events are append-only; append another one.",
            "delete": "Events are append-only; they are removed with their session"
            " (DELETE FROM sessions, twice).",
            **dict.fromkeys(FACT_COLUMNS, FACT_REMEDY),
        },
    ),
)

EVENT_NAMES: Final = tuple(column.name for column in _EVENTS.table.visible if not column.derived)
"""The columns of ``events`` that are stored, in the order of a row."""


def _place(field: str) -> str:
    return f"('$.parts[' || p.number || '].{field}')"


_OF_EVENT: Final = ("timestamp", "author", "invocation_id")

_EVENT_PARTS: Final = StoreTable(
    EVENT_PARTS,
    "events e JOIN parts p ON p.event = e.id AND p.session_id = e.session_id",
    {
        "event_name": "e.name",
        "session_name": "e.session_name",
        "part": "p.number",
        **{name: f"e.{name}" for name in _OF_EVENT},
        **part_columns("e.content", _place, "p.kind"),
        "name": "(e.name || '#' || p.number)",
    },
    "p",
    alive=_OF_LIVING_SESSION,
    same_as={"session_name": ("session_id", _session_id)},
    writes=Writes(
        hints={
            "insert": "Parts are derived from events.content; use INSERT INTO events.",
            **dict.fromkeys(
                ("update", "delete"),
                "Parts are derived from events.content, and events are append-only.",
            ),
        }
    ),
)


def derived_parts(stored: Collection[str]) -> StoreTable:
    """``event_parts`` of a file that has events alone, such as a snapshot.

    Args:
        stored: the columns that its events have; others may have been left out.
    """
    source = f"events e JOIN ({parts_of('d', 'rowid', 'events d')}) p ON p.event = e.rowid"
    missing = {name: _NOTHING for name in _OF_EVENT if name not in stored}
    return _EVENT_PARTS._replace(
        source=source,
        expressions={**_EVENT_PARTS.expressions, **missing},
        alive="",
        same_as={},
    )


_STATUS: Final = (
    f"(CASE WHEN u.status = 'OPEN' AND u.expire_time <= {NOW} THEN 'EXPIRED' ELSE u.status END)"
)

_UPLOAD_SESSIONS: Final = StoreTable(
    UPLOAD_SESSIONS.extended(
        hidden=(
            UPLOAD_SESSION_COLUMNS["parallel_processing_enabled"],
            UPLOAD_SESSION_COLUMNS["expires_in_seconds"],
        )
    ),
    "upload_sessions u",
    {
        "status": _STATUS,
        "is_expired": f"(u.status = 'OPEN' AND u.expire_time <= {NOW})",
        "documentation_url": _NOTHING,
        "upload_url": _NOTHING,
        "upload_fields": _NOTHING,
    },
    "u",
    lookups=(_BY_NAME, _BY_ID),
    writes=Writes(
        insert=frozenset(
            (
                *("name", "session_id", "write_mode", "parallel_processing_enabled"),
                "expires_in_seconds",
            )
        ),
        update=frozenset(("status",)),
        delete=True,
        hints={
            "status": "A new upload session is always OPEN; close it with SELECT * FROM"
            " close_upload_session(session).",
            "expire_time": "Give expires_in_seconds (1 to 86400) on INSERT.",
        },
    ),
)

_UPLOAD_SESSION_FILES: Final = StoreTable(
    UPLOAD_SESSION_FILES,
    "upload_session_files f",
    {},
    "f",
    same_as={"session_name": ("session_id", _upload_session_id)},
    lookups=(_BY_NAME,),
    writes=Writes(
        hints={
            "insert": "Upload with SELECT * FROM upload_file(session, file_name, content).",
            "update": "To replace a file, upload it again into a session with write_mode"
            " OVERWRITE.",
            "delete": "Files are removed with their session: DELETE FROM upload_sessions.",
        }
    ),
)

_PARTICIPANTS: Final = StoreTable(
    PARTICIPANTS,
    "participants p JOIN sessions s ON s.session_id = p.session_id",
    {"session_name": "s.name"},
    "p",
    lookups=(_BY_NAME, ("get by id", ("session_id", "participant"))),
    alive=f"s.deleted = 0 AND {_NOT_EXPIRED}",
    same_as={"session_name": ("session_id", _session_id)},
    writes=Writes(
        insert=frozenset(("name", "session_name", "session_id", "participant", "participant_type")),
        required=("participant",),
        delete=True,
        hints={"update": "DELETE the binding and INSERT another one."},
    ),
)

RELATIONS: Final[Mapping[str, StoreTable]] = {
    relation.table.name: relation
    for relation in (
        _SESSIONS,
        _EVENTS,
        _EVENT_PARTS,
        _UPLOAD_SESSIONS,
        _UPLOAD_SESSION_FILES,
        _PARTICIPANTS,
    )
}
"""All tables of the store by name."""


def real_columns(table: Table) -> tuple[Column, ...]:
    """The columns that store values of their own."""
    return tuple(column for column in table.columns if not column.parameter)
