"""Rows from a file into a table: ``.import``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sessions_vtab.cli.formats import distinct
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import InvalidValueError

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["Import", "import_rows", "parse_import"]

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
