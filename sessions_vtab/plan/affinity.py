"""Decides which values may be pushed down, and in which form.

SQLite compares with the affinity of both sides (https://sqlite.org/datatype3.html, section 4.2),
but a virtual table is told the value only. Where the value alone does not settle how SQLite will
compare, the condition narrows nothing and SQLite checks it.
"""

from __future__ import annotations

import re
from enum import Enum

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import RANGE
from sessions_vtab.contract.model import ColumnType
from sessions_vtab.contract.predicate import TIMESTAMP, Op, Value

__all__ = ["NOT_PUSHABLE", "NotPushable", "certain", "pushable", "takes_any_text"]


class NotPushable(Enum):
    """Marker for a value that cannot be pushed down."""

    NOT_PUSHABLE = "not pushable"


NOT_PUSHABLE = NotPushable.NOT_PUSHABLE

_PATTERNS = frozenset((Op.LIKE, Op.NOT_LIKE, Op.GLOB))
_EQUALITIES = frozenset((Op.EQ, Op.IN))
_TEXTS = (ColumnType.TEXT, ColumnType.JSON, ColumnType.BLOB)
_WHOLE = re.compile(r"-?[0-9]{1,15}", re.ASCII)


def pushable(
    type_: ColumnType, op: Op, value: Value, *, collation: str, literal: bool
) -> Value | NotPushable:
    """The value a backend may compare a column with, or NOT_PUSHABLE.

    Args:
        type_: of the column.
        op: how they are compared.
        value: what SQLite hands over; not NULL.
        collation: the collating sequence SQLite compares with.
        literal: the value stands in the statement, so it has no affinity of its own. A value of
            unknown origin may come from a column with numeric affinity, and would then be compared
            as a number with the column's text.

    Returns:
        Text for text columns, canonical text for times, a number for numbers.
    """
    if op in _PATTERNS:
        return value if isinstance(value, str) else NOT_PUSHABLE
    if type_ is ColumnType.TIME:
        return _instant(op, value, collation=collation, literal=literal)
    if type_ in _TEXTS:
        return _text(op, value, literal=literal)
    return _number(value)


def takes_any_text(type_: ColumnType) -> bool:
    """Whether ``pushable`` returns every text that is to be equal as it is."""
    return type_ in _TEXTS


def certain(type_: ColumnType, op: Op, value: Value, collation: str) -> bool:
    """Whether SQLite compares a literal exactly as the backend compares the admitted value."""
    if type_ is ColumnType.TIME and op in _PATTERNS:
        return isinstance(value, str)
    if type_ is ColumnType.TIME and collation != TIMESTAMP:
        return False
    return pushable(type_, op, value, collation=collation, literal=True) is not NOT_PUSHABLE


def _text(op: Op, value: Value, *, literal: bool) -> Value | NotPushable:
    if isinstance(value, str):
        # Beside a column with numeric affinity, which may hold a text too, our texts that look like
        # numbers are compared as numbers, and a number is less than any text. What begins with a
        # letter is greater than those texts either way.
        settled = literal or op not in RANGE or value[:1] > "9"
        return value if settled else NOT_PUSHABLE
    # TEXT affinity turns a literal integer into its digits.
    return str(value) if literal and isinstance(value, int) else NOT_PUSHABLE


def _instant(op: Op, value: Value, *, collation: str, literal: bool) -> Value | NotPushable:
    if not (isinstance(value, str) or (literal and isinstance(value, int | float))):
        return NOT_PUSHABLE
    # Another collation orders texts, not instants; only equal texts are sure to be equal instants.
    if collation != TIMESTAMP and op not in _EQUALITIES:
        return NOT_PUSHABLE
    instant = times.parse(value)
    return NOT_PUSHABLE if instant is None else times.to_text(instant)


def _number(value: Value) -> Value | NotPushable:
    if isinstance(value, int | float):
        return value
    # Numeric affinity turns text that looks like a number into one; the plain form is enough here.
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return NOT_PUSHABLE
