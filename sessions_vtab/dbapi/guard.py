"""What people who come through a BI tool cannot do, whatever SQL they write."""

from __future__ import annotations

from typing import Final

import apsw

from sessions_vtab.errors import UnsupportedError

__all__ = ["guard"]

_NEVER: Final = {
    apsw.SQLITE_ATTACH: "ATTACH",
    apsw.SQLITE_DETACH: "DETACH",
    apsw.SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE",
    apsw.SQLITE_DROP_VTABLE: "DROP of a virtual table",
}

# Pragmas whose argument says what to show, not what to change.
_SHOWING: Final = frozenset(
    (
        *("table_info", "table_xinfo", "table_list", "index_info", "index_list", "index_xinfo"),
        *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"),
    )
)
# Pragmas that act although they take no argument.
_ACTING: Final = frozenset(
    ("incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint", "data_store_directory")
)


def guard(connection: apsw.Connection) -> None:
    """Denies ATTACH, DETACH, virtual tables, loading extensions and pragmas that change something.

    For connections that are handed to people who only look: with ATTACH a SELECT reaches every file
    of the server.
    """
    connection.authorizer = _authorize


def _authorize(
    action: int, first: str | None, second: str | None, _schema: str | None, _inner: str | None
) -> int:
    """The authorizer (https://sqlite.org/c3ref/set_authorizer.html)."""
    if action in _NEVER:
        _refuse(_NEVER[action])
    if action == apsw.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
        _refuse("load_extension()")
    if action == apsw.SQLITE_PRAGMA:
        name = (first or "").lower()
        if name in _ACTING or (second is not None and name not in _SHOWING):
            _refuse(f"PRAGMA {name} with a value")
    return apsw.SQLITE_OK


def _refuse(what: str) -> None:
    raise UnsupportedError(
        f"{what} is not allowed on this connection: it is guarded. Nothing was done."
    )
