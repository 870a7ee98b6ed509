"""Session state and its scopes: ``app:`` (the store), ``user:`` (the user), ``temp:`` (not stored).

As in Vertex: keys with these prefixes are stored once for the store or the user, are shown in every
session of that store or user, and remain when the session that wrote them is deleted. ``temp:``
keys never enter the state. The ``user:`` keys of a session without a user stay in that session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract.values import dump_json, load_json
from sessions_vtab.errors import InvalidValueError, UnsupportedError

__all__ = ["delta_of", "merge_delta", "require_shared", "split"]

_APP = """INSERT INTO app_state(id, state) VALUES (1, ?) ON CONFLICT DO UPDATE
    SET state = excluded.state"""
_USER = """INSERT INTO user_states(user_id, state) VALUES (?, ?) ON CONFLICT DO UPDATE
    SET state = excluded.state"""

_SHARED_STATES = """SELECT state FROM app_state
    UNION ALL SELECT state FROM user_states WHERE user_id = ?"""


def split(store: Store, state: Any, user_id: str | None) -> Any:
    """Stores the shared keys of a state and returns the session's own.

    Args:
        store: the store that keeps them.
        state: a minified JSON object.
        user_id: the user of the session.
    """
    if state is None or not ('"app:' in state or '"user:' in state or '"temp:' in state):
        return state
    own = _shared(store, load_json(state, "state"), user_id)
    return dump_json(own)


def require_shared(store: Store, state: Any, user_id: str | None, where: str) -> None:
    """Raises UnsupportedError if a session's new state lacks a key that it shares with others.

    Args:
        store: where they are stored.
        state: a JSON object, minified, or None.
        user_id: whose session it is.
        where: ``source.table``, for the error.
    """
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
