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

__all__ = ["exactly", "project"]


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
            return predicate if _takes(predicate, path) else EVERYTHING


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
            return _takes(predicate, path, exact=True)


def _takes(predicate: Compare | Member | Null, path: AccessPath, *, exact: bool = False) -> bool:
    op, collation = _operator(predicate)
    field: Field = predicate.field
    declared = path.filter_for(field.column, keyed=field.key is not None)
    if declared is None or op not in declared.ops:
        return False
    return (declared.exact or not exact) and (collation is None or collation in declared.collations)


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
