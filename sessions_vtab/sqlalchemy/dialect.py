"""The dialect: SQLite's, with our sources as schemas and our declarations as reflection."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from sqlalchemy import event, pool
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.exc import NoSuchTableError

from sessions_vtab import dbapi
from sessions_vtab.schema.model import Table
from sessions_vtab.sqlalchemy.types import TYPES, SessionsDateTime
from sessions_vtab.sqlalchemy.urls import connect_arguments, in_memory

__all__ = ["SessionsDialect"]

_MAIN = "main"
_LOGS = frozenset(("http_requests", "writes"))


class SessionsCompiler(SQLiteCompiler):
    """SQLite's, with the paths of JSON as literals: a bound path is not known to the planner."""

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> Any:
        """``column["key"]``; as a string it is what the APIs can filter by."""
        if isinstance(binary.type, sqltypes.String):
            left, right = (self.process(one, **kw) for one in (binary.left, _literal(binary).right))
            return f"({left} ->> {right})"
        return super().visit_json_getitem_op_binary(_literal(binary), operator, **kw)

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> Any:
        """``column["a", "b"]``."""
        return super().visit_json_path_getitem_op_binary(_literal(binary), operator, **kw)


def _literal(binary: Any) -> Any:
    """The same with its right side written into the text when it is executed."""
    changed, changed.right = copy(binary), copy(binary.right)
    changed.right.literal_execute = True
    return changed


def _none_of_ours(what: str) -> Any:
    """Reflection of what our tables do not have, and the user's own may."""

    def get(
        self: SessionsDialect,
        connection: Any,
        table_name: str,
        schema: str | None = None,
        **kw: Any,
    ) -> Any:
        if _table(connection, table_name, schema) is not None:
            return []
        native = getattr(SQLiteDialect, what)
        return native(self, connection, table_name, _native(schema), **kw)

    return get


class SessionsDialect(SQLiteDialect):
    """``sessions://`` and ``sessions+BACKEND://``."""

    name = "sessions"
    driver = "sessions"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    default_schema_name = _MAIN
    supports_default_values = False
    # RETURNING answers in the order of the statement's rows.
    use_insertmanyvalues = True
    statement_compiler = SessionsCompiler
    colspecs = {  # noqa: RUF012  # As its parent has it.
        **SQLiteDialect.colspecs,
        sqltypes.DateTime: SessionsDateTime,
    }

    @classmethod
    def import_dbapi(cls) -> Any:
        """The module of PEP 249."""
        return dbapi

    @classmethod
    def dbapi(cls) -> Any:  # The name SQLAlchemy 1.4 calls it by.
        """As ``import_dbapi``."""
        return dbapi

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        """A connection for each thread where the data is gone with it."""
        return pool.SingletonThreadPool if in_memory(url) else pool.QueuePool

    @classmethod
    def engine_created(cls, engine: Any) -> None:
        """What one user of the pool has sent is no other's business."""
        event.listen(engine.pool, "checkin", _clear_logs)

    def create_connect_args(self, url: Any) -> Any:
        """Arguments of ``dbapi.connect``."""
        with dbapi.errors.translated():
            return [], connect_arguments(url)

    def get_default_isolation_level(self, dbapi_connection: Any) -> Any:  # noqa: ARG002
        """What SQLite always has."""
        return "SERIALIZABLE"

    def get_isolation_level_values(self, dbapi_conn: Any) -> list[str]:  # noqa: ARG002
        """SQLite's, and one transaction a statement."""
        return ["SERIALIZABLE", "AUTOCOMMIT"]

    def get_isolation_level(self, dbapi_connection: Any) -> str:
        """As it was set."""
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "SERIALIZABLE"

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """AUTOCOMMIT, or a transaction from the first change on."""
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def do_savepoint(self, connection: Any, name: Any) -> None:
        """Inside a transaction: released outside one, a savepoint would commit."""
        _own(connection).begin()
        super().do_savepoint(connection, name)

    # Reflection

    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:  # noqa: ARG002
        """``main`` and every source."""
        return [_MAIN, *_own(connection).driver.sources]

    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """Our tables of a source; of ``main`` also the user's own."""
        ours = list(_tables(connection, schema))
        if schema not in {None, _MAIN}:
            return ours
        native = super().get_table_names(connection, _MAIN, **kw)
        functions = _functions(connection)
        return ours + [one for one in native if one not in {*ours, *_LOGS, *functions}]

    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """Views are TEMP views: they stand beside the default source's tables."""
        if schema not in {None, _MAIN}:
            return []
        return [
            *super().get_view_names(connection, _MAIN, **kw),
            *super().get_temp_view_names(connection, **kw),
        ]

    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Whether there is such a table or view."""
        if _table(connection, table_name, schema) is not None:
            return True
        return bool(super().has_table(connection, table_name, _native(schema), **kw))

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        """Visible columns, with types and comments from our own declarations."""
        table = _table(connection, table_name, schema)
        if table is None:
            return super().get_columns(connection, table_name, _native(schema), **kw)
        return [
            {
                "name": column.name,
                "type": TYPES[column.type](),
                "nullable": column.name != table.key,
                # What is not given may be made by the service: asked for with RETURNING.
                "default": "NULL",
                "autoincrement": "auto",
                "primary_key": int(column.name == table.key),
                "comment": column.doc,
            }
            for column in table.visible
        ]

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        """The column SQLite takes as key."""
        table = _table(connection, table_name, schema)
        if table is None:
            return super().get_pk_constraint(connection, table_name, _native(schema), **kw)
        keys = [column.name for column in table.visible if column.name == table.key]
        return {"constrained_columns": keys, "name": None}

    def get_table_comment(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        """What a row is."""
        table = _table(connection, table_name, schema)
        if table is None and not self.has_table(connection, table_name, schema, **kw):
            raise NoSuchTableError(table_name)
        return {"text": None if table is None else table.doc}

    get_foreign_keys = _none_of_ours("get_foreign_keys")
    get_indexes = _none_of_ours("get_indexes")
    get_unique_constraints = _none_of_ours("get_unique_constraints")
    get_check_constraints = _none_of_ours("get_check_constraints")


def _own(connection: Any) -> dbapi.Connection:
    """Our connection behind SQLAlchemy's."""
    found: dbapi.Connection = connection.connection.driver_connection
    return found


def _tables(connection: Any, schema: str | None) -> Mapping[str, Table]:
    driver = _own(connection).driver
    name = driver.default if schema in {None, _MAIN} else schema
    opened = next((one for key, one in driver.sources.items() if key.lower() == name.lower()), None)
    if opened is None:
        return {}
    return {table: resource.table for table, resource in opened.backend.resources.items()}


def _table(connection: Any, name: str, schema: str | None) -> Table | None:
    return _tables(connection, schema).get(name.lower())


def _functions(connection: Any) -> frozenset[str]:
    """Functions stand in ``sqlite_schema`` as tables."""
    driver = _own(connection).driver
    return frozenset(driver.sources[driver.default].backend.routines)


def _native(schema: str | None) -> str | None:
    """SQLite looks into ``temp`` too if no schema is named."""
    return None if schema == _MAIN else schema


def _clear_logs(dbapi_connection: Any, _record: Any) -> None:
    if dbapi_connection is not None:
        dbapi_connection.clear_logs()
