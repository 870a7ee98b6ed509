"""``AdkBackend``: the sessions in a file that ADK writes, read-only, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final, Self

from sessions_vtab.backends.adk.clocks import zone_of
from sessions_vtab.backends.adk.store import AdkStore
from sessions_vtab.backends.adk.tables import ABSENT, NEWEST, SCOPES, relations
from sessions_vtab.backends.local.file import located, tilde
from sessions_vtab.backends.local.resource import LocalResource
from sessions_vtab.backends.local.tables import StoreTable
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Backend, Context
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError, SessionsError

__all__ = ["AdkBackend", "AdkResource"]

_OPTIONS: Final = frozenset(("timezone",))
_URL: Final = "adk:///path/to/sessions.db?timezone=America/New_York"


class AdkBackend(Backend):
    """One file.

    Args:
        path: the file; it need not exist yet.
        source: the source's name, for errors.
        zone: see ``AdkStore``.
        scopes: see ``AdkStore``.
        clock: returns the current time in nanoseconds since 1970.
    """

    name: ClassVar[str] = "adk"

    about: ClassVar[str] = (
        "The file is one that SqliteSessionService or DatabaseSessionService of Google's Agent"
        " Development Kit (ADK) writes, of any version so far; the agent may be running. It is read"
        " only, never changed or migrated. An id is unique only within an app and a user, so join"
        " with events.session_name = sessions.name. In a file written by google-adk 1.17 or older,"
        " the times of events are local times of the agent: give its time zone as"
        " ?timezone=America/New_York. Do not read the file in the process that runs the agent:"
        " closing it there would release SQLite's locks."
    )

    def __init__(
        self,
        path: str,
        *,
        source: str = "adk",
        zone: tzinfo = UTC,
        scopes: Mapping[str, tuple[str, ...]] | None = None,
        clock: Callable[[], int] = times.now,
    ) -> None:
        limits = {key: values for key, values in (scopes or {}).items() if key in SCOPES}
        self.files = (path,)
        self._store = AdkStore(path, source, clock, zone, limits)
        self.resources = {
            name: AdkResource(relation, self._store) for name, relation in relations(NEWEST).items()
        }
        self.routines = {}

    @classmethod
    def open(cls, source: Source) -> Self:
        """Returns the backend for ``adk:///path/to/sessions.db``; the file is not opened yet.

        Raises:
            ConfigurationError: the location names no file, or a setting is wrong.
        """
        where = f"Source {source.name}"
        unknown = ", ".join(sorted(source.options.keys() - _OPTIONS))
        if unknown:
            raise ConfigurationError(
                f"{where}: the adk backend has no setting {unknown}. Its URL is {_URL}"
            )
        if not source.location:
            raise ConfigurationError(f"{where}: name the file that ADK writes, as in {_URL}")
        path = located(source.location)
        if Path(path).is_dir():
            raise ConfigurationError(f"{where}: {path} is a folder, not a file.")
        zone = zone_of(str(source.options.get("timezone", "UTC")), where)
        return cls(path, source=source.name, zone=zone, scopes=source.scopes)

    def describe(self) -> str:
        """Returns the file, its schema and its number of sessions, or why it is unusable."""
        path = tilde(self._store.path)
        try:
            schema, count = self._store.layout.schema, self._store.count()
        except SessionsError as error:
            return f"cannot be used: {error}"
        return f"{path}, ADK schema {schema}, {count} session{'' if count == 1 else 's'}"

    def notices(self) -> Sequence[str]:
        """Says if the times of events look like local times of another zone."""
        try:
            shift = self._store.shift()
        except SessionsError:
            return ()  # ``describe`` and reads say why.
        if not shift:
            return ()
        minutes = abs(shift) // 60
        offset = f"UTC{'+' if shift > 0 else '-'}{minutes // 60}"
        offset += f":{minutes % 60:02d}" if minutes % 60 else ""
        than = "" if self._store.zone is UTC else f" of {self._store.zone}"
        change = "add" if self._store.zone is UTC else "correct"
        hint = f"{change} ?timezone=AREA/CITY of the agent, such as ?timezone=America/New_York"
        return (f"times of events look like {offset} instead of UTC{than}: {hint}",)

    def close(self) -> None:
        """Closes the file."""
        self._store.close()


_HINT: Final = "Only ADK writes this file: run the agent, or copy the sessions to a local source."
_WRITES: Final = Writes(
    hints=MappingProxyType(dict.fromkeys(("insert", "update", "delete"), _HINT))
)


class AdkResource(LocalResource):
    """One table.

    Args:
        relation: the columns of the table.
        store: the file.
    """

    def __init__(self, relation: StoreTable, store: AdkStore) -> None:
        super().__init__(relation, store, _WRITES)
        absent = ABSENT.get(self.table.name, frozenset())
        self.capability = replace(self.capability, absent=absent)
        self._file = store

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """Yields matching rows; if only some will probably be wanted, these first."""
        # The layout of the file, which may have been replaced, determines the SQL.
        self._select = self._file.select(self.table.name)
        if scan.limit is None or scan.path.unique:
            return super().scan(scan, context)
        return self._first_some(scan, scan.limit, context)

    def _first_some(self, scan: Scan, limit: int, context: Context) -> Iterator[Page]:
        """Reads as many rows as will probably be wanted, and only then, if at all, the others.

        The agent may have written between the two reads, so the second one skips rows by their
        keys: none comes twice, and none is left out.
        """
        key = self.table.key
        whole = replace(scan, columns=scan.columns | {key}, shape=None, offset=0)
        text, bindings = self._select.statement(whole, partial(self._file.now_of, context))
        handed: set[Value] = set()
        place = self.table.positions[key]
        for page in self._file.pages(
            f"{text} LIMIT {limit} OFFSET {scan.offset}", bindings, context
        ):
            rows = list(page)
            handed.update(row[place] for row in rows)
            yield rows
        if len(handed) < limit:
            return
        for page in self._file.pages(f"{text} LIMIT -1 OFFSET {scan.offset}", bindings, context):
            yield [row for row in page if row[place] not in handed]
