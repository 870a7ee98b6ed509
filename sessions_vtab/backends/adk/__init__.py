"""The file that Google's Agent Development Kit (ADK) keeps its sessions in, read-only.

It is read so that an agent that writes to it never waits for long. ADK leaves SQLite's journal mode
as it is (``delete``). A statement that stays open holds a lock there, and after 5 seconds the
agent's own ``append_event`` fails with "database is locked". So the rows of each scan are read out
before the first one is handed on.

Here is the file as a backend; besides:

* `tables`: the file's layouts and columns
* `values`, `pickled`: what ADK stores, as values of the columns and resource names

Facts: files written by google-adk 0.5.0 to 2.13.0 on SQLite, compared with what its own
``get_session`` returns; the sources of adk-js and adk-go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import apsw

from sessions_vtab.backends.adk.tables import ABSENT, NEWEST, SCOPES, Layout, relations
from sessions_vtab.backends.adk.values import functions, moment, shift_of, zone_of
from sessions_vtab.backends.local.ddl import add_function
from sessions_vtab.backends.local.dialect import LocalResource, Select
from sessions_vtab.backends.local.file import MEANINGS, Meanings, identity, located, tilde
from sessions_vtab.backends.local.pending import OpenScan
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import StoreTable
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Backend, Context, Source
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.errors import BusyError, ConfigurationError, SessionsError, StoreError

__all__ = ["AdkBackend", "AdkResource", "AdkStore"]


_PAGE: Final = 1_000
_STEPS: Final = 50_000
_LAYOUT: Final = """SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type IN ('table', 'view')"""
_COUNT: Final = "SELECT count(*) FROM sessions"
# The newest events are enough to see a shift, and the file may have millions of them.
_SAMPLE: Final = """SELECT s.create_time, s.update_time, e.first, e.last
    FROM (SELECT app_name, user_id, session_id, min(timestamp) AS first, max(timestamp) AS last
          FROM events WHERE rowid > (SELECT max(rowid) FROM events) - 10000
          GROUP BY app_name, user_id, session_id) AS e
    JOIN sessions s
        ON s.app_name = e.app_name AND s.user_id = e.user_id AND s.id = e.session_id"""
_UNDO: Final = (
    "a transaction was left unfinished. Open the file once with ADK or sqlite3 to undo it."
)
_MEANINGS: Final[Meanings] = (
    (apsw.BusyError, BusyError, "the agent, or another program, kept it locked for 5 seconds."),
    (apsw.ReadOnlyError, StoreError, _UNDO),
    (apsw.NotADBError, StoreError, "it is not an SQLite database. Use the file that ADK writes."),
    (apsw.CantOpenError, StoreError, "it cannot be opened. Check the permission to read it."),
)


class AdkStore(Store):
    """One file of ADK's session services, for one source.

    Args:
        path: the file.
        source: the source's name, for errors.
        clock: returns the current time in nanoseconds since 1970.
        zone: time zone of the program that wrote it, for times that have none.
        scopes: the only values of ``app_name`` and ``user_id`` whose rows are shown.
    """

    meanings = (*_MEANINGS, *MEANINGS)

    def __init__(
        self,
        path: str,
        source: str,
        clock: Callable[[], int],
        zone: tzinfo,
        scopes: Mapping[str, tuple[str, ...]],
    ) -> None:
        super().__init__(path, source, clock, read_only=True)
        self.place = f"Source {source} ({path})"
        self.zone = zone
        self._scopes = scopes
        self._layout = Layout()
        self._selects: dict[str, Select] = {}

    @property
    def layout(self) -> Layout:
        """What the file has; it is opened if necessary.

        Raises:
            StoreError: the file does not exist or cannot be read.
            ConfigurationError: ADK did not write it.
        """
        if self._connection is not None and identity(self._file) != self._identity:
            self.close()  # Another file has taken its place, as after ``adk migrate``.
        assert self.connection is not None  # noqa: S101  # Opens it.
        return self._layout

    def select(self, table: str) -> Select:
        """The statements that read a table of this file."""
        assert self.layout is not None  # noqa: S101  # Opens it.
        return self._selects[table]

    def count(self) -> int:
        """The number of sessions in the file."""
        with self.translated():
            (count,) = self.row(_COUNT)
        return int(count)

    def shift(self) -> int:
        """By how many seconds the times of events seem to be wrong; 0 if nothing shows that.

        Schema 1 records instants, so nothing can be wrong there.
        """
        if self.layout.schema:
            return 0
        with self.translated():
            rows = self.run(_SAMPLE)
        sessions = []
        for created, updated, first, last in rows:
            times = (moment(created), moment(updated), self._event(first), self._event(last))
            if None not in times:
                sessions.append(times)
        return shift_of(sessions)  # type: ignore[arg-type]

    def _event(self, stored: Any) -> int | None:
        return moment(stored, self.zone)

    def pages(self, sql: str, bindings: Sequence[Any], context: Context) -> Iterator[Page]:
        """Reads all rows of a SELECT, into a temporary file if they are many, and yields them."""
        self._context = context
        with self.translated():
            scan = OpenScan(self.connection.execute(sql, bindings))
            scan.settle()
        while page := scan.page(_PAGE):
            yield page

    def _open(self) -> apsw.Connection:
        path = Path(self._file)
        if not path.is_file():
            raise StoreError(f"{self.place} does not exist. Does the agent write to this file?")
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            self._identity = identity(self._file)
            self._configure(connection)
            self._layout = self._recognised(connection)
        except BaseException:
            connection.close()
            raise
        made = relations(self._layout, self._scopes)
        self._selects = {name: Select(relation) for name, relation in made.items()}
        return connection

    def _configure(self, connection: apsw.Connection) -> None:
        connection.set_busy_handler(self._wait)
        connection.set_progress_handler(self._interrupted, _STEPS)
        connection.pragma("query_only", True)
        connection.pragma("trusted_schema", False)
        add_function(connection)
        for name, (function, count) in functions(self.zone).items():
            connection.create_scalar_function(name, function, count, deterministic=True)

    def _recognised(self, connection: apsw.Connection) -> Layout:
        tables: dict[str, set[str]] = {}
        for table, column in connection.execute(_LAYOUT):
            tables.setdefault(str(table), set()).add(str(column))
        layout = Layout({name: frozenset(columns) for name, columns in tables.items()})
        if not layout.is_known:
            raise ConfigurationError(
                f"{self.place} was not written by google-adk: it has no tables sessions and events"
                " with the columns app_name and user_id. Use the file of ADK's"
                " SqliteSessionService or DatabaseSessionService."
            )
        return layout


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
    """One table."""

    def __init__(self, relation: StoreTable, store: AdkStore) -> None:
        super().__init__(relation._replace(writes=_WRITES), store)
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
