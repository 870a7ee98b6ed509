"""``sessions-vtab extension``: where the loadable extension is, what to type for it, a catalog."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.cli.display import escaped, is_terminal
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import ConfigurationError, SessionsError
from sessions_vtab.extension import load, loadable_path

CLIENTS: Final = (
    ("sqlite3 shell", 'sqlite3 -cmd ".load {path}"'),
    ("Python", "sessions_vtab.extension.load(connection)"),
    (
        "DBeaver, JDBC",
        "jdbc:sqlite:FILE?enable_load_extension=true, then SELECT load_extension('{path}')",
    ),
    ("ODBC", "LoadExt={path} in odbc.ini"),
    ("Datasette", "datasette --load-extension {path} FILE"),
)
"""What to type, by program. FILE: one that ``--catalog`` has written, since some list no other."""


def show(arguments: argparse.Namespace) -> int:
    """Prints the path alone, for ``$(..)``; on a terminal, what to type for each program, too.

    Raises:
        ExtensionMissingError: this installation is without the extension.
        SessionsError: the catalog file cannot be written.
    """
    path = loadable_path()
    if arguments.catalog:
        names = write_catalog(Path(arguments.catalog))
        print(f"{escaped(arguments.catalog)}: {', '.join(map(escaped, names))}")
        return 0
    print(path)
    if is_terminal(sys.stdout):
        width = max(len(name) for name, _ in CLIENTS)
        print("\n".join(f"  {name:{width}}  {form.format(path=path)}" for name, form in CLIENTS))
    return 0


def write_catalog(file: Path) -> list[str]:
    """Writes a file for tools that list ``main`` and nothing else: the tables of every source.

    They have the names that they have in ``temp``, and the file holds nothing else. A program that
    opens it needs the extension: without it, SQLite says ``no such module: sessions_vtab``.

    Args:
        file: the new file.

    Returns:
        The names.

    Raises:
        ConfigurationError: the file exists, or cannot be written.
        ExtensionMissingError: this installation is without the extension.
        SessionsError: the sources cannot be opened.
    """
    if file.exists():
        raise ConfigurationError(f"{file} exists already. It was left unchanged. Give a new file.")
    connection = apsw.Connection(":memory:")
    try:
        load(connection)
        rows = connection.execute(
            "SELECT name, substr(sql, instr(sql, ' USING ')) FROM temp.sqlite_schema"
            " WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING sessions_vtab(%' ORDER BY name"
        ).fetchall()
    except apsw.Error as error:
        raise SessionsError(str(error)) from None
    finally:
        connection.close()
    _write(file, {str(name): str(using) for name, using in rows})
    return [str(name) for name, _ in rows]


def _write(file: Path, tables: dict[str, str]) -> None:
    try:
        connection = apsw.Connection(str(file))
    except apsw.Error as error:
        raise ConfigurationError(f"{file} cannot be written: {error}.") from None
    try:
        load(connection)
        with connection:
            for name, using in tables.items():
                connection.execute(f"CREATE VIRTUAL TABLE main.{quoted(name)}{using}")
    except apsw.Error as error:
        raise ConfigurationError(f"{file} cannot be written: {error}.") from None
    finally:
        connection.close()
