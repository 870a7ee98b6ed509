"""The types of our columns, as SQLAlchemy has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.engine.interfaces import Dialect

from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import literal

__all__ = ["DateTime", "JsonOrText", "type_for", "type_of_code"]


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
        return lambda value: literal(str(_text(value)))

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
            utc = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
            return utc.isoformat(" ", "microseconds")
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
