"""Answers as bytes.

A session or event is kept as the JSON *behind* its name's prefix: everything from its id on. The
prefix depends on the request (project number or express path), so a page is one `bytes.join` of
what is kept, and a row costs nothing until it changes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex.scalars import format_duration, format_time
from sessions_vtab.emulator.vertex.schema import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessions_vtab.emulator.vertex.store import Engine, Event, Session

ALWAYS_LISTED = ("content", "actions", "eventMetadata")
"""Fields of an event that are there as `{}` even if they were not sent (section 2, recorded)."""


def dumps(value: Any) -> bytes:
    """Return a JSON value as UTF-8 without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def make_tail(resource_id: str, fields: dict[str, Any]) -> bytes:
    """Return a resource's JSON from its id on, without the closing brace."""
    rest = dumps(fields)[1:-1]
    return resource_id.encode() + (b'",' + rest if rest else b'"')


def resource(prefix: str, tail: bytes) -> bytes:
    """Return one resource; `prefix` is its name up to the id, ending in a slash."""
    return b'{"name":"' + prefix.encode() + tail + b"}"


def page(field: str, prefix: str, tails: Sequence[bytes], token: str | None) -> bytes:
    """Return a page of resources; an empty one is `{}` (section 2)."""
    if not tails:
        return b"{}"
    opening = b'{"name":"' + prefix.encode()
    end = b"}]}" if token is None else b'}],"nextPageToken":' + dumps(token) + b"}"
    return b'{"' + field.encode() + b'":[' + opening + (b"}," + opening).join(tails) + end


def session_tail(engine: Engine, session: Session) -> bytes:
    """Return a session's JSON from its id on, made anew only after a change."""
    versions = (engine.state_version, session.user.version)
    if session.tail is None or session.tail_versions != versions:
        session.tail = make_tail(session.id, session_fields(engine, session))
        session.tail_versions = versions
    return session.tail


def session_fields(engine: Engine, session: Session) -> dict[str, Any]:
    """Return the fields of a session but its name; defaults are left out."""
    fields: dict[str, Any] = {
        "createTime": format_time(session.create_time),
        "updateTime": format_time(session.update_time),
        "expireTime": format_time(session.expire_time),
        "sessionState": engine.merged_state(session),
        "userId": session.user.id,
        "displayName": session.display_name,
        "labels": session.labels,
    }
    return {name: value for name, value in fields.items() if value}


def event_fields(message: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event as listed, but its name."""
    fields: dict[str, Any] = {**{name: {} for name in ALWAYS_LISTED}, **message}
    order = [name for name in MESSAGES["SessionEvent"] if name in fields and name != "name"]
    return {name: written("SessionEvent", name, fields[name]) for name in order}


def event_tail(event: Event, version: str) -> bytes:
    """Return an event's JSON from its id on, as this version of the API knows it."""
    if version == "v1" and b'"mediaProcessing"' in event.tail:
        fields = parse_tail(event.tail)
        for part in fields.get("content", {}).get("parts", []):
            part.pop("mediaProcessing", None)
        return make_tail(event.id, fields)
    return event.tail


def parse_tail(tail: bytes) -> dict[str, Any]:
    """Return the fields kept in a tail, without the name."""
    fields: dict[str, Any] = json.loads(b'{"name":"' + tail + b"}")
    del fields["name"]
    return fields


def written(message: str, field: str, value: Any) -> Any:
    """Return a field as it is written: times and durations, at any depth, become texts."""
    kind = MESSAGES[message].get(field, "any")
    if kind == "time":
        return format_time(value)
    if kind == "duration":
        return format_duration(value)
    inner = kind.removesuffix("[]")
    if inner not in MESSAGES:
        return value
    if kind != inner:
        return [_written_message(inner, item) for item in value]
    return _written_message(inner, value)


def _written_message(message: str, value: dict[str, Any]) -> dict[str, Any]:
    return {name: written(message, name, item) for name, item in value.items()}
