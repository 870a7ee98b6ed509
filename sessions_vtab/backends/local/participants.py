"""Participants of a session: binding, unbinding, and up to which turn memories are integrated.

A turn is an event of the session since the participant was bound, or since the session was
truncated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sessions_vtab.backends.local.checks import (
    check_id,
    child,
    given_id,
    new_id,
    require_session,
    session_name,
    session_of,
)
from sessions_vtab.backends.local.dialect import Select, response
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import RELATIONS
from sessions_vtab.contract.backend import Arguments, Outcome, OutcomeState, Write
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.errors import ConflictError, InvalidValueError, NotFoundError

_TYPES: Final = ("user", "agent")
_TURNS: Final = "(SELECT count(*) FROM events e WHERE e.session_id = p.session_id)"
_BIND: Final = f"""INSERT INTO participants
    (name, session_id, participant, participant_type, turns_before)
    SELECT ?1, ?2, ?3, ?4, {_TURNS} FROM (SELECT ?2 AS session_id) p"""
_LIST: Final = f"""SELECT participant, participant_type, {_TURNS} - turns_before, insights,
    last_integration_turn FROM participants p WHERE session_id = ? ORDER BY participant"""
_WHOLE_SESSION: Final = Select(RELATIONS["sessions"]).one("session_id")
_CORE: Final = len(SESSIONS.visible)
_LISTED: Final = ("participant", "participant_type", "turns", "insights", "last_integration_turn")


def insert(store: Store, write: Write) -> Outcome:
    """INSERT INTO participants binds a participant.

    Raises:
        NotFoundError: the session does not exist.
        ConflictError: the participant is already bound.
    """
    where = f"{store.source}.participants"
    values: dict[str, Any] = dict(write.values)
    given_id(values, where, "participant")
    session_id = require_session(store, session_of(values, where), "participants")
    try:
        bound = _bind(store, session_id, values["participant"], values.get("participant_type"))
    except ConflictError:
        if write.ignore:
            return Outcome(write, OutcomeState.SKIPPED)
        raise
    return Outcome(write, OutcomeState.SENT, key=bound)


def delete(store: Store, write: Write) -> Outcome:
    """DELETE FROM participants unbinds a participant."""
    row = store.row("DELETE FROM participants WHERE name = ? RETURNING session_id", (write.key,))
    if row is not None:
        _touch(store, row[0])
    return Outcome(write, OutcomeState.SENT, key=write.key)


def _bind(
    store: Store, session_id: str, participant: str, participant_type: str | None = None
) -> str:
    """Binds a participant to an existing session, and returns the name of the binding."""
    where = f"{store.source}.participants"
    check_id(participant, f"{where}.participant")
    kind = participant_type or "user"
    if kind not in _TYPES:
        raise InvalidValueError(
            f"{where}.participant_type must be 'user' or 'agent', not {kind!r:.60}. Nothing"
            " was written."
        )
    name = child(session_name(session_id), "participants", participant)
    if not store.insert(_BIND, (name, session_id, participant, kind)):
        raise ConflictError(
            f"{where}: {participant!r} is already bound to session {session_id!r}. Nothing was"
            " written."
        )
    _touch(store, session_id)
    return name


# Functions that change one session and return it.


def truncate(store: Store, arguments: Arguments) -> list[Row]:
    """``truncate_session``: clears its own state and its participants' memory; events stay."""
    session_id = require_session(store, str(arguments["session"]), "truncate_session")
    store.run(
        f"UPDATE participants AS p SET turns_before = {_TURNS}, insights = NULL,"
        " last_integration_turn = NULL WHERE session_id = ?",
        (session_id,),
    )
    store.run(
        "UPDATE sessions SET state = NULL, update_time = ? WHERE session_id = ?",
        (store.now(), session_id),
    )
    return [answer(store, session_id)]


def integrate(store: Store, arguments: Arguments) -> list[Row]:
    """``integrate_session``: sets each participant's last integration turn; no model runs."""
    session_id = require_session(store, str(arguments["session"]), "integrate_session")
    if store.row("SELECT enabled FROM sessions WHERE session_id = ?", (session_id,)) == (0,):
        raise ConflictError(
            f"{store.source}.integrate_session: session {session_id!r} is disabled."
            " Enable it first with UPDATE sessions SET enabled = 1."
        )
    store.run(
        f"UPDATE participants AS p SET last_integration_turn = {_TURNS} - turns_before"
        " WHERE session_id = ?",
        (session_id,),
    )
    _touch(store, session_id)
    task_id = new_id()
    *core, body = answer(store, session_id, {"task_id": task_id})
    return [(*core, task_id, body)]


def bind(store: Store, arguments: Arguments) -> list[Row]:
    """``bind_participant``.

    Raises:
        ConflictError: the participant is already bound.
    """
    session_id = require_session(store, str(arguments["session"]), "bind_participant")
    _bind(store, session_id, str(arguments["participant"]))
    return [answer(store, session_id)]


def unbind(store: Store, arguments: Arguments) -> list[Row]:
    """``unbind_participant``.

    Raises:
        NotFoundError: the participant is not bound.
    """
    session_id = require_session(store, str(arguments["session"]), "unbind_participant")
    participant = str(arguments["participant"])
    gone = store.run(
        "DELETE FROM participants WHERE session_id = ? AND participant = ? RETURNING 1",
        (session_id, participant),
    )
    if not gone:
        raise NotFoundError(
            f"{store.source}.participants: {participant!r} is not bound to session"
            f" {session_id!r}. Nothing was written."
        )
    _touch(store, session_id)
    return [answer(store, session_id)]


def answer(store: Store, session_id: str, extra: Mapping[str, Any] | None = None) -> Row:
    """The core columns of a session, and all of it with its participants and their turns as JSON.

    Args:
        store: the store of the session.
        session_id: the id of a session that was just written.
        extra: further members of the JSON object.
    """
    row = store.row(_WHOLE_SESSION, (store.now(), session_id))
    bound = [
        {name: value for name, value in zip(_LISTED, one, strict=True) if value is not None}
        for one in store.run(_LIST, (session_id,))
    ]
    body = response(RELATIONS["sessions"].table, row, {"participants": bound, **(extra or {})})
    return (*row[:_CORE], body)


def _touch(store: Store, session_id: str) -> None:
    store.run("UPDATE sessions SET update_time = ? WHERE session_id = ?", (store.now(), session_id))
