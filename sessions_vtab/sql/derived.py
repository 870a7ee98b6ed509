"""Subqueries in FROM, and common table expressions, into which a condition may move.

SQLite moves values into a subquery as it does into a view (``sql.view_conditions``). What is said
about a column that the subquery only passes on, or groups by, can be said in its WHERE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from sessions_vtab.contract.model import quoted
from sessions_vtab.sql.lexer import Edit, insert
from sessions_vtab.sql.names import Catalog, Item, Scope
from sessions_vtab.sql.references import references
from sessions_vtab.sql.repeatable import may_aggregate
from sessions_vtab.sql.source import ParsedStatement


@dataclass(frozen=True, slots=True)
class Derived:
    """A query whose rows an item of FROM has.

    Attributes:
        scope: the names in it.
        columns: the columns that a condition may be about, in lower case, as they are called there.
        at: index of a token in its FROM.
    """

    scope: Scope
    columns: Mapping[str, str]
    at: int

    def hides(self, names: frozenset[str]) -> bool:
        """Whether a name could mean something else in it than outside."""
        items = self.scope.items
        return any(
            not one.known or one.spelled(name) is not None for one in items for name in names
        )

    def edits(self, source: ParsedStatement, conditions: Sequence[str]) -> Iterator[Edit]:
        """Puts conditions into its WHERE."""
        block = source.block_of(self.at)
        if block is None:
            return
        text = " AND ".join(f"({one})" for one in conditions)
        tokens, where = source.tokens, block.clauses.get("WHERE")
        if where is None:
            end = block.clauses["FROM"][1]
            yield insert(tokens[end - 1].end, f" WHERE {text}", rank=-1)
            return
        yield insert(tokens[where[0]].start, "(")
        yield insert(tokens[where[1] - 1].end, f") AND {text}", rank=-1)


def derived_of(select: exp.Select, scope: Scope, catalog: Catalog) -> Derived | None:
    """What may move into a query; None where nothing may, or where SQLite moves it by itself.

    Args:
        select: the query.
        scope: the names in it.
        catalog: what names mean.
    """
    return passed_on(select, scope, catalog) if _is_worth_it(select, catalog) else None


def passed_on(select: exp.Select, scope: Scope, catalog: Catalog) -> Derived | None:
    """What may move into a query; None where nothing may.

    Args:
        select: the query.
        scope: the names in it.
        catalog: what names mean.
    """
    places = [item.at for item in scope.items if item.at >= 0]
    barred = any(select.args.get(one) for one in ("limit", "offset", "with_", "qualify", "windows"))
    if barred or scope.fixed or scope.opaque or not places:
        return None
    computed = select.find(exp.Window) is not None
    lumped = select.args.get("group") is None and aggregates(select)
    stars = any(isinstance(part, exp.Star) or part.is_star for part in select.expressions)
    vague = stars and not all(item.known for item in scope.items)
    if computed or lumped or vague:
        return None
    columns = dict(_columns(select, scope, catalog))
    return Derived(scope, columns, places[0]) if columns else None


def _is_worth_it(select: exp.Select, catalog: Catalog) -> bool:
    """Whether rows of sessions are put together in it, so that SQLite lets nothing in."""
    for table in select.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue
        schema = table.db or None
        if catalog.view(schema, table.name) is not None:
            return True
        ours = catalog.resolve(schema, table.name)
        grouped = select.find(exp.Group, exp.Distinct) is not None
        if grouped and ours is not None and ours.fans_out:
            return True
    return False


def aggregates(select: exp.Select) -> bool:
    """Whether rows may be put together without GROUP BY, as functions of the user can do."""
    sorts = [one for one in (select.args.get("order"),) if one is not None]
    parts = (*select.expressions, *sorts)
    return select.args.get("having") is not None or any(map(may_aggregate, parts))


def _columns(select: exp.Select, scope: Scope, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The columns that are passed on as they are, and grouped by where there are groups."""
    outputs = list(_outputs(select, scope))
    group = select.args.get("group")
    keys = None if group is None else {_name(one, scope, catalog) for one in group.expressions}
    numbers = () if group is None else (one.name for one in group.expressions if one.is_int)
    keyed = {int(number) - 1 for number in numbers}
    names = [name for name, _ in outputs]
    for place, (name, column) in enumerate(outputs):
        inner = None if column is None else _name(column, scope, catalog)
        grouped = keys is None or inner in keys or place in keyed
        if inner is not None and grouped and names.count(name) == 1:
            yield name, inner


def _outputs(select: exp.Select, scope: Scope) -> Iterator[tuple[str, exp.Expression | None]]:
    """Name and expression of each result column; of a star, its columns."""
    for part in select.expressions:
        bare = part.this if isinstance(part, exp.Alias) else part
        if isinstance(part, exp.Star) or isinstance(getattr(part, "this", None), exp.Star):
            table = part.table.lower() if isinstance(part, exp.Column) else ""
            for item in scope.items:
                if not table or item.label == table:
                    yield from ((name.lower(), _column(item, name)) for name in _visible(item))
        else:
            yield part.alias_or_name.lower(), bare if isinstance(bare, exp.Column) else None


def _column(item: Item, name: str) -> exp.Column:
    return exp.column(name, item.label)


def _visible(item: Item) -> Sequence[str]:
    if item.view is not None:
        return [one.name for one in item.view.view.columns]
    return [] if item.ours is None else [one.name for one in item.ours.table.visible]


def _name(column: exp.Expression, scope: Scope, catalog: Catalog) -> str | None:
    """How a column of one item is called, with its qualifier; None for anything else."""
    found = references(scope, column, catalog) if isinstance(column, exp.Column) else None
    if found is None or not found.certain or len(found.columns) != 1:
        return None
    item, name = found.columns[0]
    alone = [one.label for one in scope.items].count(item.label) == 1
    return f"{quoted(item.label)}.{quoted(name)}" if item.label and alone else None
