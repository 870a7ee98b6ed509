"""Which sessions a condition with a subquery is about: said in a way that SQLite can use.

A table of events is asked for the sessions that are wanted only by ``session_id = ..`` and
``session_id IN (..)``; without them SQLite reads the events of every session. Where another
condition of the statement implies such a one, that is written beside it:

* ``EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = e.session_id AND s.user_id = 'ann')`` and
  ``(SELECT s.user_id FROM ..) = 'ann'`` get ``AND e.session_id IN (SELECT s.session_id ..)``;
* so does ``(e.session_id, author) IN (SELECT s.session_id, ..)``;
* ``FROM sessions s WHERE s.user_id = 'ann' AND s.session_id IN (SELECT e.session_id FROM events
  e)`` wants no other events than those of ``s``: its subquery gets ``WHERE e.session_id IN (SELECT
  s.session_id FROM sessions s WHERE s.user_id = 'ann')``. So does the right side of EXCEPT.

What is implied is true wherever its condition is, so no row comes or goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from sessions_vtab.contract.model import ColumnType
from sessions_vtab.sql.conditions import resolve
from sessions_vtab.sql.derived import aggregates, passed_on
from sessions_vtab.sql.lexer import Edit, insert
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.references import references
from sessions_vtab.sql.select_terms import SelectTerms, TermsWalk
from sessions_vtab.sql.semi_joins import Equality, Side, Term, is_text, written
from sessions_vtab.sql.walk import On


@dataclass(slots=True)
class ImpliedWalk(TermsWalk):
    """Writes what a condition implies beside it, or into its subquery."""

    visited: dict[int, SelectTerms] = field(default_factory=dict)

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Looks at a SELECT, and at the condition whose subquery it is."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque or scope.fixed or not scope.items:
            return
        for item in scope.items:
            item.derived = self.derived(item, node, passed_on)
        found = self.terms_of(node, scope, ons, self.block_of(scope))
        if found is None:
            return
        self.visited[id(node)] = found
        self.edits += _of_rows(found)
        left = self.visited.get(id(_left_of(node)))
        if left is not None:
            self.edits += _of_members(None, left.node.expressions, node, found, left)
        operand = _operand(node)
        around = operand.find_ancestor(exp.Select) if operand is not None else None
        outer = self.visited.get(id(around))
        if operand is None or outer is None:
            return
        if isinstance(operand, exp.In):
            row = (
                operand.this.expressions if isinstance(operand.this, exp.Tuple) else [operand.this]
            )
            self.edits += _of_members(operand, row, node, found, outer)
        elif not _is_lumped(node):
            self.edits += _of_existence(operand, node, found, outer)


def _operand(query: exp.Select) -> exp.Expression | None:
    """The condition that a query is the subquery of."""
    found, compound = query.parent, False
    while isinstance(found, exp.Subquery | exp.Paren | exp.SetOperation):
        compound |= isinstance(found, exp.SetOperation)
        if any(found.args.get(one) for one in ("limit", "offset", "with_")):
            return None
        found = found.parent
    # What is in one SELECT of a compound alone, need not be in all of it.
    kinds = (exp.In,) if compound else (exp.In, exp.Exists, exp.EQ)
    return found if isinstance(found, kinds) else None


def _left_of(query: exp.Select) -> exp.Expr | None:
    """The SELECT of whose rows EXCEPT or INTERSECT leaves some, by those of a query."""
    kinds = (exp.Except, exp.Intersect)
    compound = query.parent
    if not isinstance(compound, kinds) or compound.expression is not query:
        return None
    left: exp.Expr = compound.this
    while isinstance(left, kinds):
        left = left.this
    return left


def _is_lumped(query: exp.Select) -> bool:
    """Whether a query has a row even where no row meets its conditions, or names of its own."""
    lumped = query.args.get("group") is None and aggregates(query)
    return lumped or query.args.get("with_") is not None


def _term_of(outer: SelectTerms, operand: exp.Expression) -> Term | None:
    """The condition of a SELECT that is nothing but its operand."""
    return next((one for one in outer.terms if one.node.unnest() is operand), None)


def _beside(outer: SelectTerms, term: Term, implied: str) -> Edit:
    return insert(outer.source.tokens[term.span[1] - 1].end, f" AND {implied}", rank=-1)


# (key, other) IN (SELECT ..)


def _of_rows(select: SelectTerms) -> Iterator[Edit]:
    """What is implied for the tables of a SELECT; into views it moves by itself."""
    for term in select.terms:
        row = term.node.unnest()
        items = term.refers.items if isinstance(row, exp.In) else ()
        for item in items:
            costly = item.ours is not None and item.ours.fans_out
            if costly and not select.is_narrowed(item):
                for implied in select.of_row(term, item):
                    yield _beside(select, term, implied)


# EXISTS (SELECT .. WHERE x = key), (SELECT y FROM .. WHERE x = key) = 'value'


def _of_existence(
    operand: exp.Expression, query: exp.Select, inner: SelectTerms, outer: SelectTerms
) -> Iterator[Edit]:
    """What is implied for the SELECT that a correlated subquery stands in."""
    term = _term_of(outer, operand)
    if term is None:
        return
    found: list[Term] = []
    if isinstance(operand, exp.EQ):
        compared = _compared(operand, query, inner, outer)
        if compared is None:
            return
        found.append(compared)
    found += [one for one in inner.terms if not one.refers.outer and one.owner is None]
    links = list(_links(inner))
    for item in dict.fromkeys(mine[0] for mine, *_ in links):
        if item not in outer.scope.items or not outer.is_costly(item) or outer.is_narrowed(item):
            continue
        equalities = [*inner.equalities, *(one for one in links if one.left[0] is item)]
        joined = replace(inner.joined(), terms=found, equalities=equalities)
        implied = joined.condition_on(item)
        if implied:
            yield _beside(outer, term, implied)


def _links(inner: SelectTerms) -> Iterator[Equality]:
    """The equalities of a column of a SELECT around a query with one of its own."""
    for term in inner.terms:
        node, own = term.node.unnest(), term.refers.nodes
        if not (isinstance(node, exp.EQ) and term.refers.outer and len(own) == 1):
            continue
        sides = (node.this, node.args["expression"])
        other = sides[own[0] is sides[0]]
        found = resolve(inner.scope, other) if isinstance(other, exp.Column) else None
        if own[0] in sides and found is not None and found.outer and term.owner is None:
            mine = (found.item, found.column.name, "")
            yield Equality(mine, (*term.refers.columns[0], inner.source.column_text(own[0])), None)


def _compared(
    operand: exp.Expression, query: exp.Select, inner: SelectTerms, outer: SelectTerms
) -> Term | None:
    """``column = value`` of the query whose only column is compared with a value."""
    term = _term_of(outer, operand)
    sides = (operand.this, operand.args["expression"])
    first = isinstance(sides[0].unnest(), exp.Literal | exp.Parameter)
    value = sides[0] if first else sides[1]
    column = query.expressions[0]
    if term is None or not isinstance(column, exp.Column) or len(query.expressions) > 1:
        return None
    if not isinstance(value.unnest(), exp.Literal | exp.Parameter):
        return None
    refers = references(inner.scope, column, inner.catalog)
    known = [item.column(name) for item, name in refers.columns]
    # What is compared with a time must be one.
    if not known or refers.outer or (known[0] is not None and known[0].type is ColumnType.TIME):
        return None
    tokens, (start, end) = outer.source.tokens, term.span
    bare = (start, start + 1) if first else (end - 1, end)
    text = f"({inner.source.column_text(column)}) = {outer.source.slice(bare)}"
    plain = tokens[bare[0]].text not in "()"
    return Term(column, term.span, None, refers, text) if plain else None


# x IN (SELECT key FROM ..)


def _of_members(
    operand: exp.In | None,
    row: Sequence[exp.Expression],
    query: exp.Select,
    inner: SelectTerms,
    outer: SelectTerms,
) -> Iterator[Edit]:
    """What is implied for the subquery of IN, or for the right side of EXCEPT.

    Args:
        operand: IN; None for EXCEPT and INTERSECT, to which NULLs are equal.
        row: what is compared with the rows of the query.
        query: the query.
        inner: its conditions.
        outer: those of the SELECT whose rows are compared.
    """
    derived = passed_on(query, inner.scope, inner.catalog)
    if derived is None:
        return
    term = None if operand is None else _term_of(outer, operand)
    positive = term is not None and term.owner is None
    pseudo = Item(None, body=query, derived=derived)
    for mine, column in zip(row, query.expressions, strict=False):
        other = _side(outer, mine)
        named = column.alias_or_name
        if other is None or not _is_worth_it(inner, column):
            continue
        if not (positive or _is_total(outer, other, inner, column, operand)):
            continue
        terms = [one for one in outer.terms if not outer.names_costly(one.node)]
        key: Side = (pseudo, named, "")
        equalities = [*outer.equalities, Equality(key, other, None)]
        joined = replace(outer.joined(), terms=terms, equalities=equalities)
        implied = _row_by_row(outer, inner, other, derived.columns.get(named.lower(), ""))
        implied = implied or joined.condition_on(pseudo)
        if implied:
            yield from derived.edits(inner.source, [implied])
            return


def _row_by_row(outer: SelectTerms, inner: SelectTerms, other: Side, key: str) -> str:
    """``x = key`` where LIMIT may end the reading early, so that each row asks for its own.

    It is not said of what may not be asked by key, and would be read again for each row.
    """
    stops = outer.node.args.get("limit") is not None and not _is_lumped(outer.node)
    grouped = any(outer.node.args.get(one) for one in ("group", "windows"))
    label = other[0].label
    hidden = label is None or any(one.label == label for one in inner.scope.items)
    asked = all(one.body is None for one in inner.scope.items)
    if not stops or grouped or hidden or not asked or not key or not is_text(other):
        return ""
    return f"{written(label, other[1])} = {key}"


def _side(select: SelectTerms, node: exp.Expression) -> Side | None:
    """A column of a SELECT, also with an alias, and its item."""
    column = node.unalias()
    if not isinstance(column, exp.Column):
        return None
    refers = references(select.scope, column, select.catalog)
    if not refers.certain or len(refers.columns) != 1:
        return None
    return (*refers.columns[0], select.source.column_text(column))


def _is_worth_it(inner: SelectTerms, column: exp.Expression) -> bool:
    """Whether a query reads many sessions, which its column tells apart."""
    found = _side(inner, column)
    if found is None:
        return False
    equal = [found[:2]]
    for left, right, owner in inner.equalities:
        if owner is None and found[:2] in (left[:2], right[:2]):
            equal += [left[:2], right[:2]]
    costly = any(
        inner.is_costly(item) and (item.body is not None or name in inner.keys_of(item))
        for item, name in equal
    )
    return costly and not any(
        inner.is_named(item, {name} | inner.keys_of(item)) for item, name in equal
    )


def _is_total(
    outer: SelectTerms,
    other: Side,
    inner: SelectTerms,
    column: exp.Expression,
    operand: exp.In | None,
) -> bool:
    """Whether IN is never NULL, so that it is the same without rows that nothing equals.

    ON is asked of rows that WHERE leaves out; where there is no row, an aggregate has one of NULLs.
    """
    mine = _side(inner, column)
    clause = None if operand is None else operand.find_ancestor(exp.Where, exp.Join, exp.Select)
    of_rows = isinstance(clause, exp.Where) or not (
        isinstance(clause, exp.Join) or _is_lumped(outer.node)
    )
    sides = (other, outer), (mine, inner)
    return of_rows and all(
        side is not None and not side[0].nullable and side[1] in select.never_null(side[0])
        for side, select in sides
    )
