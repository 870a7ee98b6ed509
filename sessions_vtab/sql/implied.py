"""Which sessions a condition with a subquery is about: said in a way that SQLite can use.

A table of events is asked for the sessions that are wanted only by ``session_id = ..`` and
``session_id IN (..)``; without them SQLite reads the events of every session. Where another
condition of the statement implies such a one, that is written beside it:

* ``EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = e.session_id AND s.user_id = 'ann')`` and
  ``(SELECT s.user_id FROM ..) = 'ann'`` get ``AND e.session_id IN (SELECT s.session_id ..)``;
* so does ``(e.session_id, author) IN (SELECT s.session_id, ..)``;
* ``author = 'x' AND e.session_id IN k OR author = 'y' AND e.session_id = 'z'`` gets ``AND
  (e.session_id IN k OR e.session_id = 'z')``;
* ``FROM sessions s WHERE s.user_id = 'ann' AND s.session_id IN (SELECT e.session_id FROM events
  e)`` wants no other events than those of ``s``: its subquery gets ``WHERE e.session_id IN (SELECT
  s.session_id FROM sessions s WHERE s.user_id = 'ann')``. So does the right side of EXCEPT, and of
  INTERSECT whichever side reads more.

What is implied is true wherever its condition is, so no row comes or goes. That is also so in
UPDATE and DELETE: the same rows change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.model import ColumnType
from sessions_vtab.sql.derived import TermsWalk, aggregates, outputs_of, passed_on
from sessions_vtab.sql.lexer import Edit, insert
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.references import references
from sessions_vtab.sql.repeatable import Repeats
from sessions_vtab.sql.select_terms import (
    Equality,
    SelectTerms,
    Side,
    Term,
    is_text,
    names_values,
    never_null,
    value_of,
)
from sessions_vtab.sql.semi_joins import is_narrowed, wanted_of
from sessions_vtab.sql.shapes import Span
from sessions_vtab.sql.walk import On

_Compared = tuple[SelectTerms, Sequence[exp.Expression | None]]
"""A SELECT, and what is compared with the rows of a query for each of its own."""

_OfSubqueries = dict[int, Mapping[Item, str]]
"""What is implied for items of a SELECT by its conditions that are a subquery, by their ids."""


@dataclass(slots=True)
class ImpliedWalk(TermsWalk):
    """Writes what a condition implies beside it, or into its subquery."""

    visited: dict[int, SelectTerms] = field(default_factory=dict)
    of_subqueries: _OfSubqueries = field(default_factory=dict)

    def statement(self, tree: exp.Expression) -> None:
        """See ``Walk.statement``."""
        TermsWalk.statement(self, tree)
        for select in self.visited.values():
            self.edits += _beside(select, self.of_subqueries)

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Looks at a SELECT, UPDATE or DELETE, and at the condition whose subquery it is."""
        self.selects[id(node)] = scope
        self.edits += self._members_by_name(node, scope)
        if scope.opaque or not scope.items:
            return
        for item in scope.items:
            item.derived = next(iter(self.branches(item)), None)
        found = self.terms_of(node, scope, ons)
        if found is None:
            return
        self.visited[id(node)] = found
        if isinstance(node, exp.Select):
            self._of_compound(node, found)
            self._of_operand(node, found)

    def _members_by_name(self, node: exp.Expression, scope: Scope) -> Iterator[Edit]:
        """Writes ``IN name`` of a common table expression that is costly as the query it means."""
        for member in node.find_all(exp.In):
            named = member.args.get("field")
            if named is None or named.table or member.find_ancestor(*_STATEMENTS) is not node:
                continue
            body = scope.queries.get(named.name.lower())
            at = self.source.parsed.token_of(named.this)
            known = Repeats(self.catalog, scope.queries)
            if body is not None and at >= 0 and known.names_costly(body):
                token = self.source.tokens[at]
                yield Edit(token.start, token.end, f"(SELECT * FROM {token.text})")

    def _of_compound(self, node: exp.Select, found: SelectTerms) -> None:
        """What the left side of EXCEPT or INTERSECT says about its right side, or that about it."""
        selects = _left_of(node)
        left = [one for one in (self.visited.get(id(part)) for part in selects) if one is not None]
        compared = [(one, _results(one)) for one in left]
        whole = bool(left) and len(left) == len(selects)
        told = _of_members(None, compared, found) if whole else None
        self.edits += told or ()
        compound = node.parent
        if told is None and isinstance(compound, exp.Intersect):
            # All are compared as the first of them says.
            alike = found.repeats.compares_as_text(compound.this)
            for one in left if alike else ():
                self.edits += _of_members(None, [(found, _results(found))], one) or ()

    def _of_operand(self, node: exp.Select, found: SelectTerms) -> None:
        """What the SELECT around a subquery says about it, or the subquery about that."""
        operand = _operand(node)
        around = operand.find_ancestor(*_STATEMENTS) if operand is not None else None
        outer = self.visited.get(id(around))
        if operand is None or outer is None:
            return
        if isinstance(operand, exp.In):
            row = (
                operand.this.expressions if isinstance(operand.this, exp.Tuple) else [operand.this]
            )
            self.edits += _of_members(operand, [(outer, row)], found) or ()
        elif not (_is_lumped(node) or node.args.get("with_")):
            self.of_subqueries[id(operand)] = dict(_of_existence(operand, node, found, outer))


_STATEMENTS = (exp.Select, exp.Update, exp.Delete)


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


def _left_of(query: exp.Select) -> list[exp.Expr]:
    """The SELECTs of whose rows EXCEPT or INTERSECT leaves some, by those of a query."""
    compound = query.parent
    if not isinstance(compound, exp.Except | exp.Intersect) or compound.expression is not query:
        return []
    pending, found = [compound.this], list[exp.Expr]()
    while pending:
        part = pending.pop().unnest()
        if isinstance(part, exp.SetOperation):
            pending.append(part.this)
            pending += [part.expression] if isinstance(part, exp.Union) else []
        else:
            found.append(part)
    return found


def _results(select: SelectTerms) -> Sequence[exp.Expression | None]:
    """The columns of a SELECT, each at its place; None for what is not one."""
    known = all(item.visible is not None for item in select.scope.items)
    if not known and any(one.find(exp.Star) for one in select.node.expressions):
        return ()
    return [column for _, column in outputs_of(select.node, select.scope)]


def _is_lumped(query: exp.Expression) -> bool:
    """Whether a query has a row even where no row meets its conditions."""
    return query.args.get("group") is None and aggregates(query)


def _term_of(outer: SelectTerms, operand: exp.Expression) -> Term | None:
    """The condition of a SELECT that is nothing but its operand."""
    return next((one for one in outer.terms if one.node.unnest() is operand), None)


def _beside(select: SelectTerms, of_subqueries: _OfSubqueries) -> Iterator[Edit]:
    """Writes what the conditions of a SELECT imply for its items beside them."""
    conditions = [one for term in select.terms for one in select.source.conditions(term.span)]
    said = {*conditions, *(f"({one})" for one in conditions)}
    items = [
        one
        for one in select.scope.items
        if (select.is_costly(one) or one.reserved) and not is_narrowed(select, one)
    ]
    for term in (one for one in select.terms if items and one.only is None):
        implied = [_Implied(select, one, of_subqueries).by(term.node, term.span) for one in items]
        texts = [one for one in dict.fromkeys(implied) if one and one not in said]
        if texts:
            tokens, (first, end) = select.source.tokens, term.span
            before, after = ("(", ")") if isinstance(term.node, exp.Or) else ("", "")
            yield insert(tokens[first].start, before)
            yield insert(tokens[end - 1].end, " AND ".join((after, *texts)), rank=-1)


class _Implied(NamedTuple):
    """What conditions imply for the keys of an item.

    Attributes:
        select: whose conditions they are.
        item: one of its items.
        of_subqueries: what subqueries imply.
    """

    select: SelectTerms
    item: Item
    of_subqueries: _OfSubqueries

    def by(self, node: exp.Expression, span: Span) -> str:
        """What is true wherever a condition is; '' if that says nothing about a key.

        Args:
            node: the condition.
            span: its tokens.
        """
        parts = self.select.source.operands(node, span)
        light_first = sorted(parts, key=lambda one: self.select.names_costly(one[0]))
        found = list(dict.fromkeys(self.by(*one) for one in light_first))
        if not parts:
            return self._by_one(node, span)
        if not isinstance(node.unnest(), exp.Or):
            return next(filter(None, found), "")
        if not all(found):
            return ""
        return f"({' OR '.join(found)})" if len(found) > 1 else found[0]

    def _by_one(self, node: exp.Expression, span: Span) -> str:
        """The same of a condition without AND and OR."""
        select, item = self.select, self.item
        known = self.of_subqueries.get(id(node.unnest()), {}).get(item)
        refers = references(select.scope, node, select.catalog)
        if known is not None or item not in refers.items:
            return known or ""
        keys = refers.named(item, lambda name: item.inside(name) is not None)
        if names_values(node, keys) and select.repeats.condition(node):
            return select.source.slice(span)
        return next(select.of_row(Term(node, span, None, refers), item), "")


# EXISTS (SELECT .. WHERE x = key), (SELECT y FROM .. WHERE x = key) = 'value'


def _of_existence(
    operand: exp.Expression, query: exp.Select, inner: SelectTerms, outer: SelectTerms
) -> Iterator[tuple[Item, str]]:
    """What is implied for items of the SELECT that a correlated subquery stands in."""
    found = list(_compared(operand, query, inner)) if isinstance(operand, exp.EQ) else []
    if isinstance(operand, exp.EQ) and not found:
        return
    links = list(_links(inner))
    for item in dict.fromkeys(one.left[0] for one in links):
        if item not in outer.scope.items or not outer.is_costly(item) or is_narrowed(outer, item):
            continue
        terms = [one for one in inner.terms if not one.refers.outer and inner.holds(one, item)]
        equalities = [*inner.equalities, *(one for one in links if one.left[0] is item)]
        wanted = wanted_of(replace(inner, terms=[*found, *terms], equalities=equalities), item)
        if wanted is not None:
            implied = wanted.condition(item.outside)
            yield item, f"({implied})" if len(wanted.keys) > 1 else implied


def _links(inner: SelectTerms) -> Iterator[Equality]:
    """The equalities of a column of a SELECT around a query with one of its own."""
    for term in inner.terms:
        node, refers = term.node.unnest(), term.refers
        if not (isinstance(node, exp.EQ) and len(refers.around) == len(refers.nodes) == 1):
            continue
        (item, name, other), (own,) = refers.around[0], refers.nodes
        if {id(own), id(other)} == {id(node.this), id(node.args["expression"])}:
            text = inner.source.column_text(own)
            yield Equality((item, name, ""), (*refers.columns[0], text), term.place)


def _compared(operand: exp.Expression, query: exp.Select, inner: SelectTerms) -> Iterator[Term]:
    """``column = value`` of the query whose only column is compared with a value."""
    sides = [operand.this.unnest(), operand.args["expression"].unnest()]
    value = next(filter(None, map(value_of, sides)), "")
    column = query.expressions[0]
    if not (isinstance(column, exp.Column) and len(query.expressions) == 1 and value):
        return
    refers = references(inner.scope, column, inner.catalog)
    known = [item.column(name) for item, name in refers.columns]
    # What is compared with a time must be one.
    if not known or refers.outer or (known[0] is not None and known[0].type is ColumnType.TIME):
        return
    text = f"({inner.source.column_text(column)}) = {value}"
    yield Term(column, (0, 0), None, refers, text)


# x IN (SELECT key FROM ..)


def _of_members(
    operand: exp.In | None, compared: Sequence[_Compared], inner: SelectTerms
) -> list[Edit] | None:
    """What is implied for the subquery of IN, or for a side of EXCEPT or INTERSECT.

    Args:
        operand: IN; None for EXCEPT and INTERSECT, to which NULLs are equal.
        compared: what is compared with the rows of the query, of each SELECT of a compound.
        inner: the query.

    Returns:
        What says so, nothing if that is said already; None if nothing is implied.
    """
    query = inner.node
    derived = (
        passed_on(query, inner.scope, inner.catalog) if isinstance(query, exp.Select) else None
    )
    if derived is None:
        return None
    pseudo = Item(None, body=query, derived=derived)
    for place, (name, column) in enumerate(outputs_of(query, inner.scope)):
        key = derived.columns.get(name)
        mine = None if key is None else _side(inner, column)
        others = [_side(outer, row[place]) for outer, row in compared if place < len(row)]
        sides = [(one, other) for (one, _), other in zip(compared, others, strict=False) if other]
        if mine is None or len(sides) < len(compared) or not _is_worth_it(inner, mine):
            continue
        if not all(_is_sound(operand, outer, other, inner, mine) for outer, other in sides):
            continue
        implied = "" if operand is None else _row_by_row(*sides[0], inner)
        queries = [] if implied else [_wanted(outer, other, pseudo, name) for outer, other in sides]
        if implied or all(queries):
            said = f"{implied} = {key}" if implied else f"{key} IN ({' UNION ALL '.join(queries)})"
            return list(derived.edits(inner.source, [said]))
    return None


def _wanted(outer: SelectTerms, other: Side, pseudo: Item, name: str) -> str:
    """A query of the values that a column of a SELECT has; '' if nothing narrows them.

    Args:
        outer: the SELECT.
        other: its column.
        pseudo: the rows that it is compared with.
        name: their column.
    """
    terms = [one for one in outer.terms if not outer.names_costly(one.node)]
    equalities = [*outer.equalities, Equality((pseudo, name, ""), other, None)]
    wanted = wanted_of(replace(outer, terms=terms, equalities=equalities), pseudo)
    return "" if wanted is None else wanted.queries[0]


def _row_by_row(outer: SelectTerms, other: Side, inner: SelectTerms) -> str:
    """A column that a key is equal to, where LIMIT may end the reading early.

    So each row asks for its own.

    It is not said of what may not be asked by key, and would be read again for each row.
    """
    stops = outer.node.args.get("limit") is not None and not _is_lumped(outer.node)
    grouped = any(outer.node.args.get(one) for one in ("group", "windows"))
    label = other[0].label
    hidden = label is None or any(one.label == label for one in inner.scope.items)
    asked = all(one.body is None for one in inner.scope.items)
    if not stops or grouped or hidden or not asked or not is_text(other):
        return ""
    return other[0].outside(other[1])


def _side(select: SelectTerms, node: exp.Expression | None) -> Side | None:
    """A column of a SELECT, also with an alias, and its item."""
    column = None if node is None else node.unalias()
    if not isinstance(column, exp.Column):
        return None
    refers = references(select.scope, column, select.catalog)
    if not refers.certain or len(refers.columns) != 1:
        return None
    written = select.source.parsed.token_of(column.this) >= 0  # Else it is one of a star.
    return (*refers.columns[0], select.source.column_text(column) if written else "")


def _is_worth_it(inner: SelectTerms, mine: Side) -> bool:
    """Whether a query reads many sessions, which its column tells apart."""
    equal = [mine[:2]]
    for one in inner.equalities:
        left, right = one.left, one.right
        if inner.holds(one, mine[0]) and mine[:2] in (left[:2], right[:2]):
            equal += [left[:2], right[:2]]
    costly = any(
        inner.is_costly(item) and (item.body is not None or name in inner.keys_of(item))
        for item, name in equal
    )
    return costly and not any(
        inner.is_named(item, {name} | inner.keys_of(item)) for item, name in equal
    )


def _is_sound(
    operand: exp.In | None, outer: SelectTerms, other: Side, inner: SelectTerms, mine: Side
) -> bool:
    """Whether it makes no difference when rows are missing that are equal to nothing.

    It makes one for IN that is NULL, unless the rows are left out then anyway; for EXCEPT, NULLs
    are equal. ON is asked of rows that WHERE leaves out; where there is no row, an aggregate has
    one of NULLs.
    """
    total = [
        not select.scope.meets_nulls(None, side[0])
        and side[1] in never_null(side[0], select.catalog)
        for side, select in ((other, outer), (mine, inner))
    ]
    if operand is None:
        return any(total) and not _is_lumped(outer.node)
    term = _term_of(outer, operand)
    if term is not None and outer.scope.holds(term.place, _ANY):
        return True
    clause = operand.find_ancestor(exp.Where, exp.Join, *_STATEMENTS)
    of_rows = isinstance(clause, exp.Where) or not (
        isinstance(clause, exp.Join) or _is_lumped(outer.node)
    )
    return of_rows and all(total)


_ANY = Item(None)
"""What all rows of a SELECT are joined with."""
