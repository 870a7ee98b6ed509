"""Finding the session that a row or a call refers to, and reporting why it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from sessions_vtab.backends.local.names import last_segment
from sessions_vtab.backends.local.store import Store
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
)

__all__ = ["literal", "refuse_session", "require_session", "session_id_of", "session_of"]

_NAMES: Final = ("session_name", "session_of_name")


def session_id_of(session: str) -> str:
    """Returns the id of a session given by id or by full name; ids contain no slash."""
    return last_segment(session) if "/" in session else session


def session_of(values: Mapping[str, Any], where: str) -> str:
    """Returns the session's id from ``session_id`` and ``session_name``, which must agree.

    Raises:
        MissingParameterError: neither is given.
        InvalidValueError: they name different sessions.
    """
    found: str | None = values.get("session_id")
    for column in _NAMES:
        name = values.get(column)
        if name is None:
            continue
        identifier = last_segment(name)
        if found is not None and identifier != found:
            raise InvalidValueError(
                f"{where}: session_id {found!r:.60} does not match the session in name"
                f" {name!r:.120}. Give only one of them. Nothing was written."
            )
        found = identifier
    if found is None:
        raise MissingParameterError(
            f"{where} needs session_id or session_name. Nothing was written."
        )
    return found


def require_session(store: Store, session: str, table: str) -> str:
    """Returns the id of a session that exists and is not deleted.

    Args:
        store: the store of the session.
        session: its id or full name.
        table: the table or function, for errors.

    Raises:
        NotFoundError: the session does not exist or has expired.
        ConflictError: the session is soft-deleted.
    """
    session_id = session_id_of(session)
    found = store.row(
        "SELECT 1 FROM sessions WHERE session_id = ? AND deleted = 0"
        " AND (expire_time IS NULL OR expire_time > ?)",
        (session_id, store.now()),
    )
    if found is None:
        refuse_session(store, session_id, table)
    return session_id


def refuse_session(store: Store, session_id: str, table: str) -> NoReturn:
    """Raises the error for a session that does not exist, has expired, or is deleted."""
    found = store.row(
        "SELECT deleted, expire_time <= ? FROM sessions WHERE session_id = ?",
        (store.now(), session_id),
    )
    deleted, expired = found or (0, 0)
    if deleted and not expired:
        raise ConflictError(
            f"{store.source}.{table}: session {session_id!r} is deleted. Nothing was written."
            f" Restore it with SELECT * FROM undelete_session({literal(session_id)})."
        )
    what = "has expired" if expired else "does not exist"
    raise NotFoundError(
        f"{store.source}.{table}: session {session_id!r} {what}."
        " Nothing was written; INSERT INTO sessions creates one."
    )


def literal(text: str) -> str:
    """Returns a text as an SQL literal, for hints that can be pasted."""
    return "'" + text.replace("'", "''") + "'"
