"""The virtual table modules: what CREATE VIRTUAL TABLE makes of a source's names.

What may not be created, dropped or copied of them is refused before SQLite runs the statement: from
inside ``xCreate`` and ``xDestroy`` APSW hands an error to ``sys.unraisablehook``, and the caller
gets an SQLError without the reason.

``ConnectionCatalog`` says what the names mean afterwards, by ``sqlite_schema``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import apsw

from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.model import Function, quoted
from sessions_vtab.errors import UnknownNameError, UnsupportedError
from sessions_vtab.plan.lists import Sizes
from sessions_vtab.sql.lexer import StatementKind, Token, name_of, tokenize
from sessions_vtab.sql.names import OurTable, OurView
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.logs import LOGS
from sessions_vtab.vtab.statements import HostConnection
from sessions_vtab.vtab.table import SourceTable

if TYPE_CHECKING:  # It loads the planner.
    from sessions_vtab.plan.binding import Binder


FUNCTION_MODULE: Final = "sessions_vtab_function"
"""Name of the module of functions."""
MODULE: Final = "sessions_vtab"
"""Name of the module in ``CREATE VIRTUAL TABLE .. USING sessions_vtab(source)``."""


def foreign_create(module: str) -> UnsupportedError:
    """The error for a CREATE VIRTUAL TABLE statement that this package did not issue."""
    return UnsupportedError(
        f"Virtual tables of {module} are created by sessions_vtab.connect() or register(),"
        " not by CREATE VIRTUAL TABLE."
    )


class SourceModule:
    """``VTModule`` of all tables.

    Its arguments are the name of a source, and the table there if SQL calls it something else.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._plans: dict[tuple[str, str], dict[str, Binder]] = {}

    def Create(
        self, connection: HostConnection, module: str, schema: str, name: str, *arguments: str
    ) -> tuple[str, SourceTable]:
        """Makes a table; refuses what is not one of our own CREATE VIRTUAL TABLE statements."""
        if not self._host.installing:
            raise foreign_create(module)
        return self.Connect(connection, module, schema, name, *arguments)

    def Connect(
        self, connection: HostConnection, _module: str, schema: str, name: str, *arguments: str
    ) -> tuple[str, SourceTable]:
        """Connects a table that exists, also after a schema change was rolled back."""
        source_name, of = arguments if len(arguments) > 1 else (*arguments, name)
        source = self._host.sources[source_name]
        resource = source.backend.resources[of]
        connection.vtab_config(apsw.SQLITE_VTAB_CONSTRAINT_SUPPORT, 1)
        plans = self._plans.setdefault((source_name, of), {})
        participant = self._host.unit.participants.connected(schema, name, source, of)
        sizes = self._host.sizes.setdefault((source_name, of), Sizes())
        table = SourceTable(self._host, source, resource, plans, participant, sizes)
        return resource.table.declared, table


class FunctionModule:
    """``VTModule`` of all functions: the table's name is the function, the argument its source."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def Create(
        self, connection: HostConnection, module: str, schema: str, name: str, *arguments: str
    ) -> tuple[str, FunctionTable]:
        """Makes a function; refuses what is not one of our own statements."""
        if not self._host.installing:
            raise foreign_create(module)
        return self.Connect(connection, module, schema, name, *arguments)

    def Connect(
        self, connection: HostConnection, _module: str, _schema: str, name: str, *arguments: str
    ) -> tuple[str, FunctionTable]:
        """Connects a function that exists."""
        (source_name,) = arguments
        source = self._host.sources[source_name]
        function = source.backend.functions[name]
        if function.effect:
            # Not in views and triggers, which would run it unseen.
            connection.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        where = f"{source.name}.{name}"
        return function.declared, FunctionTable(self._host, function, where, lambda: source)


def require_copyable(host: Host, schema: str, what: str) -> None:
    """Raises UnsupportedError for a page-by-page copy of a schema that has tables of sources.

    The copy would have no rows: only definitions, which no other program can even drop.

    Args:
        host: of the connection.
        schema: the schema that would be copied, or copied into.
        what: the statement or command.
    """
    if schema.lower() in {"main", *(name.lower() for name in host.sources)}:
        raise UnsupportedError(
            f"{what} copies the definitions of virtual tables, not the rows of their sources."
            " Nothing was written. Write a copy with sessions-vtab snapshot FILE; for one table:"
            " ATTACH 'FILE' AS copy; CREATE TABLE copy.sessions AS SELECT * FROM sessions."
        )


def require_definable(host: Host, text: str, kind: StatementKind) -> None:
    """Checks a CREATE, DROP or VACUUM INTO of the user's.

    Raises:
        UnsupportedError: it would make a virtual table of our modules, or copy them.
        QueuedWritesError: it would drop a table that has rows waiting to be sent.
    """
    if kind.explain or kind.verb not in {"CREATE", "DROP", "VACUUM"}:
        return
    tokens = tokenize(text)[kind.at + 1 :]
    words = [token.upper for token in tokens]
    if kind.verb == "VACUUM" and "INTO" in words[:2]:
        schema = name_of(tokens[0]) if words[0] != "INTO" else "main"
        require_copyable(host, schema, "VACUUM INTO")
    if kind.verb == "CREATE" and words[:2] == ["VIRTUAL", "TABLE"] and "USING" in words:
        module = [name_of(token) for token in tokens[words.index("USING") + 1 :][:1]]
        if module and module[0].lower() in {MODULE, FUNCTION_MODULE}:
            raise foreign_create(module[0])
    elif kind.verb == "DROP" and words[:1] == ["TABLE"]:
        following = 3 if words[1:3] == ["IF", "EXISTS"] else 1
        host.unit.require_droppable(*_name(tokens[following:]))


def _name(tokens: Sequence[Token]) -> tuple[str | None, str]:
    """Schema, if there is one, and name of a table, as SQLite compares them."""
    parts = [name_of(token).lower() for token in tokens[:3]]
    if parts[1:2] == ["."]:
        return parts[0], "".join(parts[2:])
    return None, "".join(parts[:1])


# What names mean

_OF_DEFAULT: Final = frozenset(("temp", "main"))

_OURS: Final = re.compile(
    rf"CREATE VIRTUAL TABLE .* USING ({MODULE}|{FUNCTION_MODULE})\((\w+)\)", re.DOTALL
)


class ConnectionCatalog:
    """Implements ``sql.names.Catalog``. Reads each schema once, until ``clear``."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: dict[str, Mapping[str, str]] | None = None
        backends = [source.backend for source in host.sources.values()]
        self._views = {
            (name, view.name): view
            for name, source in host.sources.items()
            for view in views_of(source.backend)
            if view.keys
        }
        self.view_names = frozenset(name for _, name in self._views)
        self.table_names = frozenset(name for one in backends for name in one.resources)
        self.effect_names = frozenset(
            name for one in backends for name in one.routines if one.functions[name].effect
        )

    def clear(self) -> None:
        """Forgets what was read: a table may have been created or dropped."""
        self._found = None

    def resolve(self, schema: str | None, name: str) -> OurTable | None:
        """Our table of that name; None for anything else."""
        module, source_name = self._module(schema, name)
        if module != MODULE:
            return None
        source = self._host.sources[source_name]
        resource = source.backend.resources[name.lower()]
        steady = source.name != LOGS  # Their rows are what the statement itself does.
        return OurTable(resource.table, resource.capability, source.name, steady)

    def effect(self, schema: str | None, name: str) -> Function | None:
        """Our function of that name, as its source has it, if it acts."""
        module, source_name = self._module(schema, name)
        if module != FUNCTION_MODULE:
            return None
        function = self._host.sources[source_name].backend.functions[name.lower()]
        return function if function.effect else None

    def view(self, schema: str | None, name: str) -> OurView | None:
        """Our view of that name, if it groups rows; None for anything else."""
        found, sql = self._look_up(schema, name)
        select = sql.partition(" AS\n")[2] if sql.startswith("CREATE VIEW") else ""
        for (source, own), view in self._views.items() if select else ():
            if own == name.lower():
                # Tables without a schema are those beside the view.
                for where, written in ((found, ""), (source, source)):
                    if select == view.query(written):
                        return OurView(view, where)
        return None

    def definition(self, schema: str | None, name: str) -> str:
        """What created a table or view; '' for no name of the connection."""
        return self._look_up(schema, name)[1]

    def require_default(self, schema: str | None, name: str) -> None:
        """Raises UnknownNameError for a name without schema that only another source has.

        SQLite would go on searching the attached schemas and act on whichever has it first.
        """
        if schema is None:
            found = [one for one, objects in self._schemas().items() if name.lower() in objects]
            if found and not _OF_DEFAULT.intersection(found):
                raise UnknownNameError(
                    f"The default source has no {name}; use {found[0]}.{name}. Nothing was sent."
                )

    def _module(self, schema: str | None, name: str) -> tuple[str, str]:
        """Module and source behind a name, both empty if it is not ours."""
        match = _OURS.fullmatch(self._look_up(schema, name)[1])
        return (match[1], match[2]) if match else ("", "")

    def _look_up(self, schema: str | None, name: str) -> tuple[str, str]:
        """The schema that has a name, and what created it there; both empty for none.

        Without a schema SQLite searches temp, main and the attached ones in order
        (https://sqlite.org/lang_naming.html).
        """
        schemas = self._schemas()
        for one in schemas if schema is None else [schema.lower()]:
            found = schemas.get(one, {}).get(name.lower())
            if found is not None:
                return one, found
        return "", ""

    def _schemas(self) -> dict[str, Mapping[str, str]]:
        if self._found is None:
            listed = self._host.statements.run("PRAGMA database_list")
            attached = [str(name) for _, name, _ in listed]
            names = ["temp", "main", *(one for one in attached if one not in {"temp", "main"})]
            self._found = {name.lower(): self._objects(name) for name in names}
        return self._found

    def _objects(self, schema: str) -> Mapping[str, str]:
        """Every table and view of a schema, and what created it."""
        rows = self._host.statements.run(
            f"SELECT lower(name), sql FROM {quoted(schema)}.sqlite_schema"
            " WHERE type IN ('table', 'view')"
        )
        return {str(name): str(sql) for name, sql in rows}
