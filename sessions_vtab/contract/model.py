"""What a schema is written in (columns, tables, functions), and what SQLite is told of it.

Also templates with placeholders, used both ways: to write a resource name, and to read one.
``namespaces/{namespace}/sessions/{session_id}`` is filled with the values of a row, and takes a
name apart again. Placeholders are columns of a table or parameters of a function. In ``{+project}``
a colon stays as it is (https://www.rfc-editor.org/rfc/rfc6570, section 3.2.3): Google's projects
have names such as ``example.com:shop``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, cached_property, lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from sessions_vtab.errors import ConfigurationError


class ColumnType(Enum):
    """What a column holds. How each is declared in SQL: ``sql_type``."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    """0 or 1."""
    TIME = "time"
    """An instant: UTC text ``2026-01-01 09:00:00.123456``, compared by the TIMESTAMP collation."""
    JSON = "json"
    """Minified JSON text."""
    BLOB = "blob"
    """TEXT or BLOB, passed on as it was given."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, or one parameter of a function.

    Attributes:
        name: as written in SQL.
        type: what it holds.
        doc: one sentence for people, without the column's name.
        hidden: not part of ``SELECT *``; can be named in WHERE and INSERT.
        parameter: takes a value from ``WHERE name = value`` and echoes it; has none of its own.
        or_text: a JSON column that also takes plain text, on its way in: what does not start
            with ``{``, white space aside. The backend makes JSON of it.
        fields: fields of which a written JSON object must have at least one; empty for any.
        least: smallest number that is taken on its way in; None for no limit.
        most: largest such number.
        choices: the values that can be written; empty for any. Rows may hold others.
        transient: it tells how the row was read, such as its page: another read of the same row
            may have another value.
        write_only: INSERT or UPDATE takes it; it is always NULL when read.
        scope: it names what a row belongs to, such as a project; a source's ``scopes`` limits it.
        derived: read from other columns of the row: it costs no request, and cannot be written.
    """

    name: str
    type: ColumnType
    doc: str
    hidden: bool = False
    parameter: bool = False
    or_text: bool = False
    fields: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    transient: bool = False
    scope: bool = False
    write_only: bool = False
    derived: bool = False


PUSH = Column(
    "_push",
    ColumnType.TEXT,
    "Pushed plan, first table-valued argument.",
    hidden=True,
    parameter=True,
)
ARGUMENTS = Column(
    "_args", ColumnType.TEXT, "Values of that plan, a JSON array.", hidden=True, parameter=True
)

PLAN_COLUMNS = frozenset((PUSH.name, ARGUMENTS.name))
"""Names of the hidden columns through which the statement rewriter hands a table its plan."""


@dataclass(frozen=True)
class Table:
    """A virtual table: its columns in order and the key that identifies a row.

    Attributes:
        name: as written in SQL.
        visible: the columns of ``SELECT *``.
        doc: what a row is, one or two sentences.
        hidden: further columns that can be named in WHERE and INSERT.
        key: the column SQLite takes as PRIMARY KEY (the table is WITHOUT ROWID).
        example: one statement that shows typical use.
        filled: columns that are NULL in no row. SQLite asks for the smallest value of such a column
            by an order; of another one
            it reads every row (``minMaxQuery`` in select.c).
        columns: all of them, in the order of a row: visible, ``_push`` and ``_args``, hidden.
            Table-valued arguments are assigned to hidden columns from the left
            (https://sqlite.org/vtab.html#tabfunc2), so those two come first among the hidden.
        positions: index in a row by column name.
    """

    name: str
    visible: tuple[Column, ...]
    doc: str
    hidden: tuple[Column, ...] = ()
    key: str = "name"
    example: str = ""
    templates: Mapping[str, str] = field(default_factory=dict, compare=False)
    filled: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = field(init=False, repr=False, compare=False)
    positions: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for part in ("visible", "hidden"):
            given: object = getattr(self, part)
            for one in given if isinstance(given, tuple) else (given,):
                if given is one or not isinstance(one, Column):
                    msg = f"{self.name}: {part} must be a tuple of Columns, and has {one!r:.40}."
                    raise ConfigurationError(msg)
        hidden = tuple(replace(column, hidden=True) for column in self.hidden)
        columns = (*self.visible, PUSH, ARGUMENTS, *hidden)
        positions = {column.name: index for index, column in enumerate(columns)}
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "positions", MappingProxyType(positions))

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        return self.columns[self.positions[name]]

    @property
    def never_null(self) -> frozenset[str]:
        """Columns that are NULL in no row: SQLite itself answers whether one is."""
        return self.filled | {self.key}

    @property
    def identifying(self) -> frozenset[str]:
        """The columns that a row's name is made of, and those that name its parents: never NULL."""
        places = places_of(self.templates.get(self.key, ""))
        return frozenset((*self.templates, *places)) & self.positions.keys()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in the order of a row."""
        return tuple(self.positions)

    @cached_property
    def declared(self) -> str:
        """The CREATE TABLE text for ``sqlite3_declare_vtab``."""
        filled = self.never_null
        body = ", ".join(_definition(column, filled) for column in self.columns)
        return f"CREATE TABLE x({body}, PRIMARY KEY({quoted(self.key)})) WITHOUT ROWID"

    @cached_property
    def declared_rows(self) -> str:
        """As ``declared``, for rows that no key tells apart."""
        return f"CREATE TABLE x({', '.join(map(_definition, self.columns))})"

    def extended(
        self,
        *extra: Column,
        hidden: tuple[Column, ...] = (),
        filled: Iterable[str] = (),
        example: str = "",
    ) -> Table:
        """This table with further columns after its own, or with an example of its own."""
        return replace(
            self,
            visible=self.visible + extra,
            hidden=self.hidden + hidden,
            filled=self.filled.union(filled),
            example=example or self.example,
        )


@dataclass(frozen=True)
class Function:
    """A table-valued function: an operation other than INSERT, UPDATE or DELETE.

    Attributes:
        name: as written in SQL.
        parameters: in call order. Names are never those of a result column.
        results: the visible columns.
        doc: what it does.
        required: parameters that must be given and not NULL.
        effect: it changes something; false for a read.
        example: one statement that shows typical use.
    """

    name: str
    parameters: tuple[Column, ...]
    results: tuple[Column, ...]
    doc: str
    required: tuple[str, ...] = ()
    effect: bool = True
    example: str = ""

    def parameter(self, name: str) -> Column:
        """The parameter of that name; KeyError if there is none."""
        for column in self.parameters:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def signature(self) -> str:
        """How it is called: ``append_event(session, author, ..)``."""
        return f"{self.name}({', '.join(column.name for column in self.parameters)})"

    @cached_property
    def declared(self) -> str:
        """The CREATE TABLE text: visible results, hidden parameters in call order."""
        results = [_definition(column) for column in self.results]
        parameters = [_definition(replace(column, hidden=True)) for column in self.parameters]
        return f"CREATE TABLE x({', '.join(results + parameters)})"


# All but the numbers have TEXT affinity: a column declared DATETIME or JSON would be NUMERIC to
# SQLite and compare wrongly (https://sqlite.org/datatype3.html, section 3.1).
_SQL_TYPES = {
    ColumnType.TEXT: "TEXT",
    ColumnType.INTEGER: "INTEGER",
    ColumnType.REAL: "REAL",
    ColumnType.BOOLEAN: "INTEGER",
    ColumnType.TIME: "TEXT",
    ColumnType.JSON: "TEXT",
    ColumnType.BLOB: "BLOB",
}


def quoted(name: str) -> str:
    """An identifier, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(column: Column) -> str:
    """The declared type of a column, without its collation."""
    return _SQL_TYPES[column.type]


def _definition(column: Column, filled: Collection[str] = ()) -> str:
    """HIDDEN belongs to the type: what follows the constraints would be no part of it."""
    words = [quoted(column.name), sql_type(column)]
    if column.hidden:
        words.append("HIDDEN")
    if column.type is ColumnType.TIME:
        words.append("COLLATE TIMESTAMP")
    if column.name in filled:
        words.append("NOT NULL")
    return " ".join(words)


PLACEHOLDER: Final = re.compile(r"\{\+?(\w+)\}", re.ASCII)

UNADDRESSABLE: Final = frozenset(("", ".", ".."))
"""Texts that no path can have as a segment (RFC 3986, section 5.2.4 removes them)."""

Places: TypeAlias = Mapping[str, str]
"""Values of placeholders by name, not encoded."""


@cache
def places_of(template: str) -> tuple[str, ...]:
    """The names of a template's placeholders, in order."""
    return tuple(PLACEHOLDER.findall(template))


def name_of(template: str, places: Places) -> str:
    """The resource name for some values; each is percent-encoded, whatever it holds."""
    pattern, named = _format(template)
    return pattern % tuple([encoded(places[place], safe) for place, safe in named])


@cache
def _format(template: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A template with ``%s``; the placeholders, each with what stays as it is in its value."""
    named = [(found[1], ":" if "+" in found[0] else "") for found in PLACEHOLDER.finditer(template)]
    return PLACEHOLDER.sub("%s", template.replace("%", "%%")), tuple(named)


@lru_cache(maxsize=4096)
def encoded(value: str, safe: str = "") -> str:
    """A value as it stands in a name; most are those of the name before: project, engine."""
    return quote(value, safe=safe)


def parse_name(template: str, name: object) -> dict[str, str] | None:
    """The values in a resource name; None unless it is spelled as ``name_of`` spells it."""
    match = _pattern(template).fullmatch(name) if isinstance(name, str) else None
    if match is None:
        return None
    try:
        found = {one: unquote(text, errors="strict") for one, text in match.groupdict().items()}
    except UnicodeDecodeError:
        return None
    return found if name_of(template, found) == name else None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a name looks like: percent-encoded values hold neither ``/`` nor ``#``."""
    parts = PLACEHOLDER.split(template)
    literals, places = map(re.escape, parts[::2]), parts[1::2]
    groups = [f"(?P<{place}>[^/#]*)" for place in places]
    return re.compile(
        "".join(one + group for one, group in zip(literals, [*groups, ""], strict=True))
    )


def shape(template: str) -> str:
    """A template as an example in an error: ``namespaces/../sessions/..``."""
    return PLACEHOLDER.sub("..", template)
