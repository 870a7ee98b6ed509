"""What the configuration file asks for when a connection is made: TEMP views, then ``init``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import apsw

from sessions_vtab.contract.declare import quoted
from sessions_vtab.errors import ConfigurationError, SessionsError
from sessions_vtab.sql.lexer import split

__all__ = ["start"]


def start(
    connection: apsw.Connection, views: Mapping[str, str], init: Sequence[str], file: str
) -> None:
    """Makes the views and runs the statements, as the connection's user could.

    Args:
        connection: what is read-only for its user is so for them too.
        views: name to SELECT, in any order.
        init: texts of any number of statements; their rows are dropped.
        file: where they are from, for errors.

    Raises:
        ConfigurationError: naming file and key, with what SQLite or a source said as its cause.
    """
    for name, select in views.items():
        with _naming_the_file(file, f"[views] {name}"):
            _make(connection, name, select)
    for name in views:
        # Naming its columns is what SQLite looks into a view for, without planning a read.
        with _naming_the_file(file, f"[views] {name}"):
            apsw.Cursor(connection).execute(f"PRAGMA temp.table_info({quoted(name)})").fetchall()
    for number, text in enumerate(init, 1):
        with _naming_the_file(file, f"init[{number}]" if len(init) > 1 else "init"):
            _run(connection, text)


def _make(connection: apsw.Connection, name: str, select: str) -> None:
    statements = [one.text.rstrip("; \n") for one in split(select, apsw.complete)]
    if len(statements) != 1:
        raise ConfigurationError("a view must be a single SELECT")
    if connection.table_exists("main", name):
        raise ConfigurationError(
            "the view would hide the table of the same name; choose another name"
        )
    connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {statements[0]}")


def _run(connection: apsw.Connection, text: str) -> None:
    for _ in connection.execute(text):
        continue
    if connection.in_transaction:
        raise ConfigurationError("the transaction that it begins has no COMMIT")


@contextmanager
def _naming_the_file(file: str, key: str) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, SessionsError) as error:
        raise ConfigurationError(f"{file}: {key}: {error}") from error
