"""Values on their way into a backend: checked against their column's type and made canonical."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import InvalidValueError

_MAX_INTEGER: Final = 2**63
_AS_TEXT: Final = (
    "To store it as the text of a message, write"
    " json_object('parts', json_array(json_object('text', ..)))."
)
_BLANKS: Final = " \t\n\r"  # White space of JSON (RFC 8259, section 2).


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
            if column.or_text and isinstance(value, str) and not is_object(value):
                return value
            return _object_of(column, value, where) if column.fields else minified(value, where)
        case ColumnType.BOOLEAN:
            return _boolean(value, where)
        case ColumnType.INTEGER:
            return _integer(column, value, where)
        case ColumnType.REAL:
            return _real(value, where)
        case ColumnType.TEXT:
            return _text(value, where)
        case ColumnType.BLOB:
            return value if isinstance(value, bytes) else _text(value, where)


def check_choice(column: Column, value: Value, where: str) -> None:
    """Raises InvalidValueError if the column can be set to some values, and this is not among them.

    Args:
        column: the column.
        value: what a statement sets it to; NULL is never among them.
        where: ``source.table.column``, for the error.
    """
    if not column.choices or value in column.choices:
        return
    if len(column.choices) == 1:
        told = f"{where} can only be set to {column.choices[0]!r}"
    else:
        told = f"{where} must be one of {', '.join(column.choices)}"
    msg = f"{told}, not {_shown(value)}. Nothing was written."
    raise InvalidValueError(msg)


def is_object(text: str) -> bool:
    """Whether a text begins as a JSON object does."""
    return text.lstrip(_BLANKS).startswith("{")


def well_formed(text: str) -> str:
    """The text itself, with U+FFFD in place of each half of a surrogate pair.

    Half a pair is not a character: UTF-8 cannot encode it, so neither SQLite nor a service accepts
    it. JSON can contain it as an escape, for instance if a model cut a text inside an emoji.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def minified(value: Value, where: str) -> str:
    """JSON text without blanks, keys in their order; raises InvalidValueError if it is not JSON."""
    return dump_json(load_json(value, where))


def well_formed_bindings(bindings: Any) -> Any:
    """Bindings whose texts SQLite can take (``well_formed``); the same object if all are.

    Args:
        bindings: a sequence or a mapping, or what SQLite will refuse.
    """
    if isinstance(bindings, Mapping):
        if all(map(_is_well_formed, bindings.values())):
            return bindings
        return {name: _well_formed(value) for name, value in bindings.items()}
    if not isinstance(bindings, Sequence) or all(map(_is_well_formed, bindings)):
        return bindings
    return tuple(map(_well_formed, bindings))


def _well_formed(value: object) -> object:
    return well_formed(value) if isinstance(value, str) else value


def _is_well_formed(value: object) -> bool:
    return _well_formed(value) is value


def load_json(value: Value, where: str) -> Any:
    """The JSON value a text holds (RFC 8259: no NaN, no infinity), with ``well_formed`` texts.

    Raises:
        InvalidValueError: naming ``where``, and where in the text it stops being JSON.
    """
    if not isinstance(value, str):
        msg = f"{where} must be JSON text, not {_shown(value)}."
        raise InvalidValueError(msg)
    try:
        loaded = json.loads(value, parse_constant=_refuse_constant)
        dumped = dump_json(loaded)
    except (ValueError, RecursionError) as error:
        msg = f"{where} must be JSON; {_shown(value)} is not valid JSON ({error})."
        raise InvalidValueError(msg) from None
    sound = well_formed(dumped)
    return loaded if sound is dumped else json.loads(sound)


def dump_json(value: Any) -> str:
    """Minified JSON text of a value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _object_of(column: Column, value: Value, where: str) -> str:
    """Minified JSON; raises InvalidValueError for an object without any of the column's fields."""
    try:
        loaded = load_json(value, where)
    except InvalidValueError as error:
        raise InvalidValueError(f"{error} {_AS_TEXT}") from None
    if isinstance(loaded, dict) and loaded.keys().isdisjoint(column.fields):
        msg = f"{where} is a JSON object without {' or '.join(column.fields)}: {_shown(value)}."
        raise InvalidValueError(f"{msg} Nothing was written. {_AS_TEXT}")
    return dump_json(loaded)


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _boolean(value: Value, where: str) -> int:
    if isinstance(value, int | float) and value in (0, 1):
        return int(value)
    msg = f"{where} must be 0 or 1, not {_shown(value)}."
    raise InvalidValueError(msg)


def _integer(column: Column, value: Value, where: str) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_INTEGER:
        value = int(value)
    low, high = column.least, column.most
    if isinstance(value, int) and (low is None or low <= value) and (high is None or value <= high):
        return value
    limits = {"at least": low, "at most": high}
    told = [f", {word} {limit}" for word, limit in limits.items() if limit is not None]
    msg = f"{where} must be an integer{''.join(told)}, not {_shown(value)}."
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
