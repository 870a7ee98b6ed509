"""The store's functions; each runs in the open transaction or, without one, in its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from sessions_vtab.backends.local import events, improvement, participants, sessions, uploads
from sessions_vtab.backends.local.checks import new_id, require_session, session_id_of
from sessions_vtab.backends.local.resource import LocalResource
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract.backend import Arguments, Context, Routine
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import ConflictError


def response(table: Table, row: Row, extra: Mapping[str, Any] | None = None) -> str:
    """Returns a row as a JSON object, in which JSON columns are JSON values.

    Args:
        table: the table of the row.
        row: the values of all columns.
        extra: further members of the object.
    """
    members = [
        _joined(column.name, _as_json(column, value))
        for column, value in zip(table.columns, row, strict=True)
        if value is not None
    ]
    members += [_joined(name, dump_json(value)) for name, value in (extra or {}).items()]
    return "{" + ",".join(members) + "}"


def _as_json(column: Column, value: Value) -> str:
    if column.type is ColumnType.JSON and isinstance(value, str):
        return value
    return dump_json(value)


def _joined(name: str, value: str) -> str:
    return f"{dump_json(name)}:{value}"


_Effect: TypeAlias = Callable[[Store, Arguments], list[Row]]
_CORE: Final = len(SESSIONS.visible)


def routines(store: Store, tables: Mapping[str, LocalResource]) -> dict[str, Routine]:
    """Returns the functions by name.

    Args:
        store: the store that they change.
        tables: the tables, through which rows are read back.
    """
    verbs = _Verbs(tables["sessions"], tables["events"])
    effects: dict[str, _Effect] = {
        "append_event": verbs.append_event,
        "undelete_session": verbs.undelete,
        "truncate_session": verbs.truncate,
        "integrate_session": verbs.integrate,
        "bind_participant": verbs.bind,
        "unbind_participant": verbs.unbind,
        "close_upload_session": uploads.close,
        "upload_file": uploads.upload,
        "use_session_for_improvement": improvement.schedule,
        "mark_session_irrelevant": improvement.mark_irrelevant,
        "release_batch": improvement.release,
    }
    made: dict[str, Routine] = {name: _effect(store, effect) for name, effect in effects.items()}
    made["batch_sessions"] = _batch_sessions(store)
    return made


def _effect(store: Store, effect: _Effect) -> Routine:
    def routine(arguments: Arguments, context: Context) -> Iterable[Row]:
        own = not store.began
        store.before_write(context)
        try:
            with store.translated():
                store.flush()
                store.touched.forget()
                rows = effect(store, arguments)
            if own:
                store.commit()
        except BaseException:
            if own:
                store.rollback()
            raise
        return rows

    return routine


def _batch_sessions(store: Store) -> Routine:
    def routine(arguments: Arguments, context: Context) -> Iterator[Row]:
        text, bindings = improvement.batch_query(store, arguments)
        for page in store.pages(text, bindings, context):
            yield from page

    return routine


class _Verbs:
    """Functions that change one session and return it."""

    def __init__(self, session_table: LocalResource, event_table: LocalResource) -> None:
        self._sessions = session_table
        self._events = event_table

    def append_event(self, store: Store, arguments: Arguments) -> list[Row]:
        """Appends one event, as INSERT INTO events does."""
        values: dict[str, Any] = dict(arguments)
        values["session_id"] = session_id_of(values.pop("session"))
        if "/" not in values.get("name", "/"):
            values["event_id"] = values.pop("name")
        row = events.append(store, values, f"{store.source}.append_event")
        name, session_name, _, event_id, *_ = row
        return [(name, event_id, session_name, response(self._events.table, events.whole(row)))]

    def undelete(self, store: Store, arguments: Arguments) -> list[Row]:
        """Restores a soft-deleted session."""
        session_id = session_id_of(str(arguments["session"]))
        sessions.undelete(store, session_id)
        return [self._answer(store, session_id)]

    def truncate(self, store: Store, arguments: Arguments) -> list[Row]:
        """Clears the session's own state and its participants' memory; events stay."""
        session_id = require_session(store, str(arguments["session"]), "truncate_session")
        participants.truncate(store, session_id)
        store.run(
            "UPDATE sessions SET state = NULL, update_time = ? WHERE session_id = ?",
            (store.now(), session_id),
        )
        return [self._answer(store, session_id)]

    def integrate(self, store: Store, arguments: Arguments) -> list[Row]:
        """Sets each participant's last integration turn to the last turn; no model runs."""
        session_id = require_session(store, str(arguments["session"]), "integrate_session")
        if store.row("SELECT enabled FROM sessions WHERE session_id = ?", (session_id,)) == (0,):
            raise ConflictError(
                f"{store.source}.integrate_session: session {session_id!r} is disabled."
                " Enable it first with UPDATE sessions SET enabled = 1."
            )
        participants.integrate(store, session_id)
        task_id = new_id()
        *core, body = self._answer(store, session_id, {"task_id": task_id})
        return [(*core, task_id, body)]

    def bind(self, store: Store, arguments: Arguments) -> list[Row]:
        """Binds a participant."""
        session_id = require_session(store, str(arguments["session"]), "bind_participant")
        participants.bind(store, session_id, str(arguments["participant"]))
        return [self._answer(store, session_id)]

    def unbind(self, store: Store, arguments: Arguments) -> list[Row]:
        """Unbinds a participant."""
        session_id = require_session(store, str(arguments["session"]), "unbind_participant")
        participants.unbind(store, session_id, str(arguments["participant"]))
        return [self._answer(store, session_id)]

    def _answer(self, store: Store, session_id: str, extra: Mapping[str, Any] | None = None) -> Row:
        """Returns the core columns of a session, and the whole session as JSON."""
        row = self._sessions.row("session_id", session_id)
        if row is None:  # Unreachable: the caller has just written it.
            raise ConflictError(f"{store.source}: session {session_id!r} no longer exists.")
        members = {"participants": participants.listed(store, session_id), **(extra or {})}
        return (*row[:_CORE], response(self._sessions.table, row, members))
