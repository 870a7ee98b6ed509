"""Resource names: ``apps/{app}/users/{user}/sessions/{session}/events/{event}``.

ADK identifies a session by its app, user and id together; an id alone may occur in several. In each
segment, ``%`` is written as ``%25`` and ``/`` as ``%2F``, so that a name has one meaning.
"""

from __future__ import annotations

import re
from typing import Final

from sessions_vtab.contract.values import dump_json

__all__ = ["encoded", "event_ids", "part_ids", "session_ids", "session_name_of"]

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
