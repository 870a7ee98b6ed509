"""The statement rewriter's catalog: what names mean on a connection, by ``sqlite_schema``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.model import Function, quoted
from sessions_vtab.errors import UnknownNameError
from sessions_vtab.sql.names import OurTable, OurView
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.install import LOGS
from sessions_vtab.vtab.modules import FUNCTION_MODULE, MODULE

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
