"""The embedded default: sessions, events and upload sessions in one SQLite file.

Other tools can open the file as well: its tables have the same names as in SQL, JSON is TEXT, and
times are UTC TEXT with a generated ``<name>_ms`` column for tools that read milliseconds. The store
runs no model: ``integrate_session`` and ``use_session_for_improvement`` only record what was asked.

Here is the store as a transactional backend, and its functions; besides:

* `store`, `pending`: its connection, scans and transaction, and what waits in that
* `file`, `ddl`: its file; `snapshots`: a snapshot's file
* `tables`, `dialect`: columns and what can be written, and the tables as the engine reads them:
  scans as SQL of the file
* `sessions`, `events`: writing sessions and events; `checks`: rules for ids, names and values
* `uploads`, `participants`: what upload and chat sessions have besides
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final, Self, TypeAlias

import apsw

from sessions_vtab.backends.local import events, participants, sessions, uploads
from sessions_vtab.backends.local.dialect import LocalResource
from sessions_vtab.backends.local.file import MEMORY, located, tilde
from sessions_vtab.backends.local.snapshots import APPLICATION_ID, VERSION, snapshot_at
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import RELATIONS
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import (
    Action,
    Arguments,
    Backend,
    Context,
    Outcome,
    Routine,
    Source,
    Transaction,
    Write,
)
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import ConfigurationError, SessionsError, UnsupportedError

__all__ = ["LocalBackend"]


_Apply: TypeAlias = Callable[[Store, Write], Outcome]

_APPLY: Final[Mapping[tuple[str, Action], _Apply]] = {
    ("sessions", Action.INSERT): sessions.insert,
    ("sessions", Action.UPDATE): sessions.update,
    ("sessions", Action.DELETE): sessions.delete,
    ("events", Action.INSERT): events.insert,
    ("participants", Action.INSERT): participants.insert,
    ("participants", Action.DELETE): participants.delete,
    ("upload_sessions", Action.INSERT): uploads.insert,
    ("upload_sessions", Action.UPDATE): uploads.update,
    ("upload_sessions", Action.DELETE): uploads.delete,
}
_COUNT: Final = """SELECT count(*) FROM sessions
    WHERE deleted = 0 AND (expire_time IS NULL OR expire_time > ?)"""


class LocalBackend(Backend):
    """One store.

    Args:
        path: the file, which is created on first use; ``:memory:`` for no file.
        source: the source's name, for errors.
        clock: returns the current time in nanoseconds since 1970.
        read_only: whether nothing may be written, not even a missing file.
    """

    name: ClassVar[str] = "local"
    urls: ClassVar[tuple[str, ...]] = ("local:///path/to/sessions.db", "local://:memory:")

    about: ClassVar[str] = (
        "The store is one SQLite file, in WAL mode, for any number of processes. A session"
        " expires when its expire_time has passed; it is then hidden with its events."
        " include_deleted = 1, or a condition on expire_time, shows it, DELETE removes it with"
        " its events, and an UPDATE of expire_time brings it back. Whoever opens the store for"
        " writing removes the sessions that expired more than a day ago. What is removed is"
        " overwritten in the file. To erase all that a user has: DELETE FROM sessions WHERE"
        " user_id = '..' AND include_deleted = 1, twice, since the first one hides the sessions"
        " that are still alive."
    )

    def __init__(
        self,
        path: str,
        *,
        source: str = "local",
        clock: Callable[[], int] = times.now,
        read_only: bool = False,
    ) -> None:
        self.files = () if path == MEMORY else (path,)
        self._snapshot = None if path == MEMORY else snapshot_at(path, read_only=read_only)
        self.transaction: Transaction | None = None
        self.routines = {}
        if self._snapshot is None:
            # A store in memory is new, so there is nothing in it to protect.
            self._store = Store(path, source, clock, read_only=read_only and path != MEMORY)
            self.transaction, relations = self._store, RELATIONS
            self.routines = _routines(self._store)
        else:
            migrations = ("",) * VERSION
            self._store = Store(
                *(path, source, clock),
                read_only=True,
                migrations=migrations,
                application=APPLICATION_ID,
            )
            relations = self._snapshot.relations
        self._tables = {name: LocalResource(one, self._store) for name, one in relations.items()}
        self.resources = self._tables

    @classmethod
    def open(cls, source: Source) -> Self:
        """Returns the backend for ``local://``; an empty location is the user's own store.

        Raises:
            ConfigurationError: the source has an option, or names a folder.
        """
        if source.options:
            unknown = ", ".join(sorted(source.options))
            raise ConfigurationError(
                f"Source {source.name}: the local backend has no setting {unknown}. Its URL"
                " is local:///path/to/sessions.db or local://:memory:"
            )
        path = source.location
        if path != MEMORY:
            path = located(path)
            if Path(path).is_dir():
                raise ConfigurationError(f"Source {source.name}: {path} is a folder, not a file.")
        return cls(path, source=source.name, read_only=source.read_only)

    def describe(self) -> str:
        """Returns the file and its number of sessions, or why it is unusable; creates nothing."""
        path = self._store.path
        if path == MEMORY:
            return "in memory, discarded when the connection closes"
        if not Path(path).exists():
            return f"{tilde(path)}, created on first use"
        if self._snapshot is not None:
            return f"{tilde(path)}, {self._snapshot.about}"
        try:
            (count,) = self._store.row(_COUNT, (self._store.now(),))
        except SessionsError as error:
            return f"cannot be used: {error}"
        return f"{tilde(path)}, {count} session{'' if count == 1 else 's'}"

    def apply(self, write: Write, context: Context) -> Outcome:
        """Writes one row inside the open transaction, and returns it as stored.

        Raises:
            UnsupportedError: the table does not support this action.
            SessionsError: see the modules of the tables. Nothing was written.
        """
        store = self._store
        action = _APPLY.get((write.table, write.action))
        if action is None:
            raise UnsupportedError(
                f"{store.source}.{write.table} does not support {write.action.upper()}."
            )
        store.before_write(context)
        try:
            if write.table != "events":
                store.flush()
                store.touched.forget()
            outcome = action(store, write)
        except apsw.Error as error:
            raise store.failure(error) from error
        return self._completed(outcome)

    def close(self) -> None:
        """Closes the file; uncommitted changes are rolled back."""
        self._store.close()

    def _completed(self, outcome: Outcome) -> Outcome:
        """Adds the row to the outcome, unless the action has already done so."""
        write = outcome.write
        if (
            outcome.row is not None
            or not write.returning
            or write.action is Action.DELETE
            or outcome.key is None  # It was skipped.
        ):
            return outcome
        return replace(outcome, row=self._tables[write.table].row(outcome.key))


# Functions. Each runs in the open transaction or, without one, in its own.

_Effect: TypeAlias = Callable[[Store, Arguments], list[Row]]

_EFFECTS: Final[Mapping[str, _Effect]] = {
    "append_event": events.append_event,
    "undelete_session": sessions.undelete,
    "truncate_session": participants.truncate,
    "integrate_session": participants.integrate,
    "bind_participant": participants.bind,
    "unbind_participant": participants.unbind,
    "close_upload_session": uploads.close,
    "upload_file": uploads.upload,
    "use_session_for_improvement": sessions.schedule,
    "mark_session_irrelevant": sessions.mark_irrelevant,
    "release_batch": sessions.release,
}


def _routines(store: Store) -> dict[str, Routine]:
    """The functions of a store, by name."""
    made = {name: _effect(store, effect) for name, effect in _EFFECTS.items()}
    return {**made, "batch_sessions": _batch_sessions(store)}


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
        text, bindings = sessions.batch_query(store, arguments)
        for page in store.pages(text, bindings, context):
            yield from page

    return routine
