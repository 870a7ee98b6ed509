"""Subqueries in FROM, and common table expressions, into which a condition may move.

SQLite moves values into a subquery as it does into a view (``sql.view_conditions``). What is said
about a column that the subquery only passes on, or groups by, can be said in its WHERE; of a
compound, in that of each of its SELECTs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from sqlglot import exp

from sessions_vtab.sql.lexer import Edit, insert
from sessions_vtab.sql.names import Catalog, Item, Scope, renamed_columns
from sessions_vtab.sql.references import is_correlated, references
from sessions_vtab.sql.repeatable import may_aggregate
from sessions_vtab.sql.select_terms import SelectTerms, Side, is_text, never_null
from sessions_vtab.sql.shapes import Block
from sessions_vtab.sql.source import ParsedStatement
from sessions_vtab.sql.walk import On, Walk


@dataclass(frozen=True, slots=True)
class Derived:
    """A SELECT whose rows an item of FROM has, alone or beside those of others of a compound.

    Attributes:
        scope: the names in it.
        columns: the columns that a condition may be about, in lower case, as they are called there.
        texts: those of them that are known to hold texts.
        never_null: those of them that are known to be NULL in no row.
        at: index of a token in its FROM.
    """

    scope: Scope
    columns: Mapping[str, str]
    texts: frozenset[str]
    never_null: frozenset[str]
    at: int

    def hides(self, names: frozenset[str]) -> bool:
        """Whether a name could mean something else in it than outside."""
        items = self.scope.items
        return any(
            not one.known or one.spelled(name) is not None for one in items for name in names
        )

    def edits(self, source: ParsedStatement, conditions: Sequence[str]) -> Iterator[Edit]:
        """Puts conditions into its WHERE, but for those that are there."""
        block = source.block_of(self.at)
        if block is None:
            return
        tokens, where = source.tokens, block.clauses.get("WHERE")
        said = {*(source.conditions(where) if where is not None else ())}
        text = " AND ".join(f"({one})" for one in conditions if one not in said)
        if text and where is None:
            end = block.clauses["FROM"][1]
            yield insert(tokens[end - 1].end, f" WHERE {text}", rank=-1)
        elif text and where is not None:
            yield insert(tokens[where[0]].start, "(")
            yield insert(tokens[where[1] - 1].end, f") AND {text}", rank=-1)


def passed_on(
    select: exp.Select,
    scope: Scope,
    catalog: Catalog,
    names: Sequence[str] = (),
) -> Derived | None:
    """What may move into a SELECT; None where nothing may.

    Args:
        select: the SELECT.
        scope: the names in it.
        catalog: what names mean.
        names: what its columns are called outside, in lower case; none for what it calls them.
    """
    places = [item.at for item in scope.items if item.at >= 0]
    barred = any(select.args.get(one) for one in ("limit", "offset", "with_", "qualify", "windows"))
    if barred or scope.opaque or not places:
        return None
    computed = select.find(exp.Window) is not None
    lumped = select.args.get("group") is None and aggregates(select)
    vague = any(map(_is_star, select.expressions)) and any(
        item.visible is None for item in scope.items
    )
    if computed or lumped or vague:
        return None
    outputs = outputs_of(select, scope)
    called = names if len(names) == len(outputs) else [name for name, _ in outputs]
    found = {
        called[place]: side
        for place, side in _columns(select, scope, catalog)
        if called.count(called[place]) == 1
    }
    texts = frozenset(name for name, side in found.items() if is_text(side))
    filled = frozenset(
        name
        for name, (item, column, _) in found.items()
        if column in never_null(item, catalog) and not scope.meets_nulls(None, item)
    )
    columns = {name: item.outside(column) for name, (item, column, _) in found.items()}
    return Derived(scope, columns, texts, filled, places[0]) if columns else None


def aggregates(select: exp.Expression) -> bool:
    """Whether rows may be put together without GROUP BY, as functions of the user can do."""
    sorts = [one for one in (select.args.get("order"),) if one is not None]
    parts = (*select.expressions, *sorts)
    return select.args.get("having") is not None or any(map(may_aggregate, parts))


def _columns(select: exp.Select, scope: Scope, catalog: Catalog) -> Iterator[tuple[int, Side]]:
    """The columns that are passed on as they are, and grouped by where there are groups."""
    group = select.args.get("group")
    keys = None if group is None else {_side(one, scope, catalog) for one in group.expressions}
    numbers = () if group is None else (one.name for one in group.expressions if one.is_int)
    keyed = {int(number) - 1 for number in numbers}
    for place, (_, column) in enumerate(outputs_of(select, scope)):
        inner = None if column is None else _side(column, scope, catalog)
        if inner is not None and (keys is None or inner in keys or place in keyed):
            yield place, inner


def outputs_of(select: exp.Expression, scope: Scope) -> list[tuple[str, exp.Expression | None]]:
    """Name and expression of each result column; of a star, its columns."""
    found: list[tuple[str, exp.Expression | None]] = []
    for part in select.expressions:
        bare = part.this if isinstance(part, exp.Alias) else part
        if _is_star(part):
            table = part.table.lower() if isinstance(part, exp.Column) else ""
            for item in scope.items:
                if not table or item.label == table:
                    names = item.visible or ()
                    found += [(name.lower(), exp.column(name, item.label)) for name in names]
        else:
            column = bare if isinstance(bare, exp.Column) else None
            found.append((part.alias_or_name.lower(), column))
    return found


def _is_star(part: exp.Expression) -> bool:
    """Whether a result is ``*`` or ``x.*``."""
    bare = part.this if isinstance(part, exp.Column) else part
    return isinstance(bare, exp.Star)


def _side(column: exp.Expression, scope: Scope, catalog: Catalog) -> Side | None:
    """A column of one item that can be named; None for anything else."""
    found = references(scope, column, catalog) if isinstance(column, exp.Column) else None
    if found is None or not found.certain or len(found.columns) != 1:
        return None
    item, name = found.columns[0]
    alone = [one.label for one in scope.items].count(item.label) == 1
    return (item, name, "") if item.label and alone else None


def selects_of(query: exp.Expression) -> list[exp.Select]:
    """The SELECTs of a query, from left to right; none where LIMIT chooses among their rows."""
    bare = query.unnest()
    if isinstance(bare, exp.Select):
        return [bare]
    barred = any(bare.args.get(one) for one in ("limit", "offset", "with_"))
    if not isinstance(bare, exp.SetOperation) or barred:
        return []
    sides = [selects_of(bare.this), selects_of(bare.expression)]
    return [one for side in sides for one in side] if all(sides) else []


@dataclass(slots=True)
class TermsWalk(Walk):
    """Visits SELECTs with their conditions, and collects edits.

    Attributes:
        words: one of them is in every statement in which there is something to do; none for any.
        edits: what is to be changed.
        selects: the names of each SELECT that was visited.
    """

    words: ClassVar[frozenset[str]] = frozenset()
    edits: list[Edit] = field(default_factory=list)
    selects: dict[int, Scope] = field(default_factory=dict)

    def named(self, item: Item, node: exp.Table) -> None:
        """Notes a view of ours."""
        if item.ours is None and item.body is None:
            item.view = self.catalog.view(node.db or None, node.name)

    def branches(self, item: Item) -> Sequence[Derived]:
        """The SELECTs whose rows an item has; none unless a condition may move into each."""
        selects = selects_of(item.body) if item.body is not None else []
        if not selects or any(id(one) not in self.selects for one in selects):
            return ()
        outputs = outputs_of(selects[0], self.selects[id(selects[0])])
        renamed = renamed_columns(item.body) if item.body is not None else []
        names = [name.lower() for name in renamed or [name for name, _ in outputs]]
        found = [passed_on(one, self.selects[id(one)], self.catalog, names) for one in selects]
        branches = [one for one in found if one is not None]
        if len(branches) < len(found) or len(found) == 1:
            return branches if len(found) == 1 else ()
        # How the column of a compound compares, its SELECTs say together.
        texts = frozenset.intersection(*(one.texts for one in branches))
        filled = frozenset.intersection(*(one.never_null for one in branches))
        return [
            replace(
                one,
                columns={name: one.columns[name] for name in texts},
                texts=texts,
                never_null=filled,
            )
            for one in branches
        ]

    def terms_of(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> SelectTerms | None:
        """The conditions of a SELECT, UPDATE or DELETE; None if its tokens are not understood."""
        count, clause = len(scope.items), None
        if scope.items[0].target:
            clause = self.source.clause_of_change(scope.items[0].at, count)
        else:
            block = self._block_of(scope)
            clause = None if block is None else self.source.from_clause(block, count)
        if clause is None:
            return None
        correlated = is_correlated(node)
        found = SelectTerms(node, self.source, self.catalog, scope, clause, correlated)
        found.read(ons)
        return found

    def _block_of(self, scope: Scope) -> Block | None:
        """The tokens of a SELECT, by a name in its FROM or of its first subquery."""
        places = [item.at for item in scope.items if item.at >= 0]
        if places:
            return self.source.block_of(places[0])
        inner = [self.selects.get(id(one.body.unnest())) for one in scope.items if one.body]
        within = [one.at for found in inner if found for one in found.items if one.at >= 0]
        around = [one for one in self.source.blocks if within and one.at < within[0] < one.end]
        around.sort(key=lambda one: one.at)
        return around[-2] if len(around) > 1 else None  # The innermost is the subquery.


def is_own(query: exp.Expression | None, node: exp.Expression) -> bool:
    """Whether the rows of a query go nowhere but into one SELECT.

    Args:
        query: a subquery of its FROM, or a common table expression that it names.
        node: the SELECT.
    """
    cte = None if query is None else query.parent
    if not isinstance(cte, exp.CTE):
        return True
    root, name = node.root(), cte.alias.lower()
    named = [one for one in root.find_all(exp.Table) if not one.db and one.name.lower() == name]
    members = [one.args.get("field") for one in root.find_all(exp.In)]
    also = [one for one in members if one is not None and one.name.lower() == name]
    around: exp.Expr | None = node
    while around is not None and around.args.get("with_") is None:
        around = around.find_ancestor(exp.Query)
    before = cte.parent is not None and cte.parent.parent is around
    return before and len(named) == 1 and not also
