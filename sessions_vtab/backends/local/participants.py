"""Participants of a session: binding, unbinding, and up to which turn memories are integrated.

A turn is an event of the session since the participant was bound, or since the session was
truncated.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import apsw

from sessions_vtab.backends.local.checks import (
    check_id,
    child,
    last_segment,
    require_session,
    session_name,
    session_of,
)
from sessions_vtab.backends.local.file import is_taken
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract.write import Outcome, OutcomeState, Write
from sessions_vtab.errors import ConflictError, InvalidValueError, NotFoundError

_TYPES: Final = ("user", "agent")
_TURNS: Final = "(SELECT count(*) FROM events e WHERE e.session_id = p.session_id)"
_BIND: Final = f"""INSERT INTO participants
    (name, session_id, participant, participant_type, turns_before)
    SELECT ?1, ?2, ?3, ?4, {_TURNS} FROM (SELECT ?2 AS session_id) p"""
_LIST: Final = f"""SELECT participant, participant_type, {_TURNS} - turns_before, insights,
    last_integration_turn FROM participants p WHERE session_id = ? ORDER BY participant"""
_LISTED: Final = ("participant", "participant_type", "turns", "insights", "last_integration_turn")


def insert(store: Store, write: Write) -> Outcome:
    """INSERT INTO participants binds a participant.

    Raises:
        NotFoundError: the session does not exist.
        ConflictError: the participant is already bound.
    """
    where = f"{store.source}.participants"
    values: dict[str, Any] = dict(write.values)
    name = values.get("name")
    if name is not None and last_segment(name) != values["participant"]:
        raise InvalidValueError(
            f"{where}: participant {values['participant']!r:.60} does not match the last part"
            f" of name {name!r:.120}. Nothing was written."
        )
    session_id = require_session(store, session_of(values, where), "participants")
    try:
        bound = bind(store, session_id, values["participant"], values.get("participant_type"))
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


def bind(
    store: Store, session_id: str, participant: str, participant_type: str | None = None
) -> str:
    """Binds a participant to an existing session, and returns the name of the binding.

    Args:
        store: the store of the session.
        session_id: the id of the session.
        participant: the name of the participant.
        participant_type: ``user`` (default) or ``agent``.

    Raises:
        InvalidValueError: the type or the name is not valid.
        ConflictError: the participant is already bound.
    """
    where = f"{store.source}.participants"
    check_id(participant, f"{where}.participant")
    kind = participant_type or "user"
    if kind not in _TYPES:
        raise InvalidValueError(
            f"{where}.participant_type must be 'user' or 'agent', not {kind!r:.60}. Nothing"
            " was written."
        )
    name = child(session_name(session_id), "participants", participant)
    try:
        store.run(_BIND, (name, session_id, participant, kind))
    except apsw.ConstraintError as error:
        if is_taken(error):
            _refuse(store, f"{participant!r} is already bound to session {session_id!r}")
        raise
    _touch(store, session_id)
    return name


def unbind(store: Store, session_id: str, participant: str) -> None:
    """Unbinds a participant; raises NotFoundError if it is not bound."""
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


def truncate(store: Store, session_id: str) -> None:
    """Clears each participant's turns, insights and last integration turn."""
    store.run(
        f"UPDATE participants AS p SET turns_before = {_TURNS}, insights = NULL,"
        " last_integration_turn = NULL WHERE session_id = ?",
        (session_id,),
    )


def integrate(store: Store, session_id: str) -> None:
    """Sets each participant's last integration turn to its last turn."""
    store.run(
        f"UPDATE participants AS p SET last_integration_turn = {_TURNS} - turns_before"
        " WHERE session_id = ?",
        (session_id,),
    )
    _touch(store, session_id)


def listed(store: Store, session_id: str) -> list[dict[str, Any]]:
    """The participants of a session with their turns, for a function's response."""
    return [
        {name: value for name, value in zip(_LISTED, row, strict=True) if value is not None}
        for row in store.run(_LIST, (session_id,))
    ]


def _touch(store: Store, session_id: str) -> None:
    store.run("UPDATE sessions SET update_time = ? WHERE session_id = ?", (store.now(), session_id))


def _refuse(store: Store, what: str) -> NoReturn:
    raise ConflictError(f"{store.source}.participants: {what}. Nothing was written.")
