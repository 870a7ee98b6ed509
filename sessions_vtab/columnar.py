"""Rows as Arrow by declaration: a column's type comes from the schema, never from its values.

Two reads of a table therefore always have the same Arrow schema, also when one of them has no rows,
no nanoseconds or only NULLs. A value that its declared type cannot hold is an error.

Times are ``timestamp[ns, tz=UTC]``. Engines and files that have no nanoseconds ask for ``us``: the
last three digits are then cut, never rounded up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias

from sessions_vtab.contract import times
from sessions_vtab.contract.model import ColumnType
from sessions_vtab.errors import InvalidValueError, missing_extra

Unit: TypeAlias = Literal["ns", "us"]
"""Resolution of times. ``ns`` holds the years 1678 to 2261, ``us`` every year from 1 to 9999."""

_NANOSECONDS: Final = {"ns": 1, "us": 1_000}
_MICROSECOND_TEXT: Final = 26
"""Characters of a canonical time up to its microseconds."""
_TRUTHS: Final = frozenset((0, 1, None))
EXACT: Final = 2**53
"""Integers up to this one are exact as a double."""
_HELD: Final = {
    ColumnType.TEXT: frozenset((str,)),
    ColumnType.JSON: frozenset((str,)),
    ColumnType.INTEGER: frozenset((int,)),
    ColumnType.REAL: frozenset((int, float)),
    ColumnType.BLOB: frozenset((str, bytes)),
}
"""Python types of the values, where Arrow would take others too, and change them."""


def require_pyarrow(who: str = "Arrow") -> Any:
    """The module ``pyarrow``.

    Args:
        who: what needs it, for the error.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module("pyarrow")
    except ImportError:
        raise missing_extra(who, "pyarrow", "arrow") from None


def declared_type(kind: ColumnType, unit: Unit = "ns") -> Any:
    """The ``pyarrow.DataType`` of a column."""
    pyarrow = require_pyarrow()
    match kind:
        case ColumnType.INTEGER:
            return pyarrow.int64()
        case ColumnType.REAL:
            return pyarrow.float64()
        case ColumnType.BOOLEAN:
            return pyarrow.bool_()
        case ColumnType.BLOB:
            return pyarrow.binary()
        case ColumnType.TIME:
            return pyarrow.timestamp(unit, "UTC")
        case ColumnType.TEXT | ColumnType.JSON:
            return pyarrow.string()


class Declared:
    """Makes record batches of one schema.

    Args:
        columns: name and type of each column, in order.
        unit: resolution of times.
        hint: what to do about a value that its type cannot hold, for errors.

    Attributes:
        schema: the ``pyarrow.Schema`` of every batch.
    """

    def __init__(
        self, columns: Iterable[tuple[str, ColumnType]], *, unit: Unit = "ns", hint: str = ""
    ) -> None:
        self._pyarrow = require_pyarrow()
        self._columns = tuple(columns)
        self._unit: Unit = unit
        self._hint = hint
        self.schema = self._pyarrow.schema(
            [(name, declared_type(kind, unit)) for name, kind in self._columns]
        )

    def batch(self, rows: Sequence[Sequence[Any]]) -> Any:
        """The rows, each with a value for every column, as a ``pyarrow.RecordBatch``.

        Raises:
            InvalidValueError: naming the column and the value that it cannot hold.
        """
        columns = zip(*rows, strict=True) if rows else [()] * len(self._columns)
        arrays = [
            self._array(values, *column)
            for values, column in zip(columns, self._columns, strict=True)
        ]
        return self._pyarrow.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, values: Sequence[Any], name: str, kind: ColumnType) -> Any:
        try:
            return self._converted(values, kind)
        except (self._pyarrow.ArrowException, TypeError, OverflowError, ValueError):
            wrong = next((one for one in values if not self._holds(one, kind)), values)
            hint = f" {self._hint}" if self._hint else ""
            raise InvalidValueError(
                f"The column {name} is declared as {declared_type(kind, self._unit)}, which"
                f" cannot hold {wrong!r:.60}.{hint}"
            ) from None

    def _converted(self, values: Sequence[Any], kind: ColumnType) -> Any:
        made = declared_type(kind, self._unit)
        if kind is ColumnType.TIME:
            return self._instants(values, made)
        if kind is ColumnType.BOOLEAN:
            return self._truths(values, made)
        if not _HELD[kind].issuperset(set(map(type, values)) - {type(None)}):
            raise TypeError
        if kind is ColumnType.REAL and any(abs(one) > EXACT for one in values if type(one) is int):
            raise OverflowError
        return self._pyarrow.array(values, made)

    def _truths(self, values: Sequence[Any], made: Any) -> Any:
        if not _TRUTHS.issuperset(values):
            raise ValueError
        return self._pyarrow.array([None if one is None else bool(one) for one in values], made)

    def _instants(self, values: Sequence[Any], made: Any) -> Any:
        pyarrow = self._pyarrow
        try:
            texts = pyarrow.array(values, pyarrow.string())
            if self._unit == "us":
                compute = import_module("pyarrow.compute")
                texts = compute.utf8_slice_codeunits(texts, 0, _MICROSECOND_TEXT)
            # The canonical form names no zone and is UTC.
            return texts.cast(pyarrow.timestamp(self._unit)).cast(made)
        except pyarrow.ArrowException:
            return pyarrow.array(list(map(self._instant, values)), made)

    def _instant(self, value: Any) -> int | None:
        """Any form of a time that this package accepts, in the unit since 1970."""
        if value is None:
            return None
        instant = times.parse(value)
        if instant is None:
            raise ValueError
        return instant // _NANOSECONDS[self._unit]

    def _holds(self, value: Any, kind: ColumnType) -> bool:
        try:
            self._converted([value], kind)
        except (self._pyarrow.ArrowException, TypeError, OverflowError, ValueError):
            return False
        return True
