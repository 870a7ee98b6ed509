"""Rows as an Arrow table.

APSW hands out rows as Python objects, so that each value is one for a moment; a batch of them at a
time becomes Arrow memory.

Types: a column of times becomes ``timestamp[us, tz=UTC]`` (``ns`` if a value needs it), a boolean
``bool``; every other column takes the type of its values: ``int64``, ``double`` (also for integers
among them, if none is changed by it), ``string`` or ``binary``. A column of NULLs is a ``string``.
Values of several other types in one column are an error that names it, never a silent conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab.errors import InvalidValueError, MissingExtraError
from sessions_vtab.spec import times

if TYPE_CHECKING:
    from sessions_vtab.dbapi.description import Column

__all__ = ["arrow_table"]

_BATCH: Final = 10_000
_EXACT: Final = 2**53
"""Integers up to this one are exact as a double."""
_MICROSECONDS: Final = 1_000


def arrow_table(
    columns: Sequence[Column], fetch: Callable[[int], Sequence[tuple[Any, ...]]]
) -> Any:
    """All rows that ``fetch`` gives, as a ``pyarrow.Table``.

    Args:
        columns: the description of the result.
        fetch: gives the next rows, as many as asked for; fewer at the end.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InvalidValueError: a column holds values of several types.
    """
    pyarrow = _pyarrow()
    parts: list[list[list[Any]]] = [[] for _ in columns]
    while rows := fetch(_BATCH):
        for part, values in zip(parts, zip(*rows, strict=True), strict=True):
            part.append(list(values))
    arrays = [_array(pyarrow, column, part) for column, part in zip(columns, parts, strict=True)]
    return pyarrow.Table.from_arrays(arrays, names=[column[0] for column in columns])


def _pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError:
        raise MissingExtraError(
            "Arrow needs pyarrow: pip install 'sessions_vtab[arrow]'."
        ) from None


def _array(pyarrow: Any, column: Column, parts: Sequence[list[Any]]) -> Any:
    name, code = column[:2]
    kinds = {type(value) for part in parts for value in part} - {type(None)}
    if code == "time" and kinds <= {str}:
        made = _instants(pyarrow, parts)
        if made is not None:
            return made
    if code == "boolean" and all(value in {0, 1, None} for part in parts for value in part):
        truths = [[None if value is None else bool(value) for value in part] for part in parts]
        return pyarrow.chunked_array(truths, pyarrow.bool_())
    return pyarrow.chunked_array(parts, _type_of(pyarrow, name, kinds, parts))


def _type_of(pyarrow: Any, name: str, kinds: set[type], parts: Sequence[list[Any]]) -> Any:
    types = {
        frozenset[type](): pyarrow.string(),
        frozenset((int,)): pyarrow.int64(),
        frozenset((float,)): pyarrow.float64(),
        frozenset((str,)): pyarrow.string(),
        frozenset((bytes,)): pyarrow.binary(),
    }
    if kinds == {int, float} and all(
        abs(value) <= _EXACT for part in parts for value in part if isinstance(value, int)
    ):
        return pyarrow.float64()
    found = types.get(frozenset(kinds))
    if found is None:
        words = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InvalidValueError(
            f"The column {name} holds values of several types ({words}): CAST it to one."
        )
    return found


def _instants(pyarrow: Any, parts: Sequence[list[Any]]) -> Any:
    """Times as Arrow has them; None if a text is no time or lies outside what Arrow can hold."""
    instants = [[None if v is None else times.parse(v) for v in part] for part in parts]
    lost = sum(part.count(None) for part in instants) != sum(part.count(None) for part in parts)
    if lost:
        return None
    fine = any(v % _MICROSECONDS for part in instants for v in part if v is not None)
    if fine:
        return pyarrow.chunked_array(instants, pyarrow.timestamp("ns", "UTC"))
    coarse = [[None if v is None else v // _MICROSECONDS for v in part] for part in instants]
    return pyarrow.chunked_array(coarse, pyarrow.timestamp("us", "UTC"))
