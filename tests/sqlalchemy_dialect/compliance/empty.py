"""A backend without tables: the suite expects a database in which there is nothing but its own."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sqlalchemy import pool

from sessions_vtab.contract.backend import Backend, Source
from sessions_vtab.sqlalchemy import SessionsDialect


class EmptyBackend(Backend):
    name: ClassVar[str] = "empty"

    def __init__(self) -> None:
        self.resources = {}
        self.routines = {}

    @classmethod
    def open(cls, source: Source) -> Self:
        return cls()

    def describe(self) -> str:
        return "nowhere"


class EmptyDialect(SessionsDialect):
    """Each connection has a ``main`` of its own, so that all engines share one that stays open."""

    supports_statement_cache = True
    _only: ClassVar[list[Any]] = []

    @classmethod
    def import_dbapi(cls) -> Any:
        return super().import_dbapi()

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        return pool.StaticPool

    def connect(self, *arguments: Any, **options: Any) -> Any:
        if not self._only:
            self._only.append(super().connect(*arguments, **options))
        return self._only[0]

    def do_close(self, dbapi_connection: Any) -> None:
        dbapi_connection.rollback()

    do_terminate = do_close
