"""SQLAlchemy dialect ``sessions://`` over the sources' tables.

::

    from sqlalchemy import create_engine, text

    engine = create_engine("sessions+vertex://my-project/us-central1/42")
    with engine.connect() as db:
        rows = db.execute(text("SELECT session_id FROM sessions WHERE user_id = :u"), {"u": "ann"})

An engine only reads unless its URL says ``writable=1``. Schemas are sources; tables, types, keys
and comments come from what the backends declare, so that looking around sends no request. A time
is a naive ``datetime`` in UTC for ``DateTime()``, an aware one for ``DateTime(timezone=True)``; of
nine digits six are kept. What an INSERT does not give (``name``, ids, times) comes back by
RETURNING.

Hidden columns are not reflected. They are named where they are used::

    select(sessions).where(column("page_size") == 20)
    Table("sessions", MetaData(), Column("ttl", Text), autoload_with=engine)   # for INSERT

Works with SQLAlchemy 2.0 and 2.1; with 1.4 for reading and for INSERT, UPDATE and DELETE without
RETURNING.

Here are connections, transactions, and what is compiled otherwise than for SQLite's own; besides:

* `reflection`: tables, columns, types and comments; `url`: the forms of an engine's URL
* `superset`: what Apache Superset has to know
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import apsw
from sqlalchemy import event, pool
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import registry as dialects
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.url import URL

from sessions_vtab import dbapi, registry
from sessions_vtab.contract.values import dump_json
from sessions_vtab.sqlalchemy.reflection import HOME, DateTime, JsonOrText, Reflection
from sessions_vtab.sqlalchemy.url import MEMORY, connect_arguments, engine_url, sources_of

__all__ = ["DateTime", "JsonOrText", "SessionsCompiler", "SessionsDialect", "engine_url"]


class SessionsCompiler(SQLiteCompiler):
    """Writes ``column["key"].as_string()`` so that it can be sent to a service."""

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """``column["key"]``."""
        text = self._text_at(binary, **kw)
        return text or super().visit_json_getitem_op_binary(binary, operator, **kw)

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """``column[("key", "key")]``."""
        text = self._text_at(binary, **kw)
        return text or super().visit_json_path_getitem_op_binary(binary, operator, **kw)

    def _text_at(self, binary: Any, **kw: Any) -> str:
        """A key as text; empty for any other type.

        The path has to be a literal: the statement rewriter reads which key is meant. It is put in
        when the statement is executed, so that compiled statements can be kept. CAST makes text of
        a number: the statement rewriter reads through it where a service has nothing but text.
        """
        if binary.type._type_affinity is not sqltypes.String:  # noqa: SLF001  # So do all dialects.
            return ""
        document = self.process(binary.left, **kw)
        path = self.process(binary.right, **{**kw, "literal_execute": True})
        return f"CAST(JSON_EXTRACT({document}, {path}) AS VARCHAR)"


_AUTOCOMMIT = "AUTOCOMMIT"
_SERIALIZABLE = "SERIALIZABLE"


class SessionsDialect(Reflection):
    """SQLite's dialect over our DB-API module.

    Connections are guarded, and only read unless the URL says ``writable=1``.
    """

    name = "sessions"
    driver = "sessions_vtab"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    returns_native_bytes = True
    statement_compiler = SessionsCompiler
    colspecs = {**SQLiteDialect.colspecs, sqltypes.DateTime: DateTime}  # noqa: RUF012

    # Rows are known by their name, which comes back by RETURNING.
    postfetch_lastrowid = False

    # Whether the engine hands out several connections; each has a ``main`` of its own.
    pooled = True

    def __init__(
        self,
        json_serializer: Callable[[Any], str] | None = None,
        json_deserializer: Callable[[str], Any] | None = None,
        **options: Any,
    ) -> None:
        # Not SQLite's own: it asks the module ``sqlite3`` for its age.
        DefaultDialect.__init__(self, **options)
        self._json_serializer = json_serializer or dump_json
        self._json_deserializer = json_deserializer
        self.native_datetime = False

    @classmethod
    def import_dbapi(cls) -> Any:
        """The DB-API module."""
        return dbapi

    @classmethod
    def dbapi(cls) -> Any:
        """As ``import_dbapi``, for SQLAlchemy 1.4."""
        return dbapi

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """QueuePool; with in-memory stores, one connection per thread instead."""
        private = any(source.location == MEMORY for source in sources_of(url))
        return pool.SingletonThreadPool if private else pool.QueuePool

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Clears the logs when a connection returns to the pool: other users must not see them.

        Notes whether tables of the user's own, which are in one connection's memory, make sense.
        """
        event.listen(engine.pool, "checkin", _clear_logs)
        if isinstance(engine.dialect, SessionsDialect):
            single = isinstance(engine.pool, pool.StaticPool | pool.AssertionPool)
            engine.dialect.pooled = not single

    def create_connect_args(self, url: URL) -> tuple[Sequence[str], dict[str, Any]]:
        """What ``connect`` is called with; a wrong URL makes no engine."""
        return [], connect_arguments(url)

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """A guarded connection."""
        return dbapi.connect(*arguments, **{**options, "guarded": True, "pooled": self.pooled})

    def do_savepoint(self, connection: Any, name: str) -> None:
        """Begins a transaction first; otherwise releasing the savepoint would commit."""
        connection.connection.dbapi_connection.begin()
        super().do_savepoint(connection, name)

    def get_isolation_level_values(self, _connection: Any) -> list[str]:
        """A transaction, or none."""
        return [_SERIALIZABLE, _AUTOCOMMIT]

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Whether every statement is a transaction of its own."""
        dbapi_connection.autocommit = level.replace("_", " ").upper() == _AUTOCOMMIT

    def get_isolation_level(self, dbapi_connection: Any) -> str:
        """One of ``get_isolation_level_values``."""
        return _AUTOCOMMIT if dbapi_connection.autocommit else _SERIALIZABLE

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Whether nothing has to be rolled back."""
        return bool(dbapi_conn.autocommit)

    def is_disconnect(self, e: Exception, _connection: Any, _cursor: Any) -> bool:
        """Whether the connection is of no more use."""
        return isinstance(e, dbapi.ProgrammingError) and "connection is closed" in str(e)

    def _get_server_version_info(self, _connection: Any) -> tuple[int, ...]:
        return tuple(map(int, apsw.sqlite_lib_version().split(".")))

    def _get_default_schema_name(self, _connection: Any) -> str:
        return HOME


def _clear_logs(connection: dbapi.Connection | None, _record: object) -> None:
    if connection is not None:
        with suppress(dbapi.ProgrammingError):  # It is closed.
            connection.clear_logs()


# Those of other packages, too: SQLAlchemy itself finds only what is an entry point of its own.
# A backend that has registered a dialect of its own keeps it.
for _name in registry.names():
    if f"sessions.{_name}" not in dialects.impls:
        dialects.register(f"sessions.{_name}", __name__, SessionsDialect.__name__)
