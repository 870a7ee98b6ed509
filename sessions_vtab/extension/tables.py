"""The sources of one connection: what a load creates in it, and the tables that are connected.

The tables of the default source are in ``temp`` under their own names, those of every other with
its name before theirs (``prod_sessions``): tools list what is in ``temp`` and ``main``. So that SQL
is the same as in the product's own shell, every source is an attached schema, too. A function is
an eponymous table, which has no schema: the statement's text says whose it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Final, TypeAlias

from sessions_vtab.config import load
from sessions_vtab.connection import close_sources, open_sources
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.model import Function
from sessions_vtab.errors import ConfigurationError, UnknownNameError
from sessions_vtab.extension.hosted import HostedConnection, HostedStatements
from sessions_vtab.extension.narrowing import Narrowing
from sessions_vtab.sql.names import OurTable
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.install import add_logs
from sessions_vtab.vtab.logs import Audit
from sessions_vtab.vtab.modules import SourceModule
from sessions_vtab.vtab.table import SourceTable


class NameKind(IntEnum):
    """What a name stands for; the C side has the same numbers."""

    TABLE = 0
    FUNCTION = 1
    VIEW = 2


Entry: TypeAlias = tuple[str, str, str, str, int]
"""Schema, name there, source, table of the source or CREATE VIEW statement, kind."""


def created(
    sources: Mapping[str, OpenSource], default: OpenSource, logs: OpenSource
) -> list[Entry]:
    """Everything to create, in order.

    Args:
        sources: by name.
        default: the one whose tables need no prefix.
        logs: the source of the connection's logs.
    """
    named = [(one, "" if one is default else f"{one.name}_") for one in sources.values()]
    functions = sorted({name for one in sources.values() for name in one.backend.routines})
    return [
        *(entry for one, prefix in named for entry in _tables("temp", one, prefix)),
        *_tables("temp", logs, ""),
        *(entry for one in sources.values() for entry in _tables(one.name, one, "")),
        *(("", name, "", name, int(NameKind.FUNCTION)) for name in functions),
        *(entry for one, prefix in named for entry in _views(one, prefix)),
    ]


def functions_of(
    sources: Mapping[str, OpenSource], default: OpenSource, name: str
) -> tuple[Function, dict[str, OpenSource]]:
    """A function, and the sources that have it: the default's, if there are several of the name.

    Raises:
        KeyError: no source has it.
    """
    having = {key: one for key, one in sources.items() if name in one.backend.routines}
    first = default if default.name in having else next(iter(having.values()), default)
    function = first.backend.functions[name]
    same = {key: one for key, one in having.items() if one.backend.functions[name] == function}
    return function, same


_HOME: Final = frozenset((None, "temp", "main"))


def named_source(
    text: str, name: str, sources: Mapping[str, OpenSource], default: str
) -> OpenSource:
    """The source that a statement names before a function.

    An eponymous table has no schema of its own: SQLite finds it whatever is written before it.

    Args:
        text: of the statement.
        name: of the function.
        sources: those that have it, by name.
        default: name of the source that is meant where none is written.

    Raises:
        UnknownNameError: it names a source without the function, none of them, or several.
    """
    from sessions_vtab.sql.effects import schemas_of  # noqa: PLC0415  # Rarely needed.

    written = {None if one is None else one.lower() for one in schemas_of(text, name)}
    meant = sorted({default.lower() if one in _HOME else str(one) for one in written})
    known = {key.lower(): one for key, one in sources.items()}
    if len(meant) == 1 and meant[0] in known:
        return known[meant[0]]
    likely = " or ".join(f"{one}.{name}" for one in sources)
    if not written:
        what = f"The statement does not say whose {name}() is meant"
    elif written <= _HOME:
        what = f"The default source has no {name}"
    else:
        what = f"{name}() is called for {' and '.join(meant)}"
    raise UnknownNameError(f"{what}; use {likely}. Nothing was sent.")


def _tables(schema: str, source: OpenSource, prefix: str) -> Iterator[Entry]:
    for name in source.backend.resources:
        yield schema, prefix + name, source.name, name, int(NameKind.TABLE)


def _views(source: OpenSource, prefix: str) -> Iterator[Entry]:
    """In temp only: SQLite refuses views of other schemas over tables that are direct only."""
    for view in views_of(source.backend):
        text = view.create("temp", "", prefix)
        yield "temp", prefix + view.name, source.name, text, int(NameKind.VIEW)


@dataclass(frozen=True, slots=True)
class ConnectedTable:
    """A connected table.

    Attributes:
        table: the table or function.
        declaration: its CREATE TABLE statement.
        width: how many columns it has.
        acts: the function's name, if it has side effects.
        narrowing: None where reading costs nothing.
    """

    table: SourceTable | FunctionTable
    declaration: str
    width: int
    acts: str = ""
    narrowing: Narrowing | None = None

    @property
    def key(self) -> int:
        """Place of the key column; -1: none."""
        return self.table.key if isinstance(self.table, SourceTable) else -1

    @property
    def direct_only(self) -> bool:
        """Whether views and triggers of files must not use it."""
        return isinstance(self.table, SourceTable) or bool(self.acts)


class Tables:
    """The configured sources, opened, and their tables by number.

    Attributes:
        host: what the tables share.
        sources: by name.
        entries: what a load creates.

    Raises:
        ConfigurationError: naming the setting that is wrong.
    """

    def __init__(self, connection: HostedConnection, statements: HostedStatements) -> None:
        self._connection = connection
        self._statements = statements
        self._audit: Audit | None = None
        self._numbers = count(1)
        self._tables: dict[int, ConnectedTable] = {}
        configuration = load()
        # Statements of strangers reach this too (Datasette): the owner allows writing.
        said = os.environ.get("SESSIONS_VTAB_WRITABLE")
        writable = configuration.writable_extension if said is None else said == "1"
        if writable and configuration.audit is not None:
            self._audit = Audit(configuration.audit)
        self.sources = open_sources(configuration.sources.values(), read_only=not writable)
        self.host = Host(
            connection, statements, self.sources, read_only=not writable, audit=self._audit
        )
        self.host.installing = True
        self.host.lenient_parameters = True
        self._module = SourceModule(self.host)
        self._default = self.sources[configuration.default]
        self.entries: list[Entry] = created(self.sources, self._default, add_logs(self.host))

    def __getitem__(self, number: int) -> ConnectedTable:
        """The table of a number.

        Raises:
            KeyError: it was forgotten, or never connected.
        """
        return self._tables[number]

    def connect(self, schema: str, name: str, source: str, table: str) -> int:
        """The number of a table.

        Args:
            schema: that it is in.
            name: what SQL calls it there.
            source: name of its source.
            table: its name in the source.

        Raises:
            ConfigurationError: there is no such source.
            UnknownNameError: the source has no such table.
            UnsupportedError: the name is another table in the open transaction.
        """
        known = self.host.sources.get(source)
        if known is None:
            raise ConfigurationError(
                f"No source is named {source}. The configuration has {', '.join(self.sources)}."
            )
        if table not in known.backend.resources:
            raise UnknownNameError(f"The source {source} has no table {table}.")
        sql, made = self._module.Connect(self._connection, "", schema, name, source, table)
        resource = made.resource
        narrowing = None
        if resource.capability.remote:
            ours = OurTable(resource.table, resource.capability, source)
            narrowing = Narrowing(self.host, made, name, ours)
        width = len(resource.table.columns)
        return self._add(ConnectedTable(made, sql, width, narrowing=narrowing))

    def connect_function(self, name: str) -> int:
        """The number of a function, whose source the statement's text says."""
        function, having = functions_of(self.sources, self._default, name)

        def source() -> OpenSource:
            text = self._statements.current.text
            return named_source(text, name, having, self._default.name)

        table = FunctionTable(self.host, function, name, source)
        width = len(function.results) + len(function.parameters)
        acts = name if function.effect else ""
        return self._add(ConnectedTable(table, function.declared, width, acts))

    def forget(self, number: int) -> None:
        """SQLite has disconnected a table."""
        self._tables.pop(number, None)

    def close(self) -> None:
        """Closes the sources; unsent writes are lost."""
        close_sources(self.sources.values())
        if self._audit is not None:
            self._audit.close()

    def _add(self, table: ConnectedTable) -> int:
        number = next(self._numbers)
        self._tables[number] = table
        return number
