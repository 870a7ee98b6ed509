"""Search sessions for improving a model: their batches, and the scheduled sessions.

The store runs no model: it numbers, schedules and releases sessions, and another program uses them.
"""

from __future__ import annotations

from typing import Final

from sessions_vtab.backends.local.checks import new_id, require_session
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import RELATIONS
from sessions_vtab.contract.backend import Arguments
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import NotFoundError

_COLLECT: Final = """UPDATE batches SET session_counter = session_counter + 1
    WHERE status = 'collecting' RETURNING batch_id, session_counter"""
_RELEASE: Final = """UPDATE batches SET status = 'released', release_id = ?, release_time = ?
    WHERE status = 'collecting' RETURNING batch_id, release_time"""
_EVENTS: Final = """(SELECT json_group_array(json_object(
        'event_id', x.event_id, 'timestamp', x.timestamp, 'author', x.author,
        'content', json(x.content), 'text', x.text, 'actions', json(x.actions)))
    FROM (SELECT * FROM events e WHERE e.session_id = s.session_id
        ORDER BY e.timestamp, e.id LIMIT ?4) x)"""
_DEFAULT_EVENTS: Final = 100


def register(store: Store, session_id: str) -> None:
    """Puts a session into the batch that is collecting, under its next number."""
    row = store.row(_COLLECT)
    if row is None:
        store.run(
            "INSERT INTO batches(batch_id, create_time) VALUES (?, ?)",
            (new_id().replace("-", ""), store.now()),
        )
        row = store.row(_COLLECT)
    store.run(
        "UPDATE sessions SET batch_id = ?, session_number = ? WHERE session_id = ?",
        (*row, session_id),
    )


def schedule(store: Store, arguments: Arguments) -> list[Row]:
    """``use_session_for_improvement``: schedules a session with events or marked as irrelevant.

    A session that searched by payload only, or that has no events and is not marked, is not
    scheduled; the row says why. Scheduling a session again has no effect.

    Raises:
        NotFoundError: the session does not exist.
    """
    session_id = require_session(store, str(arguments["session"]), "use_session_for_improvement")
    by_payload, useful = store.row(
        "SELECT is_payload_search, is_irrelevant OR EXISTS"
        " (SELECT 1 FROM events e WHERE e.session_id = s.session_id)"
        " FROM sessions s WHERE session_id = ?",
        (session_id,),
    )
    reason = None
    if by_payload:
        reason = "a search by payload only is not suitable for training"
    elif not useful:
        reason = "the session has no events"
    else:
        store.run(
            "INSERT INTO sessions_for_improvement(session_id, create_time) VALUES (?, ?)"
            " ON CONFLICT DO NOTHING",
            (session_id, store.now()),
        )
    scheduled = int(reason is None)
    body = {"session_id": session_id, "scheduled": bool(scheduled), "reason": reason}
    return [(session_id, scheduled, reason, dump_json(body))]


def mark_irrelevant(store: Store, arguments: Arguments) -> list[Row]:
    """``mark_session_irrelevant``: cannot be undone; marking a session again is not an error."""
    session_id = require_session(store, str(arguments["session"]), "mark_session_irrelevant")
    store.run(
        "UPDATE sessions SET is_irrelevant = 1, update_time = ? WHERE session_id = ?",
        (store.now(), session_id),
    )
    return [(session_id, 1, dump_json({"session_id": session_id, "is_irrelevant": True}))]


def release(store: Store, arguments: Arguments) -> list[Row]:
    """``release_batch``: releases the collecting batch; the same id returns the same result again.

    Raises:
        NotFoundError: no batch is collecting.
    """
    release_id = str(arguments["release_id"])
    row = store.row(
        "SELECT batch_id, release_time FROM batches WHERE release_id = ?", (release_id,)
    ) or store.row(_RELEASE, (release_id, store.now()))
    if row is None:
        raise NotFoundError(
            f"{store.source}.release_batch: no batch is collecting sessions. Nothing was"
            " released; the next session inserted with a search_query starts a new"
            " batch."
        )
    batch_id, release_time = row
    body = {"release_id": release_id, "batch_id": batch_id, "release_time": release_time}
    return [(batch_id, release_time, dump_json(body))]


def batch_query(store: Store, arguments: Arguments) -> tuple[str, tuple[object, ...]]:
    """``batch_sessions`` as a SELECT with its bindings."""
    relation = RELATIONS["sessions"]
    columns = [
        _EVENTS if column.name == "events" else relation.expression(column.name)
        for column in FUNCTIONS["batch_sessions"].results
    ]
    text = (
        f"SELECT {', '.join(columns)} FROM {relation.source}"
        f" WHERE s.batch_id = ?2 AND s.session_number > ?3 AND {relation.alive}"
        " ORDER BY s.session_number"
    )
    after, limit = arguments.get("after_number", 0), arguments.get("events_limit", _DEFAULT_EVENTS)
    return text, (store.now(), arguments["batch"], after, limit or -1)
