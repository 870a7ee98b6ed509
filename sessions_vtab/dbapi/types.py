"""Type objects, constructors and parameters of PEP 249, and what ``Cursor.description`` says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from numbers import Integral, Rational, Real
from typing import Any, Final, Self, TypeAlias
from uuid import UUID

from sessions_vtab.contract import times
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.cursor import Described
from sessions_vtab.dbapi.errors import DataError, ProgrammingError
from sessions_vtab.vtab.host import OpenSource
from sessions_vtab.vtab.rows import captured_name


class TypeCode(str):
    """A type code of ``Cursor.description``: equal to the value of its ``ColumnType``.

    As text it is what tools make the right thing of that look at it: the rows hold text for times
    and JSON, and where a code is called "time" Polars wants another value, and fails on the text.
    """

    __slots__ = ("_value",)
    _value: str

    def __new__(cls, kind: ColumnType) -> Self:
        """The code of what a column holds."""
        made = super().__new__(cls, _WRITTEN.get(kind, kind.value))
        made._value = kind.value
        return made

    @property
    def kind(self) -> ColumnType:
        """What the column holds."""
        return ColumnType(self._value)

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What copies and pickles are made of."""
        return (ColumnType(self._value),)

    def __eq__(self, other: object) -> bool:
        return other == self._value if type(other) is not TypeCode else self._value == other._value

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._value)


_WRITTEN: Final = {ColumnType.TIME: "timestamp text", ColumnType.JSON: "json text"}


class TypeObject:
    """Compares equal to the type codes of ``Cursor.description`` that it stands for."""

    def __init__(self, name: str, *kinds: ColumnType) -> None:
        self._name = name
        self._codes = frozenset(kind.value for kind in kinds)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, str) and other in self._codes)

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return self._name


STRING: Final = TypeObject("STRING", ColumnType.TEXT, ColumnType.JSON)
BINARY: Final = TypeObject("BINARY", ColumnType.BLOB)
NUMBER: Final = TypeObject("NUMBER", ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN)
DATETIME: Final = TypeObject("DATETIME", ColumnType.TIME)
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
    ("INT", ColumnType.INTEGER),
    ("CHAR", ColumnType.TEXT),
    ("CLOB", ColumnType.TEXT),
    ("TEXT", ColumnType.TEXT),
    ("BLOB", ColumnType.BLOB),
    ("REAL", ColumnType.REAL),
    ("FLOA", ColumnType.REAL),
    ("DOUB", ColumnType.REAL),
    ("BOOL", ColumnType.BOOLEAN),
    ("DATE", ColumnType.TIME),
    ("TIME", ColumnType.TIME),
    ("JSON", ColumnType.JSON),
)


def with_datetimes(
    rows: Sequence[tuple[Any, ...]], columns: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Rows in which the values of time columns are ``datetime`` in UTC; other texts stay."""
    places = {place for place, column in enumerate(columns) if column[1] == DATETIME}
    if not places:
        return list(rows)
    return [
        tuple(_datetime(value) if place in places else value for place, value in enumerate(row))
        for row in rows
    ]


def _datetime(value: Any) -> Any:
    instant = times.parse(value) if isinstance(value, str) else None
    # Digits after the sixth are cut off, which ``fromisoformat`` does.
    return value if instant is None else datetime.fromisoformat(f"{times.to_text(instant)}+00:00")


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
    raise ProgrammingError("Parameters must be a sequence, or a mapping for :name.")


def _bound(value: Any) -> Any:
    match value:
        case None | float() | bytes():
            return value
        case str():
            return _written(value)
        case datetime():
            return instant_text(value)
        case date() | clock_time():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytearray() | memoryview():
            return bytes(value)
        # Also numbers of NumPy, which pandas hands out.
        case Integral():
            return _whole(int(value))
        case Real() if not isinstance(value, Rational):
            return float(value)
        case Decimal():
            raise DataError("SQLite has no decimal type; bind float(value) or str(value).")
        case _:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise DataError(f"A {kind} cannot be bound; SQLite has no such type.")


def _whole(value: int) -> int:
    if not -(1 << 63) <= value < 1 << 63:
        raise DataError(f"{value:.20e} cannot be bound; SQLite's integers have 64 bits.")
    return value


def _written(value: str) -> str:
    # Most texts are ASCII, which Python knows without looking.
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"A text that is not valid Unicode cannot be bound ({error})."
            ) from None
    return value


def instant_text(value: datetime) -> str | None:
    """UTC text; NULL for the NaT of pandas, as SQLite has NULL for NaN."""
    if value != value:  # noqa: PLR0124  # Nothing else differs from itself.
        return None
    utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    # A Timestamp of pandas has nanoseconds.
    fine = getattr(value, "nanosecond", 0)
    return utc.isoformat(" ", "nanoseconds" if fine else "microseconds")


Column: TypeAlias = tuple[str, TypeCode | None, None, None, None, None, None]
"""Name and type code; the other five are not known."""


def described(
    columns: Sequence[Described], sources: Mapping[str, OpenSource]
) -> tuple[Column, ...]:
    """The description of a result.

    Args:
        columns: as ``apsw.Cursor.description_full``.
        sources: the connection's, whose tables say more than SQLite's declared types.
    """
    return tuple(_column(one, sources) for one in columns)


def is_whole_table(columns: Sequence[Described], sources: Mapping[str, OpenSource]) -> bool:
    """Whether a result has exactly the columns of ``SELECT *`` of one of the sources' tables."""
    origins = {(schema, table) for _, _, schema, table, _ in columns}
    if len(origins) != 1:
        return False
    ((schema, name),) = origins
    ours = None if name is None else _table(schema or "", name, sources)
    visible = [column.name for column in ours.visible] if ours is not None else None
    return visible == [origin for *_, origin in columns]


def _column(column: Described, sources: Mapping[str, OpenSource]) -> Column:
    """The type code is None where nothing is known before the rows are."""
    name, declared, schema, table, origin = column
    ours = None if table is None else _table(schema or "", table, sources)
    if ours is not None and origin is not None and origin in ours.positions:
        code: TypeCode | None = TypeCode(ours.column(origin).type)
    else:
        upper = (declared or "").upper()
        code = next((TypeCode(kind) for word, kind in _DECLARED if word in upper), None)
    return (name, code, None, None, None, None, None)


def _table(schema: str, name: str, sources: Mapping[str, OpenSource]) -> Table | None:
    """Our table of a name; what RETURNING reads is named after it."""
    named = [sources[schema]] if schema in sources else list(sources.values())
    for source in named:
        for table, resource in source.backend.resources.items():
            if name in {table, captured_name(source.name, table)}:
                return resource.table
    return None
