"""Resource names: ``sessions/{id}`` and ``sessions/{id}/events/{id}``; an id can be any text."""

from __future__ import annotations

from sessions_vtab.contract.names import ids_of, resource_name
from sessions_vtab.contract.predicate import Value

__all__ = ["event_name", "parse_event", "parse_session", "session_id_of", "session_name"]

_SESSIONS, _EVENTS = "sessions", "events"


def session_name(session_id: str) -> str:
    """Full name of a session."""
    return resource_name((_SESSIONS, session_id))


def event_name(session_id: str, event_id: str) -> str:
    """Full name of an event."""
    return resource_name((_SESSIONS, session_id), (_EVENTS, event_id))


def parse_session(name: object) -> str | None:
    """The id in a session's name; None if it is not a valid session name."""
    ids = ids_of(name, _SESSIONS)
    return None if ids is None else ids[0]


def parse_event(name: object) -> tuple[str, str] | None:
    """The ids of session and event in an event's name; None if it is not a valid event name."""
    ids = ids_of(name, _SESSIONS, _EVENTS)
    return None if ids is None else (ids[0], ids[1])


def session_id_of(session: Value) -> str:
    """The id of the session that a function's argument names, by full name or by id."""
    found = parse_session(session)
    return str(session) if found is None else found
