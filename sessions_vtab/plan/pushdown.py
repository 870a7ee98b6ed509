"""The part of a condition that an access path takes. What is left out is checked by SQLite."""

from __future__ import annotations

from sessions_vtab.contract.capability import AccessPath, Connective
from sessions_vtab.contract.predicate import (
    EVERYTHING,
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
)
from sessions_vtab.contract.rules import Rule

__all__ = ["exactly", "project", "refusal"]


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
    if project(predicate, path) != EVERYTHING:
        return None
    match predicate:
        case AllOf(terms):
            return refusal(terms[0], path)
        case AnyOf(terms):
            refused = filter(None, (refusal(term, path) for term in terms))
            return next(refused) if Connective.OR in path.connectives else Rule.CONNECTIVE
        case Not(term):
            missing = Connective.NOT not in path.connectives
            return Rule.CONNECTIVE if missing else refusal(term, path) or Rule.NEGATION
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
