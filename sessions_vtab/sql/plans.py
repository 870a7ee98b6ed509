"""Plan arguments: what one table occurrence is handed, as values and as text.

The text is the first table-valued argument of the occurrence, and the name under which the
virtual table finds the plan again. It is a function of everything in the plan, so that different
plans never share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sessions_vtab.contract.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Member,
    Not,
    Nothing,
    Null,
    Predicate,
    Slot,
    to_sql,
)


@dataclass(frozen=True, slots=True)
class Link:
    """An equality through which another occurrence hands its rows to this one.

    Attributes:
        column: the column of this occurrence.
        source: label of the other occurrence; its own plan carries it.
        source_column: the column there.
    """

    column: str
    source: str
    source_column: str

    def __str__(self) -> str:
        return f"{self.column} FROM {self.source}.{self.source_column}"


@dataclass(frozen=True, slots=True)
class KeyLookAhead:
    """Keys that will be looked up next, when the rows come from a table outside this package.

    Attributes:
        column: the column of this occurrence that is compared with them.
        index: element of the arguments that is a JSON array of keys: the current one, then those
            of the next rows.
    """

    column: str
    index: int

    def __str__(self) -> str:
        return f"{self.column} AHEAD ?{self.index + 1}"


@dataclass(frozen=True, slots=True)
class PlanArgument:
    """What the statement rewriter knows about one occurrence, for the virtual table.

    ``Slot(i)`` in the predicate and ``?{i + 1}`` in the residual are element i of the JSON array
    that is the second argument.

    Attributes:
        predicate: rows that do not match are not needed; None if SQLite offers all there is.
        label: what other plans of the statement call this occurrence; empty if none does.
        residual: SQL conditions on one row, columns qualified with the occurrence's alias as the
            statement writes them: rows that fail one are rejected by SQLite afterwards.
        links: from which occurrences its keys come.
        limited: the rows that are wanted in the end are limited: look ahead with care.
        alias: the name that the residual's columns are qualified with.
        ahead: the next keys, handed over by a window over the rows this is joined with. The
            arguments then differ from row to row although the question may be the same.
        hidden: rows that the table hides are wanted (``Capability.hides``).
    """

    predicate: Predicate | None = None
    label: str = ""
    residual: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    limited: bool = False
    alias: str = ""
    ahead: KeyLookAhead | None = None
    hidden: bool = False

    @property
    def text(self) -> str:
        """The plan as one line of text, without values and without NUL."""
        parts = [] if self.predicate is None else [to_sql(self.predicate)]
        parts += ["HIDDEN ROWS"] if self.hidden else []
        parts += [str(link) for link in self.links]
        parts += [] if self.ahead is None else [str(self.ahead)]
        if self.label:
            wanted = " AND ".join(f"({text})" for text in self.residual)
            name = self.alias if self.alias == self.label else f"{self.label} {self.alias}"
            parts.append(f"FEEDS {name}" + (f" WHERE {wanted}" if wanted else ""))
        if self.limited and (self.links or self.label or self.ahead):
            parts.append("LIMIT")
        return "; ".join(parts)


def slots(predicate: Predicate) -> Iterator[int]:
    """Indexes of a predicate's slots, from left to right."""
    match predicate:
        case Compare(operand=Slot(index)):
            yield index
        case Member(_, operands):
            yield from (operand.index for operand in operands if isinstance(operand, Slot))
        case AllOf(terms) | AnyOf(terms):
            for term in terms:
                yield from slots(term)
        case Not(term):
            yield from slots(term)
        case _:
            return


def with_slots(predicate: Predicate, places: Mapping[int, int]) -> Predicate:
    """The predicate with its slots renumbered."""
    match predicate:
        case Compare(operand=Slot(index)):
            return replace(predicate, operand=Slot(places[index]))
        case Member(field, operands, negated, collation):
            moved = tuple(
                Slot(places[operand.index]) if isinstance(operand, Slot) else operand
                for operand in operands
            )
            return Member(field, moved, negated, collation)
        case AllOf(terms):
            return AllOf(tuple(with_slots(term, places) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(with_slots(term, places) for term in terms))
        case Not(term):
            return Not(with_slots(term, places))
        case _:
            return predicate


def true_on_nulls(predicate: Predicate) -> bool | None:
    """What a predicate says of a row that is all NULL; None for unknown.

    Only a condition that is not true of it may be moved to the right side of a LEFT JOIN.
    """
    match predicate:
        case Null(_, negated):
            return not negated
        case AllOf(terms):
            return _all([true_on_nulls(term) for term in terms])
        case AnyOf(terms):
            found = _all([_not(true_on_nulls(term)) for term in terms])
            return _not(found)
        case Not(term):
            return _not(true_on_nulls(term))
        case Nothing():
            return False
        case Compare(optional=True):
            return True  # It is where the value is NULL.
        case _:
            return None


def _all(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value
