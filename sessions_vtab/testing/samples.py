"""Values to ask a column for: of its rows, of none of them, and hostile ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, count, islice
from typing import Final

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import Op, Value

__all__ = ["awkward", "hostile_values", "json_keys", "pattern", "typical", "unknown_values"]

_TEXTS: Final[tuple[Value, ...]] = (
    "x' OR '1'='1",
    "a/b?c=d&e#f",
    "",
    "..",
    " padded ",
    "%2Fnul\x00",
    "\U0001f600 \u05e9\u05dc\u05d5\u05dd",
    'q"u[o]t{e}\\s',
    "line\nbreak",
    "*%_?",
    "z" * 500,
)
_NUMBERS: Final[tuple[Value, ...]] = ("1", 1.5, -1, 2**63 - 1, "abc", "01", -0.0, 10**18 + 1)
_KEYS: Final = 2
"""Keys of a JSON column that are asked for."""


def typical(values: Iterable[Value]) -> Value:
    """The value that most rows have, of equally frequent ones the middle one; None if none has."""
    counted = Counter(value for value in values if value is not None)
    if not counted:
        return None
    most = max(counted.values())
    known = sorted((value for value in counted if counted[value] == most), key=_sortable)
    return known[len(known) // 2]


def awkward(values: Iterable[Value]) -> Value:
    """The text with the most characters that a query may misread, or the largest number."""
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: (_odd(value), _sortable(value)), default=None)


def unknown_values(column: Column, known: Sequence[Value]) -> tuple[Value, Value]:
    """Two values of the column's own form that no row has."""
    if column.type is ColumnType.TIME:
        return "2031-03-04 05:06:07.089123", "1987-06-05T04:03:02.010203Z"
    if column.type in {ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN}:
        found = (number for number in count(987_654_321) if number not in known)
        return next(found), next(found)
    if column.type is ColumnType.JSON:
        return '{"no":"such row"}', '["no such row"]'
    model = str(typical(known) or "no such row")
    return _neighbour(model, known, 0), _neighbour(model, known, 1)


def hostile_values(column: Column, known: Sequence[Value]) -> tuple[Value, ...]:
    """Values that break careless code; of a time column a known instant in other spellings."""
    if column.type in {ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN}:
        return _NUMBERS
    if column.type is not ColumnType.TIME:
        return _TEXTS
    instant = times.parse(typical(known) or "2026-01-01")
    canonical = "2026-01-01" if instant is None else times.to_text(instant)
    return canonical.replace(" ", "T") + "Z", canonical[:10], "9999-12-31T23:59:59+00:00"


def pattern(op: Op, value: Value) -> str:
    """A pattern that a value meets, with a wildcard and the other case where case is nothing."""
    text = str(value)[:12]
    return f"{text}*" if op is Op.GLOB else f"%{text[1:].swapcase()}%"


def json_keys(values: Iterable[Value]) -> list[str]:
    """The keys that most objects of a column have, and one that none has."""
    counted: Counter[str] = Counter()
    for value in values:
        loaded = json.loads(value) if isinstance(value, str) and value[:1] == "{" else {}
        # A plan in words is taken apart at these.
        counted.update(key for key in loaded if "; " not in key and " AND " not in key)
    return [key for key, _ in counted.most_common(_KEYS)] + (["no such key"] if counted else [])


def _neighbour(text: str, known: Sequence[Value], skip: int) -> str:
    """A text of the same form: the last letters or digits are others."""
    places = [place for place, letter in enumerate(text) if letter.isascii() and letter.isalnum()]
    found = (
        changed
        for place in reversed(places)
        for letter in _alike(text[place])
        if (changed := text[:place] + letter + text[place + 1 :]) not in known
    )
    others = (f"{text} no such row {number}" for number in count())
    return next(islice(chain(found, others), skip, None))


def _alike(letter: str) -> str:
    """Letters that fit where this one stands, also in a hexadecimal number."""
    for form in ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"):
        if letter in form:
            at = form.index(letter)
            return form[at + 1 :] + form[:at]
    return ""


def _odd(value: Value) -> int:
    return sum(not letter.isalnum() for letter in set(str(value)))


def _sortable(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)
