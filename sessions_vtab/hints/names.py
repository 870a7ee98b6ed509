"""What a connection knows by name, and which of it a statement speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

import apsw

from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import PLAN_COLUMNS

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import OpenSource

_T = TypeVar("_T")


_SKIPPED: Final = r"--[^\n]* | /\*.*?(?:\*/|\Z) | '(?:[^']|'')*(?:'|\Z)"
_WORD: Final = re.compile(
    rf"""(?:{_SKIPPED}) | (?P<dot>\.) | (?P<word>[^\W\d]\w*) |
    "(?P<double>[^"]*)" | `(?P<back>[^`]*)` | \[(?P<square>[^\]]*)\] | (?P<other>\S)""",
    re.VERBOSE | re.DOTALL,
)
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
    words = list(_words(sql))
    for index, (schema, word) in enumerate(words):
        columns = names.columns(schema, word)
        if columns is None:
            continue
        alias = _alias(words[index + 1 : index + 3]) or word
        full = f"{schema}.{word}" if schema else word
        found.setdefault(alias.lower(), Mention(full, alias, columns))
    return list(found.values())


def _words(sql: str) -> Iterator[tuple[str | None, str]]:
    """Identifiers with the one before their dot; other signs as themselves."""
    schema: str | None = None
    pending: str | None = None
    for match in _WORD.finditer(sql):
        text = next((t for t in match.group("word", "double", "back", "square") if t), None)
        if match["dot"]:
            schema, pending = pending, None
            continue
        if pending is not None:
            yield schema, pending
            schema = None
        pending = text
        if text is None:
            schema = None
            if match["other"]:
                yield None, match["other"]
    if pending is not None:
        yield schema, pending


def _alias(following: list[tuple[str | None, str]]) -> str | None:
    words = [word for _, word in following]
    if words and words[0].lower() == "as":
        words = words[1:]
    if not words or not words[0].isidentifier() or words[0].lower() in _NOT_ALIAS:
        return None
    return words[0]


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
