"""Type objects, constructors and parameters of PEP 249."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sessions_vtab.dbapi.errors import DataError, ProgrammingError
from sessions_vtab.schema.model import ColumnType

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Date",
    "DateFromTicks",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "TypeObject",
    "bound",
    "type_code",
]


class TypeObject:
    """Compares equal to the type codes of ``Cursor.description`` that it stands for."""

    def __init__(self, name: str, *codes: str) -> None:
        self._name = name
        self._codes = frozenset(codes)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, str) and other in self._codes)

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return self._name


STRING: Final = TypeObject("STRING", "text", "json")
BINARY: Final = TypeObject("BINARY", "blob")
NUMBER: Final = TypeObject("NUMBER", "integer", "real", "boolean")
DATETIME: Final = TypeObject("DATETIME", "time")
ROWID: Final = TypeObject("ROWID")

Date = date
Time = clock_time
Timestamp = datetime
Binary = bytes


def DateFromTicks(ticks: float) -> date:  # noqa: N802  # The name PEP 249 gives it.
    """The local date of a time in seconds since 1970."""
    return date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> clock_time:  # noqa: N802
    """The local time of day of a time in seconds since 1970."""
    return clock_time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime:  # noqa: N802
    """A time in seconds since 1970; in UTC, which naive times are taken as."""
    return datetime.fromtimestamp(ticks, UTC)


# By the affinity of a declared type (https://sqlite.org/datatype3.html, section 3.1).
_DECLARED: Final = (
    ("INT", "integer"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("BLOB", "blob"),
    ("REAL", "real"),
    ("FLOA", "real"),
    ("DOUB", "real"),
    ("BOOL", "boolean"),
    ("DATE", "time"),
    ("TIME", "time"),
    ("JSON", "json"),
)


def type_code(column: ColumnType | None, declared: str | None) -> str | None:
    """The type code of a result column.

    Args:
        column: what our schema says it holds; None if it is no column of our tables.
        declared: the declared type of a native table's column; None for expressions.

    Returns:
        The value of a ``ColumnType``; None where nothing is known before the rows are.
    """
    if column is not None:
        return column.value
    upper = (declared or "").upper()
    return next((code for word, code in _DECLARED if word in upper), None)


def bound(parameters: Any) -> Any:
    """Parameters in the form SQLite takes.

    Args:
        parameters: a sequence, a mapping, or None for none. Times become UTC text, naive ones are
            taken as UTC; a UUID becomes text.

    Raises:
        DataError: a value that SQLite has no type for.
    """
    if parameters is None:
        return None
    if isinstance(parameters, Mapping):
        return {name: _bound(value) for name, value in parameters.items()}
    if isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes):
        return [_bound(value) for value in parameters]
    raise ProgrammingError("Parameters are a sequence, or a mapping for :name.")


def _bound(value: Any) -> Any:
    match value:
        case None | int() | float() | str() | bytes():
            return value
        case datetime():
            utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return utc.isoformat(" ", "microseconds")
        case date() | clock_time():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytearray() | memoryview():
            return bytes(value)
        case Decimal():
            raise DataError("SQLite has no decimal numbers: bind float(value) or str(value).")
        case _:
            raise DataError(f"A {type(value).__name__} cannot be bound: SQLite has no such type.")
