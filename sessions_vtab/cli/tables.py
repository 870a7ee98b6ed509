"""The tables of a connection as the shell shows, completes and fills them (``.import``)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.cli.display import operators
from sessions_vtab.cli.formats import distinct
from sessions_vtab.connection import Connection
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.model import Column, Function, quoted, sql_type
from sessions_vtab.errors import InvalidValueError, UnknownNameError, did_you_mean
from sessions_vtab.hints import Names, mentions, names_of

_HEAD: Final = ("column", "type", "sent", "written", "meaning")
_ROOM: Final = 9


def table_lines(names: Names, pattern: str, width: int | None = None) -> Iterator[str]:
    """Tables and functions of each schema whose names match a LIKE pattern.

    Args:
        names: what there is.
        pattern: as in LIKE.
        width: columns of a line, which ends between two names; None for any number.
    """
    for schema, tables in names.tables.items():
        functions = set(names.functions.get(schema, ()))
        kinds = (
            ("tables", [name for name in tables if name not in functions]),
            ("functions", [name for name in tables if name in functions]),
        )
        found = [
            (kind, [n for n in listed if not apsw.strlike(pattern, n)]) for kind, listed in kinds
        ]
        if any(listed for _, listed in found):
            yield f"{schema} (default)" if schema == names.default else schema
            for kind, listed in found:
                if listed:
                    head = f"  {kind.ljust(_ROOM)}  "
                    yield from _filled(head, listed, width)


def _filled(head: str, words: list[str], width: int | None) -> list[str]:
    if width is None:
        return [head + " ".join(words)]
    from textwrap import wrap  # noqa: PLC0415  # For a terminal only.

    indent = " " * len(head)
    return wrap(" ".join(words), width, initial_indent=head, subsequent_indent=indent)


def schema_text(connection: Connection, table: str | None) -> Iterator[str]:
    """CREATE texts: of one table, or of all; hidden columns are marked.

    Raises:
        UnknownNameError: there is no such table.
    """
    wanted = None if table is None else table.lower()
    found = False
    for name, create in _creates(connection):
        if wanted in (None, name.lower(), name.rpartition(".")[2].lower()):
            found = True
            yield create
    if wanted is not None and not found:
        known = names_of(connection).reachable(None)
        raise UnknownNameError(f"There is no table {table}.{did_you_mean(wanted, known)}")


def _creates(connection: Connection) -> Iterator[tuple[str, str]]:
    for source, opened in connection.sources.items():
        for name, resource in opened.backend.resources.items():
            columns = [c for c in resource.table.columns if not c.name.startswith("_")]
            yield f"{source}.{name}", _create("TABLE", source, name, columns)
        for view in views_of(opened.backend):
            yield f"{source}.{view.name}", f"{view.create(source)};"
        for name in opened.backend.routines:
            function = opened.backend.functions[name]
            columns = [*function.parameters, *function.results]
            yield f"{source}.{name}", _create("FUNCTION", source, name, columns)
    yield from _own_creates(connection)


def _create(kind: str, source: str, name: str, columns: Iterable[Column]) -> str:
    lines = [f"  {quoted(c.name)} {sql_type(c)}{' HIDDEN' if c.hidden else ''}" for c in columns]
    return f"CREATE {kind} {quoted(source)}.{quoted(name)}(\n" + ",\n".join(lines) + "\n);"


def _own_creates(connection: Connection) -> Iterator[tuple[str, str]]:
    """What the user created: our own tables say CREATE VIRTUAL TABLE .. USING sessions_vtab."""
    rows = connection.execute(
        "SELECT name, sql, type = 'view' FROM main.sqlite_schema"
        " WHERE sql NOT LIKE 'CREATE VIRTUAL TABLE%'"
        " UNION ALL SELECT name, sql, 0 FROM sqlite_temp_schema"
        " WHERE sql NOT LIKE 'CREATE VIRTUAL TABLE%'"
    ).fetchall()
    ours = {view.name for view in views_of(connection.sources[connection.default].backend)}
    for name, sql, is_view in rows:
        if not (is_view and name in ours):
            yield str(name), f"{sql};"


def inspect_table(
    connection: Connection, table: str
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The columns of a source's table with what its capability declares, as a heading and rows.

    Of a function: its parameters, then its results.

    Args:
        connection: where the table or function is.
        table: its name; with a source before it, or in the default source.

    Raises:
        UnknownNameError: there is no such table or function.
    """
    schema, _, name = table.rpartition(".")
    opened = connection.sources.get(schema or connection.default)
    resource = None if opened is None else opened.backend.resources.get(name.lower())
    if opened is not None and name.lower() in opened.backend.routines:
        return _HEAD, list(_inspected_function(opened.backend.functions[name.lower()]))
    if resource is None and opened is not None:
        view = next((one for one in views_of(opened.backend) if one.name == name.lower()), None)
        if view is not None:
            return _HEAD, [(c.name, c.type.value, "", "", c.doc) for c in view.columns]
    if resource is None:
        names = names_of(connection)
        known = [*names.reachable(schema or None), *names.tables]
        raise UnknownNameError(f"There is no table {table}.{did_you_mean(table, known)}")
    columns = (c for c in resource.table.columns if not c.name.startswith("_"))
    return _HEAD, [_inspected(column, resource) for column in columns]


def _inspected_function(function: Function) -> Iterator[tuple[str, ...]]:
    for column in function.parameters:
        required = " (required)" if column.name in function.required else ""
        yield column.name, column.type.value, f"argument{required}", "", column.doc
    for column in function.results:
        yield column.name, column.type.value, "", "", column.doc


def _inspected(column: Column, resource: Resource) -> tuple[str, ...]:
    hidden = " (hidden)" if column.hidden else ""
    written = ", ".join(_written(column, resource))
    return (
        column.name,
        f"{column.type.value}{hidden}",
        ", ".join(dict.fromkeys(_sent(column, resource))),
        written,
        column.doc,
    )


def _sent(column: Column, resource: Resource) -> Iterator[str]:
    for path in resource.capability.paths:
        if column.name in path.keys:
            yield "key"
        for declared in path.filters:
            if declared.column == column.name:
                keyed = "->> " if declared.keyed else ""
                yield keyed + operators(declared.ops)
        if column.name in path.orders:
            yield "order"


def _written(column: Column, resource: Resource) -> Iterator[str]:
    writes = resource.capability.writes
    if column.name in resource.capability.absent:
        yield "always NULL"
    if column.name in writes.insert:
        yield "INSERT (required)" if column.name in writes.required else "INSERT"
    if column.name in writes.update:
        yield "UPDATE"


_PREFIX: Final = re.compile(r"(\w+)\.$")
_EXPECTS_TABLE: Final = re.compile(r"\b(?:from|join|into|update|table)\s+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Words that could come.

    Attributes:
        words: ours, in the order to offer them.
        only: nothing else makes sense there.
    """

    words: tuple[str, ...]
    only: bool = False


def candidates(names: Names, line: str, begin: int) -> Candidates:
    """Our names that can stand at a place of a line.

    Args:
        names: what the connection knows.
        line: the line so far.
        begin: where the word that is being typed begins.
    """
    before = line[:begin]
    prefix = _PREFIX.search(before)
    if prefix:
        return _after_dot(names, line, prefix[1])
    if _EXPECTS_TABLE.search(before):
        return Candidates(_called(names, (*names.reachable(None), *names.functions)), only=True)
    columns = [column for mention in mentions(line, names) for column in mention.columns]
    if columns:
        return Candidates(tuple(dict.fromkeys(columns)))
    return Candidates(_called(names, names.reachable(None)))


def _after_dot(names: Names, line: str, prefix: str) -> Candidates:
    """Tables of a source, or columns of a table or alias."""
    for mention in mentions(line, names):
        if mention.alias.lower() == prefix.lower():
            return Candidates(mention.columns, only=True)
    tables = _called(names, names.reachable(prefix))
    columns = names.columns(None, prefix) or ()
    return Candidates(tables or columns, only=True)


def _called(names: Names, words: Iterable[str]) -> tuple[str, ...]:
    """Functions with the bracket that follows them."""
    functions = names.function_names
    return tuple(
        f"{word}(" if word.rpartition(".")[2] in functions else word
        for word in dict.fromkeys(words)
    )


def matching(words: Iterable[str], token: str) -> list[str]:
    """The words that begin with what was typed, in any case of letters."""
    return [word for word in words if word.lower().startswith(token.lower())]


_USAGE: Final = (
    ".import requires a file and a table, such as .import --csv notes.csv notes. Options: --csv,"
    " --tabs, --skip N, --null TEXT, --schema NAME."
)
_SEPARATORS: Final = {"--csv": ",", "--tabs": "\t", "--tsv": "\t"}
_TAB_FILES: Final = frozenset((".tsv", ".tab"))


@dataclass(slots=True)
class Import:
    """What ``.import`` was asked to do.

    Attributes:
        file: path of the file, UTF-8.
        table: the table's name, without its schema.
        schema: its schema; None if it is the default source's or the user's own.
        separator: what separates values; None to tell by the file's name.
        skip: records before the first one that counts.
        null: a text that stands for NULL.
    """

    file: str = ""
    table: str = ""
    schema: str | None = None
    separator: str | None = None
    skip: int = 0
    null: str | None = None

    @property
    def target(self) -> str:
        """The table as SQL names it."""
        prefix = f"{quoted(self.schema)}." if self.schema else ""
        return prefix + quoted(self.table)


def parse_import(words: Sequence[str]) -> Import:
    """The arguments of ``.import``.

    Raises:
        InvalidValueError: they cannot be used; the text says what is required.
    """
    wanted, places, rest = Import(), [], list(words)
    while rest:
        word = rest.pop(0)
        option = f"--{word.lstrip('-')}" if word.startswith("-") else ""
        if option in _SEPARATORS:
            wanted.separator = _SEPARATORS[option]
        elif option == "--skip" and rest and rest[0].isdecimal():
            wanted.skip = int(rest.pop(0))
        elif option == "--null" and rest:
            wanted.null = rest.pop(0)
        elif option == "--schema" and rest:
            wanted.schema = rest.pop(0)
        elif option:
            raise InvalidValueError(_USAGE)
        else:
            places.append(word)
    if len(places) != 2:  # noqa: PLR2004  # The file and the table.
        raise InvalidValueError(_USAGE)
    wanted.file, name = places
    schema, _, wanted.table = name.rpartition(".")
    wanted.schema = schema or wanted.schema
    return wanted


def import_rows(connection: Connection, wanted: Import) -> tuple[int, bool]:
    """Inserts the rows of a file, all or none of them.

    A table that does not exist is created, with columns named by the first record. Into an
    existing table, a first record that consists of names of its columns says which columns the
    others are for; otherwise a record has a value for each column.

    Returns:
        How many rows, and whether the table was created.

    Raises:
        InvalidValueError: the file cannot be read, or a record has too many or too few values.
    """
    known = _columns(connection, wanted)
    with _records(wanted) as records:
        first = next(records, None)
        if first is None:
            raise InvalidValueError(f"{wanted.file} contains no records. Nothing was imported.")
        _, names = first
        named = not known or {name.lower() for name in names} <= {name.lower() for name in known}
        heads = [name.strip() or f"c{number}" for number, name in enumerate(names, 1)]
        columns = distinct(heads) if named else known
        rows = _rows(wanted, columns, records if named else chain([first], records))
        before = connection.total_changes()
        with connection:
            if not known:
                listed = ", ".join(f"{quoted(name)} TEXT" for name in columns)
                connection.execute(f"CREATE TABLE {wanted.target}({listed})")
            places = ", ".join("?" * len(columns))
            listed = ", ".join(map(quoted, columns))
            connection.executemany(f"INSERT INTO {wanted.target}({listed}) VALUES ({places})", rows)
        return connection.total_changes() - before, not known


def _columns(connection: Connection, wanted: Import) -> list[str]:
    """The columns that can be inserted into without naming them; none for no such table."""
    found = connection.execute(
        "SELECT name FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0",
        (wanted.table, wanted.schema),
    ).fetchall()
    return [str(name) for (name,) in found]


@contextmanager
def _records(wanted: Import) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The records of a file with the lines they end on, without empty lines."""
    path = Path(wanted.file).expanduser()
    by_name = "\t" if path.suffix.lower() in _TAB_FILES else ","
    try:
        opened = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InvalidValueError(f"{wanted.file} cannot be read: {error.strerror}.") from None
    try:
        with opened as file:
            reader = csv.reader(file, delimiter=wanted.separator or by_name, strict=True)
            for _ in range(wanted.skip):
                next(reader, None)
            yield ((reader.line_num, record) for record in reader if record)
    except UnicodeDecodeError:
        raise InvalidValueError(f"{wanted.file} is not UTF-8 text. Nothing was imported.") from None
    except csv.Error as error:
        raise InvalidValueError(
            f"{wanted.file}, line {reader.line_num}: {error}. Nothing was imported."
        ) from None


def _rows(
    wanted: Import, columns: Sequence[str], records: Iterator[tuple[int, list[str]]]
) -> Iterator[list[str | None]]:
    for line, record in records:
        if len(record) != len(columns):
            raise InvalidValueError(
                f"{wanted.file}, line {line}: {len(record)} values for {len(columns)} columns."
                " Nothing was imported."
            )
        yield [None if value == wanted.null else value for value in record]
