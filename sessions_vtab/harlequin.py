"""Adapter for harlequin, the SQL IDE in the terminal: ``harlequin -a sessions-vtab URL ..``.

The catalog shows what the backends declare, so that looking around sends no request; harlequin
completes names from it. Cancel stops a statement and its requests; errors have the usual hints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from harlequin import HarlequinAdapter, HarlequinConnection, HarlequinCursor
from harlequin.catalog import Catalog, CatalogItem
from harlequin.exception import (
    HarlequinConnectionError,
    HarlequinError,
    HarlequinQueryError,
)
from harlequin.options import TextOption

from sessions_vtab import dbapi
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.model import quoted
from sessions_vtab.vtab.host import OpenSource

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
        self._options: dict[str, Any] = {
            "sources": list(conn_str),
            "read_only": read_only,
            "config": options.get("config"),
        }

    def connect(self) -> _Connection:
        """A new connection."""
        with _translated(HarlequinConnectionError, "No connection"):
            return _Connection(dbapi.connect(autocommit=True, **self._options))


class _Connection(HarlequinConnection):
    def __init__(self, connection: dbapi.Connection) -> None:
        self._sources = connection.driver.sources
        super().__init__(init_message=f"Connected to {', '.join(self._sources)}.")
        self._execute = connection.execute
        self.cancel, self.close = connection.interrupt, connection.close

    def execute(self, query: str) -> _HarlequinCursor | None:
        with _translated(HarlequinQueryError, "The statement failed"):
            cursor = self._execute(query)
        return None if cursor.description is None else _HarlequinCursor(cursor)

    def get_catalog(self) -> Catalog:
        return Catalog(list(map(_catalog_of, self._sources.values())))


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
def _translated(kind: type[HarlequinError], title: str) -> Iterator[None]:
    try:
        yield
    except dbapi.Error as error:
        raise kind(str(error), title=title) from error


def _catalog_of(source: OpenSource) -> CatalogItem:
    name, backend = source.name, source.backend
    tables = [(one, "t", each.table.visible) for one, each in backend.resources.items()]
    views = [(one.name, "v", one.columns) for one in views_of(backend)]
    functions = [(one, "f", backend.functions[one].results) for one in backend.routines]
    children = [
        _item(
            kind, (name, one), [_item(_LABELS[c.type.value], (name, one, c.name)) for c in columns]
        )
        for one, kind, columns in (*tables, *views, *functions)
    ]
    return _item(backend.name[:3], (name,), children)


def _item(kind: str, path: Sequence[str], children: Sequence[CatalogItem] = ()) -> CatalogItem:
    """An item; a column, which has none below it, is written without its table."""
    identifier, name = ".".join(map(quoted, path)), path[-1]
    return CatalogItem(
        identifier, identifier if children else quoted(name), name, kind, [*children]
    )
