"""``sessions-vtab extension``: where the loadable extension is, and what to type for it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from sessions_vtab.cli.display import escaped, is_terminal

__all__ = ["CLIENTS", "show"]

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
    from sessions_vtab.extension import loadable_path  # noqa: PLC0415

    path = loadable_path()
    if arguments.catalog:
        from sessions_vtab.extension.catalog_file import write_catalog  # noqa: PLC0415

        names = write_catalog(Path(arguments.catalog))
        print(f"{escaped(arguments.catalog)}: {', '.join(map(escaped, names))}")
        return 0
    print(path)
    if is_terminal(sys.stdout):
        width = max(len(name) for name, _ in CLIENTS)
        print("\n".join(f"  {name:{width}}  {form.format(path=path)}" for name, form in CLIENTS))
    return 0
