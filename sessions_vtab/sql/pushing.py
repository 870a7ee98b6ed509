"""Which conditions may move into a table occurrence, and what they ask of it beside rows.

Of the WHERE of its SELECT the conjuncts about it, values, and columns of SELECTs around it; if it
is the right side of a LEFT JOIN, only those that are not true of a row of NULLs; of that join's ON
those about it; of an inner ON all. With RIGHT or FULL JOIN nothing.

A parameter column takes its value from ``column = value`` and returns it; without a value it is
NULL, so any other condition on it would compare with NULL and lose every row. Hidden rows come if
SQLite offers the table a condition on their column. It does not offer every form (``deleted IS
TRUE``, a WHERE over the right side of a LEFT JOIN); for these the plan asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.model import Column
from sessions_vtab.contract.predicate import AllOf, Predicate, Rule
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.conditions import Atom, ConditionReader, TimeOperand, resolve
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.occurrences import Condition, Join, Occurrence, Role
from sessions_vtab.sql.plans import slots, true_on_nulls, with_slots
from sessions_vtab.sql.shapes import Span
from sessions_vtab.sql.source import ParsedStatement, terms
from sessions_vtab.sql.walk import On


class OnTerm(NamedTuple):
    """A conjunct of ON.

    Attributes:
        place: index of the item to the right of its join.
        node: its tree.
        span: its tokens, where they are known.
    """

    place: int
    node: exp.Expression
    span: Span | None


def read_conditions(
    source: ParsedStatement,
    occurrence: Occurrence,
    scope: Scope,
    where: Sequence[tuple[exp.Expression, Span | None]],
    joined: Sequence[OnTerm],
) -> list[TimeOperand]:
    """Fills in what the conditions of its SELECT say about an occurrence.

    Args:
        source: the statement.
        occurrence: one item of the scope.
        scope: the names of the SELECT, UPDATE or DELETE.
        where: the conjuncts of WHERE with their tokens.
        joined: the conjuncts of ON.

    Returns:
        The values that are compared with its time columns.
    """
    item = occurrence.item
    reader = ConditionReader(scope, item, source.column_text)
    pushed: list[Predicate] = []
    for term, span in where:
        nullable = scope.meets_nulls(None, item)
        pushed += _condition(source, occurrence, reader, term, span, nullable=nullable)
    for place, term, span in joined:
        nullable = scope.meets_nulls(place, item)
        if scope.holds(place, item):
            pushed += _condition(source, occurrence, reader, term, span, nullable=nullable)
        elif span is not None and _about(scope, item, term) is not None:
            # It leaves no row of this item out, so its rows are asked for whatever it says. With
            # RIGHT and FULL SQLite asks twice: first for those that meet it.
            text, numbers = source.slice(span), source.numbers(span)
            role = Role.OFFERED if scope.fixed and reader.is_plain(term) else Role.HERE
            kept = Condition(text, role, False, numbers, None, Rule.OUTER_JOIN)
            occurrence.conditions.append(kept)
    if pushed and occurrence.spliceable:
        whole = pushed[0] if len(pushed) == 1 else AllOf(tuple(_flat(pushed)))
        occurrence.predicate, occurrence.atoms = _compacted(whole, reader.atoms)
    return reader.times


def _condition(
    source: ParsedStatement,
    occurrence: Occurrence,
    reader: ConditionReader,
    term: exp.Expression,
    span: Span | None,
    *,
    nullable: bool,
) -> list[Predicate]:
    """Records one conjunct and returns the predicates to push down."""
    scope = reader.scope
    _link(occurrence, scope, term, nullable=nullable)
    about = _about(scope, occurrence.item, term)
    predicate = reader.read(term)
    role, pushed = Role.HERE, list[Predicate]()
    rule: Rule | None = Rule.SQLITE if predicate is None else Rule.OUTER_JOIN
    if reader.is_plain(term):
        # SQLite offers less of it where an outer join needs the other rows, too. Beside RIGHT and
        # FULL it is said in a query (sql.view_conditions).
        kept = nullable and not (scope.fixed and _rejects_nulls(predicate))
        role, rule = Role.OFFERED, Rule.OUTER_JOIN if kept else None
    elif (
        predicate is not None
        and not scope.fixed
        # An outer join has rows of NULLs, which the table does not give: a condition that keeps
        # them would lose them if it were sent.
        and (not nullable or _rejects_nulls(predicate))
    ):
        role, rule = (Role.PUSHED if reader.complete else Role.NARROWED), None
        pushed = [predicate]
    if span is not None and about is not None:
        found = Condition(source.slice(span), role, about, source.numbers(span), predicate, rule)
        occurrence.conditions.append(found)
    return pushed


def _rejects_nulls(predicate: Predicate | None) -> bool:
    """Whether a condition is not true of a row of NULLs."""
    return predicate is not None and true_on_nulls(predicate) is not True


def _about(scope: Scope, item: Item, term: exp.Expression) -> bool | None:
    """Whether a conjunct is about this item alone.

    True if nothing else is in it, False if values of SELECTs around it or subqueries are, None
    if it is not certain or other items are in it.
    """
    local, mine = True, False
    for node in term.walk():
        if isinstance(node, exp.Query):
            local = False
        if not isinstance(node, exp.Column):
            continue
        if node.find_ancestor(exp.Query) is not term.find_ancestor(exp.Query):
            continue
        found = resolve(scope, node)
        if found is None:
            return None
        if found.item is item:
            mine = True
        elif not found.outer:
            return None
        else:
            local = False
    return local if mine else None


def _link(occurrence: Occurrence, scope: Scope, term: exp.Expression, *, nullable: bool) -> None:
    """Notes ``column = other.column`` where the other occurrence can come first."""
    if not isinstance(term, exp.EQ) or scope.fixed:
        return
    sides = (term.this, term.args["expression"])
    if not all(isinstance(side, exp.Column) for side in sides):
        return
    pair = [resolve(scope, side) for side in sides]
    for mine, other in (pair, reversed(pair)):
        if mine is None or other is None or mine.item is not occurrence.item:
            continue
        first = other.outer or nullable or not other.item.nullable
        if other.item is not mine.item and first:
            joined = Join(mine.column.name, other.item, other.column.name)
            occurrence.joins.append(joined)


def _flat(predicates: Sequence[Predicate]) -> Iterator[Predicate]:
    for predicate in predicates:
        yield from predicate.terms if isinstance(predicate, AllOf) else (predicate,)


def _compacted(predicate: Predicate, atoms: Sequence[Atom]) -> tuple[Predicate, tuple[Atom, ...]]:
    """Renumbers the slots from 0 in order of use, and drops unused values."""
    used = list(dict.fromkeys(slots(predicate)))
    places: Mapping[int, int] = {old: new for new, old in enumerate(used)}
    return with_slots(predicate, places), tuple(atoms[old] for old in used)


@dataclass(frozen=True, slots=True)
class SelectConditions:
    """The conditions of one SELECT, UPDATE or DELETE.

    Attributes:
        scope: its names.
        where: the conjuncts of WHERE.
        ons: the conditions of ON.
        having: the condition of HAVING, if there is one.
    """

    scope: Scope
    where: tuple[exp.Expression, ...]
    ons: tuple[On, ...]
    having: tuple[exp.Expression, ...] = ()

    def require_parameters(self, occurrence: Occurrence) -> None:
        """Raises UnsupportedError for a condition on a parameter column that has no value.

        Args:
            occurrence: one item of the scope.
        """
        scope, item = self.scope, occurrence.item
        joined = (term for _, on in self.ons for term in terms(on))
        used = [
            column
            for term in (*self.where, *joined, *self.having)
            for column in _columns(scope, item, term)
            if column.parameter
        ]
        if not used:
            return
        given = {name for term in self._offered(item) for name in _equated(scope, item, term)}
        for column in used:
            if column.name not in given:
                raise UnsupportedError(
                    f"{occurrence.ours.title}.{column.name} is a parameter and can only be used as"
                    f" {column.name} = value, in WHERE or, in an outer join, in the ON of its own"
                    " table."
                )

    def for_hidden(self, occurrence: Occurrence) -> bool:
        """Whether a condition is about hidden rows in a form that SQLite does not offer the table.

        Args:
            occurrence: one item of the scope.
        """
        hides, item = occurrence.ours.capability.hides, occurrence.item
        if hides is None:
            return False
        reader = ConditionReader(self.scope, item, lambda column: column.sql())
        offered = {id(term) for term in self._offered(item) if reader.is_plain(term)}
        inner = (term for at, on in self.ons if self.scope.holds(at, item) for term in terms(on))
        return any(
            id(term) not in offered
            for term in (*self.where, *inner, *self.having)
            if any(column.name == hides.column for column in _columns(self.scope, item, term))
        )

    def _offered(self, item: Item) -> Iterator[exp.Expression]:
        """The conjuncts that SQLite may offer to the table of an item."""
        if self.scope.fixed:
            return
        if not item.nullable:
            yield from self.where
        for place, on in self.ons:
            if self.scope.holds(place, item) and not self.scope.meets_nulls(place, item):
                yield from terms(on)


def _columns(scope: Scope, item: Item, term: exp.Expression) -> Iterator[Column]:
    """Columns of the item in a conjunct, without those in its subqueries."""
    around = term.find_ancestor(exp.Query)
    for node in term.find_all(exp.Column):
        if node.find_ancestor(exp.Query) is around:
            found = resolve(scope, node)
            if found is not None and found.item is item:
                yield found.column


def _equated(scope: Scope, item: Item, term: exp.Expression) -> Iterator[str]:
    """The column of ``column = value``, where the value is not of the same row."""
    left, right = _sides(term.unnest())
    for side, other in ((left, right), (right, left)):
        found = resolve(scope, side) if isinstance(side, exp.Column) else None
        if found is None or found.item is not item or other is None:
            continue
        if not any(_columns(scope, item, other)):
            yield found.column.name


def _sides(term: exp.Expr) -> tuple[exp.Expression | None, exp.Expression | None]:
    """The sides of an equality; SQLite makes one of IN with a single value."""
    if isinstance(term, exp.EQ):
        return term.this.unnest(), term.args["expression"].unnest()
    values = term.expressions if isinstance(term, exp.In) else ()
    return (term.this.unnest(), values[0]) if len(values) == 1 else (None, None)
