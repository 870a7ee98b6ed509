"""What a connection knows by name, and which of it a statement speaks of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

import apsw

from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import PLAN_COLUMNS
from sessions_vtab.sql.lexer import Token, TokenKind, name_of, tokenize

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import OpenSource

_T = TypeVar("_T")


_NAMED: Final = (TokenKind.WORD, TokenKind.QUOTED)
# Words that can follow a table's name and are not its alias.
_NOT_ALIAS: Final = frozenset(
    re.findall(
        r"\w+",
        "on using where group order limit join left right full inner cross natural outer union "
        "except intersect set values select indexed not returning having window default",
    )
)


@dataclass(frozen=True, slots=True)
class Names:
    """Tables and functions of a connection.

    Attributes:
        default: the source whose tables need no prefix.
        tables: columns by table, by schema; ``main`` has the user's own tables, which come first.
        functions: functions by source.
    """

    default: str
    tables: Mapping[str, Mapping[str, tuple[str, ...]]]
    functions: Mapping[str, tuple[str, ...]]

    def columns(self, schema: str | None, table: str) -> tuple[str, ...] | None:
        """Columns of a table, or of a function's answer; None if there is no such table.

        Args:
            schema: the prefix it is written with; None for none.
            table: the name, in any case of letters.
        """
        for candidate in (schema,) if schema else ("main", self.default):
            for name, columns in _folded(self.tables, candidate, {}).items():
                if name.lower() == table.lower():
                    return columns
        return None

    @property
    def function_names(self) -> frozenset[str]:
        """The functions that any source has."""
        return frozenset(name for names in self.functions.values() for name in names)

    def reachable(self, schema: str | None) -> tuple[str, ...]:
        """Tables and functions that can be named with a prefix, or without one."""
        if schema:
            tables = _folded(self.tables, schema, {})
            return (*tables, *_folded(self.functions, schema, ()))
        prefixed = (
            f"{source}.{table}"
            for source, tables in self.tables.items()
            if source not in (self.default, "main")
            for table in tables
        )
        return (*self.reachable(self.default), *self.tables.get("main", {}), *prefixed)


def _folded(mapping: Mapping[str, _T], key: str, otherwise: _T) -> _T:
    for name, value in mapping.items():
        if name.lower() == key.lower():
            return value
    return otherwise


@dataclass(frozen=True, slots=True)
class Mention:
    """A table that a statement names.

    Attributes:
        name: as written, with its prefix.
        alias: what it is called in the statement; the table's own name without an alias.
        columns: its columns.
    """

    name: str
    alias: str
    columns: tuple[str, ...]


def mentions(sql: str, names: Names) -> list[Mention]:
    """The tables of ``names`` that a statement names, each alias once, in order."""
    found: dict[str, Mention] = {}
    tokens = tokenize(sql)
    for at, token in enumerate(tokens):
        if token.kind not in _NAMED:
            continue
        if at + 1 < len(tokens) and tokens[at + 1].text == ".":
            continue  # It is the schema of what follows.
        schema = None
        if at > 1 and tokens[at - 1].text == "." and tokens[at - 2].kind in _NAMED:
            schema = name_of(tokens[at - 2])
        word = name_of(token)
        columns = names.columns(schema, word)
        if columns is not None:
            alias = _alias(tokens[at + 1 : at + 3]) or word
            full = f"{schema}.{word}" if schema else word
            found.setdefault(alias.lower(), Mention(full, alias, columns))
    return list(found.values())


def _alias(following: Sequence[Token]) -> str | None:
    """The name that is given to a table, with or without AS; None for none."""
    named = following[1:] if following and following[0].upper == "AS" else following[:1]
    if not named or named[0].kind not in _NAMED or named[0].text.lower() in _NOT_ALIAS:
        return None
    return name_of(named[0])


class Connected(Protocol):
    """A connection with sources, as far as its names are concerned."""

    @property
    def sources(self) -> Mapping[str, OpenSource]:
        """The open sources by name."""

    @property
    def default(self) -> str:
        """Name of the source whose tables need no prefix."""


def names_of(connection: Connected, database: apsw.Connection | None = None) -> Names:
    """What a connection knows: its sources, and the user's own tables.

    Args:
        connection: says which sources it has.
        database: the connection of APSW, if ``connection`` is not that itself.
    """
    sources = connection.sources
    tables: dict[str, Mapping[str, tuple[str, ...]]] = {
        name: _columns_of(opened.backend) for name, opened in sources.items()
    }
    # Where the default's tables are: another table of that name is the user's.
    user = database or cast("apsw.Connection", connection)
    home = "main" if user is cast("apsw.Connection", connection) else "temp"
    ours = {(home, name) for name in tables.get(connection.default, {})}
    own = _own(user)
    tables["main"] = {
        name: columns for (at, name), columns in own.items() if (at, name) not in ours
    }
    functions = {name: tuple(opened.backend.routines) for name, opened in sources.items()}
    return Names(connection.default, tables, functions)


def _columns_of(backend: Backend) -> dict[str, tuple[str, ...]]:
    columns = {
        name: tuple(c for c in resource.table.names if not c.startswith("_"))
        for name, resource in backend.resources.items()
    }
    for view in views_of(backend):
        columns[view.name] = tuple(column.name for column in view.columns)
    for name in backend.routines:
        columns[name] = tuple(column.name for column in backend.functions[name].results)
    return columns


def _own(connection: apsw.Connection) -> dict[tuple[str, str], tuple[str, ...]]:
    """Columns of the tables and views in ``main`` and ``temp``, by schema and name."""
    # A cursor of APSW's own: the requests of the statement that failed stay counted.
    listed = (
        apsw.Cursor(connection)
        .execute(
            "SELECT m.at, m.name, c.name FROM (SELECT 'main' AS at, name FROM main.sqlite_schema"
            " WHERE type <> 'index' UNION ALL SELECT 'temp', name FROM sqlite_temp_schema"
            " WHERE type <> 'index') AS m JOIN pragma_table_xinfo(m.name, m.at) AS c"
        )
        .fetchall()
    )
    grouped: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in listed:
        if column not in PLAN_COLUMNS:
            grouped.setdefault((str(schema), str(table)), []).append(str(column))
    return {place: tuple(columns) for place, columns in grouped.items()}
