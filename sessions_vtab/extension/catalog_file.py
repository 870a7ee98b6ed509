"""A database file whose tables are the live ones, for tools that list ``main`` and nothing else."""

from __future__ import annotations

from pathlib import Path

import apsw

from sessions_vtab.contract.declare import quoted
from sessions_vtab.errors import ConfigurationError, SessionsError
from sessions_vtab.extension import load

__all__ = ["write_catalog"]


def write_catalog(file: Path) -> list[str]:
    """Writes a file with the tables of every source, under the names they have in ``temp``.

    It holds names and nothing else. A program that opens it needs the extension: without it, SQLite
    says ``no such module: sessions_vtab``.

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
