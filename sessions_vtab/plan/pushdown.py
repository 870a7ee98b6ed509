"""What may be pushed down: which values, in which form, and which part of a condition.

SQLite compares with the affinity of both sides (https://sqlite.org/datatype3.html, section 4.2),
but a virtual table is told the value only. Where the value alone does not settle how SQLite will
compare, the condition narrows nothing and SQLite checks it, as it does with the part of a condition
that an access path does not take.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import RANGE, AccessPath, Connective
from sessions_vtab.contract.model import ColumnType
from sessions_vtab.contract.predicate import (
    EVERYTHING,
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Nothing,
    Null,
    Op,
    Predicate,
    Rule,
    Value,
    conjuncts,
)


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


def project(predicate: Predicate, path: AccessPath) -> Predicate:
    """A condition that the path takes and that every row matching ``predicate`` matches.

    ``EVERYTHING`` where nothing of it can be taken.
    """
    match predicate:
        case AllOf(terms):
            kept = (project(term, path) for term in terms)
            return _all(tuple(term for term in kept if term != EVERYTHING))
        case AnyOf(terms):
            kept_any = tuple(project(term, path) for term in terms)
            takes = Connective.OR in path.connectives and EVERYTHING not in kept_any
            return AnyOf(kept_any) if takes else EVERYTHING
        case Not(term):
            takes = Connective.NOT in path.connectives and exactly(term, path)
            return predicate if takes else EVERYTHING
        case Nothing():
            return predicate
        case _:
            return EVERYTHING if _refusal(predicate, path) else predicate


def handed_over(predicate: Predicate, path: AccessPath) -> Predicate:
    """The part of a condition that goes out as a filter, or that the order of reading can meet.

    An order meets a comparison that all rows must meet, and no part of an OR or a NOT.
    """
    kept = (
        term if isinstance(term, Compare) else project(term, _filtering(path))
        for term in conjuncts(project(predicate, path))
    )
    return _all(tuple(term for term in kept if term != EVERYTHING))


def _filtering(path: AccessPath) -> AccessPath:
    """The path without the columns that only its order can meet."""
    return replace(path, filters=tuple(one for one in path.filters if not one.by_order))


def exactly(predicate: Predicate, path: AccessPath) -> bool:
    """Whether a path answers with just the rows that match: only then can it be negated."""
    match predicate:
        case AllOf(terms):
            return all(exactly(term, path) for term in terms)
        case AnyOf(terms):
            return Connective.OR in path.connectives and all(exactly(term, path) for term in terms)
        case Not(term):
            return Connective.NOT in path.connectives and exactly(term, path)
        case Nothing():
            return True
        case _:
            declared = path.filter_for(predicate.field.column, keyed=_is_keyed(predicate))
            return declared is not None and declared.exact and not _refusal(predicate, path)


def refusal(predicate: Predicate, path: AccessPath) -> Rule | None:
    """The rule by which a path takes nothing of a condition; None where it takes something."""
    if handed_over(predicate, path) != EVERYTHING:
        return None
    match predicate:
        case AllOf(terms):
            return refusal(terms[0], path)
        case AnyOf(terms):
            refused = filter(None, (refusal(term, _filtering(path)) for term in terms))
            return next(refused) if Connective.OR in path.connectives else Rule.CONNECTIVE
        case Not(term):
            missing = Connective.NOT not in path.connectives
            refused_term = refusal(term, _filtering(path))
            return Rule.CONNECTIVE if missing else refused_term or Rule.NEGATION
        case Nothing():
            return None
        case _:
            return _refusal(predicate, path)


def _refusal(predicate: Compare | Member | Null, path: AccessPath) -> Rule | None:
    op, collation = _operator(predicate)
    declared = path.filter_for(predicate.field.column, keyed=_is_keyed(predicate))
    if declared is None:
        return Rule.NO_FILTER
    if op not in declared.ops:
        return Rule.OPERATOR
    agrees = collation is None or collation in declared.collations
    return None if agrees else Rule.COLLATION


def _is_keyed(predicate: Compare | Member | Null) -> bool:
    field: Field = predicate.field
    return field.key is not None


def _operator(predicate: Compare | Member | Null) -> tuple[Op, str | None]:
    match predicate:
        case Compare(_, op, _, collation):
            return op, collation
        case Member(_, _, negated, collation):
            return (Op.NOT_IN if negated else Op.IN), collation
        case Null(_, negated):
            return (Op.IS_NOT_NULL if negated else Op.IS_NULL), None


def _all(terms: tuple[Predicate, ...]) -> Predicate:
    return terms[0] if len(terms) == 1 else AllOf(terms)
