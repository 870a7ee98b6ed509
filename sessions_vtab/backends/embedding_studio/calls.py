"""The calls of the API, as pure functions: what would be sent can be shown without sending it.

Sending a registration, events, a mark or a release twice has the effect of sending it once, because
the first one stays. So these calls are repeated if a response is lost; scheduling is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sessions_vtab.fetch import WRITE, Answer, Call, path

__all__ = [
    "get_session",
    "list_batch",
    "mark_irrelevant",
    "push_events",
    "register_session",
    "release_batch",
    "use_for_improvement",
]

_CLIENT = ("clickstream",)
_INTERNAL = ("clickstream", "internal")

_NO_SESSION = (Answer(404, r"^Session with id=", "detail"),)
_NO_BATCH = (Answer(404, r"^There is no collecting batch$", "detail"),)


def get_session(session_id: str) -> Call:
    """Gets one session with its first 100 events; a missing session gives no row."""
    query = (("session_id", session_id),)
    return Call("GET", path(*_CLIENT, "session"), query, missing=_NO_SESSION)


def list_batch(
    batch_id: str, after: int = 0, limit: int = 100, events_limit: int | None = None
) -> Call:
    """A page of a batch, in order of session numbers; an unknown batch is empty.

    Args:
        batch_id: the id of the batch.
        after: only sessions with a larger number are returned.
        limit: number of sessions per page, at least 1 (to the service, 0 means all).
        events_limit: number of events per session; 0 for all, None for the service's default
            of 100.
    """
    query = (
        ("batch_id", batch_id),
        ("after_number", after),
        ("limit", limit),
        ("events_limit", events_limit),
    )
    return Call("GET", path(*_INTERNAL, "batch", "sessions"), query, items="sessions", listing=True)


def register_session(body: Mapping[str, Any]) -> Call:
    """Registers a session; the response is null, even if the id is already taken."""
    return _post((*_CLIENT, "session"), body)


def push_events(session_id: str, events: Sequence[Mapping[str, Any]]) -> Call:
    """Stores one or more events of a session; an empty list would give a 500."""
    body = {"session_id": session_id, "events": list(events)}
    return _post((*_CLIENT, "session", "events"), body)


def mark_irrelevant(session_id: str) -> Call:
    """Marks a session's results as irrelevant, permanently."""
    return _post((*_CLIENT, "session", "irrelevant"), {"session_id": session_id})


def use_for_improvement(session_id: str) -> Call:
    """Schedules a session, once more with each call."""
    body = {"session_id": session_id}
    return _post((*_INTERNAL, "session", "use-for-improvement"), body, repeatable=False)


def release_batch(release_id: str) -> Call:
    """Releases the collecting batch; the response is ``missing`` if there is none."""
    body = {"release_id": release_id}
    return _post((*_INTERNAL, "batch", "release"), body, missing=_NO_BATCH)


def _post(
    segments: tuple[str, ...],
    body: Mapping[str, Any],
    *,
    repeatable: bool = True,
    missing: tuple[Answer, ...] = (),
) -> Call:
    return Call(
        "POST",
        path(*segments),
        json=dict(body),
        kind=WRITE,
        repeatable=repeatable,
        missing=missing,
    )
