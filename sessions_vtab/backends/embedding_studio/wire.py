"""From responses to rows: JSON objects of the API as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sessions_vtab.backends.embedding_studio.batches import Batches, Place
from sessions_vtab.backends.embedding_studio.names import event_name, session_name
from sessions_vtab.contract.predicate import Value
from sessions_vtab.fetch import Item, Reply
from sessions_vtab.fetch.rows import Frame, Getter, epoch_of, flag_of, json_of, text_of

__all__ = ["EventFrame", "SessionFrame", "event_fields", "session_fields", "session_id_in"]

_session_id = text_of("session_id", required=True)
_event_id = text_of("event_id", required=True)


@dataclass(frozen=True, slots=True)
class SessionFrame(Frame):
    """Values that all sessions of one response share.

    Attributes:
        batches: the batches seen so far, which tell a session's batch; its own route does not.
    """

    batches: Batches


@dataclass(frozen=True, slots=True)
class EventFrame(Frame):
    """The value that all events of one response share: their session."""

    session_id: str


def session_id_in(session: Mapping[str, object], reply: Reply) -> str:
    """The id of a session object; ProtocolError if it has none."""
    return _session_id(session, Frame(reply.what)) or ""


def _place(item: Item, frame: SessionFrame) -> Place | None:
    return frame.batches.place_of(_session_id(item, frame) or "")


def _batch_id(item: Item, frame: SessionFrame) -> Value:
    place = _place(item, frame)
    return None if place is None else place.batch_id


def _number(item: Item, frame: SessionFrame) -> Value:
    place = _place(item, frame)
    return None if place is None else place.number


session_fields: Mapping[str, Getter[SessionFrame]] = {
    "name": lambda item, frame: session_name(_session_id(item, frame) or ""),
    "session_id": _session_id,
    "user_id": text_of("user_id"),
    "create_time": epoch_of("created_at"),
    "search_query": text_of("search_query"),
    "search_results": json_of("search_results", list),
    "search_meta": json_of("search_meta"),
    "payload_filter": json_of("payload_filter"),
    "sort_by": json_of("sort_by"),
    "is_irrelevant": flag_of("is_irrelevant"),
    "batch_id": _batch_id,
    "session_number": _number,
    "events": json_of("events", list),
}
"""Columns of ``sessions``. Batch and number are NULL until the connection has seen the batch."""

event_fields: Mapping[str, Getter[EventFrame]] = {
    "name": lambda item, frame: event_name(frame.session_id, _event_id(item, frame) or ""),
    "session_name": lambda _, frame: session_name(frame.session_id),
    "session_id": lambda _, frame: frame.session_id,
    "event_id": _event_id,
    "timestamp": epoch_of("created_at"),
    "object_id": text_of("object_id"),
    "event_type": text_of("event_type"),
    "meta": json_of("meta"),
}
"""Columns of ``events``."""
