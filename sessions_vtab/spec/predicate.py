"""Conditions on one table's rows as frozen values.

The same classes serve twice. In a *plan* the operands are ``Slot`` objects: places for values that
are not known yet. In a *request* they are SQLite values. ``bind`` leads from one to the other.

A condition says which rows may be left out: a backend may return more rows than match (SQLite
checks again), never fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

__all__ = [
    "BINARY",
    "EVERYTHING",
    "NOTHING",
    "TIMESTAMP",
    "AllOf",
    "AnyOf",
    "Compare",
    "Field",
    "Member",
    "Not",
    "Nothing",
    "Null",
    "Op",
    "Predicate",
    "Slot",
    "Value",
    "bind",
    "fields",
    "known",
]

Value: TypeAlias = str | int | float | bytes | None
"""A value as SQLite knows it."""

BINARY = "BINARY"
TIMESTAMP = "TIMESTAMP"


class Op(StrEnum):
    """Comparison operators; the value is the operator as SQL writes it."""

    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    NOT_LIKE = "NOT LIKE"
    GLOB = "GLOB"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value: an index into the arguments of a scan."""

    index: int


Operand: TypeAlias = Value | Slot


@dataclass(frozen=True, slots=True)
class Field:
    """What is compared: a column, or one key of a JSON column (``labels->>'env'``)."""

    column: str
    key: str | None = None

    def __str__(self) -> str:
        if self.key is None:
            return self.column
        return f"{self.column}->>'" + self.key.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Compare:
    """``field op operand``; NULL on either side matches nothing, as in SQL."""

    field: Field
    op: Op
    operand: Operand
    collation: str = BINARY


@dataclass(frozen=True, slots=True)
class Member:
    """``field IN (operands)``, or NOT IN. One Slot may stand for a whole set of values."""

    field: Field
    operands: tuple[Operand, ...]
    negated: bool = False
    collation: str = BINARY


@dataclass(frozen=True, slots=True)
class Null:
    """``field IS NULL``, or IS NOT NULL."""

    field: Field
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """Matches no row: ``= NULL``, an empty IN, a contradiction. Nothing has to be asked."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """AND of its terms; no terms match every row."""

    terms: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """OR of its terms; no terms match no row."""

    terms: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """NOT of its term, with SQL's three values: unknown stays unknown."""

    term: Predicate


Predicate: TypeAlias = Compare | Member | Null | Nothing | AllOf | AnyOf | Not

NOTHING = Nothing()
EVERYTHING = AllOf(())


def known(*operands: Operand) -> tuple[Value, ...]:
    """The operands of a request's predicate, which holds no slots any more."""
    return tuple(operand for operand in operands if not isinstance(operand, Slot))


def bind(predicate: Predicate, value_of: Callable[[Slot, Field], Sequence[Value]]) -> Predicate:
    """The predicate with its slots filled in.

    Args:
        predicate: of a plan.
        value_of: the values of a slot: one for a comparison, any number for a membership.

    Returns:
        The predicate of a request. Comparison with NULL and membership in nothing are ``NOTHING``.
    """
    match predicate:
        case Compare(field, op, Slot() as slot, collation):
            (value,) = value_of(slot, field)
            return NOTHING if value is None else Compare(field, op, value, collation)
        case Member(field, operands, negated, collation):
            values = tuple(
                value for operand in operands for value in _filled(operand, field, value_of)
            )
            return _membership(field, values, collation, negated=negated)
        case AllOf(terms):
            return AllOf(tuple(bind(term, value_of) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(bind(term, value_of) for term in terms))
        case Not(term):
            return Not(bind(term, value_of))
        case _:
            return predicate


def _filled(
    operand: Operand, field: Field, value_of: Callable[[Slot, Field], Sequence[Value]]
) -> Sequence[Value]:
    return value_of(operand, field) if isinstance(operand, Slot) else (operand,)


def _membership(
    field: Field, values: tuple[Value, ...], collation: str, *, negated: bool
) -> Predicate:
    """IN forgets NULLs; NOT IN a set that holds one is never true.

    https://sqlite.org/lang_expr.html#the_in_and_not_in_operators
    """
    if negated:
        return NOTHING if None in values else Member(field, values, True, collation)
    known = tuple(value for value in values if value is not None)
    return Member(field, known, False, collation) if known else NOTHING


def fields(predicate: Predicate) -> Iterator[Field]:
    """Every field that a predicate mentions, from left to right."""
    match predicate:
        case AllOf(terms) | AnyOf(terms):
            for term in terms:
                yield from fields(term)
        case Not(term):
            yield from fields(term)
        case Compare() | Member() | Null():
            yield predicate.field
        case Nothing():
            return
