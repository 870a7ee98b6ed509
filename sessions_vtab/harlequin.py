"""Adapter for harlequin, the SQL IDE in the terminal: ``harlequin -a sessions-vtab URL ..``.

The catalog shows sources, tables and columns from what the backends declare, so that looking
around sends no request. Cancel stops a statement and its requests; errors have the same hints as
everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from harlequin import HarlequinAdapter, HarlequinConnection, HarlequinCursor
from harlequin.autocomplete.completion import HarlequinCompletion
from harlequin.catalog import Catalog, CatalogItem
from harlequin.exception import HarlequinConnectionError, HarlequinQueryError
from harlequin.options import TextOption

from sessions_vtab import dbapi
from sessions_vtab.contract.declare import quoted
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.vtab.host import OpenSource

__all__ = ["SessionsAdapter"]

_LABELS: Final = {
    ColumnType.TEXT: "s",
    ColumnType.INTEGER: "#",
    ColumnType.REAL: "#.#",
    ColumnType.BOOLEAN: "t/f",
    ColumnType.TIME: "ts",
    ColumnType.JSON: "{}",
    ColumnType.BLOB: "0b",
}
_BY_CODE: Final = {kind.value: label for kind, label in _LABELS.items()}
_AFTER_TABLES: Final = 1000
"""Priority that harlequin gives to functions."""


class SessionsCursor(HarlequinCursor):
    """The rows of one statement."""

    def __init__(self, cursor: dbapi.Cursor) -> None:
        self._cursor = cursor
        self._limit: int | None = None

    def columns(self) -> list[tuple[str, str]]:
        """Names of the columns, with a short label of what each holds."""
        described = self._cursor.description or ()
        return [(name, _BY_CODE.get(code or "", "?")) for name, code, *_ in described]

    def set_limit(self, limit: int) -> SessionsCursor:
        """Reads at most so many rows."""
        self._limit = limit
        return self

    def fetchall(self) -> list[tuple[Any, ...]] | None:
        """The rows; None if there are none."""
        try:
            if self._limit is None:
                return self._cursor.fetchall() or None
            return self._cursor.fetchmany(self._limit) or None
        except dbapi.Error as error:
            raise HarlequinQueryError(str(error), title="The rows could not be read") from error


class SessionsConnection(HarlequinConnection):
    """A connection to the sources; every statement is a transaction unless BEGIN starts one."""

    def __init__(self, connection: dbapi.Connection, init_message: str = "") -> None:
        self.init_message = init_message
        self._connection = connection

    def execute(self, query: str) -> SessionsCursor | None:
        """Runs one statement; None if it has no rows to show."""
        try:
            cursor = self._connection.execute(query)
        except dbapi.Error as error:
            raise HarlequinQueryError(str(error), title="The statement failed") from error
        return None if cursor.description is None else SessionsCursor(cursor)

    def cancel(self) -> None:
        """Stops the statements that are running, and their requests."""
        self._connection.interrupt()

    def get_catalog(self) -> Catalog:
        """Sources, their tables and columns; hidden columns are not shown."""
        driver = self._connection.driver
        return Catalog([_source_item(name, one) for name, one in driver.sources.items()])

    def get_completions(self) -> list[HarlequinCompletion]:
        """The table-valued functions of the sources."""
        sources = self._connection.driver.sources.values()
        names = dict.fromkeys(name for one in sources for name in one.backend.routines)
        return [HarlequinCompletion(name, "fn", name, _AFTER_TABLES) for name in names]

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


class SessionsAdapter(HarlequinAdapter):
    """Opens the sources that were named, or those of the configuration file."""

    ADAPTER_OPTIONS = (TextOption("config", "Configuration file of sessions-vtab."),)
    IMPLEMENTS_CANCEL = True
    IMPLEMENTS_READ_ONLY = True

    def __init__(
        self,
        conn_str: Sequence[str],
        read_only: bool = False,
        config: str | None = None,
        **_options: Any,
    ) -> None:
        self._urls = list(conn_str)
        self._read_only = read_only
        self._config = config

    @property
    def connection_id(self) -> str:
        """What harlequin stores its history of a connection by."""
        return " ".join(self._urls) or "sessions-vtab"

    def connect(self) -> SessionsConnection:
        """A new connection."""
        try:
            connection = dbapi.connect(
                sources=self._urls, config=self._config, read_only=self._read_only, autocommit=True
            )
        except dbapi.Error as error:
            raise HarlequinConnectionError(str(error), title="No connection") from error
        return SessionsConnection(
            connection, f"Connected to {', '.join(connection.driver.sources)}."
        )


def _source_item(name: str, source: OpenSource) -> CatalogItem:
    schema = quoted(name)
    children = [
        _item(f"{schema}.{quoted(table)}", table, "t", _columns(resource.table.visible))
        for table, resource in source.backend.resources.items()
    ]
    children += [
        _item(f"{schema}.{quoted(one)}", one, "f", _columns(source.backend.functions[one].results))
        for one in source.backend.routines
    ]
    return _item(schema, name, source.backend.name[:3], children)


def _columns(columns: Sequence[Column]) -> list[CatalogItem]:
    return [_item(quoted(one.name), one.name, _LABELS[one.type], []) for one in columns]


def _item(identifier: str, label: str, kind: str, children: list[CatalogItem]) -> CatalogItem:
    return CatalogItem(identifier, identifier, label, kind, children)
