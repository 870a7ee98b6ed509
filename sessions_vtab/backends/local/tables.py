"""The store's tables: their columns, and how SQL reads each of them from the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sessions_vtab.backends.local.names import event_name, id_of
from sessions_vtab.schema.model import Column, Table
from sessions_vtab.schema.tables import (
    EVENT_PARTS,
    EVENTS,
    PARTICIPANTS,
    SESSIONS,
    UPLOAD_SESSION_COLUMNS,
    UPLOAD_SESSION_FILES,
    UPLOAD_SESSIONS,
    event_columns,
    session_columns,
)

__all__ = ["NOW", "RELATIONS", "Relation", "real_columns"]

NOW: Final = "?1"
"""The parameter for the current time as canonical text; it is always the first one."""


@dataclass(frozen=True)
class Relation:
    """How a table is read.

    Attributes:
        table: the table as SQL sees it.
        source: the FROM clause.
        expressions: SQL of each column that is not read under its own name. An expression that is
            more than a name is in parentheses.
        alias: alias of the table in ``source`` that has the other columns.
        alive: condition that hides rows of expired and deleted sessions; "" if none can exist.
        alive_or_deleted: the same for a scan that includes deleted rows.
        tie: column that sorts rows with the same time in the order in which they were written.
        same_as: column that identifies the same parent by id, with the function that reads the id
            from the name. A search by name then becomes a search by id, which has an index.
        lookups: paths that find at most one row, and the columns that identify it.
        composed: composes the row's name from the columns of the second lookup, if only the name
            has an index.
    """

    table: Table
    source: str
    expressions: Mapping[str, str]
    alias: str
    alive: str = ""
    alive_or_deleted: str = ""
    tie: str = ""
    same_as: Mapping[str, tuple[str, Callable[[str], str | None]]] = field(default_factory=dict)
    lookups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    composed: Callable[..., str] | None = None

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

_SESSIONS: Final = Relation(
    SESSIONS.extended(
        hidden=session_columns(
            "description",
            "enabled",
            "settings",
            "deleted",
            "include_deleted",
            "ttl",
            "search_query",
            "search_results",
            "search_meta",
            "payload_filter",
            "sort_by",
            "is_irrelevant",
            "is_payload_search",
            "batch_id",
            "session_number",
        )
    ),
    "sessions s",
    {"state": _STATE, "ttl": _NOTHING},
    "s",
    alive=f"s.deleted = 0 AND (s.expire_time IS NULL OR s.expire_time > {NOW})",
    alive_or_deleted=f"(s.expire_time IS NULL OR s.expire_time > {NOW})",
    lookups=(_BY_NAME, _BY_ID),
)


def _of_living_session(alias: str) -> str:
    """Written so that SQLite uses the index ``sessions_mortal``, which is nearly always empty."""
    return (
        "NOT EXISTS (SELECT 1 FROM sessions m WHERE m.session_id = "
        f"{alias}.session_id AND (m.deleted = 1 OR m.expire_time IS NOT NULL)"
        f" AND (m.deleted = 1 OR m.expire_time <= {NOW}))"
    )


_EVENTS: Final = Relation(
    EVENTS.extended(
        *event_columns(
            "invocation_id",
            "actions",
            "error_code",
            "error_message",
            "event_metadata",
            "raw_event",
            "sequence",
        )
    ),
    "events e",
    {},
    "e",
    alive=_of_living_session("e"),
    tie="e.id",
    same_as={"session_name": ("session_id", _session_id)},
    lookups=(_BY_NAME, ("get by id", ("session_id", "event_id"))),
    composed=event_name,
)

# A part is an object with one field that determines its kind, in either spelling, and modifiers.
_MODIFIERS: Final = (
    "'thought', 'thoughtSignature', 'thought_signature', 'videoMetadata', 'video_metadata',"
    " 'mediaResolution', 'media_resolution', 'speechMetadata', 'speech_metadata',"
    " 'audioTranscription', 'audio_transcription', 'mediaProcessing', 'media_processing',"
    " 'partMetadata', 'part_metadata'"
)
_SPELLINGS: Final = {
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "inline_data": "inlineData",
    "file_data": "fileData",
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
}
_CASES: Final = " ".join(f"WHEN '{snake}' THEN '{camel}'" for snake, camel in _SPELLINGS.items())
_KIND: Final = f"""(SELECT CASE f.key {_CASES} ELSE f.key END FROM json_each(p.object) f
    WHERE f.type <> 'null' AND f.key NOT IN ({_MODIFIERS}) LIMIT 1)"""
_PARTS: Final = """events e JOIN (
    SELECT e.id AS event, j.key AS number, iif(j.type = 'object', j.value, '{}') AS object
    FROM events e, json_each(e.content, '$.parts') j WHERE typeof(j.key) = 'integer'
) p ON p.event = e.id"""


def _either(arrow: str, *paths: str) -> str:
    return f"(coalesce({', '.join(f'p.object {arrow} {path!r}' for path in paths)}))"


_CALL, _CALL_SNAKE = "$.functionCall", "$.function_call"
_ANSWER, _ANSWER_SNAKE = "$.functionResponse", "$.function_response"
_ALL_FOUR: Final = (_CALL, _CALL_SNAKE, _ANSWER, _ANSWER_SNAKE)

_EVENT_PARTS: Final = Relation(
    EVENT_PARTS,
    _PARTS,
    {
        "event_name": "e.name",
        "session_name": "e.session_name",
        "session_id": "e.session_id",
        "part": "p.number",
        "kind": _KIND,
        "text": "(p.object ->> '$.text')",
        "function_name": _either("->>", *(f"{path}.name" for path in _ALL_FOUR)),
        "call_id": _either("->>", *(f"{path}.id" for path in _ALL_FOUR)),
        "args": _either("->", f"{_CALL}.args", f"{_CALL_SNAKE}.args"),
        "response": _either("->", f"{_ANSWER}.response", f"{_ANSWER_SNAKE}.response"),
        "name": "(e.name || '#' || p.number)",
    },
    "p",
    alive=_of_living_session("e"),
    same_as={"session_name": ("session_id", _session_id)},
)

_STATUS: Final = (
    f"(CASE WHEN u.status = 'OPEN' AND u.expire_time <= {NOW} THEN 'EXPIRED' ELSE u.status END)"
)

_UPLOAD_SESSIONS: Final = Relation(
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
)

_UPLOAD_SESSION_FILES: Final = Relation(
    UPLOAD_SESSION_FILES,
    "upload_session_files f",
    {},
    "f",
    same_as={"session_name": ("session_id", _upload_session_id)},
    lookups=(_BY_NAME,),
)

_PARTICIPANTS: Final = Relation(
    PARTICIPANTS,
    "participants p JOIN sessions s ON s.session_id = p.session_id",
    {"session_name": "s.name"},
    "p",
    lookups=(_BY_NAME, ("get by id", ("session_id", "participant"))),
    alive=f"s.deleted = 0 AND (s.expire_time IS NULL OR s.expire_time > {NOW})",
    same_as={"session_name": ("session_id", _session_id)},
)

RELATIONS: Final[Mapping[str, Relation]] = {
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
