"""Creating, changing and deleting sessions, and their state, whose scopes are shared.

As in Vertex: keys that begin with ``app:`` (the store) or ``user:`` (the user) are stored once for
the store or the user, are shown in every session of that store or user, and remain when the session
that wrote them is deleted. ``temp:`` keys never enter the state. The ``user:`` keys of a session
without a user stay in that session.

Search sessions are also put into batches for improving a model. The store runs none: it numbers,
schedules and releases sessions, and another program uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import urandom
from typing import Any, Final, NoReturn

from sessions_vtab.backends.local.checks import (
    check_session,
    expiry,
    given_id,
    new_id,
    require_session,
    session_id_of,
    session_name,
)
from sessions_vtab.backends.local.participants import answer
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import RELATIONS
from sessions_vtab.contract.backend import Arguments, Outcome, OutcomeState, Write
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.predicate import literal
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json, load_json
from sessions_vtab.errors import ConflictError, InvalidValueError, NotFoundError, UnsupportedError

_PLAIN: Final = (
    *("display_name", "labels", "description", "settings", "search_query", "search_results"),
    *("search_meta", "payload_filter", "sort_by"),
)
_FLAGS: Final = {"enabled": 1, "deleted": 0, "is_irrelevant": 0, "is_payload_search": 0}
_COLUMNS: Final = (
    *("session_id", "name", "user_id", "state", "create_time", "update_time", "expire_time"),
    *_PLAIN,
    *_FLAGS,
)
_INSERT: Final = (
    f"INSERT INTO sessions({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"
)
_ID_BYTES: Final = 6
_FIXED: Final = ("session_id", "user_id", "create_time", "update_time", "batch_id")


def insert(store: Store, write: Write) -> Outcome:
    """INSERT INTO sessions.

    Raises:
        InvalidValueError: a value is not valid, or two values contradict each other.
        ConflictError: the id is already taken, perhaps by a soft-deleted session.
    """
    where = f"{store.source}.sessions"
    values = write.values
    session_id = given_id(values, where)
    check_session(values, where)
    expire_time = expiry(values, store.instant(), where)
    while True:
        created = session_id or urandom(_ID_BYTES).hex()
        if _create(store, created, values, expire_time):
            return Outcome(write, OutcomeState.SENT, key=session_name(created))
        if session_id is None or _gone(store, session_id):
            continue
        if write.ignore:
            return Outcome(write, OutcomeState.SKIPPED)
        _refuse_existing(store, session_id)


def update(store: Store, write: Write) -> Outcome:
    """UPDATE of one session.

    Raises:
        InvalidValueError: a value is not valid for its column.
        UnsupportedError: a column cannot be changed, or a shared key cannot be removed.
        NotFoundError: the session no longer exists.
        ConflictError: the session is deleted, and the statement does not restore it.
    """
    where = f"{store.source}.sessions"
    values = write.values
    row = store.row(
        "SELECT session_id, user_id, create_time, update_time, batch_id, deleted FROM sessions"
        " WHERE name = ?",
        (write.key,),
    )
    if row is None:
        raise NotFoundError(f"{where}: {write.key} does not exist. Nothing was written.")
    *fixed, deleted = row
    for column, value in zip(_FIXED, fixed, strict=True):
        if column in values and values[column] != value:
            raise UnsupportedError(
                f"{where}.{column} cannot be changed after creation. Nothing was written."
            )
    if deleted and values.get("deleted") != 0:
        _refuse_deleted(store, fixed[0])
    check_session(values, where)
    _check_flags(values, where)
    changes = {column: values[column] for column in (*_PLAIN, *_FLAGS) if column in values}
    if values.get("ttl") is not None or "expire_time" in values:
        changes["expire_time"] = expiry(values, store.instant(), where)
    if "state" in values:
        _require_shared(store, values["state"], fixed[1], where)
        changes["state"] = _own_state(store, values["state"], fixed[1])
    changes["update_time"] = store.now()
    assignments = ", ".join(f"{column} = ?" for column in changes)
    store.run(f"UPDATE sessions SET {assignments} WHERE name = ?", (*changes.values(), write.key))
    return Outcome(write, OutcomeState.SENT, key=write.key)


def delete(store: Store, write: Write) -> Outcome:
    """DELETE of one session: hides it, or permanently removes it if it is deleted or expired."""
    row = store.row(
        "SELECT deleted OR coalesce(expire_time <= ?, 0) FROM sessions WHERE name = ?",
        (store.now(), write.key),
    )
    if row == (1,):
        store.run("DELETE FROM sessions WHERE name = ?", (write.key,))
        store.erased = True
    elif row is not None:
        store.run(
            "UPDATE sessions SET deleted = 1, update_time = ? WHERE name = ?",
            (store.now(), write.key),
        )
    return Outcome(write, OutcomeState.SENT, key=write.key)


def undelete(store: Store, arguments: Arguments) -> list[Row]:
    """``undelete_session``: restores a soft-deleted session.

    Raises:
        NotFoundError: the session does not exist or has expired.
        ConflictError: the session is not deleted.
    """
    session_id = session_id_of(str(arguments["session"]))
    row = store.row(
        "SELECT deleted FROM sessions WHERE session_id = ?"
        " AND (expire_time IS NULL OR expire_time > ?)",
        (session_id, store.now()),
    )
    if row is None:
        raise NotFoundError(
            f"{store.source}: session {session_id!r} does not exist or has expired."
        )
    if row == (0,):
        raise ConflictError(f"{store.source}: session {session_id!r} is not deleted.")
    store.run(
        "UPDATE sessions SET deleted = 0, update_time = ? WHERE session_id = ?",
        (store.now(), session_id),
    )
    return [answer(store, session_id)]


def _create(
    store: Store, session_id: str, values: Mapping[str, Any], expire_time: str | None
) -> bool:
    """Writes the row; returns false if the id is already taken."""
    get = values.get
    now = store.now()
    user_id = get("user_id")
    row = (
        *(session_id, session_name(session_id), user_id, get("state")),
        *(get("create_time") or now, get("update_time") or now, expire_time),
        *(get(column) for column in _PLAIN),
        *(get(column, default) for column, default in _FLAGS.items()),
    )
    if not store.insert(_INSERT, row):
        return False
    own = _own_state(store, get("state"), user_id)
    if own != get("state"):
        store.run("UPDATE sessions SET state = ? WHERE session_id = ?", (own, session_id))
    if get("search_query") is not None:
        register(store, session_id)
    return True


def _gone(store: Store, session_id: str) -> bool:
    """Removes an expired session with that id, since a new one takes its place."""
    gone = store.run(
        "DELETE FROM sessions WHERE session_id = ? AND expire_time <= ? RETURNING 1",
        (session_id, store.now()),
    )
    store.erased = store.erased or bool(gone)
    return bool(gone)


def _refuse_existing(store: Store, session_id: str) -> NoReturn:
    row = store.row("SELECT deleted FROM sessions WHERE session_id = ?", (session_id,))
    if row == (1,):
        _refuse_deleted(store, session_id)
    raise ConflictError(
        f"{store.source}.sessions: session {session_id!r} already exists. Nothing was"
        " written. UPDATE it, or skip it with INSERT OR IGNORE."
    )


def _refuse_deleted(store: Store, session_id: str) -> NoReturn:
    quoted = literal(session_id)
    raise ConflictError(
        f"{store.source}.sessions: session {session_id!r} is soft-deleted. Nothing was"
        f" written. Restore it with SELECT * FROM undelete_session({quoted}), or"
        " remove it permanently with DELETE FROM sessions WHERE session_id ="
        f" {quoted} AND deleted = 1."
    )


def _check_flags(values: Mapping[str, Any], where: str) -> None:
    for column in _FLAGS:
        if column in values and values[column] is None:
            raise InvalidValueError(f"{where}.{column} must be 0 or 1. Nothing was written.")
    if values.get("is_irrelevant") == 0:
        raise UnsupportedError(
            f"{where}.is_irrelevant can only be set to 1, and this cannot be undone. Nothing"
            " was written."
        )


_APP = """INSERT INTO app_state(id, state) VALUES (1, ?) ON CONFLICT DO UPDATE
    SET state = excluded.state"""
_USER = """INSERT INTO user_states(user_id, state) VALUES (?, ?) ON CONFLICT DO UPDATE
    SET state = excluded.state"""

_SHARED_STATES = """SELECT state FROM app_state
    UNION ALL SELECT state FROM user_states WHERE user_id = ?"""


def _own_state(store: Store, state: Any, user_id: str | None) -> Any:
    """Stores the shared keys of a state and returns the session's own."""
    if state is None or not ('"app:' in state or '"user:' in state or '"temp:' in state):
        return state
    own = _shared(store, load_json(state, "state"), user_id)
    return dump_json(own)


def _require_shared(store: Store, state: Any, user_id: str | None, where: str) -> None:
    """Raises UnsupportedError if a session's new state lacks a key that it shares with others."""
    shared = {
        key
        for (known,) in store.run(_SHARED_STATES, (user_id,))
        for key in load_json(known, "state")
    }
    missing = sorted(shared - (load_json(state, "state").keys() if state else set()))
    if missing:
        raise UnsupportedError(
            f"{where}.state lacks {', '.join(missing):.200}. UPDATE cannot remove keys that are"
            " shared with other sessions. Nothing was written. Keep them with json_set(state,"
            " '$.key', ..) or json_remove(state, '$.key'), or set them to null."
        )


def merge_delta(store: Store, session_id: str, delta: Mapping[str, Any]) -> None:
    """Merges changes into the state of a session and its scopes, key by key; null is a value."""
    state, user_id = store.row(
        "SELECT state, user_id FROM sessions WHERE session_id = ?", (session_id,)
    )
    own = _shared(store, delta, user_id)
    if own:
        merged = _merged(state, own)
        store.run("UPDATE sessions SET state = ? WHERE session_id = ?", (merged, session_id))


def delta_of(actions: str | None, where: str) -> Mapping[str, Any]:
    """Returns ``stateDelta`` (or ``state_delta``) of an event's actions; empty if there is none.

    Raises:
        InvalidValueError: it is not a JSON object.
    """
    if actions is None or not ('"stateDelta"' in actions or '"state_delta"' in actions):
        return {}
    loaded = load_json(actions, where)
    delta: dict[str, Any] = {}
    for spelling in ("state_delta", "stateDelta"):
        found = loaded.get(spelling)
        if found is not None and not isinstance(found, dict):
            raise InvalidValueError(
                f"{where}: {spelling} must be a JSON object. Nothing was written."
            )
        delta.update(found or {})
    return delta


def _shared(store: Store, state: Mapping[str, Any], user_id: str | None) -> dict[str, Any]:
    app = {key: value for key, value in state.items() if key.startswith("app:")}
    user = {key: value for key, value in state.items() if key.startswith("user:")}
    if app:
        (known,) = store.row("SELECT state FROM app_state") or (None,)
        store.run(_APP, (_merged(known, app),))
    if user and user_id is not None:
        (known,) = store.row("SELECT state FROM user_states WHERE user_id = ?", (user_id,)) or (
            None,
        )
        store.run(_USER, (user_id, _merged(known, user)))
        user = {}
    return user | {
        key: value for key, value in state.items() if not key.startswith(("app:", "user:", "temp:"))
    }


def _merged(state: str | None, changes: Mapping[str, Any]) -> str:
    known = load_json(state, "state") if state else {}
    return dump_json(known | dict(changes))


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
