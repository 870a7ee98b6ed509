"""Tables, columns, their types and comments, from what the backends declare.

Nothing is asked of a service, and of SQLite only for tables and views that the user made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import reflection
from sqlalchemy.engine.interfaces import Dialect

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import literal
from sessions_vtab.dbapi.types import instant_text


class DateTime(sqltypes.DateTime):
    """An instant, as the UTC text that the tables hold.

    Values read are naive and in UTC, with ``timezone=True`` aware. Values written may be either,
    naive ones are taken as UTC; a ``date`` is its midnight; text is passed on, and judged by the
    statement rewriter. Where a service gives nine digits, the last three are cut off here: to find
    such a row again, compare with the text.
    """

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:  # noqa: ARG002
        """To UTC text."""
        return _text

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:  # noqa: ARG002
        """A function that writes a value as a literal of SQL."""
        return lambda value: literal(_text(value))

    def result_processor(
        self,
        dialect: Dialect,  # noqa: ARG002
        coltype: object,  # noqa: ARG002
    ) -> Callable[[Any], Any]:
        """From UTC text."""
        return _aware if self.timezone else _naive


class JsonOrText(sqltypes.TypeDecorator[Any]):
    """A JSON column that also takes plain text: a ``str`` is passed on as it is."""

    # No JSON itself: a dialect's own JSON would take its place.
    impl = sqltypes.JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """JSON text of everything but text."""
        dumped: Any = super().bind_processor(dialect)
        return lambda value: value if isinstance(value, str) else dumped(value)


def type_for(column: Column) -> sqltypes.TypeEngine[Any]:
    """The type of a column of ours."""
    if column.or_text:
        return JsonOrText(none_as_null=True)
    return _OURS[column.type]()


def type_of_code(code: str | None) -> sqltypes.TypeEngine[Any]:
    """The type for a type code of ``Cursor.description``; NullType if it is not known."""
    return sqltypes.NullType() if code is None else _OURS[ColumnType(code)]()


# Absent is NULL in our tables, never the JSON value ``null``.
_OURS: Final[dict[ColumnType, Callable[[], sqltypes.TypeEngine[Any]]]] = {
    ColumnType.TEXT: sqltypes.TEXT,
    ColumnType.INTEGER: sqltypes.INTEGER,
    ColumnType.REAL: sqltypes.REAL,
    ColumnType.BOOLEAN: sqltypes.BOOLEAN,
    ColumnType.TIME: sqltypes.DATETIME,
    ColumnType.JSON: lambda: sqltypes.JSON(none_as_null=True),
    ColumnType.BLOB: sqltypes.BLOB,
}


def _text(value: Any) -> Any:
    match value:
        case None | str():
            return value
        case dt.datetime():
            return instant_text(value)
        case dt.date():
            return f"{value.isoformat()} 00:00:00.000000"
        case _:
            raise TypeError(
                f"A time must be a datetime, a date or text, not a {type(value).__name__}."
            )


def _naive(value: Any) -> dt.datetime | None:
    if value is None:
        return None
    # Since Python 3.11, digits after the sixth are truncated.
    found = dt.datetime.fromisoformat(value)
    return found if found.tzinfo is None else found.astimezone(dt.UTC).replace(tzinfo=None)


def _aware(value: Any) -> dt.datetime | None:
    found = _naive(value)
    return None if found is None else found.replace(tzinfo=dt.UTC)


HOME: Final = "main"
"""The schema whose names need no prefix."""

_TEMP: Final = "temp"
_MADE: Final = (
    "SELECT name FROM {}.sqlite_master WHERE type = ?"
    " AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND sql NOT LIKE 'CREATE VIRTUAL TABLE%'"
    " ORDER BY name"
)

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _cached(method: _Method) -> _Method:
    """As ``reflection.cache``, which in SQLAlchemy 1.4 cannot read annotations."""

    def plain(self: Any, connection: Any, *arguments: Any, **kw: Any) -> Any:
        return method(self, connection, *arguments, **kw)

    plain.__name__ = method.__name__
    plain.__doc__ = method.__doc__
    plain.__annotations__.clear()
    return cast("_Method", reflection.cache(plain))


def _unless_ours(name: str, nothing: Callable[[], Any]) -> Any:
    """A method that asks SQLite about the user's own tables, and finds nothing for ours."""

    def method(
        self: Reflection, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        if _table(connection, table_name, schema) is not None:
            return nothing()
        return getattr(super(Reflection, self), name)(connection, table_name, schema, **kw)

    method.__name__ = name
    return _cached(method)


class Reflection(SQLiteDialect):
    """The part of the dialect that reflects schemas, tables and columns.

    The schema of a name without prefix is ``main``; each source is a schema of its name; saved
    views are TEMP views: unprefixed, or in the schema ``temp``. The tables ``http_requests`` and
    ``writes`` can be read but are not listed.
    """

    @_cached
    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:  # noqa: ARG002
        """``main``, the sources, and ``temp`` if it has views or tables."""
        temporary = self._names_made_by_user(connection, _TEMP, "view") + self._names_made_by_user(
            connection, _TEMP, "table"
        )
        return [HOME, *_driver(connection).sources, *([_TEMP] if temporary else [])]

    @_cached
    def get_table_names(
        self,
        connection: Any,
        schema: str | None = None,
        **kw: Any,  # noqa: ARG002
    ) -> list[str]:
        """Tables of a source, with those that the user made there."""
        ours = _resources(connection, schema)
        return [*ours, *self._names_made_by_user(connection, schema or HOME, "table")]

    @_cached
    def get_view_names(
        self,
        connection: Any,
        schema: str | None = None,
        **kw: Any,  # noqa: ARG002
    ) -> list[str]:
        """Views; without a schema the TEMP views too, which need no prefix."""
        views = self._names_made_by_user(connection, schema or HOME, "view")
        return views if schema else [*views, *self._names_made_by_user(connection, _TEMP, "view")]

    @_cached
    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Whether there is a table or view of that name."""
        if _table(connection, table_name, schema) is not None:
            return True
        return bool(super().has_table(connection, table_name, schema, **kw))

    @_cached
    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """The visible columns; those of a view with the types of what it shows."""
        found = _resource(connection, table_name, schema)
        if found is not None:
            required = found.capability.writes.required
            return [_column(one, found.table, required) for one in found.table.visible]
        columns: list[Any] = super().get_columns(connection, table_name, schema, **kw)
        if not self._is_view(connection, table_name, schema):
            return columns
        codes = self._codes(connection, table_name, schema)
        return [{**one, "type": type_of_code(codes.get(one["name"]))} for one in columns]

    @_cached
    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        """The key, if it is a visible column."""
        table = _table(connection, table_name, schema)
        if table is None:
            return super().get_pk_constraint(connection, table_name, schema, **kw)
        visible = any(column.name == table.key for column in table.visible)
        return {"constrained_columns": [table.key] if visible else [], "name": None}

    @_cached
    def get_table_comment(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        """What a row is."""
        table = _table(connection, table_name, schema)
        if table is None:
            self.get_columns(connection, table_name, schema, **kw)  # Raises NoSuchTableError.
            return {"text": None}
        return {"text": table.doc}

    # A virtual table has neither foreign keys nor constraints nor indexes.
    get_foreign_keys = _unless_ours("get_foreign_keys", list)
    get_indexes = _unless_ours("get_indexes", list)
    get_unique_constraints = _unless_ours("get_unique_constraints", list)
    get_check_constraints = _unless_ours("get_check_constraints", list)
    get_table_options = _unless_ours("get_table_options", dict)

    def _names_made_by_user(self, connection: Any, schema: str, kind: str) -> list[str]:
        """Names of what the user made in a schema."""
        text = _MADE.format(self.identifier_preparer.quote_identifier(schema))
        return [name for (name,) in connection.exec_driver_sql(text, (kind,))]

    def _is_view(self, connection: Any, name: str, schema: str | None) -> bool:
        folded = name.lower()
        places = [schema] if schema else [HOME, _TEMP]
        views = [
            view for place in places for view in self._names_made_by_user(connection, place, "view")
        ]
        return any(view.lower() == folded for view in views)

    def _codes(self, connection: Any, name: str, schema: str | None) -> dict[str, str | None]:
        """Type codes of a view's columns; without rows, it sends nothing."""
        quote = self.identifier_preparer.quote_identifier
        qualified = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
        result = connection.exec_driver_sql(f"SELECT * FROM {qualified} LIMIT 0")
        try:
            return {column[0]: column[1] for column in result.cursor.description}
        finally:
            result.close()


def _driver(connection: Any) -> Any:
    """The ``sessions_vtab.Connection`` behind one of SQLAlchemy."""
    return connection.connection.dbapi_connection.driver


def _resources(connection: Any, schema: str | None) -> dict[str, Resource]:
    """Our tables of a schema; SQL ignores upper and lower case."""
    driver = _driver(connection)
    wanted = (schema or HOME).lower()
    if wanted == HOME:
        wanted = driver.default.lower()
    for name, source in driver.sources.items():
        if name.lower() == wanted:
            return dict(source.backend.resources)
    return {}


def _resource(connection: Any, name: str, schema: str | None) -> Resource | None:
    folded = name.lower()
    found = _resources(connection, schema)
    return next((one for key, one in found.items() if key.lower() == folded), None)


def _table(connection: Any, name: str, schema: str | None) -> Table | None:
    found = _resource(connection, name, schema)
    return None if found is None else found.table


def _column(column: Column, table: Table, required: tuple[str, ...]) -> dict[str, Any]:
    """A column as SQLAlchemy describes it.

    The default says that the service decides what an INSERT leaves out: SQLAlchemy then asks for it
    by RETURNING, the key among it.
    """
    is_key = column.name == table.key
    return {
        "name": column.name,
        "type": type_for(column),
        "nullable": not is_key,
        "default": None if column.name in required else "NULL",
        "autoincrement": False,
        "primary_key": int(is_key),
        "comment": column.doc,
    }
