"""Values on their way into a backend: checked against their column's type and made canonical."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.schema.model import Column, ColumnType
from sessions_vtab.spec import times
from sessions_vtab.spec.predicate import Value

__all__ = ["accept", "dump_json", "load_json", "minified"]

_MAX_INTEGER: Final = 2**63


def accept(column: Column, value: Value, where: str) -> Value:
    """A value as its column stores it.

    Args:
        column: the column or parameter it is for.
        value: what the statement gives; not NULL.
        where: ``source.table.column``, for the error.

    Returns:
        Canonical time text, minified JSON, 0 or 1, text or number.

    Raises:
        InvalidValueError: the column does not take such a value.
    """
    match column.type:
        case ColumnType.TIME:
            return times.canonical(value, where)
        case ColumnType.JSON:
            if column.or_text and isinstance(value, str) and not value.startswith("{"):
                return value
            return minified(value, where)
        case ColumnType.BOOLEAN:
            return _boolean(value, where)
        case ColumnType.INTEGER:
            return _integer(value, where)
        case ColumnType.REAL:
            return _real(value, where)
        case ColumnType.TEXT:
            return _text(value, where)
        case ColumnType.BLOB:
            return value if isinstance(value, bytes) else _text(value, where)


def minified(value: Value, where: str) -> str:
    """JSON text without blanks, keys in their order; raises InvalidValueError if it is not JSON."""
    return dump_json(load_json(value, where))


def load_json(value: Value, where: str) -> Any:
    """The JSON value a text holds (RFC 8259: no NaN, no infinity).

    Raises:
        InvalidValueError: naming ``where``, and where in the text it stops being JSON.
    """
    if not isinstance(value, str):
        msg = f"{where} must be JSON text, not {_shown(value)}."
        raise InvalidValueError(msg)
    try:
        loaded = json.loads(value, parse_constant=_refuse_constant)
        dump_json(loaded).encode()  # Half a surrogate pair cannot be sent as text.
    except (ValueError, RecursionError) as error:
        msg = f"{where} must be JSON; {_shown(value)} is not valid JSON ({error})."
        raise InvalidValueError(msg) from None
    return loaded


def dump_json(value: Any) -> str:
    """Minified JSON text of a value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _boolean(value: Value, where: str) -> int:
    if isinstance(value, int | float) and value in (0, 1):
        return int(value)
    msg = f"{where} must be 0 or 1, not {_shown(value)}."
    raise InvalidValueError(msg)


def _integer(value: Value, where: str) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_INTEGER:
        return int(value)
    if isinstance(value, int):
        return value
    msg = f"{where} must be an integer, not {_shown(value)}."
    raise InvalidValueError(msg)


def _real(value: Value, where: str) -> float:
    if isinstance(value, int | float):
        return float(value)
    msg = f"{where} must be a number, not {_shown(value)}."
    raise InvalidValueError(msg)


def _text(value: Value, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        msg = f"{where} must be text, not a blob."
        raise InvalidValueError(msg)
    return repr(value)


def _shown(value: Value) -> str:
    return f"{value!r:.60}"
