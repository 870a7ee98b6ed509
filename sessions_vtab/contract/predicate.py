"""Conditions on one table's rows as frozen values; and the rules by which they are sent or not.

The same classes serve twice. In a *plan* the operands are ``Slot`` objects: places for values that
are not known yet. In a *request* they are SQLite values.

A condition says which rows may be left out: a backend may return more rows than match (SQLite
checks again), never fewer. What reads a statement and what plans a scan say a ``Rule`` for each
condition; ``explain --why`` prints it, and ``docs/pushdown.md`` lists them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TypeAlias

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
        return f"{self.column}->>{literal(self.key)}"


@dataclass(frozen=True, slots=True)
class Compare:
    """``field op operand``; NULL on either side matches nothing, as in SQL.

    Attributes:
        field: what is compared.
        op: how.
        operand: with what.
        collation: the collating sequence.
        optional: an operand that is NULL matches every row: what tools write as ``(?1 IS NULL OR
            user_id = ?1)``. In plans only, where the operand is a slot; never in a request.
    """

    field: Field
    op: Op
    operand: Operand
    collation: str = BINARY
    optional: bool = False


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


def conjuncts(predicate: Predicate) -> Iterator[Predicate]:
    """The conditions that all hold; none of them is an AND."""
    if isinstance(predicate, AllOf):
        for term in predicate.terms:
            yield from conjuncts(term)
    else:
        yield predicate


def to_sql(predicate: Predicate) -> str:
    """A predicate as SQL text, slots as ``?1``, ``?2``, ..; different predicates differ in it."""
    match predicate:
        case Compare(field, op, operand, collation, optional):
            words = f"{field} {op.value} {_operand(operand)}{_collation(collation)}"
            return f"({_operand(operand)} IS NULL OR {words})" if optional else words
        case Member(field, operands, negated, collation):
            op = Op.NOT_IN if negated else Op.IN
            listed = ", ".join(map(_operand, operands))
            return f"{field} {op.value} ({listed}){_collation(collation)}"
        case Null(field, negated):
            return f"{field} {(Op.IS_NOT_NULL if negated else Op.IS_NULL).value}"
        case AllOf(terms):
            return " AND ".join(map(_bracketed, terms)) or "TRUE"
        case AnyOf(terms):
            return " OR ".join(map(_bracketed, terms)) or "FALSE"
        case Not(term):
            return f"NOT ({to_sql(term)})"
        case Nothing():
            return "NOTHING"


def literal(value: object) -> str:
    """A value as SQL writes it."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _operand(operand: object) -> str:
    return f"?{operand.index + 1}" if isinstance(operand, Slot) else literal(operand)


def _collation(collation: str) -> str:
    return "" if collation == BINARY else f" COLLATE {collation}"


def _bracketed(term: Predicate) -> str:
    text = to_sql(term)
    return f"({text})" if isinstance(term, AllOf | AnyOf) else text


class Rule(Enum):
    """Why a condition is sent, or why it is not.

    Attributes:
        sent: true if it narrows what is read.
        says: the rule in one sentence, without its end.
        decided_in: the module that decides it.
    """

    KEY = "key", True, "the rows are found by this column", "plan/planner.py"
    PARAMETER = "parameter", True, "the column is a parameter of the request", "plan/planner.py"
    EXACT_FILTER = (
        "exact-filter",
        True,
        "the filter is declared exact, so SQLite does not check the rows again",
        "plan/planner.py",
    )
    FILTER = "filter", True, "the API filters, and SQLite checks the rows again", "plan/planner.py"
    TEXT = (
        "text",
        True,
        "it was read from the statement's text; SQLite checks the rows again",
        "sql/conditions.py",
    )
    PART = (
        "part",
        True,
        "a part of it, or a wider condition, is sent; SQLite checks the whole",
        "plan/pushdown.py",
    )
    ORDER = (
        "order",
        True,
        "the rows come in this order, so reading stops after the last one",
        "plan/plan.py",
    )
    OTHER_ORDER = "other-order", False, "the rows come in another order", "plan/plan.py"
    NO_FILTER = "no-filter", False, "the API has no such filter", "plan/planner.py"
    OPERATOR = "operator", False, "the API's filter lacks the operator", "plan/planner.py"
    COLLATION = (
        "collation",
        False,
        "the API's filter compares with another collation",
        "plan/planner.py",
    )
    CONNECTIVE = (
        "connective",
        False,
        "the API cannot combine its filters like this (OR, NOT)",
        "plan/pushdown.py",
    )
    NEGATION = (
        "negation",
        False,
        "the filter under NOT is not exact, so its negation would lose rows",
        "plan/pushdown.py",
    )
    VALUE = (
        "value",
        False,
        "the value's type does not settle how SQLite compares it",
        "plan/pushdown.py",
    )
    LATER = (
        "later",
        False,
        "the value is known only after this table is read, in this order of joins",
        "plan/planner.py",
    )
    OUTER_JOIN = (
        "outer-join",
        False,
        "the outer join also needs rows that do not meet it",
        "sql/pushing.py",
    )
    SQLITE = "sqlite", False, "only SQLite can decide it", "sql/conditions.py"

    def __init__(self, label: str, sent: bool, says: str, decided_in: str) -> None:
        self.label = label
        self.sent = sent
        self.says = says
        self.decided_in = decided_in

    def __str__(self) -> str:
        return self.label
