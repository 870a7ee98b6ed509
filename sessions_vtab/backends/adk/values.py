"""Scalar functions of the file's connection: what ADK stores, as the values of the columns.

They return NULL for what they cannot read: an exception would end the whole read of a table for the
sake of one row.

Times are epoch seconds (SqliteSessionService, and ``event_data`` everywhere), epoch milliseconds
(adk-js), and texts of SQLAlchemy and of Go's drivers. A text without an offset is UTC for sessions.
For events of schema 0 it is local time of the program that wrote it, which the file does not say.

A resource name is ``apps/{app}/users/{user}/sessions/{session}/events/{event}``. ADK identifies a
session by its app, user and id together; an id alone may occur in several. In each segment, ``%``
is written as ``%25`` and ``/`` as ``%2F``, so that a name has one meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial, wraps
from typing import Any, Final, ParamSpec, TypeAlias

from sessions_vtab.backends.adk.pickled import Unreadable, data_of
from sessions_vtab.contract import times
from sessions_vtab.contract.agent_events import camel, in_api_names, text_of
from sessions_vtab.contract.values import dump_json, well_formed
from sessions_vtab.errors import ConfigurationError

# Above it a number is milliseconds: as seconds it would be a time after the year 5138.
_MOST_SECONDS: Final = 1e11
_SECOND: Final = 1_000_000_000
# Go: "2026-01-05 09:00:01.25 -0500 EST m=+0.01" (time.Time.String), or RFC 3339 with a blank.
_TEXT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d\d:?\d\d)?(?: .*)?",
    re.ASCII,
)
_QUARTER: Final = 15 * 60
_FARTHEST: Final = 14 * 3600


def zone_of(name: str, where: str) -> tzinfo:
    """The time zone of a name such as ``America/New_York``.

    Raises:
        ConfigurationError: there is no such zone.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  # Rarely needed.

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"{where}: timezone must be a name of the IANA time zone database such as"
            f" America/New_York, not {name!r:.60}."
        ) from None


def moment(value: Any, zone: tzinfo = UTC) -> int | None:
    """The instant of a stored time, in nanoseconds since 1970; None if it is not a time.

    Args:
        value: what the file has.
        zone: of a text without an offset.
    """
    try:
        if isinstance(value, int | float):
            return _from_number(value)
        match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
        return None if match is None else _from_text(match, zone)
    except (ValueError, OverflowError):
        return None


def epoch(instant: int) -> float:
    """Seconds since 1970, as ADK's events have them."""
    return instant / _SECOND


def shift_of(sessions: list[tuple[int, int, int, int]]) -> int:
    """By how many seconds the times of events are later than those of their sessions.

    A session is evidence only if its beginning and its end agree, to a quarter of an hour: ADK of
    schema 0 moves ``update_time`` only with the state, and a session may wait for its first event.

    Args:
        sessions: time of creation, of the last update, of the first and of the last event, each in
            nanoseconds since 1970.

    Returns:
        The most common difference; 0 if no session is evidence.
    """
    found: dict[int, int] = {}
    for created, updated, first, last in sessions:
        begins, ends = _quarters(first - created), _quarters(last - updated)
        if begins == ends and abs(begins) <= _FARTHEST:
            found[begins] = found.get(begins, 0) + 1
    return max(found, key=lambda shift: (found[shift], -abs(shift)), default=0)


def _quarters(nanoseconds: int) -> int:
    return round(nanoseconds / _SECOND / _QUARTER) * _QUARTER


def _from_number(value: float) -> int | None:
    seconds = value / 1000 if abs(value) > _MOST_SECONDS else value
    instant = round(seconds * 1_000_000) * 1000
    times.to_text(instant)  # Raises for a year that the calendar does not have.
    return instant


def _from_text(match: re.Match[str], zone: tzinfo) -> int | None:
    day, clock, offset = match.groups()
    instant = times.parse(f"{day} {clock}{'' if offset in {None, 'UTC'} else offset}")
    if instant is None or offset is not None or zone is UTC:
        return instant
    return instant - _offset_at(instant, zone)


def _offset_at(instant: int, zone: tzinfo) -> int:
    """The zone's offset at a local time, in nanoseconds."""
    local = datetime(1970, 1, 1, tzinfo=zone) + timedelta(seconds=instant // _SECOND)
    offset = local.utcoffset() or timedelta(0)
    return round(offset.total_seconds()) * _SECOND


_P = ParamSpec("_P")
_Function: TypeAlias = Callable[..., Any]

METADATA: Final = (
    "partial",
    "turn_complete",
    "interrupted",
    "branch",
    "custom_metadata",
    "long_running_tool_ids",
    "grounding_metadata",
    "input_transcription",
    "output_transcription",
)
"""Fields of an event that are in ``event_metadata``, as on Vertex."""

_MODELS: Final = frozenset(("grounding_metadata", "input_transcription", "output_transcription"))
"""Of these, the ones whose keys are the API's and not the agent's."""
_FLAGS: Final = frozenset(("partial", "turn_complete", "interrupted"))
_DOCUMENTS: Final = frozenset(
    (
        "content",
        "usage_metadata",
        "custom_metadata",
        "grounding_metadata",
        "citation_metadata",
        "input_transcription",
        "output_transcription",
        "long_running_tool_ids",
    )
)
_OTHERS: Final = {"transfer_to_agent": "transferAgent"}
"""Fields of the actions that Vertex AI calls differently."""
_KEYED_MODELS: Final = frozenset(("requested_auth_configs", "requested_tool_confirmations"))
_DEEPEST: Final = 400
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")


def functions(zone: tzinfo) -> Mapping[str, tuple[_Function, int]]:
    """The functions by name, each with its number of arguments; -1 for any number.

    Args:
        zone: of times of events that have no offset.
    """
    return {
        "adk_encoded": (encoded, 1),
        "adk_utc": (_time, 1),
        "adk_local": (partial(_time, zone=zone), 1),
        "adk_sound": (_sound, 1),
        "adk_state": (_state, 3),
        "adk_content": (_content, 1),
        "adk_text": (_text, 1),
        "adk_actions": (_actions, 1),
        "adk_metadata": (_metadata, 1),
        "adk_event": (partial(_event, zone=zone), -1),
    }


def _lenient(function: Callable[_P, str | None]) -> Callable[_P, str | None]:
    """The same function, which returns None for what cannot be read."""

    @wraps(function)
    def made(*args: _P.args, **kwargs: _P.kwargs) -> str | None:
        try:
            return function(*args, **kwargs)
        except (ValueError, RecursionError, Unreadable):
            return None

    return made


def _time(value: Any, zone: tzinfo = UTC) -> str | None:
    instant = moment(value, zone)
    return None if instant is None else times.to_text(instant)


@_lenient
def _sound(text: Any) -> str | None:
    """A JSON document with whole characters and finite numbers, which SQLite can read."""
    loaded = _loaded(text)
    return None if loaded is None else _dumped(_finite(loaded))


@_lenient
def _state(session: Any, app: Any, user: Any) -> str | None:
    """As ``_merge_state`` of ADK: keys of the app and of the user are added with a prefix."""
    merged = dict(_object(session))
    merged |= {f"app:{key}": value for key, value in _object(app).items()}
    merged |= {f"user:{key}": value for key, value in _object(user).items()}
    return _dumped(merged)


@_lenient
def _content(text: Any) -> str | None:
    """A Content with the API's names of fields."""
    value = _object(text)
    return _dumped(in_api_names(value)) if value else None


@_lenient
def _text(text: Any) -> str | None:
    found = text_of(_loaded(text))
    return None if found is None else well_formed(found)


@_lenient
def _actions(stored: Any) -> str | None:
    """Actions with Vertex AI's names of fields, without empty ones; None if none is left."""
    kept = {}
    for key, value in _actions_of(stored).items():
        if value is None or value is False or value in ({}, ""):
            continue
        if key in _KEYED_MODELS and isinstance(value, dict):
            value = {one: in_api_names(model) for one, model in value.items()}  # noqa: PLW2901
        elif key == "compaction":
            value = in_api_names(value)  # noqa: PLW2901
        kept[_OTHERS.get(key) or camel(key)] = value
    return _dumped(kept) if kept else None


@_lenient
def _metadata(text: Any) -> str | None:
    return _metadata_of(_object(text))


@_lenient
def _event(*pairs: Any, zone: tzinfo) -> str | None:
    """An event of schema 0, given as names and values of columns, as schema 1 stores it."""
    event = dict(_fields(pairs, zone))
    return _dumped(event)


def _fields(pairs: tuple[Any, ...], zone: tzinfo) -> Iterator[tuple[str, Any]]:
    for name, stored in zip(pairs[::2], pairs[1::2], strict=True):
        value = _field(name, stored, zone)
        if value is not None and value != []:
            yield name, value


def _field(name: str, stored: Any, zone: tzinfo) -> Any:
    if stored is None:
        return None
    if name == "actions":
        return {key: one for key, one in _actions_of(stored).items() if one is not None} or None
    if name == "timestamp":
        instant = moment(stored, zone)
        return None if instant is None else epoch(instant)
    if name in _DOCUMENTS:
        return _readable(stored)
    return bool(stored) if name in _FLAGS else stored


def _metadata_of(event: Mapping[str, Any]) -> str | None:
    kept = {}
    for name in METADATA:
        value = event.get(name, event.get(camel(name)))
        if value is not None and value != []:
            kept[camel(name)] = in_api_names(value) if name in _MODELS else value
    return _dumped(kept) if kept else None


def _actions_of(stored: Any) -> Mapping[str, Any]:
    """The stored actions: JSON (schema 1, adk-go) or a pickle (schema 0)."""
    if isinstance(stored, bytes) and stored[:1] not in {b"{", b"n"}:
        return _unpickled(stored)
    actions = _object(stored)
    return {_snake(key): value for key, value in actions.items()}


@lru_cache(16)  # One statement may need the actions of an event several times.
def _unpickled(blob: bytes) -> Mapping[str, Any]:
    try:
        value = data_of(blob)
    except Unreadable:
        return {}
    return value if isinstance(value, dict) else {}


def _loaded(text: Any) -> Any:
    """The JSON value of a stored text; None if there is none. ValueError if it is not JSON."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return json.loads(text) if isinstance(text, str) else None


def _readable(text: Any) -> Any:
    try:
        return _loaded(text)
    except (ValueError, RecursionError):
        return None


def _object(text: Any) -> dict[str, Any]:
    value = _readable(text)
    return value if isinstance(value, dict) else {}


def _dumped(value: Any) -> str:
    """Minified JSON text; a number that JSON does not have is null."""
    try:
        text = dump_json(value)
    except ValueError:
        text = dump_json(_finite(value))
    return well_formed(text)


def _finite(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError("too deep for SQLite")
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(one, depth + 1) for key, one in value.items()}
    return [_finite(one, depth + 1) for one in value] if isinstance(value, list) else value


@lru_cache(1_000)
def _snake(key: str) -> str:
    """The field's name in Python; adk-go and adk-js write StateDelta and stateDelta."""
    return key if "_" in key else _CAPITAL.sub("_", key).lower()


_SESSION: Final = ("apps", "users", "sessions")
_EVENT: Final = (*_SESSION, "events")
_NUMBER: Final = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)


def encoded(identifier: object) -> str:
    """An id as one segment of a name."""
    return str(identifier).replace("%", "%25").replace("/", "%2F")


def session_name_of(alias: str, session: str) -> str:
    """SQL of a session's name.

    Args:
        alias: alias of the table that has ``app_name`` and ``user_id``.
        session: its column with the session's id.
    """
    columns = (f"{alias}.app_name", f"{alias}.user_id", f"{alias}.{session}")
    pairs = zip(_SESSION, columns, strict=True)
    return "(" + " || '/' || ".join(f"'{word}/' || adk_encoded({one})" for word, one in pairs) + ")"


def session_ids(name: str) -> str | None:
    """App, user and session of a session's name as a JSON array; None if it is another name."""
    return _ids(name, _SESSION)


def event_ids(name: str) -> str | None:
    """App, user, session and event of an event's name as a JSON array; None for another name."""
    return _ids(name, _EVENT)


def part_ids(name: str) -> str | None:
    """The ids in the name of an event's part, ``{event}#{number}``: those of the event, and it."""
    event, _, number = name.rpartition("#")
    ids = _ids(event, _EVENT)
    return f"{ids[:-1]},{number}]" if ids is not None and _NUMBER.fullmatch(number) else None


def _ids(name: str, words: tuple[str, ...]) -> str | None:
    segments = name.split("/")
    if tuple(segments[::2]) != words or len(segments) != 2 * len(words):
        return None
    ids = [one.replace("%2F", "/").replace("%25", "%") for one in segments[1::2]]
    return dump_json(ids) if [*map(encoded, ids)] == segments[1::2] else None
