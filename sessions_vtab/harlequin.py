"""Adapter for harlequin, the SQL IDE in the terminal: ``harlequin -a sessions-vtab URL ..``.

The catalog shows what the backends declare, so that looking around sends no request; harlequin
completes names from it. Cancel stops a statement and its requests; errors have the usual hints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from harlequin import HarlequinAdapter, HarlequinConnection, HarlequinCursor
from harlequin.catalog import Catalog, CatalogItem
from harlequin.exception import HarlequinConnectionError, HarlequinQueryError
from harlequin.options import TextOption

from sessions_vtab import dbapi
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import Column, quoted

_LABELS: Final = {
    "text": "s",
    "integer": "#",
    "real": "#.#",
    "boolean": "t/f",
    "time": "ts",
    "json": "{}",
    "blob": "0b",
}
"""harlequin's labels, by the value of a ``ColumnType``, which is also DB-API's type code."""


class SessionsAdapter(HarlequinAdapter):
    """Opens the sources that were named, or those of the configuration file."""

    ADAPTER_OPTIONS = (TextOption("config", "Configuration file of sessions-vtab."),)
    IMPLEMENTS_CANCEL = True
    IMPLEMENTS_READ_ONLY = True

    def __init__(self, conn_str: Sequence[str], read_only: bool = False, **options: Any) -> None:
        chosen = {"read_only": read_only, "config": options.get("config")}
        self._options: dict[str, Any] = {"sources": list(conn_str), **chosen}

    @property
    def connection_id(self) -> str:
        """What harlequin stores its history of a connection by."""
        return " ".join(self._options["sources"]) or "sessions-vtab"

    def connect(self) -> _Connection:
        """A new connection."""
        with _translated(HarlequinConnectionError, "No connection"):
            return _Connection(dbapi.connect(autocommit=True, **self._options))


class _Connection(HarlequinConnection):
    def __init__(self, connection: dbapi.Connection) -> None:
        self._connection = connection
        self._sources = connection.driver.sources
        self.init_message = f"Connected to {', '.join(self._sources)}."
        self.cancel, self.close = connection.interrupt, connection.close

    def execute(self, query: str) -> _HarlequinCursor | None:
        with _translated(HarlequinQueryError, "The statement failed"):
            cursor = self._connection.execute(query)
        return None if cursor.description is None else _HarlequinCursor(cursor)

    def get_catalog(self) -> Catalog:
        return Catalog([_source(name, one.backend) for name, one in self._sources.items()])


class _HarlequinCursor(HarlequinCursor):
    def __init__(self, cursor: dbapi.Cursor) -> None:
        self._cursor = cursor
        self._fetch = cursor.fetchall

    def columns(self) -> list[tuple[str, str]]:
        described = self._cursor.description or ()
        return [(name, _LABELS.get(code or "", "?")) for name, code, *_ in described]

    def set_limit(self, limit: int) -> _HarlequinCursor:
        self._fetch = lambda: self._cursor.fetchmany(limit)
        return self

    def fetchall(self) -> list[tuple[Any, ...]] | None:
        with _translated(HarlequinQueryError, "The rows could not be read"):
            return self._fetch() or None


@contextmanager
def _translated(kind: Callable[..., Exception], title: str) -> Iterator[None]:
    try:
        yield
    except dbapi.Error as error:
        raise kind(str(error), title=title) from error


def _source(name: str, backend: Backend) -> CatalogItem:
    tables = [(one, "t", each.table.visible) for one, each in backend.resources.items()]
    views = [(one.name, "v", one.columns) for one in views_of(backend)]
    functions = [(one, "f", backend.functions[one].results) for one in backend.routines]
    children = [
        _item(f"{quoted(name)}.{quoted(one)}", one, kind, [_column(each) for each in columns])
        for one, kind, columns in (*tables, *views, *functions)
    ]
    return _item(quoted(name), name, backend.name[:3], children)


def _column(column: Column) -> CatalogItem:
    return _item(quoted(column.name), column.name, _LABELS[column.type.value], [])


def _item(identifier: str, label: str, kind: str, children: list[CatalogItem]) -> CatalogItem:
    return CatalogItem(identifier, identifier, label, kind, children)
