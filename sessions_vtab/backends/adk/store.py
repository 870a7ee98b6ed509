"""ADK's file: opened read-only, and read so that an agent that writes to it never waits for long.

ADK leaves SQLite's journal mode as it is (``delete``). A statement that stays open holds a lock
there, and after 5 seconds the agent's own ``append_event`` fails with "database is locked". So the
rows of each scan are read out before the first one is handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import apsw

from sessions_vtab.backends.adk.clocks import moment, shift_of
from sessions_vtab.backends.adk.tables import Layout, relations
from sessions_vtab.backends.adk.values import functions
from sessions_vtab.backends.local.ddl import add_function
from sessions_vtab.backends.local.dialect import Select
from sessions_vtab.backends.local.pending import OpenScan
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.files import identity
from sessions_vtab.contract.scan import Page
from sessions_vtab.errors import BusyError, ConfigurationError, SessionsError, StoreError

__all__ = ["AdkStore"]

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
_MEANINGS: Final[Mapping[type[apsw.Error], tuple[type[SessionsError], str]]] = {
    apsw.BusyError: (BusyError, "the agent, or another program, kept it locked for 5 seconds."),
    apsw.ReadOnlyError: (
        StoreError,
        "a transaction was left unfinished. Open the file once with ADK or sqlite3 to undo it.",
    ),
    apsw.NotADBError: (StoreError, "it is not an SQLite database. Use the file that ADK writes."),
    apsw.CantOpenError: (StoreError, "it cannot be opened. Check the permission to read it."),
}


class AdkStore(Store):
    """One file of ADK's session services, for one source.

    Args:
        path: the file.
        source: the source's name, for errors.
        clock: returns the current time in nanoseconds since 1970.
        zone: time zone of the program that wrote it, for times that have none.
        scopes: the only values of ``app_name`` and ``user_id`` whose rows are shown.
    """

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

    def failure(self, error: apsw.Error, *, reading: bool = False) -> Exception:
        """Translates an error of SQLite."""
        known = _MEANINGS.get(type(error))
        if known is None:
            return super().failure(error, reading=reading)
        made, what = known
        return made(f"{self.place}: {what} ({error})")

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
