"""Puts the tables and functions of sources into a connection, and what the configuration asks for.

The configuration file's TEMP views come first, then its ``init``.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import apsw

from sessions_vtab.contract import times
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import ConfigurationError, SessionsError
from sessions_vtab.sql.lexer import split
from sessions_vtab.vtab.access import Access
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.logs import DRY_RUN, LOGS, Audit, LogsBackend
from sessions_vtab.vtab.modules import FUNCTION_MODULE, MODULE, FunctionModule, SourceModule
from sessions_vtab.vtab.rows import (
    OPERATIONS,
    OPERATIONS_TABLE,
    PREVIEW,
    RowsModule,
    captured_name,
    page_name,
)
from sessions_vtab.vtab.statements import StatementTracker


def add_logs(host: Host) -> OpenSource:
    """Adds the source whose tables are the logs of the connection, and returns it."""
    logs = LogsBackend(host.logs)
    made = host.sources[LOGS] = OpenSource(Source(LOGS, logs.name), logs)
    return made


# Three and more take one of 33 slots of the whole process; one has no savepoints.
_MODULE_VERSION: Final = 2


def install(
    connection: apsw.Connection,
    sources: Mapping[str, OpenSource],
    default: str,
    *,
    schema: str,
    read_only: bool,
    dry_run: bool = False,
    audit: Audit | None = None,
) -> Host:
    """Registers the modules and creates every table and function of every source.

    Args:
        connection: to install into; its own database files are never written to.
        sources: by name; each gets an attached in-memory schema of that name.
        default: source whose tables can be named without a schema.
        schema: where these are made: ``main`` of a connection of ours, else ``temp``.
        read_only: refuse writes and functions with side effects.
        dry_run: show what writes would send, and send nothing.
        audit: the file that every write is noted in.

    Raises:
        ConfigurationError: it has sources already, or a database of a source's name.
        apsw.Error: SQLite refuses; what was begun is taken back.
    """
    _require_room(connection, sources)
    tracker = StatementTracker(connection)
    host = Host(connection, tracker, sources, read_only=read_only, dry_run=dry_run, audit=audit)
    logs = add_logs(host)
    host.sets = sets_work(connection)
    connection.create_collation("TIMESTAMP", times.compare)
    names = _create_modules(connection, host, sources)
    host.installing = True
    before, views = _schemas(connection), _temporary_views(connection)
    try:
        for name, source in sources.items():
            connection.execute(f"ATTACH ':memory:' AS {quoted(name)}")
            _create(connection, name, source)
        _create(connection, schema, sources[default])
        _create(connection, schema, logs)
    except BaseException:
        _undo(connection, names, _schemas(connection) - before)
        tracker.stop()
        for view in _temporary_views(connection) - views:
            connection.execute(f"DROP VIEW temp.{quoted(view)}")
        raise
    finally:
        host.installing = False
    tracker.restart()
    _restrict(connection, host)
    _INSTALLED.add(connection)
    return host


_INSTALLED: Final[weakref.WeakSet[apsw.Connection]] = weakref.WeakSet()


# The interpreter's last collection finds APSW's names freed: a connection that it closes crashes
# the process when SQLite disconnects a table.
@atexit.register
def _close_forgotten() -> None:
    for connection in list(_INSTALLED):
        with suppress(apsw.Error):  # In use by a thread that the interpreter does not wait for.
            connection.close()


def _require_room(connection: apsw.Connection, sources: Mapping[str, OpenSource]) -> None:
    """Raises ConfigurationError, before anything is changed, where the sources do not fit in."""
    if connection in _INSTALLED:
        raise ConfigurationError(
            "This connection already has the tables of sources. Register all sources with one"
            " call of register(), or use another connection."
        )
    taken = {name.lower() for name in _schemas(connection)}
    for name in sources:
        if name.lower() in taken:
            raise ConfigurationError(
                f"The connection already has a database named {name}. Give the source another"
                " name, or DETACH the database."
            )


def _schemas(connection: apsw.Connection) -> set[str]:
    rows = connection.execute("PRAGMA database_list")
    return {str(name) for _, name, _ in rows}


def _temporary_views(connection: apsw.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM temp.sqlite_schema WHERE type = 'view'")
    return {str(name) for (name,) in rows}


def _create_modules(
    connection: apsw.Connection, host: Host, sources: Mapping[str, OpenSource]
) -> list[str]:
    """Registers the modules; returns their names."""
    modules: dict[str, Any] = {
        MODULE: SourceModule(host),
        FUNCTION_MODULE: FunctionModule(host),
    }
    rows = _rows_modules(host, sources)
    for name, module in rows.items():
        connection.create_module(name, module, use_bestindex_object=True, eponymous_only=True)
    for name, module in modules.items():
        connection.create_module(
            name,
            module,
            use_bestindex_object=True,
            use_no_change=True,
            iVersion=_MODULE_VERSION,
        )
    return [*modules, *rows]


def _undo(connection: apsw.Connection, modules: Sequence[str], schemas: set[str]) -> None:
    """Leaves a connection as it was before what failed."""
    made = connection.execute(
        "SELECT name FROM temp.sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING '"
        f" || '{MODULE}%'"
    )
    for name in [str(name) for (name,) in made]:
        connection.execute(f"DROP TABLE temp.{quoted(name)}")
    for name in schemas - {"temp"}:  # It is there from its first use on.
        connection.execute(f"DETACH {quoted(name)}")
    for name in modules:
        connection.create_module(name, None)


def _restrict(connection: apsw.Connection, host: Host) -> None:
    """Sets the authorizer, where something is read-only."""
    files = [
        file
        for one in host.sources.values()
        if host.read_only or one.settings.read_only
        for file in one.backend.files
    ]
    if host.read_only or files:
        host.access = Access(
            read_only=host.read_only,
            files=files,
            modules=(MODULE, FUNCTION_MODULE),
            uris=bool(connection.open_flags & apsw.SQLITE_OPEN_URI),
            before=connection.authorizer,
        )
        connection.authorizer = host.access


def _rows_modules(host: Host, sources: Mapping[str, OpenSource]) -> dict[str, Any]:
    modules: dict[str, Any] = {
        PREVIEW: RowsModule(DRY_RUN, host.previewed_rows),
        OPERATIONS: RowsModule(OPERATIONS_TABLE, host.operation_rows),
    }
    for source in sources.values():
        for name, resource in source.backend.resources.items():
            modules[captured_name(source.name, name)] = RowsModule(
                resource.table, host.returned_rows
            )
            modules[page_name(source.name, name)] = RowsModule(resource.table, lambda: host.page)
    return modules


def sets_work(connection: apsw.Connection) -> bool:
    """Whether an IN over an empty subquery can be taken as a set: APSW 3.54.0 and 3.54.1 fail."""
    probe: Any = _Probe
    connection.create_module(
        "sessions_vtab_probe", probe, use_bestindex_object=True, eponymous_only=True
    )
    try:
        connection.execute("SELECT 1 FROM sessions_vtab_probe WHERE a IN (SELECT 1 WHERE 0)")
    except apsw.SQLError:
        return False
    finally:
        connection.create_module("sessions_vtab_probe", None)
    return True


def _create(connection: apsw.Connection, schema: str, source: OpenSource) -> None:
    # Tables of the user's own file: ours in ``temp`` must not hide them.
    rows = connection.execute("SELECT name FROM main.sqlite_schema") if schema == "temp" else ()
    present = {str(name) for (name,) in rows}
    backend = source.backend
    for module, names in ((MODULE, backend.resources), (FUNCTION_MODULE, backend.routines)):
        for name in (one for one in names if one not in present):
            where = f"{quoted(schema)}.{quoted(name)}"
            connection.execute(f"CREATE VIRTUAL TABLE {where} USING {module}({source.name})")
    for view in views_of(backend):
        if view.name not in present:
            # In temp, a table of the user's file may have the name of one of ours.
            connection.execute(view.create(schema, source.name if schema == "temp" else ""))


class _Probe:
    """A table without rows that takes IN as a set."""

    @classmethod
    def Connect(cls, *_: object) -> tuple[str, _Probe]:
        return "CREATE TABLE x(a)", cls()

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        for index in range(info.nConstraint):
            if info.get_aConstraintUsage_in(index):
                info.set_aConstraintUsage_argvIndex(index, 1)
                info.set_aConstraintUsage_in(index, True)
        return True

    def Open(self) -> _Probe:
        return self

    def Filter(self, *_: object) -> None:
        return

    def Eof(self) -> bool:
        return True

    def Close(self) -> None:
        return

    Disconnect = Destroy = Close


def start(
    connection: apsw.Connection, views: Mapping[str, str], init: Sequence[str], file: str
) -> None:
    """Makes the views and runs the statements, as the connection's user could.

    Args:
        connection: what is read-only for its user is so for them too.
        views: name to SELECT, in any order.
        init: texts of any number of statements; their rows are dropped.
        file: where they are from, for errors.

    Raises:
        ConfigurationError: naming file and key, with what SQLite or a source said as its cause.
    """
    for name, select in views.items():
        with _naming_the_file(file, f"[views] {name}"):
            _make(connection, name, select)
    for name in views:
        # Naming its columns is what SQLite looks into a view for, without planning a read.
        with _naming_the_file(file, f"[views] {name}"):
            apsw.Cursor(connection).execute(f"PRAGMA temp.table_info({quoted(name)})").fetchall()
    for number, text in enumerate(init, 1):
        with _naming_the_file(file, f"init[{number}]" if len(init) > 1 else "init"):
            _run(connection, text)


def _make(connection: apsw.Connection, name: str, select: str) -> None:
    statements = [one.text.rstrip("; \n") for one in split(select, apsw.complete)]
    if len(statements) != 1:
        raise ConfigurationError("a view must be a single SELECT")
    if connection.table_exists("main", name):
        raise ConfigurationError(
            "the view would hide the table of the same name; choose another name"
        )
    connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {statements[0]}")


def _run(connection: apsw.Connection, text: str) -> None:
    for _ in connection.execute(text):
        continue
    if connection.in_transaction:
        raise ConfigurationError("the transaction that it begins has no COMMIT")


@contextmanager
def _naming_the_file(file: str, key: str) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, SessionsError) as error:
        raise ConfigurationError(f"{file}: {key}: {error}") from error
