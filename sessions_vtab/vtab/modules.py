"""The virtual table modules: what CREATE VIRTUAL TABLE makes of a source's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import apsw

from sessions_vtab.contract.declare import declare_function, declare_table
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.plan.lists import Sizes
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.statements import HostConnection
from sessions_vtab.vtab.table import SourceTable

if TYPE_CHECKING:  # It loads the planner.
    from sessions_vtab.plan.binding import Binder

__all__ = ["FUNCTION_MODULE", "MODULE", "FunctionModule", "SourceModule", "foreign_create"]

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
        return declare_table(resource.table), table


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
        return declare_function(function), FunctionTable(
            self._host, function, where, lambda: source
        )
