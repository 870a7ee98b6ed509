"""The tables over ADK's file: which layout it has, and how SQL reads each column from it.

Schema 1 keeps an event as a JSON document in ``event_data`` (google-adk since 1.22, adk-js). Schema
0 has a column for each of its fields, and pickled actions (google-adk up to 1.17) or JSON (adk-go).
The columns that are there tell the schema, never a version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sessions_vtab.backends.adk.values import (
    METADATA,
    event_ids,
    part_ids,
    session_ids,
    session_name_of,
)
from sessions_vtab.backends.local.ddl import calls, kind_of, of_call, part_columns
from sessions_vtab.backends.local.tables import StoreTable
from sessions_vtab.contract.predicate import literal
from sessions_vtab.contract.tables import (
    AGENT_EVENTS,
    EVENT_COLUMNS,
    EVENT_PARTS,
    SESSIONS,
    session_columns,
)

ABSENT: Final[Mapping[str, frozenset[str]]] = {
    "sessions": frozenset(("display_name", "labels", "expire_time"))
}
"""Core columns that ADK does not have, by table."""

_SEQUENCE: Final = replace(
    EVENT_COLUMNS["sequence"],
    doc="Order of writing within the file: larger is later, with gaps; sorts events of equal time.",
)
SCOPES: Final = ("app_name", "user_id")
"""Columns of ``sessions`` that a source's ``scopes`` may limit."""

_SESSION: Final = "apps/{app_name}/users/{user_id}/sessions/{session_id}"
_EVENT: Final = _SESSION + "/events/{event_id}"

_SESSIONS: Final = replace(
    SESSIONS,
    visible=(
        *(replace(one, scope=one.name in SCOPES) for one in SESSIONS.visible),
        *session_columns("app_name"),
    ),
    templates={"name": _SESSION},
)
_EVENTS: Final = replace(
    AGENT_EVENTS,
    visible=tuple(_SEQUENCE if one.name == "sequence" else one for one in AGENT_EVENTS.visible),
    templates={"name": _EVENT, "session_name": _SESSION},
)
_PARTS: Final = replace(EVENT_PARTS, templates={"event_name": _EVENT, "session_name": _SESSION})

_BY_NAME: Final = (("get", ("name",)),)
_IN_SESSION: Final = ("e.app_name", "e.user_id", "e.session_id")


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file has.

    Attributes:
        tables: the columns of each table and view, by name.
    """

    tables: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether ADK wrote the file: events and sessions belong to apps and users."""
        owner = {"app_name", "user_id"}
        return (
            owner | {"id", "session_id"} <= self.events and owner | {"id", "state"} <= self.sessions
        ) and bool(self.events & {"event_data", "actions"})

    @property
    def schema(self) -> int:
        """0 or 1, as ADK numbers them."""
        return 1 if "event_data" in self.events else 0

    @property
    def events(self) -> frozenset[str]:
        """Columns of the table ``events``."""
        return self.tables.get("events", frozenset())

    @property
    def sessions(self) -> frozenset[str]:
        """Columns of the table ``sessions``."""
        return self.tables.get("sessions", frozenset())


NEWEST: Final = Layout(
    {
        "sessions": frozenset(("app_name", "user_id", "id", "state", "create_time", "update_time")),
        "app_states": frozenset(("app_name", "state")),
        "user_states": frozenset(("app_name", "user_id", "state")),
        "events": frozenset(
            (*SCOPES, "id", "session_id", "invocation_id", "timestamp", "event_data")
        ),
    }
)
"""The layout of a file that does not exist yet."""


def relations(
    layout: Layout, scopes: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, StoreTable]:
    """How the tables are read from a file.

    Args:
        layout: what the file has.
        scopes: the only values of ``app_name`` and ``user_id`` whose rows are shown.
    """
    stored = _document(layout) if layout.schema else _fields(layout)
    made = (_sessions(layout), _events(stored), _parts(stored))
    return {
        one.table.name: one._replace(alive=_within(owner, scopes or {}))
        for one, owner in zip(made, ("s", "e", "e"), strict=True)
    }


def _within(alias: str, scopes: Mapping[str, tuple[str, ...]]) -> str:
    """The condition that hides rows outside the source's scopes."""
    terms = [
        f"{alias}.{column} IN ({', '.join(map(literal, scopes[column]))})"
        for column in SCOPES
        if column in scopes
    ]
    return " AND ".join(terms)


# Where an event has its fields


def _sound(document: str) -> str:
    """A JSON document that SQLite can read, with whole characters.

    ADK stores half a surrogate pair as an escape, which no UTF-8 text can contain, and NaN. Only
    such documents pass through Python.
    """
    escapes = r"*\u[dD][89a-fA-F]*"
    return (
        f"iif(json_valid({document}) AND NOT {document} GLOB '{escapes}', {document},"
        f" adk_sound({document}))"
    )


def _document(layout: Layout) -> Mapping[str, str]:
    """Schema 1: SQL of each field of an event."""
    document = _sound("e.event_data")

    def of(name: str, other: str = "", *columns: str) -> str:
        paths = [f"{document} ->> '$.{one}'" for one in (name, other) if one]
        paths += [f"e.{one}" for one in columns if one in layout.events]
        return f"coalesce({', '.join(paths)})" if len(paths) > 1 else f"({paths[0]})"

    return {
        "timestamp": f"adk_local({of('timestamp', '', 'timestamp')})",
        "author": of("author"),
        "content": f"({document} -> '$.content')",
        "invocation_id": of("invocation_id", "invocationId", "invocation_id"),
        "actions": f"adk_actions({document} -> '$.actions')",
        "error_code": f"nullif({of('error_code', 'errorCode')}, '')",
        "error_message": f"nullif({of('error_message', 'errorMessage')}, '')",
        "event_metadata": f"adk_metadata({document})",
        "raw_event": f"json({document})",
        **calls({"raw_event": document}),
    }


_PLAIN: Final = ("id", "invocation_id", "author", "error_code", "error_message")
_STORED_AS: Final = {"long_running_tool_ids": "long_running_tool_ids_json"}
_USAGE: Final = "usage_metadata"  # Since 1.17; no version of schema 0 stores the model.
_RAW: Final = (*_PLAIN, *METADATA, _USAGE, "citation_metadata", "content", "timestamp")


def _fields(layout: Layout) -> Mapping[str, str]:
    """Schema 0: SQL of each field of an event; columns that a version does not have are NULL."""

    def of(name: str) -> str:
        return f"e.{name}" if name in layout.events else "NULL"

    def composed(*names: str) -> str:
        columns = {name: _STORED_AS.get(name, name) for name in names}
        pairs = (f"'{one}', e.{at}" for one, at in columns.items() if at in layout.events)
        return f"adk_event({', '.join(pairs)})"

    actions = f"adk_actions({of('actions')})"
    metadata = f"adk_metadata({composed(*METADATA)})"
    usage = {"raw_event": composed(_USAGE)} if _USAGE in layout.events else {}
    return {
        "timestamp": f"adk_local({of('timestamp')})",
        "author": of("author"),
        "content": _sound(of("content")),
        "invocation_id": of("invocation_id"),
        "actions": actions,
        "error_code": f"nullif({of('error_code')}, '')",
        "error_message": f"nullif({of('error_message')}, '')",
        "event_metadata": metadata,
        "raw_event": composed(*_RAW, "actions"),
        **calls({"actions": actions, "event_metadata": metadata, **usage}),
    }


# Tables


def _sessions(layout: Layout) -> StoreTable:
    app, user = (
        f"(SELECT o.state FROM {table} o WHERE {_owned(columns)})"
        if "state" in layout.tables.get(table, ())
        else "NULL"
        for table, columns in (("app_states", SCOPES[:1]), ("user_states", SCOPES))
    )
    return StoreTable(
        _SESSIONS,
        "sessions s",
        {
            "name": session_name_of("s", "id"),
            "session_id": "s.id",
            "state": f"adk_state(s.state, {app}, {user})",
            "create_time": "adk_utc(s.create_time)",
            "update_time": "adk_utc(s.update_time)",
            **dict.fromkeys(ABSENT["sessions"], "NULL"),
        },
        "s",
        tie="s.rowid",
        same_as={"name": (("s.app_name", "s.user_id", "s.id"), session_ids)},
        lookups=_BY_NAME,
    )


def _owned(columns: tuple[str, ...]) -> str:
    return " AND ".join(f"o.{one} = s.{one}" for one in columns)


def _event_name() -> str:
    return f"({session_name_of('e', 'session_id')} || '/events/' || adk_encoded(e.id))"


def _events(stored: Mapping[str, str]) -> StoreTable:
    return StoreTable(
        _EVENTS,
        "events e",
        {
            **stored,
            "name": _event_name(),
            "session_name": session_name_of("e", "session_id"),
            "event_id": "e.id",
            "content": f"adk_content({stored['content']})",
            "text": f"adk_text({stored['content']})",
            "sequence": "e.rowid",
        },
        "e",
        tie="e.rowid",
        same_as={
            "name": ((*_IN_SESSION, "e.id"), event_ids),
            "session_name": (_IN_SESSION, session_ids),
        },
        lookups=_BY_NAME,
    )


def _parts(stored: Mapping[str, str]) -> StoreTable:
    part = "iif(p.type = 'object', p.value, '{}')"

    return StoreTable(
        _PARTS,
        f"events e JOIN json_each({stored['content']}, '$.parts') p ON typeof(p.key) = 'integer'",
        {
            "name": f"({_event_name()} || '#' || p.key)",
            "event_name": _event_name(),
            "session_name": session_name_of("e", "session_id"),
            "session_id": "e.session_id",
            **{name: stored[name] for name in ("timestamp", "author", "invocation_id")},
            "part": "p.key",
            "kind": kind_of(part),
            **part_columns(part, lambda path: f"'$.{path}'", kind_of(part)),
            "function_name": of_call(part, "name"),
            "call_id": of_call(part, "id"),
        },
        "e",
        same_as={
            "name": ((*_IN_SESSION, "e.id", "p.key"), part_ids),
            "event_name": ((*_IN_SESSION, "e.id"), event_ids),
            "session_name": (_IN_SESSION, session_ids),
        },
        lookups=_BY_NAME,
    )
