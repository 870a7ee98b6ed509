"""Appending events: the log of a session, and what an event does to its session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sessions_vtab.backends.local.checks import (
    given_id,
    new_id,
    read_content,
    refuse_session,
    require_object,
    session_id_of,
    session_of,
)
from sessions_vtab.backends.local.ddl import facts_of
from sessions_vtab.backends.local.dialect import response
from sessions_vtab.backends.local.pending import Touched
from sessions_vtab.backends.local.sessions import delta_of, merge_delta
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import EVENT_NAMES, RELATIONS
from sessions_vtab.contract.backend import Arguments, Outcome, OutcomeState, Write
from sessions_vtab.contract.model import encoded
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.tables import fact_columns
from sessions_vtab.errors import ConflictError, InvalidValueError, MissingParameterError

_SESSION: Final = """SELECT name, expire_time, last_event, last_sequence, update_time FROM sessions
    WHERE session_id = ? AND deleted = 0"""
_INSERT: Final = """
INSERT INTO events(name, session_id, event_id, timestamp, author, content, text, invocation_id,
    actions, error_code, error_message, event_metadata, raw_event, sequence)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_LAST_SEQUENCE: Final = 2**53 - 1
"""Largest sequence that can be given: there is always a next one, and JSON keeps it exact."""


def insert(store: Store, write: Write) -> Outcome:
    """INSERT INTO events.

    Raises:
        InvalidValueError: a value is not valid, or two values contradict each other.
        NotFoundError: the session does not exist.
        ConflictError: the event already exists, or the session is deleted.
    """
    try:
        row = append(store, write.values, f"{store.source}.events")
    except ConflictError:
        if write.ignore and _exists(store, write.values):
            return Outcome(write, OutcomeState.SKIPPED)
        raise
    name = str(row[0])
    return Outcome(write, OutcomeState.SENT, _whole(row) if write.returning else row, name)


def append_event(store: Store, arguments: Arguments) -> list[Row]:
    """``append_event``: appends one event, as INSERT INTO events does."""
    values: dict[str, Any] = dict(arguments)
    values["session_id"] = session_id_of(values.pop("session"))
    if "/" not in values.get("name", "/"):
        values["event_id"] = values.pop("name")
    row = append(store, values, f"{store.source}.append_event")
    name, session_name, _, event_id, *_ = row
    return [(name, event_id, session_name, response(RELATIONS["events"].table, _whole(row)))]


def _whole(row: Row) -> Row:
    """The row with the columns that are read from others, and the two of the statement rewriter."""
    stored = dict(zip(EVENT_NAMES, row, strict=True))
    shown, hidden = facts_of(fact_columns(), stored), facts_of(fact_columns(hidden=True), stored)
    return (*row, *shown, None, None, *hidden)


def append(store: Store, values: Mapping[str, Any], where: str) -> Row:
    """Appends one event, merges its state changes, and returns the row as stored (EVENT_NAMES).

    Args:
        store: the store, inside its write transaction.
        values: canonical values of the columns that are not NULL.
        where: ``source.table``, for errors.
    """
    get = values.get
    author = get("author")
    if not author:
        raise MissingParameterError(f"{where}.author is required. Nothing was written.")
    session_id, event_id = _address(values, where)
    content, text = _content(values, author, where)
    for name in ("actions", "event_metadata", "raw_event"):
        if name in values:
            require_object(values[name], f"{where}.{name}")
    actions = get("actions")
    delta = delta_of(actions, f"{where}.actions") if actions is not None else None
    now = store.now()
    timestamp = get("timestamp") or now
    session = _session(store, session_id, now)
    sequence = _sequence(values, session, where)
    body = (
        timestamp,
        author,
        content,
        text,
        get("invocation_id") or f"e-{new_id()}",
        actions,
        get("error_code"),
        get("error_message"),
        get("event_metadata"),
        get("raw_event"),
        sequence,
    )
    name, event_id, number = _stored(store, session, session_id, event_id, body)
    # The time of an old event does not make its session newer: an import keeps session times.
    updated = max(session.update_time, min(timestamp, now))
    store.touched.put(
        session_id,
        session._replace(
            last_event=number,
            last_sequence=max(session.last_sequence, sequence),
            update_time=updated,
            written=False,
        ),
    )
    if delta:
        merge_delta(store, session_id, delta)
    return (name, session.name, session_id, event_id, *body)


def _session(store: Store, session_id: str, now: str) -> Touched:
    """The session that an event is appended to; it must be neither deleted nor expired."""
    session = store.touched.get(session_id)
    if session is None:
        row = store.row(_SESSION, (session_id,))
        if row is None:
            refuse_session(store, session_id, "events")
        if store.touched.full():
            store.flush()
        session = Touched(*row)
        store.touched.put(session_id, session)
    if session.expire_time is not None and session.expire_time <= now:
        refuse_session(store, session_id, "events")
    return session


def _stored(
    store: Store, session: Touched, session_id: str, event_id: str | None, body: Row
) -> tuple[str, str, int]:
    """Writes the event under its own id, or else under the next free number of its session.

    Returns:
        Its name, its id, and the largest number that was given as an id.
    """
    number, given = session.last_event, event_id is not None
    while True:
        if event_id is None or not given:
            number += 1
            event_id = str(number)
        name = f"{session.name}/events/{encoded(event_id) if given else event_id}"
        if store.insert(_INSERT, (name, session_id, event_id, *body)):
            return name, event_id, number
        if given:  # Else an event with this number as its id was inserted explicitly.
            raise ConflictError(
                f"{store.source}.events: session {session_id!r} already has an event {event_id!r}."
                " Nothing was written; INSERT OR IGNORE skips existing events."
            )


def _exists(store: Store, values: Mapping[str, Any]) -> bool:
    session_id, event_id = _address(values, f"{store.source}.events")
    found = store.row(
        "SELECT 1 FROM events e JOIN sessions s USING (session_id)"
        " WHERE e.name = s.name || '/events/' || ? AND s.session_id = ?",
        (encoded(event_id or ""), session_id),
    )
    return found is not None


def _address(values: Mapping[str, Any], where: str) -> tuple[str, str | None]:
    """Returns the ids of session and event, from ids and names that must agree."""
    event_id = given_id(values, where, "event_id")
    parent = str(values.get("name", "")).rpartition("/events/")[0]
    return session_of(values, where, parent), event_id


def _sequence(values: Mapping[str, Any], session: Touched, where: str) -> int:
    """Returns the number that the statement gives, as a copy does; otherwise the next one."""
    given = values.get("sequence")
    if given is None:
        return session.last_sequence + 1
    if not (isinstance(given, int) and 0 < given <= _LAST_SEQUENCE):
        raise InvalidValueError(
            f"{where}.sequence must be a whole number from 1 to {_LAST_SEQUENCE}, not"
            f" {given!r:.40}. Nothing was written. Leave it out to get the next one."
        )
    return given


def _content(values: Mapping[str, Any], author: str, where: str) -> tuple[Value, Value]:
    content = values.get("content")
    text: Value = None
    if content is not None:
        content, text = read_content(content, author)
    given = values.get("text")
    if given is not None and given != text:
        raise InvalidValueError(
            f"{where}.text is derived from content; put the text into content. Nothing was written."
        )
    return content, text
